//! `bellwether serve`: the log, then the replica.

use std::io::Read as _;

use rustix::process::{Signal, getpid, kill_process};

use super::CliError;
use crate::flags::{Note, ServeOptions};
use crate::telemetry;

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
    Err(CliError::Failed("this build has no replica in it yet".to_owned()))
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
