//! `bellwether guard release`: lets a table pass that the leader's guard holds back.

use clap::{Parser, Subcommand};
use serde_json::Value;

use super::CliError;
use super::orders::{Target, give};

/// Command the guard of the leader.
#[derive(Debug, Parser)]
pub(super) struct GuardOptions {
    #[command(subcommand)]
    command: Order,
}

#[derive(Debug, Subcommand)]
enum Order {
    /// Let what is held now pass, if the next poll reads no less; without a leader, what the next one holds first
    Release(Target),
}

/// Gives the order, and prints what came of it.
///
/// # Errors
///
/// Where it was not taken.
pub(super) fn run(options: &GuardOptions) -> Result<(), CliError> {
    let Order::Release(target) = &options.command;
    give(target, "/orders/guard-release", None)
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
