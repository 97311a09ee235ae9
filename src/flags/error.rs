//! What is wrong with a command line: one line each, with the flag, the value, and what to do.

use std::path::PathBuf;

/// Why a command line was refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlagError {
    /// Dashes without a name, as `---x` or `-=x`.
    #[error("{0:?} is no flag; write -name, -name=value or -name value")]
    Syntax(String),
    /// A name that neither routesrv nor we know.
    #[error("unknown flag -{name}{}", hint(.nearest.as_deref()))]
    Unknown {
        /// The name.
        name: String,
        /// The known one that is most like it.
        nearest: Option<String>,
    },
    /// The command line ends where the value should be.
    #[error("-{0} needs a value")]
    Missing(&'static str),
    /// A value that the flag cannot have.
    #[error("-{flag}: {value:?} {complaint}{}", place(.file.as_ref()))]
    Value {
        /// The flag.
        flag: &'static str,
        /// What it was given.
        value: String,
        /// What is wrong with it, and what is allowed.
        complaint: String,
        /// The configuration file that has it; `None` for the command line.
        file: Option<PathBuf>,
    },
    /// An argument that belongs to no flag.
    #[error(
        "unexpected argument {0:?}; a switch takes its value with an equals sign, as in -kubernetes=true"
    )]
    Positional(String),
    /// The configuration file cannot be read or is not a map of flags.
    #[error("-config-file: {}: {cause}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// Flags that do not go together, or that cannot be left out.
    #[error("{0}")]
    Combination(String),
}

impl FlagError {
    /// A bad value on the command line.
    pub(super) fn value(flag: &'static str, value: impl Into<String>, complaint: impl Into<String>) -> Self {
        Self::Value { flag, value: value.into(), complaint: complaint.into(), file: None }
    }
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("; did you mean -{name}?")).unwrap_or_default()
}

fn place(file: Option<&PathBuf>) -> String {
    file.map(|path| format!(" (in {})", path.display())).unwrap_or_default()
}
