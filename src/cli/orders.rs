//! `bellwether freeze | unfreeze | pin | rollback`, and what `guard release` shares with them: an order given to any replica,
//! and what came of it.

use clap::Parser;
use serde_json::Value;
use url::form_urlencoded::Serializer;

use super::whom::Whom;
use super::{CliError, print};

/// Whom an order goes to, and whose it is.
#[derive(Debug, Parser)]
pub(super) struct Target {
    #[command(flatten)]
    whom: Whom,
    /// Who gives the order
    #[arg(long, value_name = "NAME", env = "USER", default_value = "unknown")]
    by: String,
    /// Why
    #[arg(long, value_name = "TEXT", default_value = "")]
    why: String,
}

/// Keep what every replica serves as it is, until `bellwether unfreeze`.
#[derive(Debug, Parser)]
#[command(
    after_help = "Takes effect on every replica that can be reached, with or without a leader. What changes in the \
    cluster is read and announced to nobody. A pin or rollback that is given later takes its place."
)]
pub(super) struct FreezeOptions {
    #[command(flatten)]
    target: Target,
}

/// End a freeze, a pin or a rollback: what is read from the cluster is published again.
#[derive(Debug, Parser)]
pub(super) struct UnfreezeOptions {
    #[command(flatten)]
    target: Target,
}

/// Serve an earlier table, and hold back everything that is read, until `bellwether unfreeze`.
#[derive(Debug, Parser)]
#[command(
    after_help = "The leader publishes it; without one the next leader does, first of all. `bellwether diff` lists \
    the versions that are kept. Takes the place of a freeze."
)]
pub(super) struct PinOptions {
    /// A version that the table was served under, as EPOCH.SEQUENCE
    version: String,
    #[command(flatten)]
    target: Target,
}

/// Serve the table before the active one, and hold back everything that is read, until `bellwether unfreeze`.
#[derive(Debug, Parser)]
#[command(
    after_help = "As `bellwether pin` with the version before. While something is pinned, it goes one table further \
    back."
)]
pub(super) struct RollbackOptions {
    #[command(flatten)]
    target: Target,
}

pub(super) fn freeze(options: &FreezeOptions) -> Result<(), CliError> {
    give(&options.target, "/orders/freeze", None)
}

pub(super) fn unfreeze(options: &UnfreezeOptions) -> Result<(), CliError> {
    give(&options.target, "/orders/unfreeze", None)
}

pub(super) fn pin(options: &PinOptions) -> Result<(), CliError> {
    give(&options.target, "/orders/pin", Some(&options.version))
}

pub(super) fn rollback(options: &RollbackOptions) -> Result<(), CliError> {
    give(&options.target, "/orders/rollback", None)
}

/// Gives the order at `path`, and prints what came of it.
///
/// # Errors
///
/// Where it was not taken.
pub(super) fn give(target: &Target, path: &str, version: Option<&str>) -> Result<(), CliError> {
    let mut query = Serializer::new(String::new());
    query.append_pair("by", &target.by).append_pair("why", &target.why);
    if let Some(version) = version {
        query.append_pair("version", version);
    }
    let path = format!("{path}?{}", query.finish());
    let body = target.whom.post(&path)?;
    let taken: Value = serde_json::from_slice(&body)
        .map_err(|error| CliError::Failed(format!("{} does not answer JSON: {error}", target.whom.server)))?;
    print(&describe(&taken))
}

/// What came of an order, in a few lines.
fn describe(taken: &Value) -> String {
    let order = &taken["order"];
    let what = order["what"].as_str().unwrap_or("-");
    let mut text = format!("order {}: {what}\n", order["number"]);
    let needs_a_leader = !["freeze", "unfreeze"].contains(&what);
    match (&order["carried_out"], taken["leader"].as_str()) {
        (Value::Object(done), _) => {
            let part = |name: &str| done.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
            text += &format!("carried out by {} at {}: {}\n", part("by"), part("at"), part("said"));
        }
        (_, Some(leader)) if needs_a_leader => {
            text +=
                &format!("{leader} leads and has not carried it out yet; `bellwether status` will say so\n");
        }
        (_, None) if needs_a_leader => {
            text +=
                "there is no leader: the order is kept, and the next leader carries it out first of all\n";
        }
        _ => text += "in force on this replica\n",
    }
    let told = taken["told"].as_u64().unwrap_or_default();
    let silent = taken["not_reached"].as_array().map(Vec::as_slice).unwrap_or_default();
    let silent: Vec<&str> = silent.iter().filter_map(Value::as_str).collect();
    text += &format!("{told} other {} of it\n", if told == 1 { "replica knows" } else { "replicas know" });
    if !silent.is_empty() {
        text += &format!("not reached: {}; they are told as soon as they are\n", silent.join(", "));
    }
    if taken["is_on_disk"] == Value::Bool(false) {
        text += "NOT on disk: if every replica that knows of it stops now, it is forgotten\n";
    }
    text
}

/// What is in force, as `/status` has it, in lines for people.
pub(super) fn in_force(orders: &Value) -> String {
    let line = |order: &Value| {
        let part =
            |of: &Value, name: &str| of[name].as_str().filter(|it| !it.is_empty()).unwrap_or("-").to_owned();
        let mut line = format!(
            "  {}  by {} at {}: {}",
            part(order, "what"),
            part(order, "by"),
            part(order, "at"),
            part(order, "why")
        );
        if order["carried_out"].is_object() {
            let done = &order["carried_out"];
            line += &format!(" ({} {})", part(done, "by"), part(done, "said"));
        }
        line + "\n"
    };
    let held = ["frozen", "pinned"].map(|name| &orders[name]);
    held.into_iter().filter(|order| order.is_object()).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn taken(what: &str, leader: Option<&str>, carried_out: Value) -> Value {
        let order = json!({"number": 4, "what": what, "carried_out": carried_out});
        json!({"order": order, "leader": leader, "is_on_disk": true, "told": 1, "not_reached": ["10.0.0.7:9912"]})
    }

    #[test]
    fn what_came_of_an_order_is_said() {
        let done = json!({"by": "r1", "at": "2027-01-15T08:00:00Z", "said": "published as 8.3"});
        assert_eq!(
            describe(&taken("pin 7.41", Some("r1"), done)),
            "order 4: pin 7.41\ncarried out by r1 at 2027-01-15T08:00:00Z: published as 8.3\n\
             1 other replica knows of it\nnot reached: 10.0.0.7:9912; they are told as soon as they are\n"
        );
        let none = describe(&taken("guard release", None, Value::Null));
        assert!(none.contains("there is no leader: the order is kept"), "{none}");
        assert!(
            describe(&taken("rollback to 7.4", Some("r1"), Value::Null)).contains("not carried it out yet")
        );
        assert!(describe(&taken("freeze", None, Value::Null)).contains("\nin force on this replica\n"));
    }

    #[test]
    fn what_is_in_force_is_one_line() {
        let frozen = json!({"what": "freeze", "by": "ann", "at": "2027-01-15T08:00:00Z", "why": ""});
        let orders = json!({"frozen": frozen, "pinned": null});
        assert_eq!(in_force(&orders), "  freeze  by ann at 2027-01-15T08:00:00Z: -\n");
    }
}
