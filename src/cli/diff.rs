//! `bellwether diff`: what changed between two tables that a replica keeps, route by route.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use clap::Parser;
use http::StatusCode;
use serde_json::Value;

use super::client::Client;
use super::{CliError, block_on, print};
use crate::eskip::{self, Backend, Route};

/// How long a replica may take to answer with a table.
const DEADLINE: Duration = Duration::from_secs(20);

/// Compare two of the last 16 tables that a replica served; without versions, list them.
#[derive(Debug, Parser)]
#[command(after_help = "One version is compared with the newest table.")]
pub(super) struct DiffOptions {
    /// The older table, as EPOCH.SEQUENCE
    from: Option<String>,
    /// The newer table
    to: Option<String>,
    /// The support listener of any replica
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9911")]
    server: String,
}

/// Asks and prints.
///
/// # Errors
///
/// Where the replica does not answer, or does not keep one of the tables.
pub(super) fn run(options: &DiffOptions) -> Result<(), CliError> {
    print(&block_on(compare(options))??)
}

async fn compare(options: &DiffOptions) -> Result<String, CliError> {
    let client = Client::new(DEADLINE);
    let Some(from) = &options.from else { return Ok(listing(&kept(&client, options).await?)) };
    let to = match &options.to {
        Some(to) => to.clone(),
        None => newest(&kept(&client, options).await?)
            .ok_or_else(|| CliError::Failed(format!("{} keeps no table", options.server)))?,
    };
    let tables = (table(&client, options, from).await?, table(&client, options, &to).await?);
    Ok(format!("{from} -> {to}: {}", differences(&tables.0, &tables.1)))
}

async fn kept(client: &Client, options: &DiffOptions) -> Result<Vec<Value>, CliError> {
    let failed = |error: String| CliError::Failed(error);
    let body = client.get(&options.server, "/snapshots").await.map_err(|error| failed(error.to_string()))?;
    serde_json::from_slice(&body)
        .map_err(|error| failed(format!("{} does not answer JSON: {error}", options.server)))
}

async fn table(client: &Client, options: &DiffOptions, version: &str) -> Result<Vec<Route>, CliError> {
    let path = format!("/snapshots/{}", eskip::query_escape(version));
    let answer = client.answer(&options.server, &path).await;
    let (status, body) = answer.map_err(|error| CliError::Failed(error.to_string()))?;
    let text = String::from_utf8_lossy(&body);
    match status {
        StatusCode::OK => {}
        StatusCode::BAD_REQUEST => return Err(CliError::Usage(text.trim().to_owned())),
        _ => return Err(CliError::Failed(format!("{}: {}", options.server, text.trim()))),
    }
    eskip::parse(&text).map_err(|error| CliError::Failed(format!("the table of {version}: {error}")))
}

fn newest(kept: &[Value]) -> Option<String> {
    Some(kept.last()?["versions"].as_array()?.last()?.as_str()?.to_owned())
}

/// One line for each table, the newest last.
fn listing(kept: &[Value]) -> String {
    let mut text = format!("{:<12}{:<14}{:<9}READ AT\n", "VERSION", "DIGEST", "ROUTES");
    for one in kept {
        let versions = one["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
        let version = versions.last().and_then(Value::as_str).unwrap_or("-");
        let digest: String = one["digest"].as_str().unwrap_or("-").chars().take(12).collect();
        let (routes, at) =
            (one["routes"].as_u64().unwrap_or_default(), one["read_at"].as_str().unwrap_or("-"));
        let _ = writeln!(text, "{version:<12}{digest:<14}{routes:<9}{at}");
    }
    text
}

/// A summary, then each route that is not the same on both sides.
fn differences(from: &[Route], to: &[Route]) -> String {
    let by_id = |routes: &[Route]| -> BTreeMap<String, Route> {
        routes.iter().map(|route| (route.id.clone(), route.clone())).collect()
    };
    let (old, new) = (by_id(from), by_id(to));
    let (mut added, mut removed, mut changed, mut text) = (0, 0, 0, String::new());
    let ids: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for id in &ids {
        match (old.get(*id), new.get(*id)) {
            (None, Some(route)) => {
                added += 1;
                let _ = writeln!(text, "+ {id}: {route}");
            }
            (Some(route), None) => {
                removed += 1;
                let _ = writeln!(text, "- {id}: {route}");
            }
            (Some(before), Some(after)) if before != after => {
                changed += 1;
                let _ = writeln!(text, "~ {id}");
                text.push_str(&parts_that_differ(before, after));
            }
            _ => {}
        }
    }
    let same = ids.len() - added - removed - changed;
    format!("{added} added, {removed} removed, {changed} changed, {same} the same\n{text}")
}

/// The predicates, filters and endpoints that only one side has; both routes where nothing but their order changed.
fn parts_that_differ(before: &Route, after: &Route) -> String {
    let (old, new) = (parts(before), parts(after));
    let only = |these: &[String], others: &[String], sign: char| {
        let mut left = others.to_vec();
        let mut text = String::new();
        for part in these {
            match left.iter().position(|other| other == part) {
                Some(at) => drop(left.swap_remove(at)),
                None => text.push_str(&format!("    {sign} {part}\n")),
            }
        }
        text
    };
    let text = only(&old, &new, '-') + &only(&new, &old, '+');
    if text.is_empty() { format!("    - {before}\n    + {after}\n") } else { text }
}

fn parts(route: &Route) -> Vec<String> {
    let canonical = route.canonical();
    let mut parts: Vec<String> = canonical.predicates.iter().map(ToString::to_string).collect();
    parts.extend(canonical.filters.iter().map(|filter| format!("-> {filter}")));
    match &canonical.backend {
        Backend::LoadBalanced { algorithm, endpoints } => {
            parts.push(format!("-> <{algorithm}>"));
            let zone = |zone: &str| if zone.is_empty() { String::new() } else { format!(" in {zone}") };
            parts.extend(endpoints.iter().map(|it| format!("-> {:?}{}", it.address, zone(&it.zone))));
        }
        backend => parts.push(format!("-> {backend}")),
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_route_is_added_removed_changed_or_the_same() {
        let parse = |text: &str| eskip::parse(text).expect("routes");
        let from = parse(
            r#"a: Path("/a") -> setPath("/x") -> <roundRobin, "http://10.0.0.1:80", "http://10.0.0.2:80">;
               b: Path("/b") -> <shunt>; c: * -> <shunt>; d: * -> x() -> y() -> <shunt>;"#,
        );
        let to = parse(
            r#"a: Path("/a") -> setPath("/y") -> <roundRobin, "http://10.0.0.2:80", "http://10.0.0.3:80">;
               c: * -> <shunt>; d: * -> y() -> x() -> <shunt>; e: Path("/e") -> <shunt>;"#,
        );
        let expected = r#"1 added, 1 removed, 2 changed, 1 the same
~ a
    - -> setPath("/x")
    - -> "http://10.0.0.1:80"
    + -> setPath("/y")
    + -> "http://10.0.0.3:80"
- b: Path("/b") -> <shunt>
~ d
    - * -> x() -> y() -> <shunt>
    + * -> y() -> x() -> <shunt>
+ e: Path("/e") -> <shunt>
"#;
        assert_eq!(differences(&from, &to), expected);
        assert_eq!(differences(&from, &from), "0 added, 0 removed, 0 changed, 4 the same\n");
    }

    #[test]
    fn what_is_kept_is_listed() {
        let kept = serde_json::json!([
            {"versions": ["7.1", "8.0"], "digest": "0123456789abcdef", "routes": 12, "read_at": "2027-01-15T08:00:00Z"},
        ]);
        let kept = kept.as_array().expect("a list");
        assert_eq!(
            listing(kept),
            "VERSION     DIGEST        ROUTES   READ AT\n8.0         0123456789ab  12       2027-01-15T08:00:00Z\n"
        );
        assert_eq!(newest(kept).as_deref(), Some("8.0"));
    }
}
