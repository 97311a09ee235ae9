//! Objects from a Kubernetes API: five calls, all of which succeed, or the poll counts for nothing.
//!
//! Each call has a deadline that includes its body, and so has the whole. Lists older than those of the last poll
//! are refused (design D6): see [`super::versions`]. With `--watch` a poll's lists are watched from where they end, and what
//! the watches tell is read in place of lists until anything is wrong with them; then the next poll begins anew
//! (docs/decisions/0009-a-watch-is-a-poll-that-goes-on.md).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

mod access;
mod call;
mod discovery;
mod explain;
mod list;
mod lister;
mod metrics;
mod mirror;
mod page;
mod resource;
mod stream;
mod watching;

pub(crate) use access::chain;
pub use access::{Access, AccessError, connect};
pub use metrics::Metrics;

use super::versions::{Floor, Verdict};
use super::{ObjectSource, Reading, SourceError, default_filters};
use crate::compile::Diagnostic;
use crate::net::Net;
use crate::object::{Kind, Objects};
use crate::time::{Clock, Moment};
use list::List;
use lister::{For, Lister};
use watching::Watching;

/// What to read, and from where.
#[derive(Clone, Debug)]
pub struct KubernetesConfig {
    /// How the API is reached.
    pub access: Access,
    /// Over which network.
    pub net: Net,
    /// `-kubernetes-namespace`: only what is there; `None` for all namespaces.
    pub namespace: Option<String>,
    /// `-enable-kubernetes-endpointslices`: EndpointSlices in place of Endpoints.
    pub endpoint_slices: bool,
    /// How long it may take.
    pub deadlines: Deadlines,
    /// `--watch`: with which times; `None` where each read is a poll.
    pub watch: Option<WatchTiming>,
}

/// How long the calls of a poll may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// Without a single byte, before an answer and within it.
    pub stall: Duration,
    /// For one list with all its pages.
    pub list: Duration,
    /// For all of it.
    pub poll: Duration,
}

/// The times of watches (design D7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchTiming {
    /// What has changed is read after so long without another change,
    pub quiet: Duration,
    /// but at the latest so long after the first.
    pub most: Duration,
    /// Between two audits.
    pub audit: Duration,
    /// When a connection is asked to end: shortly before, the server sends a bookmark.
    pub length: Duration,
    /// A connection without a byte for so long is frozen; longer than `length`.
    pub silence: Duration,
    /// How long after an audit what it has found may still be told.
    pub grace: Duration,
}

/// Reads the objects of a cluster.
pub struct Kubernetes {
    lister: Lister,
    watch: Option<WatchTiming>,
    default_filters: Option<PathBuf>,
    deadline: Duration,
    clock: Arc<dyn Clock>,
    floor: Floor,
    /// What discovery last said; its change is worth a line.
    route_groups: Option<bool>,
    /// The watches that are under way; none where the next read is a poll.
    watching: Option<Watching>,
    /// No watch begins before.
    watch_at: Moment,
    /// The next read asks for everything again.
    doubted: bool,
    metrics: Metrics,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { stall: Duration::from_secs(5), list: Duration::from_secs(20), poll: Duration::from_secs(30) }
    }
}

impl Default for WatchTiming {
    fn default() -> Self {
        Self {
            quiet: Duration::from_millis(20),
            most: Duration::from_secs(1),
            audit: Duration::from_secs(60),
            length: Duration::from_secs(30),
            silence: Duration::from_secs(35),
            grace: Duration::from_secs(1),
        }
    }
}

impl Kubernetes {
    /// A source for `config`. The API is not asked yet.
    ///
    /// # Errors
    ///
    /// Where the configuration cannot be right.
    pub async fn new(
        config: KubernetesConfig,
        default_filters: Option<PathBuf>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AccessError> {
        let client = connect(&config.access, &config.net).await?;
        Ok(Self {
            watch: config.watch,
            deadline: config.deadlines.poll,
            lister: Lister::new(client, config),
            default_filters,
            clock,
            floor: Floor::default(),
            route_groups: None,
            watching: None,
            watch_at: Moment::default(),
            doubted: false,
            metrics: Metrics::default(),
        })
    }

    /// The same source, which counts its watches there.
    pub fn counting(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
    }

    /// What the watches have told; none where there are none, or they have ended.
    async fn watched(&mut self) -> Option<Reading> {
        let watching = self.watching.as_mut().filter(|_| !self.doubted);
        let broken = match watching {
            None => {
                self.watching = None;
                return None;
            }
            Some(watching) => match watching.read().await {
                Ok(reading) => {
                    self.floor.raise(&reading.objects.resource_versions);
                    return Some(reading);
                }
                Err(broken) => broken,
            },
        };
        self.watching = None;
        self.metrics.ended(broken.reason);
        let again = if broken.lived { "at once" } else { "with the next audit" };
        tracing::warn!(reason = %broken.error, again, "changes are not heard of any more; all is read again");
        if let Some(timing) = self.watch.filter(|_| !broken.lived) {
            self.watch_at = self.clock.now() + timing.audit;
        }
        None
    }

    /// Asks for everything, and watches it from there where that is wanted.
    async fn poll(&mut self) -> Result<Reading, SourceError> {
        let doubted = std::mem::take(&mut self.doubted);
        let watch = self.watch.filter(|_| !doubted && self.clock.now() >= self.watch_at);
        let what_for = if watch.is_some() { For::Watching } else { For::Reading };
        let lists = self.lister.read(what_for).await?;
        let mut reading = Reading::default();
        lists.kinds.iter().for_each(|(kind, list)| add(&mut reading, *kind, list));
        self.judge(&mut reading)?;
        self.note_route_groups(lists.kinds.iter().any(|(kind, _)| *kind == Kind::RouteGroup));
        if let Some(timing) = watch {
            let (lister, clock, metrics) = (self.lister.clone(), self.clock.clone(), self.metrics.clone());
            match Watching::begin(lists, lister, timing, clock, metrics) {
                Ok(watching) => self.watching = Some(watching),
                Err(error) => {
                    tracing::error!(%error, "this API server's lists cannot be watched: they are polled");
                    self.metrics.ended("unordered");
                    self.watch = None;
                }
            }
        }
        Ok(reading)
    }

    /// Nothing older than the last poll counts.
    fn judge(&mut self, reading: &mut Reading) -> Result<(), SourceError> {
        match self.floor.check(&reading.objects.resource_versions, self.clock.now()) {
            Verdict::Newer => Ok(()),
            Verdict::Restored => {
                reading.restored_store = true;
                Ok(())
            }
            Verdict::Older { kind, read, seen } => {
                let cause = format!(
                    "the API server answers with {kind} at resource version {read}, older than {seen}, which was seen \
                     before: it lags, or its store was restored (then this is accepted after {} s)",
                    super::versions::RESTORED_AFTER.as_secs()
                );
                Err(SourceError::new("read objects", cause, "older"))
            }
        }
    }

    fn note_route_groups(&mut self, found: bool) {
        if self.route_groups.replace(found) != Some(found) {
            if found {
                tracing::info!("route groups are read");
            } else {
                tracing::warn!(
                    "the cluster has no RouteGroups (no CRD for zalando.org/v1): only Ingresses count"
                );
            }
        }
    }
}

impl ObjectSource for Kubernetes {
    async fn read(&mut self) -> Result<Reading, SourceError> {
        let mut reading = match self.watched().await {
            Some(reading) => reading,
            None => self.poll().await?,
        };
        if let Some(dir) = self.default_filters.clone() {
            let (filters, diagnostics) = read_default_filters(dir, self.deadline).await?;
            reading.objects.default_filters = filters;
            reading.diagnostics.extend(diagnostics);
        }
        Ok(reading)
    }

    fn raise_floor(&mut self, versions: &BTreeMap<String, String>) {
        self.floor.raise(versions);
    }

    async fn changed(&mut self) {
        match &mut self.watching {
            Some(watching) => watching.changed().await,
            None => std::future::pending().await,
        }
    }

    fn doubt(&mut self) {
        self.doubted = true;
    }

    fn rest(&mut self) {
        self.watching = None;
        self.watch_at = Moment::default();
        self.lister.rest();
    }

    fn forget(&mut self) {
        self.lister.forget();
    }
}

fn add(reading: &mut Reading, kind: Kind, list: &List) {
    let objects = &mut reading.objects;
    for page in &list.pages {
        let Objects { ingresses, route_groups, services, endpoints, endpoint_slices, misshapen, .. } =
            &page.objects;
        objects.ingresses.extend_from_slice(ingresses);
        objects.route_groups.extend_from_slice(route_groups);
        objects.services.extend_from_slice(services);
        objects.endpoints.extend_from_slice(endpoints);
        objects.endpoint_slices.extend_from_slice(endpoint_slices);
        objects.misshapen.extend_from_slice(misshapen);
        reading.diagnostics.extend_from_slice(&page.diagnostics);
    }
    objects.resource_versions.insert(kind.name().to_owned(), list.resource_version.clone());
}

async fn read_default_filters(
    dir: PathBuf,
    deadline: Duration,
) -> Result<(BTreeMap<String, String>, Vec<Diagnostic>), SourceError> {
    let what = format!("read default filters in {}", dir.display());
    let work = tokio::task::spawn_blocking(move || {
        let mut diagnostics = Vec::new();
        (default_filters::read(&dir, &mut diagnostics), diagnostics)
    });
    match tokio::time::timeout(deadline, work).await {
        Ok(Ok(read)) => Ok(read),
        Ok(Err(error)) => Err(SourceError::new(what, error.to_string(), "panic")),
        Err(_) => {
            Err(SourceError::new(what, format!("not read within {}", explain::seconds(deadline)), "timeout"))
        }
    }
}

#[cfg(test)]
mod tests;
