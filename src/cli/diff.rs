//! `bellwether diff`: what is different between two tables, route by route: of a replica's last ones, of files, of whoever
//! serves one.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use clap::Parser;
use http::StatusCode;
use serde_json::Value;

use super::client::Client;
use super::status::Format;
use super::{CliError, block_on, print};
use crate::compare::{self, Differences};
use crate::eskip::{self, Route};
use crate::rollout::peer::Peer;
use crate::snapshot::Version;

/// How long anybody may take to answer with a table.
const DEADLINE: Duration = Duration::from_secs(20);

/// Compare two tables; without any, list the last 16 that a replica served.
#[derive(Debug, Parser)]
#[command(
    after_help = "A table is a version of the replica's (EPOCH.SEQUENCE), a file of routes, or a URL: of /routes of a route \
                  server, of the support listener of a Skipper (http://HOST:9911). One alone is compared with the newest \
                  of the replica. Exits with 0 when they mean the same, with 1 when they do not, with 2 on an error."
)]
pub(super) struct DiffOptions {
    /// The older table
    from: Option<String>,
    /// The newer table
    to: Option<String>,
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
/// Where the tables differ, or one of them cannot be had.
pub(super) fn run(options: &DiffOptions) -> Result<(), CliError> {
    let outcome = block_on(compare(options))?.map_err(|error| match error {
        CliError::Closed => error,
        // 1 is for tables that differ.
        other => CliError::Usage(other.to_string()),
    });
    let Some((title, found)) = outcome? else { return Ok(()) };
    match options.output {
        Format::Table => print(&format!("{title}: {found}"))?,
        Format::Json => print(&format!("{:#}\n", serde_json::json!(found)))?,
    }
    if found.differences.is_empty() { Ok(()) } else { Err(CliError::No) }
}

/// None where a list was asked for, and printed.
async fn compare(options: &DiffOptions) -> Result<Option<(String, Differences)>, CliError> {
    let client = Client::new(DEADLINE);
    let Some(from) = &options.from else {
        let kept = kept(&client, options).await?;
        let text = match options.output {
            Format::Table => listing(&kept),
            Format::Json => format!("{:#}\n", Value::from(kept)),
        };
        return print(&text).map(|()| None);
    };
    let to = match &options.to {
        Some(to) => to.clone(),
        None => newest(&kept(&client, options).await?)
            .ok_or_else(|| CliError::Failed(format!("{} keeps no table", options.server)))?,
    };
    let tables = (table(&client, options, from).await?, table(&client, options, &to).await?);
    Ok(Some((format!("{from} -> {to}"), compare::tables(&tables.0, &tables.1))))
}

async fn kept(client: &Client, options: &DiffOptions) -> Result<Vec<Value>, CliError> {
    let failed = |error: String| CliError::Failed(error);
    let body = client.get(&options.server, "/snapshots").await.map_err(|error| failed(error.to_string()))?;
    serde_json::from_slice(&body)
        .map_err(|error| failed(format!("{} does not answer JSON: {error}", options.server)))
}

/// The table that `name` stands for.
async fn table(client: &Client, options: &DiffOptions, name: &str) -> Result<Vec<Route>, CliError> {
    let failed = |error: String| CliError::Failed(format!("{name}: {error}"));
    let text = if name.contains("://") {
        let mut peer = Peer::new(name, DEADLINE).map_err(|error| failed(error.to_string()))?;
        let shown = peer.look().await.map_err(|error| failed(error.to_string()))?;
        shown.map(|shown| shown.text).unwrap_or_default()
    } else if name.parse::<Version>().is_ok() && !Path::new(name).is_file() {
        version(client, options, name).await?
    } else {
        std::fs::read_to_string(name).map_err(|error| failed(error.to_string()))?
    };
    eskip::parse(&text).map_err(|error| failed(format!("this is no table: {error}")))
}

async fn version(client: &Client, options: &DiffOptions, version: &str) -> Result<String, CliError> {
    let path = format!("/snapshots/{}", eskip::query_escape(version));
    let answer = client.answer(&options.server, &path).await;
    let (status, body) = answer.map_err(|error| CliError::Failed(error.to_string()))?;
    let text = String::from_utf8_lossy(&body);
    match status {
        StatusCode::OK => Ok(text.into_owned()),
        _ => Err(CliError::Failed(format!("{}: {}", options.server, text.trim()))),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

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
