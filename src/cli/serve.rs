//! `bellwether serve`: the log, then the replica.

use std::io::Read as _;

use rustix::process::{Signal, getpid, kill_process};

use super::CliError;
use crate::flags::{Note, ServeOptions};
use crate::node::{self, NodeError};
use crate::{telemetry, threads};

/// Runs the replica until it is told to stop.
///
/// # Errors
///
/// Where it cannot start.
pub(super) fn run(options: &ServeOptions) -> Result<(), CliError> {
    telemetry::start(&options.log);
    options.notes.iter().for_each(Note::log);
    if options.stop_with_stdin {
        stop_with_stdin()
            .map_err(|error| CliError::Failed(format!("no thread for standard input: {error}")))?;
    }
    let runtime =
        threads::runtime().map_err(|error| CliError::Failed(format!("no threads to run on: {error}")))?;
    let ended = runtime.block_on(node::run(options.clone()));
    // A read of the upstream or a write to disk that hangs must not hold up the end.
    runtime.shutdown_background();
    ended.map_err(|error| match error {
        NodeError::Ended(_) => CliError::Failed(error.to_string()),
        error => CliError::Usage(error.to_string()),
    })
}

/// Terminates this process as a supervisor would, when standard input ends. A thread of its own, since a read from
/// standard input cannot be given up.
fn stop_with_stdin() -> std::io::Result<()> {
    let wait = || {
        let mut buffer = [0; 256];
        let mut input = std::io::stdin().lock();
        while input.read(&mut buffer).is_ok_and(|count| count > 0) {}
        tracing::info!("standard input has ended, stopping");
        if let Err(error) = kill_process(getpid(), Signal::TERM) {
            tracing::error!(%error, "cannot stop");
        }
    };
    std::thread::Builder::new().name("stdin".to_owned()).spawn(wait).map(drop)
}
