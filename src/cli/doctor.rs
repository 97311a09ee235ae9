//! `bellwether doctor`: what is wrong with a fleet, and how to mend it.
//!
//! In: what each replica finds around itself, and what the fleet shows of itself. Out: a line for each check, or JSON; the exit
//! code says whether all is well. Checks of the fleet are made here, of the replica's surroundings there ([`crate::doctor`]).

mod fleet;

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use http::StatusCode;
use serde::Serialize;
use serde_json::Value;

use super::client::Client;
use super::status::Format;
use super::table::columns;
use super::whom::token;
use super::{CliError, block_on, print};

/// How long a replica may take to look around: it gives an upstream 20 s.
const DEADLINE: Duration = Duration::from_secs(30);

/// Look for what is wrong, and how to mend it.
#[derive(Debug, Parser)]
#[command(
    after_help = "Exits with 0 where all is well, with 1 where something is not or is worth a look, with 2 where the command line is \
                  wrong. Each replica that is named looks at its own surroundings: the API and its rights there, the upstream of a cascade, \
                  the Lease, its peers, its certificates, its state folder. The first one that answers shows the whole fleet."
)]
pub(super) struct DoctorOptions {
    /// Support listeners of replicas; may be given again, or with commas
    #[arg(long, value_name = "URL", value_delimiter = ',', default_value = "http://127.0.0.1:9911")]
    server: Vec<String>,
    /// A file with the token of --admin-token-file; not needed on the replica's own machine
    #[arg(long, value_name = "PATH")]
    token_file: Option<PathBuf>,
    /// Also what is good
    #[arg(long)]
    all: bool,
    /// How to print
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

/// A check, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Checked {
    /// The replica, its address, or `fleet`.
    of: String,
    what: String,
    /// `good`, `look` or `bad`.
    verdict: String,
    found: String,
    hint: String,
}

impl Checked {
    fn new(of: &str, what: &str, verdict: &str, found: impl Into<String>, hint: &str) -> Self {
        let (of, what, verdict, hint) = (of.to_owned(), what.to_owned(), verdict.to_owned(), hint.to_owned());
        Self { of, what, verdict, found: found.into(), hint }
    }

    fn is_good(&self) -> bool {
        self.verdict == "good"
    }
}

/// Asks and prints.
///
/// # Errors
///
/// Where anything is not good.
pub(super) fn run(options: &DoctorOptions) -> Result<(), CliError> {
    let token = token(options.token_file.as_deref())?;
    let checks = block_on(look(&options.server, token.as_deref()))?;
    match options.output {
        Format::Table => print(&table(&checks, options.all))?,
        Format::Json => print(&format!("{:#}\n", serde_json::to_value(&checks).unwrap_or_default()))?,
    }
    let wrong = checks.iter().filter(|check| !check.is_good()).count();
    if wrong == 0 {
        Ok(())
    } else {
        Err(CliError::Failed(format!("{wrong} of {} checks are not good", checks.len())))
    }
}

async fn look(servers: &[String], token: Option<&str>) -> Vec<Checked> {
    let client = Client::new(DEADLINE);
    let (mut checks, mut fleet) = (Vec::new(), None);
    for server in servers {
        match client.get(server, "/fleet").await.map(|body| serde_json::from_slice::<Value>(&body)) {
            Ok(Ok(shown)) => {
                let name = shown["seen_by"].as_str().unwrap_or(server).to_owned();
                checks.extend(around(&client, server, &name, token).await);
                fleet.get_or_insert(shown);
            }
            Ok(Err(error)) => {
                let found = format!("/fleet is not JSON: {error}");
                checks.push(Checked::new(server, "replica", "bad", found, "name a support listener"));
            }
            Err(error) => {
                let hint = "see whether it runs, and whether the address is that of its support listener";
                checks.push(Checked::new(server, "replica", "bad", error.to_string(), hint));
            }
        }
    }
    if let Some(fleet) = &fleet {
        checks.extend(fleet::checks(fleet));
    }
    checks
}

/// What the replica itself finds around it.
async fn around(client: &Client, server: &str, name: &str, token: Option<&str>) -> Vec<Checked> {
    let missing = |verdict: &str, found: String, hint: &str| {
        vec![Checked::new(name, "its surroundings", verdict, found, hint)]
    };
    match client.answer_to(server, "/doctor", token).await {
        Ok((StatusCode::OK, body)) => match serde_json::from_slice::<Vec<Value>>(&body) {
            Ok(found) => found.iter().map(|check| checked(name, check)).collect(),
            Err(error) => {
                missing("look", error.to_string(), "it runs another release: ask with its own bellwether")
            }
        },
        Ok((status, body)) => {
            let found = format!("{status}: {}", String::from_utf8_lossy(&body).trim());
            missing("look", found, "ask from its own machine, or with --token-file")
        }
        Err(error) => missing("bad", error.to_string(), "ask again; see what keeps it busy"),
    }
}

fn checked(name: &str, check: &Value) -> Checked {
    let text = |field: &str| check[field].as_str().unwrap_or_default();
    Checked::new(name, text("what"), text("verdict"), text("found"), text("hint"))
}

/// A line for each check that is not good, its hint below it; of all, where asked for.
fn table(checks: &[Checked], all: bool) -> String {
    let mut rows = vec![["", "OF", "CHECK", "FOUND"].map(str::to_owned)];
    for check in checks.iter().filter(|check| all || !check.is_good()) {
        let verdict = if check.is_good() { "ok".to_owned() } else { check.verdict.clone() };
        rows.push([verdict, check.of.clone(), check.what.clone(), check.found.clone()]);
        if !check.hint.is_empty() {
            rows.push([String::new(), String::new(), String::new(), format!("-> {}", check.hint)]);
        }
    }
    let good = checks.iter().filter(|check| check.is_good()).count();
    let listed = if rows.len() > 1 { format!("{}\n", columns(&rows)) } else { String::new() };
    format!("{listed}{good} of {} checks are good\n", checks.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_good_comes_with_its_hint() {
        let checks = [
            Checked::new("r0", "Lease", "good", "held by r0", ""),
            Checked::new("fleet", "guard", "look", "a table is held back", "release it"),
        ];
        assert_eq!(
            table(&checks, false),
            "      OF     CHECK  FOUND\n\
             look  fleet  guard  a table is held back\n                    -> release it\n\n\
             1 of 2 checks are good\n"
        );
        assert!(table(&checks, true).contains("ok    r0     Lease  held by r0\n"));
        assert_eq!(table(&checks[..1], false), "1 of 1 checks are good\n");
    }
}
