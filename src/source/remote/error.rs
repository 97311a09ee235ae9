//! Why a table could not be had of another route server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::StatusCode;

use crate::eskip::SplitError;

/// Why nothing was read; what is published stays.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// Nobody answers, or the answer broke off.
    #[error("{0}")]
    Connection(String),
    /// The whole answer did not arrive in time.
    #[error("no whole answer within {} s; is it overloaded, or the way there slow?", .0.as_secs_f32())]
    Deadline(Duration),
    /// It answered something else.
    #[error("it answers {status}")]
    Status {
        /// The status.
        status: StatusCode,
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// More than could be right.
    #[error("its table has more than {} MiB", .0 >> 20)]
    TooLarge(usize),
    /// The answer cannot be read.
    #[error("its answer is {0}")]
    NoText(&'static str),
    /// Nothing shows that the answer is whole.
    #[error("its answer has neither a length nor the digest of a table as its ETag: it may be cut")]
    Unbounded,
    /// The answer is not what it says it is.
    #[error(
        "its table has another digest than its ETag says: {found}; what is between it and us changes answers"
    )]
    Digest {
        /// The digest of what came.
        found: String,
    },
    /// It is older than what was read before.
    #[error("its table has the version {read}, and {seen} was read before: that replica is behind")]
    Older {
        /// What it has now.
        read: String,
        /// What was seen.
        seen: String,
    },
    /// The table is no document of routes.
    #[error("its table cannot be taken apart: {0}")]
    Document(#[from] SplitError),
    /// A defect of ours.
    #[error("reading its table panicked: {0}; this is a defect of Bellwether")]
    Panic(String),
}

impl RemoteError {
    /// A short word for the label of a metric.
    pub fn code(&self) -> String {
        let word = match self {
            Self::Status { status, .. } => return status.as_u16().to_string(),
            Self::Connection(_) => "connection",
            Self::Deadline(_) => "timeout",
            Self::TooLarge(_) => "too-large",
            Self::NoText(_) => "no-text",
            Self::Unbounded => "unbounded",
            Self::Digest { .. } => "digest",
            Self::Older { .. } => "older",
            Self::Document(_) => "document",
            Self::Panic(_) => "panic",
        };
        word.to_owned()
    }

    /// How long it asks to be left alone.
    pub const fn retry_after(&self) -> Option<Duration> {
        if let Self::Status { retry_after, .. } = self { *retry_after } else { None }
    }
}

/// Why the files of TLS cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{flag}: cannot use {}: {cause}", path.display())]
pub struct FileError {
    /// The flag that names it.
    flag: &'static str,
    /// The file.
    path: PathBuf,
    /// Why.
    cause: String,
}

impl FileError {
    pub(super) fn new(flag: &'static str, path: &Path, cause: impl ToString) -> Self {
        Self { flag, path: path.to_owned(), cause: cause.to_string() }
    }
}
