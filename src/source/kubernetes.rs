//! Objects from a Kubernetes API: five calls, all of which succeed, or the poll counts for nothing.
//!
//! Each call has a deadline that includes its body, and so has the whole. Lists older than those of the last poll
//! are refused (design D6): see [`super::versions`].

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

mod access;
mod call;
mod discovery;
mod explain;
mod list;
mod page;
mod resource;

use kube::client::Client;

pub(crate) use access::chain;
pub use access::{Access, AccessError, connect};

use super::versions::{Floor, Verdict};
use super::{ObjectSource, Reading, SourceError, default_filters};
use crate::compile::Diagnostic;
use crate::net::Net;
use crate::object::{Kind, Objects};
use crate::time::Clock;
use call::{Call, Verb};
use list::List;
use page::Page;
use resource::Resource;

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

/// Reads the objects of a cluster.
pub struct Kubernetes {
    client: Client,
    config: KubernetesConfig,
    default_filters: Option<PathBuf>,
    clock: Arc<dyn Clock>,
    floor: Floor,
    /// The pages of each list as they were read last.
    known: HashMap<Kind, Vec<Arc<Page>>>,
    /// What discovery last said; its change is worth a line.
    route_groups: Option<bool>,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { stall: Duration::from_secs(5), list: Duration::from_secs(20), poll: Duration::from_secs(30) }
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
            client,
            config,
            default_filters,
            clock,
            floor: Floor::default(),
            known: HashMap::new(),
            route_groups: None,
        })
    }

    fn call(&self, verb: Verb, kind: Kind) -> Call<'_> {
        let (client, stall) = (&self.client, self.config.deadlines.stall);
        Call { client, stall, verb, resource: Resource::of(kind) }
    }

    async fn list(&self, kind: Kind) -> Result<List, SourceError> {
        let path = Resource::of(kind).path(self.config.namespace.as_deref());
        let before = self.known.get(&kind).map_or(&[][..], Vec::as_slice);
        list::list(self.call(Verb::List, kind), &path, before, self.config.deadlines.list).await
    }

    async fn route_groups(&self) -> Result<Option<List>, SourceError> {
        let call = self.call(Verb::Discover, Kind::RouteGroup);
        if discovery::serves(call, self.config.deadlines.list).await? {
            self.list(Kind::RouteGroup).await.map(Some)
        } else {
            Ok(None)
        }
    }

    /// First what refers, then what is referred to: whatever an Ingress named when it was read is there when the
    /// Services and their addresses are read after it. All at once could send a moved Ingress nowhere for a poll.
    async fn read_all(&mut self) -> Result<(Reading, bool), SourceError> {
        let addresses = if self.config.endpoint_slices { Kind::EndpointSlice } else { Kind::Endpoints };
        let (ingresses, route_groups) = tokio::try_join!(self.list(Kind::Ingress), self.route_groups())?;
        let (services, endpoints) = tokio::try_join!(self.list(Kind::Service), self.list(addresses))?;
        let found = route_groups.is_some();
        let mut reading = Reading::default();
        let lists = [
            (Kind::Ingress, Some(ingresses)),
            (Kind::RouteGroup, route_groups),
            (Kind::Service, Some(services)),
            (addresses, Some(endpoints)),
        ];
        self.known.clear();
        for (kind, list) in lists.into_iter().filter_map(|(kind, list)| Some((kind, list?))) {
            add(&mut reading, kind, &list);
            self.known.insert(kind, list.pages);
        }
        Ok((reading, found))
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
        let deadline = self.config.deadlines.poll;
        let (mut reading, found) =
            tokio::time::timeout(deadline, self.read_all()).await.map_err(|_| {
                let cause = format!("not complete within {}", explain::seconds(deadline));
                SourceError::new("read objects", cause, "timeout")
            })??;
        self.judge(&mut reading)?;
        self.note_route_groups(found);
        if let Some(dir) = self.default_filters.clone() {
            let (filters, diagnostics) = read_default_filters(dir, deadline).await?;
            reading.objects.default_filters = filters;
            reading.diagnostics.extend(diagnostics);
        }
        Ok(reading)
    }

    fn raise_floor(&mut self, versions: &BTreeMap<String, String>) {
        self.floor.raise(versions);
    }

    fn forget(&mut self) {
        self.known.clear();
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
