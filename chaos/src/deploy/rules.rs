//! The alert rules: promtool reads them, plays their unit tests, and misses a test for none; each has its runbook.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::process::Command;

/// One rule, as far as it is looked at here.
pub(super) struct Rule {
    /// The alert's name.
    pub name: String,
    /// Its expression.
    pub query: String,
}

const RULES: &str = "chart/files/alerts.yaml";
const TESTS: &str = "alerts.test.yaml";

/// `name` out of Debian's package prometheus: on the path, or among the peers.
pub(super) fn tool(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let beside = crate::peers::binaries();
    std::env::split_paths(&path).chain([beside]).map(|dir| dir.join(name)).find(|one| one.is_file())
}

/// The rules as they are written.
pub(super) fn rules() -> Result<Vec<Rule>> {
    let file = parsed(RULES)?;
    let all =
        file["groups"].as_array().into_iter().flatten().flat_map(|group| group["rules"].as_array()).flatten();
    all.map(|rule| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (name, query) = (text(&rule["alert"]), text(&rule["expr"]));
        ensure!(!name.is_empty() && !query.is_empty(), "a rule without a name or an expression: {rule}");
        ensure!(
            ["page", "ticket"].contains(&text(&rule["labels"]["severity"]).as_str()),
            "{name} has no severity"
        );
        let link = text(&rule["annotations"]["runbook_url"]);
        ensure!(
            link == format!("RUNBOOKS#{}", name.to_lowercase()),
            "{name} leads to another runbook: {link}"
        );
        Ok(Rule { name, query })
    })
    .collect()
}

fn parsed(file: &str) -> Result<Value> {
    let text = std::fs::read_to_string(super::root().join(file)).with_context(|| format!("read {file}"))?;
    serde_saphyr::from_str(&text).with_context(|| file.to_owned())
}

/// That the rules are rules, pass their tests, and are each tested and explained.
pub(super) async fn check() -> Result<()> {
    let rules = explained()?;
    let Some(promtool) = tool("promtool") else {
        super::left_out("the tests of alerts", "promtool");
        return Ok(());
    };
    let run = async |arguments: [&str; 3]| {
        let mut command = Command::new(&promtool);
        super::output(command.args(arguments).current_dir(super::root()), "promtool").await
    };
    run(["check", "rules", RULES]).await?;
    run(["test", "rules", TESTS]).await?;
    super::said(&format!("promtool plays the tests of {} alerts", rules.len()));
    Ok(())
}

/// The rules, each of which has a test that sees it fire, and a section in the runbook; and the runbook has no other.
fn explained() -> Result<Vec<Rule>> {
    let rules = rules()?;
    let tests = std::fs::read_to_string(super::root().join(TESTS)).context("read the tests of the alerts")?;
    let runbook =
        std::fs::read_to_string(super::root().join("../docs/runbook.md")).context("read the runbook")?;
    let sections: Vec<_> = runbook.lines().filter_map(|line| line.strip_prefix("## Bellwether")).collect();
    for Rule { name, .. } in &rules {
        let fires = format!("ALERTS{{alertname=\"{name}\", alertstate=\"firing\", ");
        ensure!(tests.contains(&fires), "no test sees {name} fire");
        let suffix = name.trim_start_matches("Bellwether");
        ensure!(sections.contains(&suffix), "docs/runbook.md has no section {name}");
    }
    ensure!(sections.len() == rules.len(), "docs/runbook.md has sections for alerts that there are not");
    Ok(rules)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_alert_is_tested_and_explained() {
        assert!(super::explained().unwrap().len() > 10);
    }
}
