//! The commands: arguments in, an exit code out.
//!
//! `serve` and `compile` take routesrv's flags in Go's syntax ([`crate::flags`]), the others take the usual one.
//! Whatever goes wrong is one line on standard error, and the exit code says whose turn it is: 2 is for a command
//! line or a configuration that must be mended, 3 for an empty table, 1 for everything else.

pub mod client;
mod compile;
mod diff;
mod doctor;
mod dump;
mod fleet;
mod guard;
mod log;
mod manual;
mod orders;
mod rollout;
mod serve;
mod status;
mod table;
mod whom;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use crate::demo::{self, DemoError};
use crate::flags::{self, Command, FlagError, Parsed, ProcessEnvironment};

/// A command.
struct Entry {
    name: &'static str,
    about: &'static str,
    /// Its flags as clap knows them, whoever reads them.
    described: fn() -> clap::Command,
}

/// What the program can do, in the order of the help.
#[rustfmt::skip]
const COMMANDS: [Entry; 20] = [
    Entry { name: "serve", about: "run one replica of the route server", described: || flags::described(Command::Serve, "serve") },
    Entry { name: "compile", about: "print the table that would be served for some manifests", described: || flags::described(Command::Compile, "compile") },
    Entry { name: "demo", about: "watch three replicas on this machine elect, publish and fail over", described: demo::DemoOptions::command },
    Entry { name: "status", about: "ask running replicas who leads and what they serve", described: status::StatusOptions::command },
    Entry { name: "clients", about: "list the clients of all replicas, and what each of them has", described: fleet::ClientsOptions::command },
    Entry { name: "top", about: "watch replicas and clients", described: fleet::TopOptions::command },
    Entry { name: "freeze", about: "keep what every replica serves as it is", described: orders::FreezeOptions::command },
    Entry { name: "unfreeze", about: "end a freeze, a pin or a rollback", described: orders::UnfreezeOptions::command },
    Entry { name: "pin", about: "serve an earlier table on every replica", described: orders::PinOptions::command },
    Entry { name: "rollback", about: "serve the table before this one on every replica", described: orders::RollbackOptions::command },
    Entry { name: "rollout", about: "say whether a fleet may move over from what it polls now", described: rollout::RolloutOptions::command },
    Entry { name: "diff", about: "compare two tables, route by route: versions, files, URLs", described: diff::DiffOptions::command },
    Entry { name: "doctor", about: "look for what is wrong, and how to mend it", described: doctor::DoctorOptions::command },
    Entry { name: "dump", about: "collect what goes with a report into one file", described: dump::DumpOptions::command },
    Entry { name: "guard", about: "let a table pass that the guard holds back", described: guard::GuardOptions::command },
    Entry { name: "log", about: "change how much a running replica logs", described: log::LogOptions::command },
    Entry { name: "completions", about: "print what completes commands and flags in a shell", described: manual::CompletionsOptions::command },
    Entry { name: "man", about: "write the manual pages", described: manual::ManOptions::command },
    Entry { name: "version", about: "print the version", described: || clap::Command::new("version") },
    Entry { name: "help", about: "print this, or the help of a command: help serve", described: || clap::Command::new("help").arg(clap::Arg::new("command")) },
];

/// Why a command ended without success.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// A command line or a configuration that cannot work. Exit code 2.
    #[error("{0}")]
    Usage(String),
    /// The compiled table has no routes. Exit code 3.
    #[error("the table is empty")]
    EmptyTable,
    /// Something that worked did not go on working. Exit code 1.
    #[error("{0}")]
    Failed(String),
    /// What was asked is answered with no, and that is printed already. Exit code 1.
    #[error("no")]
    No,
    /// The reader of our output has gone; there is nobody to tell. Exit code 1.
    #[error("standard output is closed")]
    Closed,
}

impl CliError {
    const fn code(&self) -> u8 {
        match self {
            Self::Failed(_) | Self::No | Self::Closed => 1,
            Self::Usage(_) => 2,
            Self::EmptyTable => 3,
        }
    }
}

impl From<FlagError> for CliError {
    fn from(error: FlagError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<DemoError> for CliError {
    fn from(error: DemoError) -> Self {
        match error {
            DemoError::Closed => Self::Closed,
            DemoError::Manifests { .. } => Self::Usage(error.to_string()),
            other => Self::Failed(other.to_string()),
        }
    }
}

/// Runs the program with the arguments after its name.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if !matches!(error, CliError::Closed | CliError::No) {
                eprintln!("bellwether: {error}");
            }
            ExitCode::from(error.code())
        }
    }
}

fn run(arguments: impl Iterator<Item = OsString>) -> Result<(), CliError> {
    let arguments = arguments
        .map(|argument| argument.into_string().map_err(not_text))
        .collect::<Result<Vec<String>, _>>()?;
    let Some((command, rest)) = arguments.split_first() else {
        return Err(CliError::Usage(format!("no command\n\n{}", overview())));
    };
    match command.as_str() {
        "serve" => serve(rest),
        "compile" => compile(rest),
        "demo" => with_clap(rest, "demo", |options| demo::run(options).map_err(CliError::from)),
        "status" => with_clap(rest, "status", status::run),
        "clients" => with_clap(rest, "clients", fleet::clients),
        "top" => with_clap(rest, "top", fleet::top),
        "freeze" => with_clap(rest, "freeze", orders::freeze),
        "unfreeze" => with_clap(rest, "unfreeze", orders::unfreeze),
        "pin" => with_clap(rest, "pin", orders::pin),
        "rollback" => with_clap(rest, "rollback", orders::rollback),
        "rollout" => with_clap(rest, "rollout", rollout::run),
        "diff" => with_clap(rest, "diff", diff::run),
        "doctor" => with_clap(rest, "doctor", doctor::run),
        "dump" => with_clap(rest, "dump", dump::run),
        "guard" => with_clap(rest, "guard", guard::run),
        "log" => with_clap(rest, "log", log::run),
        "completions" => with_clap(rest, "completions", manual::completions),
        "man" => with_clap(rest, "man", manual::man),
        "version" | "-version" | "--version" | "-V" => print(&version()),
        "help" | "-help" | "--help" | "-h" => match rest {
            [] => print(&overview()),
            [about, ..] => run([about.into(), "--help".into()].into_iter()),
        },
        other => Err(CliError::Usage(unknown(other))),
    }
}

fn serve(arguments: &[String]) -> Result<(), CliError> {
    match flags::serve(arguments, &ProcessEnvironment)? {
        Parsed::Run(options) => serve::run(&options),
        Parsed::Help => print(&flags::help(Command::Serve)),
        Parsed::Version => print(&version()),
    }
}

fn compile(arguments: &[String]) -> Result<(), CliError> {
    match flags::compile(arguments)? {
        Parsed::Run(options) => compile::run(&options),
        Parsed::Help => print(&flags::help(Command::Compile)),
        Parsed::Version => print(&version()),
    }
}

/// Parses the arguments of a command that is no route server's, and runs it.
fn with_clap<T: Parser>(
    arguments: &[String],
    name: &str,
    run: impl FnOnce(&T) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let named = std::iter::once(format!("bellwether {name}")).chain(arguments.iter().cloned());
    match T::try_parse_from(named) {
        Ok(options) => run(&options),
        Err(error) if error.kind() == ErrorKind::DisplayHelp => print(&error.to_string()),
        Err(error) => {
            let text = error.to_string();
            Err(CliError::Usage(text.trim_start_matches("error: ").trim_end().to_owned()))
        }
    }
}

/// Writes to standard output.
fn print(text: &str) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|_| CliError::Closed)
}

fn version() -> String {
    format!("bellwether {}\n", env!("CARGO_PKG_VERSION"))
}

fn overview() -> String {
    let mut text = String::from(
        "Bellwether serves routes to fleets of Skipper: several replicas, one elected leader, one table.\n\n\
         Usage: bellwether COMMAND [flags]\n\nCommands:\n",
    );
    for Entry { name, about, .. } in COMMANDS {
        text.push_str(&format!("  {name:<12}{about}\n"));
    }
    text.push_str("\n`bellwether COMMAND --help` lists the flags of a command.\n");
    text
}

fn unknown(command: &str) -> String {
    if command.starts_with('-') {
        return format!("{command} stands before a command; write bellwether serve {command} …");
    }
    let nearest = COMMANDS
        .iter()
        .map(|Entry { name, .. }| (strsim::normalized_damerau_levenshtein(name, command), name))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(likeness, _)| *likeness >= 0.5);
    match nearest {
        Some((_, name)) => format!("unknown command {command}; did you mean {name}?"),
        None => format!("unknown command {command}; `bellwether help` lists them"),
    }
}

fn not_text(argument: OsString) -> CliError {
    CliError::Usage(format!("{} is not UTF-8", argument.to_string_lossy()))
}

/// A runtime for commands that wait for little.
fn block_on<T>(work: impl Future<Output = T>) -> Result<T, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::Failed(format!("the system gives no threads or timers: {error}")))?;
    Ok(runtime.block_on(work))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(arguments: &[&str]) -> CliError {
        run(arguments.iter().map(OsString::from)).unwrap_err()
    }

    #[test]
    fn commands_that_are_not_there_are_named() {
        assert_eq!(refused(&["serv"]).to_string(), "unknown command serv; did you mean serve?");
        assert_eq!(refused(&["xyzzy"]).to_string(), "unknown command xyzzy; `bellwether help` lists them");
        assert!(refused(&["-kubernetes"]).to_string().contains("bellwether serve -kubernetes"));
        assert!(refused(&[]).to_string().contains("Commands:"));
    }

    #[test]
    fn exit_codes_say_whose_turn_it_is() {
        assert_eq!(refused(&["serve", "-nothing"]).code(), 2);
        assert_eq!(refused(&["status", "--nothing"]).code(), 2);
        assert_eq!(refused(&["compile", "-manifests=/nonexistent"]).code(), 1);
        assert_eq!(CliError::EmptyTable.code(), 3);
    }
}
