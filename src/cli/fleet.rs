//! `bellwether clients` and `bellwether top`: the whole fleet, as one replica sees it.

use std::time::Duration;

use clap::Parser;
use serde_json::Value;

use super::client::Client;
use super::status::{Format, replicas};
use super::table::columns;
use super::{CliError, block_on, print};

/// How long the replica may take to answer; it waits a second for its peers.
const DEADLINE: Duration = Duration::from_secs(5);

/// How many clients `top` shows.
const TOP: usize = 20;

/// Clears a terminal and goes to its upper left.
const CLEAR: &str = "\x1b[2J\x1b[H";

/// List the clients of all replicas, and what each of them has
#[derive(Debug, Parser)]
#[command(after_help = "Those that do not have the newest table come first.")]
pub(super) struct ClientsOptions {
    /// The support listener of any replica
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9911")]
    server: String,
    /// How to print
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

/// Watch replicas and clients until you stop it
#[derive(Debug, Parser)]
pub(super) struct TopOptions {
    /// The support listener of any replica
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9911")]
    server: String,
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..))]
    every: u64,
    /// So many looks, and then end
    #[arg(long, value_name = "LOOKS")]
    times: Option<u64>,
}

/// Asks and prints.
///
/// # Errors
///
/// Where the replica does not answer.
pub(super) fn clients(options: &ClientsOptions) -> Result<(), CliError> {
    let fleet = block_on(ask(&options.server))??;
    match options.output {
        Format::Table => print(&polling(&fleet, usize::MAX)),
        Format::Json => print(&format!("{:#}\n", fleet["clients"])),
    }
}

/// Asks and prints, again and again.
///
/// # Errors
///
/// Where the replica does not answer at the first look; later that is shown.
pub(super) fn top(options: &TopOptions) -> Result<(), CliError> {
    block_on(async {
        let mut ticks = tokio::time::interval(Duration::from_secs(options.every));
        let mut looks = 0;
        while options.times.is_none_or(|times| looks < times) {
            ticks.tick().await;
            let seen = match ask(&options.server).await {
                Ok(fleet) => page(&fleet),
                Err(error) if looks > 0 => format!("{error}\n"),
                Err(error) => return Err(error),
            };
            print(&format!("{CLEAR}{seen}"))?;
            looks += 1;
        }
        Ok(())
    })?
}

async fn ask(server: &str) -> Result<Value, CliError> {
    let answer = Client::new(DEADLINE).get(server, "/fleet").await;
    let body = answer.map_err(|error| CliError::Failed(error.to_string()))?;
    serde_json::from_slice(&body)
        .map_err(|error| CliError::Failed(format!("{server}/fleet is not JSON: {error}")))
}

fn page(fleet: &Value) -> String {
    let members = fleet["replicas"].as_array().map(Vec::as_slice).unwrap_or_default();
    let known: Vec<Value> =
        members.iter().map(|it| it["status"].clone()).filter(|it| !it.is_null()).collect();
    let mut text = replicas(&known);
    for member in members.iter().filter(|it| it["status"].is_null()) {
        let part = |field: &str| member[field].as_str().unwrap_or("?");
        text.push_str(&format!("{}: {}\n", part("address"), part("error")));
    }
    format!("{text}\n{}", polling(fleet, TOP))
}

/// A line for each of the first `most` clients.
fn polling(fleet: &Value, most: usize) -> String {
    let clients = fleet["clients"].as_array().map(Vec::as_slice).unwrap_or_default();
    let heads = ["CLIENT", "ZONE", "HAS", "THAT IS", "ANSWER", "AGO", "POLLS"];
    let mut rows = vec![heads.map(str::to_owned)];
    rows.extend(clients.iter().take(most).map(|client| {
        let text = |field: &str| client[field].as_str().filter(|text| !text.is_empty()).unwrap_or("-");
        let ago = client["age_seconds"].as_f64().unwrap_or_default();
        [
            text("address").to_owned(),
            text("zone").to_owned(),
            text("has").chars().take(12).collect(),
            standing(&client["standing"]),
            client["status"].to_string(),
            format!("{ago:.0}s"),
            client["polls"].to_string(),
        ]
    }));
    let mut lines = columns(&rows);
    if clients.len() > most {
        lines.push_str(&format!("and {} more\n", clients.len() - most));
    }
    lines
}

fn standing(standing: &Value) -> String {
    match (standing.as_str(), standing["behind"].as_u64()) {
        (_, Some(tables)) => format!("{tables} behind"),
        (Some(word), None) => word.to_owned(),
        (None, None) => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fleet() -> Value {
        let client = |address: &str, standing: Value| {
            json!({
                "address": address, "zone": "", "has": "0123456789abcdef", "standing": standing, "status": 304,
                "age_seconds": 2.6, "polls": 77,
            })
        };
        let leader = json!({
            "replica": "r0", "role": "leader", "leader": "r0", "epoch": 7, "sequence": 42, "digest": "0123456789abcdef",
            "routes": 1200, "age_seconds": 1.6, "current": true, "ready": true,
        });
        json!({
            "replicas": [
                {"address": null, "status": leader, "error": null},
                {"address": "r1:9912", "status": null, "error": "no answer in time"},
            ],
            "clients": [client("10.2.0.7", json!({"behind": 2})), client("10.2.0.8", json!("newest"))],
        })
    }

    #[test]
    fn a_line_for_each_client() {
        assert_eq!(
            polling(&fleet(), 2),
            "CLIENT    ZONE  HAS           THAT IS   ANSWER  AGO  POLLS\n\
             10.2.0.7  -     0123456789ab  2 behind  304     3s   77\n\
             10.2.0.8  -     0123456789ab  newest    304     3s   77\n"
        );
        assert!(polling(&fleet(), 1).ends_with("77\nand 1 more\n"));
    }

    #[test]
    fn the_top_has_replicas_that_answer_and_those_that_do_not() {
        let page = page(&fleet());
        assert!(page.starts_with("REPLICA  ROLE"), "{page}");
        assert!(page.contains("r0       leader"), "{page}");
        assert!(page.contains("\nr1:9912: no answer in time\n"), "{page}");
        assert!(page.contains("\nCLIENT  "), "{page}");
    }

    #[test]
    fn looks_are_at_least_a_second_apart() {
        assert!(TopOptions::try_parse_from(["top", "--every=0"]).is_err());
        assert_eq!(TopOptions::try_parse_from(["top", "--times=3"]).unwrap().times, Some(3));
    }
}
