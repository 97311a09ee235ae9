//! `bellwether rollout check`: whether a fleet may move over, as the leader of a set in `pre` says.

use std::fmt::Write as _;
use std::time::Duration;

use clap::{Parser, Subcommand};
use serde_json::Value;

use super::client::Client;
use super::status::Format;
use super::table::columns;
use super::{CliError, block_on, print};
use crate::compare::{Difference, Kind};

/// How long the replica may take to answer; it waits a second for its peers.
const DEADLINE: Duration = Duration::from_secs(5);

/// Move a fleet over from what it polls now
#[derive(Debug, Parser)]
pub(super) struct RolloutOptions {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say whether it is safe to move over, and why not
    #[command(
        after_help = "Exits with 0 when it is safe, with 1 when it is not, with 2 when nobody can say."
    )]
    Check(CheckOptions),
}

#[derive(Debug, Parser)]
struct CheckOptions {
    /// The support listener of any replica
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9911")]
    server: String,
    /// How to print
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

/// Asks and prints.
///
/// # Errors
///
/// Where it is not safe, or nobody can say.
pub(super) fn run(options: &RolloutOptions) -> Result<(), CliError> {
    let Command::Check(options) = &options.command;
    let unclear = |error: String| CliError::Usage(error);
    let fleet = block_on(ask(&options.server))?.map_err(unclear)?;
    let report = comparison(&fleet).map_err(unclear)?;
    match options.output {
        Format::Table => print(&table(report))?,
        Format::Json => print(&format!("{report:#}\n"))?,
    }
    match report["verdict"].as_str() {
        Some("safe") => Ok(()),
        Some("not-yet" | "different") => Err(CliError::No),
        verdict => Err(CliError::Usage(format!("the verdict is {}", verdict.unwrap_or("missing")))),
    }
}

async fn ask(server: &str) -> Result<Value, String> {
    let answer = Client::new(DEADLINE).get(server, "/fleet").await;
    let body = answer.map_err(|error| error.to_string())?;
    serde_json::from_slice(&body).map_err(|error| format!("{server}/fleet is not JSON: {error}"))
}

/// What the leader says.
fn comparison(fleet: &Value) -> Result<&Value, String> {
    let members = fleet["replicas"].as_array().map(Vec::as_slice).unwrap_or_default();
    let rollouts = members.iter().map(|member| &member["status"]["rollout"]);
    if let Some(report) = rollouts.clone().map(|it| &it["comparison"]).find(|it| !it.is_null()) {
        return Ok(report);
    }
    let mode = rollouts.filter_map(|it| it["mode"].as_str()).next();
    Err(match mode {
        Some("pre") => "no replica that answers leads and compares; try again".to_owned(),
        Some(mode) => format!("nothing is compared with --rollout={mode}"),
        None => "these replicas say nothing of a roll-out".to_owned(),
    })
}

/// The verdict, a line for each peer, and what differs.
fn table(report: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let mut out = format!("{}\n", text(&report["verdict"]));
    for reason in report["reasons"].as_array().into_iter().flatten() {
        let _ = writeln!(out, "  {}", text(reason));
    }
    let peers = report["peers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut rows =
        vec![["PEER", "ROUTES", "DIFFERENT", "UNSETTLED", "CLEAN FOR", "CHANGES"].map(str::to_owned)];
    rows.extend(peers.iter().map(|peer| {
        let number = |field: &str| peer[field].as_u64().map_or("-".to_owned(), |number| number.to_string());
        let clean = peer["clean_seconds"].as_f64().map_or("-".to_owned(), |clean| format!("{clean:.0}s"));
        [
            text(&peer["url"]),
            number("routes"),
            number("different"),
            number("unsettled"),
            clean,
            number("changes"),
        ]
    }));
    let _ = write!(out, "\n{}", columns(&rows));
    for peer in peers {
        let found = peer["found"].as_array().map(Vec::as_slice).unwrap_or_default();
        let count = |field: &str| peer[field].as_u64().unwrap_or_default();
        if !found.is_empty() {
            let _ = writeln!(out, "\nfrom {} (-) to ours (+):", text(&peer["url"]));
        }
        for one in found {
            let _ = write!(out, "{}", difference(one));
        }
        let more = (count("different") + count("unsettled")).saturating_sub(found.len() as u64);
        if more > 0 {
            let _ = writeln!(out, "and {more} more");
        }
    }
    out
}

fn difference(found: &Value) -> Difference {
    let parts = found["parts"].as_array().into_iter().flatten();
    let parts: Vec<String> = parts.filter_map(Value::as_str).map(str::to_owned).collect();
    let kind = match found["kind"].as_str() {
        Some("added") if !parts.is_empty() => Kind::Added,
        Some("missing") if !parts.is_empty() => Kind::Missing,
        _ => Kind::Changed,
    };
    Difference { id: found["id"].as_str().unwrap_or("-").to_owned(), kind, parts }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fleet(rollout: Value) -> Value {
        json!({"replicas": [
            {"status": null},
            {"status": {"rollout": {"mode": "pre", "comparison": null}}},
            {"status": {"rollout": rollout}},
        ]})
    }

    #[test]
    fn the_leader_s_word_counts() {
        let report = json!({"verdict": "safe"});
        let whole = fleet(json!({"mode": "pre", "comparison": report}));
        assert_eq!(comparison(&whole), Ok(&report));
        let nobody = fleet(json!({"mode": "pre", "comparison": null}));
        assert!(comparison(&nobody).unwrap_err().contains("try again"));
        let exec = json!({"replicas": [{"status": {"rollout": {"mode": "exec", "comparison": null}}}]});
        assert!(comparison(&exec).unwrap_err().contains("--rollout=exec"));
        assert!(comparison(&json!({})).unwrap_err().contains("nothing of a roll-out"));
    }

    #[test]
    fn people_read_what_differs() {
        let found = [
            json!({"id": "a", "kind": "changed", "parts": ["- -> x()", "+ -> y()"], "settled": true}),
            json!({"id": "b", "kind": "missing", "parts": ["- * -> <shunt>"], "settled": false}),
        ];
        let report = json!({
            "verdict": "different", "reasons": ["http://a: 3 routes differ"],
            "peers": [
                {"url": "http://a", "routes": 7, "different": 3, "unsettled": 1, "clean_seconds": null, "changes": 0, "found": found},
                {"url": "http://b", "routes": 7, "different": 0, "unsettled": 0, "clean_seconds": 61.4, "changes": 4, "found": []},
            ],
        });
        let expected = "different\n  http://a: 3 routes differ\n\n\
             PEER      ROUTES  DIFFERENT  UNSETTLED  CLEAN FOR  CHANGES\n\
             http://a  7       3          1          -          0\n\
             http://b  7       0          0          61s        4\n\
             \nfrom http://a (-) to ours (+):\n~ a\n    - -> x()\n    + -> y()\n- b: * -> <shunt>\nand 2 more\n";
        assert_eq!(table(&report), expected);
    }
}
