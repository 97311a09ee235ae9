//! All lists of a cluster: five calls, all of which succeed, or none counts.
//!
//! In: nothing. Out: the lists, those that did not change shared with the ones read before; and, where they are read to be
//! watched and the server can, the connections that tell what changes after them. What can go wrong: any call.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kube::client::Client;
use parking_lot::Mutex;

use super::call::{Call, Verb};
use super::list::{self, List};
use super::page::Page;
use super::resource::Resource;
use super::stream::{Connection, Subject};
use super::{KubernetesConfig, WatchTiming, discovery, explain};
use crate::object::Kind;
use crate::source::SourceError;

/// Reads the lists. Cheap to clone; clones share what they know of the lists before.
#[derive(Clone)]
pub(super) struct Lister {
    client: Client,
    config: Arc<KubernetesConfig>,
    /// The pages of each list as they were read last.
    known: Arc<Mutex<HashMap<Kind, Vec<Arc<Page>>>>>,
    /// Whether the server may stream lists; it has not refused yet.
    streams: Arc<AtomicBool>,
}

/// What lists are read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    /// For themselves.
    Reading,
    /// To be watched from here on.
    Watching,
}

/// One list, and what goes on from there.
struct Listed {
    list: List,
    connection: Option<Connection>,
}

/// All of them, in the order of their kinds.
pub(super) struct Lists {
    pub(super) kinds: Vec<(Kind, List)>,
    /// The watches that have begun already.
    pub(super) connections: HashMap<Kind, Connection>,
}

impl Lister {
    pub(super) fn new(client: Client, config: KubernetesConfig) -> Self {
        let streams = Arc::new(AtomicBool::new(true));
        Self { client, config: Arc::new(config), known: Arc::default(), streams }
    }

    /// Reads all lists, within the deadline for all of it.
    pub(super) async fn read(&self, what_for: For) -> Result<Lists, SourceError> {
        let deadline = self.config.deadlines.poll;
        tokio::time::timeout(deadline, self.read_all(what_for)).await.map_err(|_| {
            let cause = format!("not complete within {}", explain::seconds(deadline));
            SourceError::new("read objects", cause, "timeout")
        })?
    }

    /// First what refers, then what is referred to: whatever an Ingress named when it was read is there when the
    /// Services and their addresses are read after it. All at once could send a moved Ingress nowhere for a poll.
    async fn read_all(&self, what_for: For) -> Result<Lists, SourceError> {
        let addresses = if self.config.endpoint_slices { Kind::EndpointSlice } else { Kind::Endpoints };
        let list = |kind| self.list(kind, what_for);
        let (ingresses, groups) = tokio::try_join!(list(Kind::Ingress), self.route_groups(what_for))?;
        let (services, endpoints) = tokio::try_join!(list(Kind::Service), list(addresses))?;
        let listed = [
            (Kind::Ingress, Some(ingresses)),
            (Kind::RouteGroup, groups),
            (Kind::Service, Some(services)),
            (addresses, Some(endpoints)),
        ];
        let mut lists = Lists { kinds: Vec::new(), connections: HashMap::new() };
        for (kind, listed) in listed {
            let Some(Listed { list, connection }) = listed else { continue };
            lists.connections.extend(connection.map(|connection| (kind, connection)));
            lists.kinds.push((kind, list));
        }
        let known = lists.kinds.iter().map(|(kind, list)| (*kind, list.pages.clone()));
        *self.known.lock() = known.collect();
        Ok(lists)
    }

    async fn route_groups(&self, what_for: For) -> Result<Option<Listed>, SourceError> {
        let call = self.call(Verb::Discover, Kind::RouteGroup);
        if discovery::serves(call, self.config.deadlines.list).await? {
            self.list(Kind::RouteGroup, what_for).await.map(Some)
        } else {
            Ok(None)
        }
    }

    async fn list(&self, kind: Kind, what_for: For) -> Result<Listed, SourceError> {
        if let Some(listed) = self.streamed(kind, what_for).await {
            return Ok(listed);
        }
        let path = Resource::of(kind).path(self.config.namespace.as_deref());
        let before = self.known.lock().get(&kind).cloned().unwrap_or_default();
        let deadline = self.config.deadlines.list;
        let list = list::list(self.call(Verb::List, kind), &path, &before, deadline).await?;
        Ok(Listed { list, connection: None })
    }

    /// The list as a stream, where that can be had. Whatever else comes of it, pages say it better.
    async fn streamed(&self, kind: Kind, what_for: For) -> Option<Listed> {
        let timing = self.config.watch.filter(|_| what_for == For::Watching)?;
        if !self.streams.load(Ordering::Relaxed) {
            return None;
        }
        let subject = self.subject(kind, timing);
        match tokio::time::timeout(self.config.deadlines.list, subject.list()).await {
            Ok(Ok(Some((list, connection)))) => Some(Listed { list, connection: Some(connection) }),
            Ok(Ok(None)) => {
                if self.streams.swap(false, Ordering::Relaxed) {
                    tracing::info!(
                        "the API server streams no lists: they come in pages, and are watched from there"
                    );
                }
                None
            }
            Ok(Err(failure)) => {
                let error = self.call(Verb::Watch, kind).error(&failure);
                tracing::debug!(%error, "no list came as a stream");
                None
            }
            Err(_) => None,
        }
    }

    /// What a watch of `kind` is of.
    pub(super) fn subject(&self, kind: Kind, timing: WatchTiming) -> Subject {
        Subject {
            client: self.client.clone(),
            stall: self.config.deadlines.stall,
            kind,
            namespace: self.config.namespace.clone(),
            length: timing.length,
            silence: timing.silence,
        }
    }

    fn call(&self, verb: Verb, kind: Kind) -> Call<'_> {
        let (client, stall) = (&self.client, self.config.deadlines.stall);
        Call { client, stall, verb, resource: Resource::of(kind) }
    }

    /// The next time it is found out anew what the server can: it may be another one then.
    pub(super) fn rest(&self) {
        self.streams.store(true, Ordering::Relaxed);
    }

    /// Gives back what only makes the next lists cheaper.
    pub(super) fn forget(&self) {
        self.known.lock().clear();
    }
}
