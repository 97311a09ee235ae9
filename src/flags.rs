//! The command line of `serve` and `compile`: routesrv's flags in Go's syntax, and our own in the same.
//!
//! In: the arguments after the command, a configuration file, a few environment variables. Out: plain options. What
//! can go wrong: unknown names, values that cannot be right, combinations that would not do what was asked for;
//! each a [`FlagError`] of one line that says how to mend it.

mod catalogue;
mod described;
mod duration;
mod error;
mod file;
mod help;
mod kind;
mod language;
mod options;
#[cfg(test)]
mod page;
mod resolve;
mod settings;
mod syntax;
mod values;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::Duration;

use catalogue::Treatment;
use kind::Kind;
use syntax::Scanned;
use values::Values;

pub use described::described;
pub use error::FlagError;
pub use help::help;
pub use options::{
    ApiOptions, CompileOptions, LeaseOptions, LogOptions, Note, ReplicationOptions, ServeOptions, Setting,
    SourceOptions,
};

/// The two commands whose flags are the peer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// `bellwether serve`.
    Serve,
    /// `bellwether compile`.
    Compile,
}

/// What a command line asks for.
#[derive(Clone, Debug)]
pub enum Parsed<T> {
    /// To run with these options.
    Run(Box<T>),
    /// `-help`.
    Help,
    /// `-version`.
    Version,
}

/// What defaults depend on: `std::env` in the program, a closure over names in tests.
pub trait Environment {
    /// An environment variable that is set and not empty.
    fn variable(&self, name: &str) -> Option<String>;

    /// The host's name.
    fn host_name(&self) -> Option<String> {
        self.variable("HOSTNAME")
    }
}

/// The environment of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().filter(|value| !value.is_empty())
    }

    /// As the kernel has it; a shell's `HOSTNAME` is often not exported.
    fn host_name(&self) -> Option<String> {
        let name = rustix::system::uname().nodename().to_str().ok()?.to_owned();
        Some(name).filter(|name| !name.is_empty())
    }
}

impl<F: Fn(&str) -> Option<String>> Environment for F {
    fn variable(&self, name: &str) -> Option<String> {
        self(name)
    }
}

/// Parses the arguments after `serve`.
///
/// # Errors
///
/// Where the command line or its configuration file is wrong.
pub fn serve(arguments: &[String], environment: &dyn Environment) -> Result<Parsed<ServeOptions>, FlagError> {
    parse(Command::Serve, arguments, |values, notes| resolve::serve(values, environment, notes))
}

/// Parses the arguments after `compile`.
///
/// # Errors
///
/// Where the command line or its configuration file is wrong.
pub fn compile(arguments: &[String]) -> Result<Parsed<CompileOptions>, FlagError> {
    parse(Command::Compile, arguments, resolve::compile)
}

/// Reads a duration in Go's notation, from zero on: `10s`, `1m30s`.
///
/// # Errors
///
/// What is wrong with it.
pub fn duration(text: &str) -> Result<Duration, String> {
    match duration::parse(text) {
        Some(signed) if !signed.negative => Ok(signed.length),
        _ => Err("write a duration as 300ms, 10s or 1m30s".to_owned()),
    }
}

fn parse<T>(
    command: Command,
    arguments: &[String],
    resolve: impl Fn(&Values, Vec<Note>) -> Result<T, FlagError>,
) -> Result<Parsed<T>, FlagError> {
    let Scanned::Flags(line) = syntax::scan(command, arguments)? else { return Ok(Parsed::Help) };
    let mut values = Values::join(command, &[], &line)?;
    let mut notes = Vec::new();
    if let Some(path) = values.non_empty("config-file") {
        let file = file::read(command, Path::new(&path))?;
        values = Values::join(command, &file.entries, &line)?;
        notes.extend(file.unknown.iter().map(|(key, nearest)| unknown_key(&path, key, *nearest)));
    }
    if values.switch("version") {
        return Ok(Parsed::Version);
    }
    if command == Command::Serve {
        notes.extend(without_effect(&values));
    }
    Ok(Parsed::Run(Box::new(resolve(&values, notes)?)))
}

fn unknown_key(path: &str, key: &str, nearest: Option<&str>) -> Note {
    let hint = nearest.map(|name| format!("; did you mean {name}?")).unwrap_or_default();
    Note { warning: true, text: format!("-config-file: {path}: unknown key {key} is ignored{hint}") }
}

/// One line for all flags that the peer ignores too, and one for each that it would have honoured.
fn without_effect(values: &Values) -> Vec<Note> {
    let mut ignored = Vec::new();
    let mut notes = Vec::new();
    for (name, treatment) in values.without_effect() {
        match treatment {
            Treatment::Unsupported(why) => {
                notes.push(Note { warning: true, text: format!("-{name} has no effect: {why}") });
            }
            _ => ignored.push(format!("-{name}")),
        }
    }
    if !ignored.is_empty() {
        let text = format!("accepted and ignored, as routesrv ignores them: {}", ignored.join(" "));
        notes.push(Note { warning: false, text });
    }
    notes
}
