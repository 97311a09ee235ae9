//! What is wrong with a fleet, by what it shows of itself.
//!
//! In: the JSON of `/fleet`. Out: checks. What a replica of another release does not say is left out.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

use super::Checked;

/// Calendars that differ by more are worth a look: certificates and the ages that people read hang on them. Asking takes
/// part of a second.
const SKEW: f64 = 3.0;

/// From this age on some polls have come to nothing, in seconds.
const OLD: f64 = 15.0;

/// A client that did not poll for so long has gone, or cannot reach the fleet; in seconds.
const SILENT: f64 = 60.0;

/// All checks of the fleet.
pub(super) fn checks(fleet: &Value) -> Vec<Checked> {
    let members = items(&fleet["replicas"]);
    let known: Vec<&Value> = members.iter().map(|it| &it["status"]).filter(|it| !it.is_null()).collect();
    let mut checks = Vec::new();
    checks.extend(members.iter().filter(|it| it["status"].is_null()).map(|it| {
        let hint = "see whether it runs and its replication port can be reached";
        Checked::new(text(it, "address"), "replica", "bad", text(it, "error"), hint)
    }));
    for status in &known {
        checks.extend(replica(status, fleet["at"].as_str()));
    }
    checks.extend([leader(&known), tables(&known), releases(&known), guard(&known), orders(&known)]);
    checks.extend([objects(&known), clients(fleet)]);
    checks
}

fn replica(status: &Value, looked_at: Option<&str>) -> Vec<Checked> {
    let name = text(status, "replica");
    let mut checks = Vec::new();
    checks.push(match status["ready"].as_bool() {
        Some(false) => {
            let hint = "it takes no clients until then; its log says more";
            Checked::new(name, "ready", "bad", text(status, "unready"), hint)
        }
        _ => Checked::new(name, "ready", "good", "it is", ""),
    });
    checks.push(match (status["current"].as_bool(), status["age_seconds"].as_f64()) {
        (Some(false), _) => {
            let hint = "it moves no client to another table while it may be behind: see who leads, and its way there";
            Checked::new(name, "current", "look", "it may be behind", hint)
        }
        (_, Some(age)) if age > OLD => {
            let hint = "see the leader's log and poll_errors: the upstream cannot be read";
            Checked::new(name, "current", "look", format!("the upstream was last heard {age:.0} s ago"), hint)
        }
        _ => Checked::new(name, "current", "good", "it is", ""),
    });
    let time = |text: Option<&str>| text?.parse::<Timestamp>().ok();
    if let Some((theirs, ours)) = time(status["at"].as_str()).zip(time(looked_at)) {
        let skew = theirs.duration_since(ours).as_secs_f64();
        checks.push(if skew.abs() > SKEW {
            let hint = "set the clocks of the machines; nothing is decided by them but when certificates end";
            Checked::new(name, "clock", "look", format!("{skew:+.1} s from the one that looked"), hint)
        } else {
            Checked::new(name, "clock", "good", "it agrees", "")
        });
    }
    checks
}

fn leader(known: &[&Value]) -> Checked {
    let leaders: Vec<_> =
        known.iter().filter(|it| it["role"] == "leader").map(|it| text(it, "replica")).collect();
    match leaders[..] {
        [one] => Checked::new("fleet", "leader", "good", format!("{one} leads"), ""),
        [] => {
            let hint = "see whether the Lease can be read and written; every replica serves what it has";
            Checked::new("fleet", "leader", "bad", "nobody leads", hint)
        }
        // One that was cut off says so until its validity ends; it publishes nothing then.
        _ => {
            let hint = "ask again in some seconds: one of them is about to notice";
            Checked::new(
                "fleet",
                "leader",
                "look",
                format!("{} say that they lead", leaders.join(", ")),
                hint,
            )
        }
    }
}

fn tables(known: &[&Value]) -> Checked {
    let version = |it: &Value| Some(format!("{}.{}", it["epoch"].as_u64()?, it["sequence"].as_u64()?));
    let distinct = |of: &dyn Fn(&Value) -> Option<String>| {
        known.iter().map(|it| of(it).unwrap_or_else(|| "none".to_owned())).collect::<BTreeSet<_>>()
    };
    let digests = distinct(&|it| it["digest"].as_str().map(|digest| digest.chars().take(12).collect()));
    let versions = distinct(&version);
    let joined = |all: BTreeSet<String>| all.into_iter().collect::<Vec<_>>().join(", ");
    if digests.len() > 1 {
        let hint = "replicas that reach the leader agree within a second: see who is not current, and why";
        return Checked::new(
            "fleet",
            "tables",
            "bad",
            format!("several are served: {}", joined(digests)),
            hint,
        );
    }
    if versions.len() > 1 {
        let hint = "the table is the same; ask again, and see who is not current if it stays";
        return Checked::new(
            "fleet",
            "tables",
            "look",
            format!("several versions: {}", joined(versions)),
            hint,
        );
    }
    if digests.contains("none") {
        let hint = "see whether the upstream can be read, and whether it has any route";
        return Checked::new("fleet", "tables", "bad", "nothing is served", hint);
    }
    Checked::new("fleet", "tables", "good", format!("all serve {}", joined(versions)), "")
}

fn releases(known: &[&Value]) -> Checked {
    let all: BTreeSet<_> = known.iter().map(|it| text(it, "version")).collect();
    let joined = all.iter().copied().collect::<Vec<_>>().join(", ");
    if all.len() > 1 {
        let hint = "well in a rolling update; one minor version apart at most";
        return Checked::new("fleet", "releases", "look", joined, hint);
    }
    Checked::new("fleet", "releases", "good", joined, "")
}

fn guard(known: &[&Value]) -> Checked {
    if known.iter().any(|it| !it["guard"].is_null()) {
        let hint = "bellwether status says what fell; bellwether guard release lets it pass";
        return Checked::new("fleet", "guard", "look", "a table is held back", hint);
    }
    Checked::new("fleet", "guard", "good", "nothing is held back", "")
}

fn orders(known: &[&Value]) -> Checked {
    let in_force =
        ["frozen", "pinned"].iter().find(|what| known.iter().any(|it| !it["orders"][**what].is_null()));
    match in_force {
        Some(what) => {
            let hint = "bellwether status says by whom and why; bellwether unfreeze ends it";
            Checked::new("fleet", "orders", "look", format!("tables are {what}"), hint)
        }
        None => Checked::new("fleet", "orders", "good", "none is in force", ""),
    }
}

fn objects(known: &[&Value]) -> Checked {
    let count =
        |field: &str| known.iter().filter_map(|it| it[field]["count"].as_u64()).max().unwrap_or_default();
    let (routes, wrong) = (count("quarantined"), count("diagnostics"));
    if routes > 0 {
        let hint =
            "bellwether status says how to mend them; owners of objects in Kubernetes have an Event each";
        return Checked::new("fleet", "objects", "look", format!("{routes} routes are quarantined"), hint);
    }
    // Of a large fleet some objects always have something; their routes are served.
    Checked::new(
        "fleet",
        "objects",
        "good",
        format!("none is quarantined, {wrong} have something to say"),
        "",
    )
}

fn clients(fleet: &Value) -> Checked {
    let clients = items(&fleet["clients"]);
    let behind = |it: &&Value| it["standing"]["behind"].as_u64().is_some_and(|tables| tables > 1);
    let silent = |it: &&Value| it["age_seconds"].as_f64().is_some_and(|age| age > SILENT);
    let named = |them: Vec<&Value>| {
        let some: Vec<_> = them.iter().take(5).map(|it| text(it, "address")).collect();
        format!("{} ({}{})", them.len(), some.join(", "), if them.len() > 5 { ", …" } else { "" })
    };
    let late: Vec<_> = clients.iter().filter(|it| behind(it) && !silent(it)).collect();
    if !late.is_empty() {
        let hint = "they poll and do not take what is newer: see their logs, and bodies_refused here";
        return Checked::new("fleet", "clients", "look", format!("{} are behind", named(late)), hint);
    }
    let gone = clients.iter().filter(silent).count();
    let found = format!("{} poll, none is behind; {gone} have stopped", clients.len() - gone);
    Checked::new("fleet", "clients", "good", found, "")
}

fn items(list: &Value) -> &[Value] {
    list.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or("?")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fleet() -> Value {
        let status = |name: &str, role: &str| {
            json!({
                "replica": name, "role": role, "epoch": 7, "sequence": 42, "digest": "0123456789abcdef", "ready": true,
                "current": true, "age_seconds": 1.5, "version": "0.1.0", "at": "2027-01-15T08:00:00Z", "guard": null,
                "orders": {"frozen": null, "pinned": null}, "quarantined": {"count": 0}, "diagnostics": {"count": 3},
            })
        };
        let member = |status: Value| json!({"address": "r:9912", "status": status, "error": null});
        json!({
            "seen_by": "r0", "at": "2027-01-15T08:00:00.4Z",
            "replicas": [member(status("r0", "leader")), member(status("r1", "follower"))],
            "clients": [
                {"address": "10.2.0.7", "standing": {"behind": 1}, "age_seconds": 2.0},
                {"address": "10.2.0.8", "standing": {"behind": 9}, "age_seconds": 90.0},
            ],
        })
    }

    #[test]
    fn a_fleet_that_is_well_has_nothing_but_good_checks() {
        let checks = checks(&fleet());
        assert!(checks.iter().all(Checked::is_good), "{checks:?}");
        assert_eq!(checks.len(), 2 * 3 + 7);
    }

    #[test]
    fn each_thing_that_is_wrong_is_found_by_its_own_check() {
        type Harm = fn(&mut Value);
        let cases: [(Harm, &str, &str, &str); 13] = [
            (|it| it["replicas"][1]["status"] = Value::Null, "replica", "bad", "?"),
            (|it| it["replicas"][1]["status"]["ready"] = json!(false), "ready", "bad", "?"),
            (|it| it["replicas"][1]["status"]["current"] = json!(false), "current", "look", "may be behind"),
            (|it| it["replicas"][0]["status"]["age_seconds"] = json!(60), "current", "look", "60 s ago"),
            (
                |it| it["replicas"][1]["status"]["at"] = json!("2027-01-15T07:59:50Z"),
                "clock",
                "look",
                "-10.4 s",
            ),
            (|it| it["replicas"][0]["status"]["role"] = json!("follower"), "leader", "bad", "nobody leads"),
            (|it| it["replicas"][1]["status"]["role"] = json!("leader"), "leader", "look", "r0, r1 say"),
            (|it| it["replicas"][1]["status"]["digest"] = json!("f"), "tables", "bad", "0123456789ab, f"),
            (|it| it["replicas"][1]["status"]["sequence"] = json!(41), "tables", "look", "7.41, 7.42"),
            (
                |it| it["replicas"][1]["status"]["version"] = json!("0.2.0"),
                "releases",
                "look",
                "0.1.0, 0.2.0",
            ),
            (|it| it["replicas"][0]["status"]["guard"] = json!({}), "guard", "look", "held back"),
            (|it| it["replicas"][0]["status"]["orders"]["pinned"] = json!({}), "orders", "look", "pinned"),
            (
                |it| it["clients"][0]["standing"]["behind"] = json!(2),
                "clients",
                "look",
                "1 (10.2.0.7) are behind",
            ),
        ];
        for (harm, what, verdict, found) in cases {
            let mut fleet = fleet();
            harm(&mut fleet);
            let wrong: Vec<_> = checks(&fleet).into_iter().filter(|it| !it.is_good()).collect();
            assert_eq!(wrong.len(), 1, "{what}: {wrong:?}");
            let it = &wrong[0];
            assert_eq!((it.what.as_str(), it.verdict.as_str()), (what, verdict), "{it:?}");
            assert!(it.found.contains(found) && !it.hint.is_empty(), "{it:?}");
        }
    }
}
