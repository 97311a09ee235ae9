//! Where objects come from: the Kubernetes API, or a folder of manifests.

use std::future::Future;

use crate::compile::Diagnostic;
use crate::object::Objects;

/// One of the two ports of the program: reads a whole, consistent set of objects.
pub trait ObjectSource: Send + 'static {
    /// Reads everything once. All lists succeed, or none counts. Has a deadline of its own, bodies included.
    ///
    /// # Errors
    ///
    /// Where any part could not be read; what was published stays.
    fn read(&mut self) -> impl Future<Output = Result<Reading, SourceError>> + Send;
}

/// What one poll read.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// The objects.
    pub objects: Objects,
    /// What could not be read although the rest could: a manifest that does not parse, with file and line.
    pub diagnostics: Vec<Diagnostic>,
}

/// Why a poll changed nothing.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {cause}")]
pub struct SourceError {
    /// What was being read, as `list ingresses`.
    pub what: String,
    /// What went wrong, and how to mend it where that is known.
    pub cause: String,
    /// A short word for the label of a metric: `timeout`, `403`, `decode`, …
    pub code: String,
}
