//! Objects from manifests: a file, or a folder of them, in YAML or JSON.
//!
//! What does not parse is named with its file and line and left out. What cannot be read at all (no such path, no
//! manifest in it, a file without permission) fails the whole reading, so that nothing published changes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::task::JoinHandle;

mod document;
#[cfg(any(test, fuzzing))]
pub(crate) mod laws;
mod tree;
mod yaml;

use super::{ObjectSource, Reading, SourceError, default_filters};
use crate::compile::Diagnostic;
use document::Syntax;
use tree::Tree;

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
    settle(path).map(|(_, reading)| reading)
}

impl Manifests {
    /// The manifests at `path`, with the folder of default filters, if there is one.
    pub fn new(path: PathBuf, default_filters: Option<PathBuf>) -> Self {
        Self { path, default_filters, namespace: String::new(), reader: None, under_way: None }
    }

    /// Reads only `namespace`, as an API server does that is asked for one; empty for all.
    pub fn only(mut self, namespace: String) -> Self {
        self.namespace = namespace;
        self
    }

    fn error(&self, code: &str, cause: String) -> SourceError {
        SourceError::new(format!("read manifests at {}", self.path.display()), cause, code)
    }
}

impl ObjectSource for Manifests {
    async fn read(&mut self) -> Result<Reading, SourceError> {
        let (reader, path, default_filters) = (&mut self.reader, &self.path, &self.default_filters);
        let work = self.under_way.get_or_insert_with(|| {
            let new = || Reader { path: path.clone(), default_filters: default_filters.clone(), last: None };
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
        let last = self.last.take();
        let unchanged = match last {
            Some((tree, reading)) => (tree == Tree::walk(&self.path)?).then_some((tree, reading)),
            None => None,
        };
        let (tree, mut reading) = match unchanged {
            Some(unchanged) => unchanged,
            None => settle(&self.path)?,
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
            Self::Empty { .. } => "empty",
            Self::TooLarge { .. } => "too-large",
            Self::Changing { .. } => "changing",
        }
    }
}

/// Reads until the tree is the same after the reading as before it.
fn settle(path: &Path) -> Result<(Tree, Reading), ManifestError> {
    let mut tree = Tree::walk(path)?;
    for _ in 0..ATTEMPTS {
        let reading = parse(path, &tree);
        let after = Tree::walk(path)?;
        if after == tree {
            return reading.map(|reading| (tree, reading));
        }
        tree = after;
    }
    Err(ManifestError::Changing { path: path.to_owned() })
}

fn parse(path: &Path, tree: &Tree) -> Result<Reading, ManifestError> {
    if tree.files.is_empty() {
        return Err(ManifestError::Empty { path: path.to_owned() });
    }
    let mut reading = Reading::default();
    for file in &tree.files {
        if file.size > MAX_FILE_BYTES as u64 {
            return Err(ManifestError::TooLarge { path: file.path.clone() });
        }
        let bytes = fs::read(&file.path)
            .map_err(|source| ManifestError::Unreadable { path: file.path.clone(), source })?;
        take_in(&mut reading, &file.path, file.syntax, &bytes);
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

#[cfg(test)]
mod tests;
