//! `bellwether status`: what running replicas say of themselves, as a table for people or as it is.

use std::time::Duration;

use clap::{Parser, ValueEnum};
use serde_json::Value;

use super::client::Client;
use super::table::columns;
use super::{CliError, block_on, print};

/// How long a replica may take to answer.
const DEADLINE: Duration = Duration::from_secs(5);
/// The columns of the table: headline and field of `/status`.
const COLUMNS: [(&str, &str); 9] = [
    ("REPLICA", "replica"),
    ("ROLE", "role"),
    ("LEADER", "leader"),
    ("VERSION", "epoch"),
    ("DIGEST", "digest"),
    ("ROUTES", "routes"),
    ("AGE", "age_seconds"),
    ("CURRENT", "current"),
    ("READY", "ready"),
];

/// Ask running replicas who leads and what they serve.
#[derive(Debug, Parser)]
#[command(after_help = "Exits with 1 if any replica does not answer; the others are printed all the same.")]
pub(super) struct StatusOptions {
    /// Support listeners of replicas; may be given again, or with commas
    #[arg(long, value_name = "URL", value_delimiter = ',', default_value = "http://127.0.0.1:9911")]
    server: Vec<String>,
    /// How to print
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// One line for each replica
    Table,
    /// What the replicas answered, one JSON document for each
    Json,
}

/// Asks and prints.
///
/// # Errors
///
/// Where a replica does not answer.
pub(super) fn run(options: &StatusOptions) -> Result<(), CliError> {
    let (answers, failures) = block_on(ask(&options.server))?;
    match options.output {
        Format::Table if answers.is_empty() => {}
        Format::Table => print(&table(&answers))?,
        Format::Json => {
            for answer in &answers {
                print(&format!("{answer:#}\n"))?;
            }
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(CliError::Failed(failures.join("; "))) }
}

/// Asks all at once; the answers are in the order of the servers.
async fn ask(servers: &[String]) -> (Vec<Value>, Vec<String>) {
    let client = Client::new(DEADLINE);
    let (mut answers, mut failures) = (Vec::new(), Vec::new());
    let asked = servers.iter().map(|server| client.get(server, "/status"));
    for (server, answer) in servers.iter().zip(futures::future::join_all(asked).await) {
        match answer.map(|body| serde_json::from_slice::<Value>(&body)) {
            Ok(Ok(status)) => answers.push(status),
            Ok(Err(error)) => failures.push(format!("{server}/status is not JSON: {error}")),
            Err(error) => failures.push(error.to_string()),
        }
    }
    (answers, failures)
}

fn table(answers: &[Value]) -> String {
    let mut text = replicas(answers);
    text.push_str(&orders(answers));
    text.push_str(&held(answers));
    text.push_str(&left_out(answers));
    text
}

/// A line for each replica.
pub(super) fn replicas(answers: &[Value]) -> String {
    let mut rows = vec![COLUMNS.map(|(headline, _)| headline.to_owned())];
    rows.extend(answers.iter().map(|status| COLUMNS.map(|(_, field)| cell(status, field))));
    columns(&rows)
}

/// What operators have ordered: the same everywhere, a second after it was.
fn orders(answers: &[Value]) -> String {
    let number = |status: &&Value| {
        let held = [&status["orders"]["frozen"], &status["orders"]["pinned"]];
        held.iter().filter_map(|order| order["number"].as_u64()).max()
    };
    let lines = answers.iter().max_by_key(number).map(|status| super::orders::in_force(&status["orders"]));
    lines.filter(|lines| !lines.is_empty()).map(|lines| format!("\nordered:\n{lines}")).unwrap_or_default()
}

/// What the leader's guard holds back.
fn held(answers: &[Value]) -> String {
    let falls = answers.iter().filter_map(|status| status["guard"]["falls"].as_array()).flatten();
    let lines: String = falls.map(|fall| format!("  {}\n", super::guard::line(fall))).collect();
    if lines.is_empty() { lines } else { format!("\nheld back by the guard:\n{lines}") }
}

/// The routes that are left out of the newest table, and why.
fn left_out(answers: &[Value]) -> String {
    let newest = answers.iter().max_by_key(|status| (status["epoch"].as_u64(), status["sequence"].as_u64()));
    let Some(quarantined) = newest.map(|status| &status["quarantined"]) else { return String::new() };
    let count = quarantined["count"].as_u64().unwrap_or_default();
    let items = quarantined["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut text = String::new();
    if count > 0 {
        text.push_str(&format!("\n{count} quarantined:\n"));
    }
    for item in items {
        let part = |field: &str| item[field].as_str().unwrap_or("-").to_owned();
        text.push_str(&format!("  {}  {}  {}\n", part("object"), part("route"), part("reason")));
    }
    text
}

/// A field as people read it; a dash where it is not known.
fn cell(status: &Value, field: &str) -> String {
    match (field, &status[field]) {
        ("epoch", Value::Number(epoch)) => match &status["sequence"] {
            Value::Number(sequence) => format!("{epoch}.{sequence}"),
            _ => epoch.to_string(),
        },
        ("digest", Value::String(digest)) => digest.chars().take(12).collect(),
        ("age_seconds", Value::Number(age)) => format!("{:.0}s", age.as_f64().unwrap_or_default()),
        (_, Value::Bool(yes)) => (if *yes { "yes" } else { "no" }).to_owned(),
        (_, Value::String(text)) if !text.is_empty() => text.clone(),
        (_, Value::Number(number)) => number.to_string(),
        _ => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_each_replica() {
        let digest = "0123456789abcdef".repeat(4);
        let leader = serde_json::json!({
            "replica": "r0", "role": "leader", "leader": "r0", "epoch": 7, "sequence": 42, "digest": digest,
            "routes": 1200, "age_seconds": 1.6, "current": true, "ready": true,
        });
        let follower =
            serde_json::json!({"replica": "r1", "role": "follower", "leader": null, "ready": false});
        assert_eq!(
            table(&[leader, follower]),
            "REPLICA  ROLE      LEADER  VERSION  DIGEST        ROUTES  AGE  CURRENT  READY\n\
             r0       leader    r0      7.42     0123456789ab  1200    2s   yes      yes\n\
             r1       follower  -       -        -             -       -    -        no\n"
        );
    }

    #[test]
    fn what_is_quarantined_follows() {
        let item = serde_json::json!({"route": "r", "object": "Ingress n/i", "reason": "a quote"});
        let status =
            serde_json::json!({"epoch": 1, "sequence": 1, "quarantined": {"count": 1, "items": [item]}});
        assert!(table(&[status]).ends_with("\n1 quarantined:\n  Ingress n/i  r  a quote\n"));
    }

    #[test]
    fn what_is_held_follows() {
        let fall = serde_json::json!({
            "measure": "routes", "kind": "Ingress", "from": 90, "to": 3, "equal_polls": 1, "needed": 3,
        });
        let status = serde_json::json!({"replica": "r0", "guard": {"since": null, "falls": [fall]}});
        let expected =
            "\nheld back by the guard:\n  routes (Ingress) fell from 90 to 3, 1 of 3 equal polls\n";
        assert!(table(&[status]).ends_with(expected));
    }

    #[test]
    fn servers_come_with_commas_or_one_by_one() {
        let parse = |line: &[&str]| StatusOptions::try_parse_from(line).unwrap();
        assert_eq!(parse(&["status"]).server, ["http://127.0.0.1:9911"]);
        assert_eq!(parse(&["status", "--server=http://a,http://b", "--server", "http://c"]).server.len(), 3);
        assert_eq!(parse(&["status", "-o", "json"]).output, Format::Json);
    }
}
