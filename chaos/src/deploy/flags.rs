//! The chart's values `flags` and the program's flags: the same names, and types that Helm can check.
//!
//! In: what `bellwether serve --help` says. Out: that part of `values.schema.json`. What the chart itself sets, or what
//! makes no sense in a pod, is not in it.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use bellwether::flags::{Command, help};
use serde_json::{Map, Value, json};

/// Set by the chart, from settings of their own, or of no use in a pod.
const NOT_HERE: [&str; 27] = [
    "source",
    "upstream-ca-file",
    "upstream-cert-file",
    "upstream-key-file",
    "lease",
    "id",
    "state-dir",
    "drain-timeout",
    "stop-with-stdin",
    "admin-token-file",
    "wait-for-healthcheck-interval",
    "address",
    "support-listener",
    "replication-listener",
    "replication-address",
    "peers",
    "replication-tls-cert",
    "replication-tls-key",
    "replication-tls-ca",
    "replication-tls-shared-name",
    "replication-token-file",
    "replication-plaintext",
    "kubeconfig",
    "kubernetes-in-cluster",
    "kubernetes-status-from-service",
    "rollout",
    "version",
];

/// Go's durations, as far as anybody writes them.
const DURATION: &str = "^(0|([0-9]+(\\.[0-9]+)?(ms|s|m|h))+)$";

/// That the schema knows the flags as they are.
pub(super) fn check() -> Result<()> {
    let schema = read()?;
    let known = &schema["properties"]["flags"]["properties"];
    let expected = expected(&help(Command::Serve));
    ensure!(!expected.is_empty(), "the help names no flags");
    for (name, one) in &expected {
        ensure!(
            &known[name] == one,
            "values.schema.json does not know -{name} as it is; run: cargo run -p chaos -- deploy --write"
        );
    }
    let extra = known.as_object().into_iter().flatten().find(|(name, _)| !expected.contains_key(*name));
    ensure!(extra.is_none(), "values.schema.json has a flag that the program has not: {extra:?}");
    Ok(())
}

/// Writes them into the schema.
pub(super) fn write() -> Result<()> {
    let mut schema = read()?;
    schema["properties"]["flags"]["properties"] = Value::Object(expected(&help(Command::Serve)));
    let text = serde_json::to_string_pretty(&schema)? + "\n";
    std::fs::write(path(), text).context("write values.schema.json")
}

fn path() -> PathBuf {
    super::root().join("chart/values.schema.json")
}

fn read() -> Result<Value> {
    let text = std::fs::read_to_string(path()).context("read values.schema.json")?;
    serde_json::from_str(&text).context("values.schema.json")
}

/// For each flag of `help` what its value may be.
fn expected(help: &str) -> Map<String, Value> {
    let mut all = Map::new();
    let mut lines = help.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(flag) = line.strip_prefix("  -").filter(|flag| !flag.contains(' ')) else { continue };
        let (name, kind) = flag.split_once('=').unwrap_or((flag, ""));
        let mut about = Vec::new();
        while let Some(text) = lines.next_if(|line| line.starts_with("        ")) {
            about.push(text.trim());
        }
        let about = about.join(" ");
        if !NOT_HERE.contains(&name) {
            all.insert(name.to_owned(), schema(kind, &about));
        }
    }
    all
}

fn schema(kind: &str, about: &str) -> Value {
    let text = || json!({"type": "string"});
    let mut one = match kind {
        "" => json!({"type": "boolean"}),
        "N" => json!({"type": "integer"}),
        "DURATION" => json!({"type": "string", "pattern": DURATION}),
        _ if about.contains("may be given again") => {
            json!({"anyOf": [text(), {"type": "array", "items": text()}]})
        }
        _ => text(),
    };
    one["description"] = json!(about);
    one
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chart_takes_every_flag_of_the_program() {
        check().unwrap();
    }

    #[test]
    fn flags_are_read_out_of_the_help() {
        let help = "Usage\n\nThe replica:\n  -id=TEXT\n        not here\n  -edit-route=/REGEXP/TEXT/\n        replace;\n        \
                    may be given again\n  -fast\n        quick\n  -length=DURATION\n        how long (default 3s)\n";
        let expected = expected(help);
        assert_eq!(expected.keys().collect::<Vec<_>>(), ["edit-route", "fast", "length"]);
        assert_eq!(expected["fast"], json!({"type": "boolean", "description": "quick"}));
        assert_eq!(expected["edit-route"]["description"], "replace; may be given again");
        assert_eq!(expected["edit-route"]["anyOf"][1]["type"], "array");
        assert_eq!(expected["length"]["pattern"], DURATION);
    }
}
