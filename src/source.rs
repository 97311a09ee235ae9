//! Where objects come from: the Kubernetes API, or a folder of manifests. Or routes: documents, or another route server.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::compile::Diagnostic;
use crate::flags::{ServeOptions, SourceOptions};
use crate::net::Net;
use crate::object::Objects;
use crate::time::Clock;

mod default_filters;
pub mod kubernetes;
pub mod manifests;
pub mod remote;
pub mod versions;

pub use kubernetes::{Access, AccessError, Deadlines, Kubernetes, KubernetesConfig, Metrics, WatchTiming};
pub use manifests::{ManifestError, Manifests};
pub use remote::{Remote, RemoteConfig};

/// One of the two ports of the program: reads a whole, consistent set of objects.
pub trait ObjectSource: Send + 'static {
    /// Reads everything once. All lists succeed, or none counts. Has a deadline of its own, bodies included.
    ///
    /// # Errors
    ///
    /// Where any part could not be read; what was published stays.
    fn read(&mut self) -> impl Future<Output = Result<Reading, SourceError>> + Send;

    /// Lists older than these resource versions, by kind, do not count: a new leader hands over those of the
    /// snapshot that it inherits (design D6). For sources that have such versions.
    fn raise_floor(&mut self, versions: &BTreeMap<String, String>) {
        let _ = versions;
    }

    /// Waits until it is worth reading before its time, where a source hears of changes by itself; else for ever. May be dropped
    /// at any moment, and called again.
    fn changed(&mut self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }

    /// What was read is doubtful: the next read asks the upstream for everything, whatever was heard meanwhile.
    fn doubt(&mut self) {}

    /// The term is over: nothing is heard until the next read.
    fn rest(&mut self) {}

    /// Gives back what only makes the next read cheaper: there may be none for long.
    fn forget(&mut self) {}
}

/// What one poll read.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// The objects.
    pub objects: Objects,
    /// What could not be read although the rest could: a manifest that does not parse, with file and line.
    pub diagnostics: Vec<Diagnostic>,
    /// The resource versions stayed below the last ones for so long that the store must have been restored from a
    /// backup; they were accepted, and an operator should know (the event `restored-store`).
    pub restored_store: bool,
}

/// Why a poll changed nothing.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{what}: {cause}")]
pub struct SourceError {
    /// What was being read, as `list ingresses`.
    pub what: String,
    /// What went wrong, and how to mend it where that is known.
    pub cause: String,
    /// A short word for the label of a metric: `timeout`, `403`, `decode`, …
    pub code: String,
    /// How long the upstream asks to be left alone (`Retry-After`).
    pub retry_after: Option<Duration>,
}

/// Where the objects of this process come from, as the command line says.
#[derive(Clone, Debug)]
pub struct SourceConfig {
    /// `--source`.
    pub upstream: Upstream,
    /// `-default-filters-dir`.
    pub default_filters: Option<PathBuf>,
}

/// One of the upstreams.
#[derive(Clone, Debug)]
pub enum Upstream {
    /// A Kubernetes API.
    Kubernetes(Box<KubernetesConfig>),
    /// A file or a folder of manifests, and the only namespace to read; empty for all.
    Manifests(PathBuf, String),
    /// A file or a folder of documents of routes.
    Routes(PathBuf),
    /// The table of another route server.
    Remote(Box<RemoteConfig>),
}

/// A source of any kind.
pub enum Source {
    /// A Kubernetes API.
    Kubernetes(Box<Kubernetes>),
    /// A file or a folder of manifests.
    Manifests(Box<Manifests>),
    /// The table of another route server.
    Remote(Box<Remote>),
}

/// Why a source cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The way to the Kubernetes API.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The files of TLS towards another route server.
    #[error(transparent)]
    Files(#[from] remote::FileError),
}

impl SourceConfig {
    /// What the command line asks for; `in_pod` where Kubernetes runs this process.
    pub fn of(options: &ServeOptions, in_pod: bool, net: Net) -> Self {
        let upstream = match &options.source {
            SourceOptions::Manifests(path) => {
                Upstream::Manifests(path.clone(), options.api.namespace.clone())
            }
            SourceOptions::Routes(path) => Upstream::Routes(path.clone()),
            SourceOptions::Remote { address, files } => Upstream::Remote(Box::new(RemoteConfig {
                address: address.clone(),
                files: files.clone(),
                net,
            })),
            SourceOptions::Kubernetes => Upstream::Kubernetes(Box::new(KubernetesConfig {
                access: Access::of(&options.api, in_pod),
                net,
                namespace: Some(options.api.namespace.clone()).filter(|namespace| !namespace.is_empty()),
                endpoint_slices: options.compile.endpoint_slices,
                deadlines: Deadlines::default(),
                watch: options.watch.then(WatchTiming::default),
            })),
        };
        Self { upstream, default_filters: options.default_filters_dir.clone() }
    }
}

impl Source {
    /// The source that `config` describes, which counts its watches in `metrics`. Nothing is read yet.
    ///
    /// # Errors
    ///
    /// Where the access to the API cannot be right, or a file of TLS cannot be used.
    pub async fn open(
        config: SourceConfig,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
    ) -> Result<Self, OpenError> {
        let SourceConfig { upstream, default_filters } = config;
        Ok(match upstream {
            Upstream::Manifests(path, namespace) => {
                Self::Manifests(Box::new(Manifests::new(path, default_filters).only(namespace)))
            }
            Upstream::Routes(path) => Self::Manifests(Box::new(Manifests::routes(path))),
            Upstream::Remote(config) => Self::Remote(Box::new(Remote::new(*config, clock)?)),
            Upstream::Kubernetes(config) => {
                let source = Kubernetes::new(*config, default_filters, clock).await?;
                Self::Kubernetes(Box::new(source.counting(metrics)))
            }
        })
    }
}

impl ObjectSource for Source {
    async fn read(&mut self) -> Result<Reading, SourceError> {
        match self {
            Self::Kubernetes(source) => source.read().await,
            Self::Manifests(source) => source.read().await,
            Self::Remote(source) => source.read().await,
        }
    }

    fn raise_floor(&mut self, versions: &BTreeMap<String, String>) {
        match self {
            Self::Kubernetes(source) => source.raise_floor(versions),
            Self::Manifests(source) => source.raise_floor(versions),
            Self::Remote(source) => source.raise_floor(versions),
        }
    }

    async fn changed(&mut self) {
        match self {
            Self::Kubernetes(source) => source.changed().await,
            Self::Manifests(source) => source.changed().await,
            Self::Remote(source) => source.changed().await,
        }
    }

    fn doubt(&mut self) {
        match self {
            Self::Kubernetes(source) => source.doubt(),
            Self::Manifests(source) => source.doubt(),
            Self::Remote(source) => source.doubt(),
        }
    }

    fn rest(&mut self) {
        match self {
            Self::Kubernetes(source) => source.rest(),
            Self::Manifests(source) => source.rest(),
            Self::Remote(source) => source.rest(),
        }
    }

    fn forget(&mut self) {
        match self {
            Self::Kubernetes(source) => source.forget(),
            Self::Manifests(source) => source.forget(),
            Self::Remote(source) => source.forget(),
        }
    }
}

impl SourceError {
    /// An error without a wish of the upstream.
    pub fn new(what: impl Into<String>, cause: impl Into<String>, code: impl Into<String>) -> Self {
        Self { what: what.into(), cause: cause.into(), code: code.into(), retry_after: None }
    }
}
