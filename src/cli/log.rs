//! `bellwether log LEVEL`: how much a running replica logs.

use clap::{Parser, ValueEnum};

use super::whom::Whom;
use super::{CliError, print};

/// Change how much a replica logs, until it ends or is told otherwise.
#[derive(Debug, Parser)]
#[command(
    after_help = "Of one replica: name each with --server to change it for all. At trace, libraries are heard too."
)]
pub(super) struct LogOptions {
    /// From which level on
    level: Level,
    #[command(flatten)]
    whom: Whom,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// Gives the command, and prints what is logged now.
///
/// # Errors
///
/// Where it was not taken.
pub(super) fn run(options: &LogOptions) -> Result<(), CliError> {
    let level = options.level.to_possible_value().map(|level| level.get_name().to_owned());
    let now = options.whom.post(&format!("/log?level={}", level.unwrap_or_default()))?;
    print(&format!("{} logs from {} on\n", options.whom.server, String::from_utf8_lossy(&now).trim()))
}
