//! Objects from manifests: a file, or a folder of them, in YAML or JSON. Or definitions from documents of routes.
//!
//! What does not parse is named with its file and line and left out. What cannot be read at all (no such path, no
//! manifest in it, a file without permission, a document that is not whole) fails the whole reading, so that nothing published
//! changes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::task::JoinHandle;

mod document;
mod format;
#[cfg(any(test, fuzzing))]
pub(crate) mod laws;
mod tree;
mod yaml;

use super::{ObjectSource, Reading, SourceError, default_filters};
use crate::compile::Diagnostic;
use crate::eskip::SplitError;
use crate::object::Definition;
use document::Syntax;
use format::Format;
use tree::{File, Tree};

/// The largest file, in bytes.
const MAX_FILE_BYTES: usize = 256 << 20;

/// How often a tree that changes under the reader is read again.
const ATTEMPTS: usize = 3;

/// How long a reading may take: a file server that hangs must not hold the caller.
const DEADLINE: Duration = Duration::from_secs(20);

/// A path that is looked at on each poll, and read only after it has changed.
#[derive(Debug)]
pub struct Manifests {
    path: PathBuf,
    format: Format,
    default_filters: Option<PathBuf>,
    /// The only namespace that is read; empty for all.
    namespace: String,
    /// What the last reading left; away while one is under way.
    reader: Option<Reader>,
    /// A reading that outlived its deadline: the next poll waits for it before it starts another.
    under_way: Option<JoinHandle<(Result<Reading, ManifestError>, Reader)>>,
}

/// What a reading needs and keeps; it moves to the thread that reads and back.
#[derive(Debug)]
struct Reader {
    path: PathBuf,
    format: Format,
    default_filters: Option<PathBuf>,
    last: Option<(Tree, Reading)>,
}

/// Why manifests could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Nothing is there.
    #[error("{} does not exist", path.display())]
    Missing {
        /// What was asked for.
        path: PathBuf,
    },
    /// The system refuses it.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A folder without a single manifest.
    #[error("{} holds no manifest: put .yaml, .yml or .json files there", path.display())]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// A folder without a single document of routes.
    #[error("{} holds no document: put .eskip files there", path.display())]
    NoDocument {
        /// The folder.
        path: PathBuf,
    },
    /// A document that cannot be taken apart.
    #[error("{}, {source}", path.display())]
    Document {
        /// The file.
        path: PathBuf,
        /// Where, and why.
        source: SplitError,
    },
    /// A document that is no text.
    #[error("{}:{line}: is not UTF-8", path.display())]
    NoText {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
    },
    /// Larger than any manifest should be.
    #[error("{} is larger than {} MiB: split it", path.display(), MAX_FILE_BYTES >> 20)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It kept changing while it was read.
    #[error("{} changes while it is read: move finished files into place", path.display())]
    Changing {
        /// What was asked for.
        path: PathBuf,
    },
}

/// Reads the manifests at `path` once: the objects, and what was left out and why.
///
/// # Errors
///
/// Where `path` as a whole cannot be read; see [`ManifestError`].
pub fn read(path: &Path) -> Result<Reading, ManifestError> {
    settle(path, Format::Objects, &[]).map(|(_, reading)| reading)
}

impl Manifests {
    /// The manifests at `path`, with the folder of default filters, if there is one.
    pub fn new(path: PathBuf, default_filters: Option<PathBuf>) -> Self {
        let format = Format::Objects;
        Self { path, format, default_filters, namespace: String::new(), reader: None, under_way: None }
    }

    /// The documents of routes at `path`: a file, or a folder of `.eskip` files.
    pub fn routes(path: PathBuf) -> Self {
        Self { format: Format::Routes, ..Self::new(path, None) }
    }

    /// Reads only `namespace`, as an API server does that is asked for one; empty for all.
    pub fn only(mut self, namespace: String) -> Self {
        self.namespace = namespace;
        self
    }

    fn error(&self, code: &str, cause: String) -> SourceError {
        SourceError::new(format!("read {} at {}", self.format, self.path.display()), cause, code)
    }
}

impl ObjectSource for Manifests {
    async fn read(&mut self) -> Result<Reading, SourceError> {
        let (reader, path, default_filters) = (&mut self.reader, &self.path, &self.default_filters);
        let format = self.format;
        let work = self.under_way.get_or_insert_with(|| {
            let (path, default_filters) = (path.clone(), default_filters.clone());
            let new = || Reader { path, format, default_filters, last: None };
            let mut reader = reader.take().unwrap_or_else(new);
            tokio::task::spawn_blocking(move || (reader.poll(), reader))
        });
        let Ok(done) = tokio::time::timeout(DEADLINE, work).await else {
            return Err(self.error("timeout", format!("not read within {} s", DEADLINE.as_secs())));
        };
        self.under_way = None;
        let (reading, reader) = done.map_err(|error| self.error("panic", error.to_string()))?;
        self.reader = Some(reader);
        let mut reading = reading.map_err(|error| self.error(error.code(), error.to_string()))?;
        if !self.namespace.is_empty() {
            reading.objects.retain_namespace(&self.namespace);
        }
        Ok(reading)
    }
}

impl Reader {
    fn poll(&mut self) -> Result<Reading, ManifestError> {
        let (tree, mut reading) = match self.last.take() {
            Some((tree, reading)) if tree == Tree::walk(&self.path, self.format)? => (tree, reading),
            last => {
                let before = last.map(|(_, reading)| reading.objects.definitions).unwrap_or_default();
                settle(&self.path, self.format, &before)?
            }
        };
        if tree.settled(SystemTime::now()) {
            self.last = Some((tree, reading.clone()));
        }
        if let Some(dir) = &self.default_filters {
            reading.objects.default_filters = default_filters::read(dir, &mut reading.diagnostics);
        }
        Ok(reading)
    }
}

impl ManifestError {
    /// A short word for the label of a metric.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "missing",
            Self::Unreadable { .. } => "unreadable",
            Self::Empty { .. } | Self::NoDocument { .. } => "empty",
            Self::Document { .. } => "document",
            Self::NoText { .. } => "no-text",
            Self::TooLarge { .. } => "too-large",
            Self::Changing { .. } => "changing",
        }
    }
}

/// Reads until the tree is the same after the reading as before it. What is the same as in the definitions `before` is shared
/// with them.
fn settle(path: &Path, format: Format, before: &[Arc<Definition>]) -> Result<(Tree, Reading), ManifestError> {
    let mut tree = Tree::walk(path, format)?;
    for _ in 0..ATTEMPTS {
        let reading = parse(path, format, &tree, before);
        let after = Tree::walk(path, format)?;
        if after == tree {
            return reading.map(|reading| (tree, reading));
        }
        tree = after;
    }
    Err(ManifestError::Changing { path: path.to_owned() })
}

fn parse(
    path: &Path,
    format: Format,
    tree: &Tree,
    before: &[Arc<Definition>],
) -> Result<Reading, ManifestError> {
    if tree.files.is_empty() {
        let path = path.to_owned();
        return Err(match format {
            Format::Objects => ManifestError::Empty { path },
            Format::Routes => ManifestError::NoDocument { path },
        });
    }
    let mut reading = Reading::default();
    for file in &tree.files {
        if file.size > MAX_FILE_BYTES as u64 {
            return Err(ManifestError::TooLarge { path: file.path.clone() });
        }
        let bytes = fs::read(&file.path)
            .map_err(|source| ManifestError::Unreadable { path: file.path.clone(), source })?;
        match format {
            Format::Objects => take_in(&mut reading, &file.path, file.syntax, &bytes),
            Format::Routes => take_in_routes(&mut reading, path, file, &bytes, before)?,
        }
    }
    Ok(reading)
}

/// Adds the objects of one file, and what is wrong with it.
fn take_in(reading: &mut Reading, path: &Path, syntax: Option<Syntax>, bytes: &[u8]) {
    let (mut values, mut faults) = (Vec::new(), Vec::new());
    document::read(bytes, syntax, &mut values, &mut faults);
    reading.diagnostics.extend(faults.into_iter().map(|fault| Diagnostic {
        object: None,
        reason: format!("{}:{}: {}", path.display(), fault.line, fault.message),
        hint: "mend this manifest; the others are read".to_owned(),
    }));
    for value in &values {
        reading.diagnostics.extend(reading.objects.add(value));
    }
}

/// Adds the definitions of one file.
fn take_in_routes(
    reading: &mut Reading,
    root: &Path,
    file: &File,
    bytes: &[u8],
    before: &[Arc<Definition>],
) -> Result<(), ManifestError> {
    let text = document::text(bytes)
        .map_err(|fault| ManifestError::NoText { path: file.path.clone(), line: fault.line })?;
    let name = file.name(root);
    let its: Vec<_> = before.iter().filter(|it| it.metadata.namespace == name).cloned().collect();
    let (definitions, diagnostics) = Definition::of_document(&name, text, &its)
        .map_err(|source| ManifestError::Document { path: file.path.clone(), source })?;
    reading.objects.definitions.extend(definitions);
    reading.diagnostics.extend(diagnostics);
    Ok(())
}

#[cfg(test)]
mod routes_tests;
#[cfg(test)]
mod tests;
