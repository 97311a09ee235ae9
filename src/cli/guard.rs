//! `bellwether guard release`: lets a table pass that the leader's guard holds back.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use http::StatusCode;
use serde_json::Value;

use super::client::Client;
use super::{CliError, block_on, print};

/// How long the leader may take to answer.
const DEADLINE: Duration = Duration::from_secs(5);

/// Command the guard of the leader.
#[derive(Debug, Parser)]
pub(super) struct GuardOptions {
    #[command(subcommand)]
    command: Order,
}

#[derive(Debug, Subcommand)]
enum Order {
    /// Let what is held now pass, if the next poll reads no less
    Release(Target),
}

#[derive(Debug, Parser)]
struct Target {
    /// The support listener of the leader
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9911")]
    server: String,
    /// A file with the token of --admin-token-file; not needed on the leader's own machine
    #[arg(long, value_name = "PATH")]
    token_file: Option<PathBuf>,
}

/// Gives the command, and prints what was released.
///
/// # Errors
///
/// Where nothing was released: nothing is held, this is not the leader, or it does not take our word.
pub(super) fn run(options: &GuardOptions) -> Result<(), CliError> {
    let Order::Release(target) = &options.command;
    let token = target.token_file.as_ref().map(|path| {
        std::fs::read_to_string(path)
            .map_err(|error| CliError::Usage(format!("--token-file: {}: {error}", path.display())))
    });
    let token = token.transpose()?;
    let token = token.as_deref().map(str::trim);
    let client = Client::new(DEADLINE);
    let answer = block_on(client.post(&target.server, "/guard/release", token))?;
    let (status, body) = answer.map_err(|error| CliError::Failed(error.to_string()))?;
    if status != StatusCode::OK {
        let reason = String::from_utf8_lossy(&body);
        return Err(CliError::Failed(format!("{} answers {status}: {}", target.server, reason.trim())));
    }
    let held: Value = serde_json::from_slice(&body)
        .map_err(|error| CliError::Failed(format!("{} does not answer JSON: {error}", target.server)))?;
    let falls = held["falls"].as_array().map(Vec::as_slice).unwrap_or_default();
    let lines: String = falls.iter().map(|fall| format!("  {}\n", line(fall))).collect();
    print(&format!("released, if the next poll reads no less:\n{lines}"))
}

/// What fell, as `/status` has it, in words.
pub(super) fn line(fall: &Value) -> String {
    let kind = fall["kind"].as_str().map(|kind| format!(" ({kind})")).unwrap_or_default();
    format!(
        "{}{kind} fell from {} to {}, {} of {} equal polls",
        fall["measure"].as_str().unwrap_or("-"),
        fall["from"],
        fall["to"],
        fall["equal_polls"],
        fall["needed"]
    )
}
