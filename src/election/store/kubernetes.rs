//! The Lease in Kubernetes: PUT with resourceVersion and UID, never a patch (design D2).
//!
//! In: how to reach the API server. Out: a [`LeaseStore`] on a client of its own, without retries: kube's obey
//! `Retry-After` for up to a thousand seconds inside one call, and a renewal has none to lose. Each call has its
//! deadline where it is made. What can go wrong: what the API server says, as [`StoreError`].

#[cfg(test)]
mod tests;

use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::{PostParams, WatchEvent, WatchParams};
use parking_lot::Mutex;
use tokio::sync::{OnceCell, mpsc};

use super::{Change, LeaseStore, StoreError};
use crate::election::lease;
use crate::election::record::{Key, Record, Stored};
use crate::net::Net;
use crate::source::kubernetes::{Access, AccessError, connect};

/// How long the API server keeps one watch open.
const WATCH: u32 = 10;

/// How long after that a silent connection is given up.
const GRACE: Duration = Duration::from_secs(5);

/// Between a watch that broke and the next.
const AGAIN: Duration = Duration::from_millis(500);

/// The same where it was refused: reads go on meanwhile, and both together must not hammer.
const REFUSED: Duration = Duration::from_secs(2);

/// How many objects are remembered to be written back: ours, what came since, and what a request under way refers to.
const MEMORY: usize = 8;

/// The Lease `name` in a namespace.
pub struct KubernetesLease {
    access: Access,
    net: Net,
    /// Made where it is first used: its tasks then run on the election's thread, not among those that compile.
    api: OnceCell<Api<Lease>>,
    namespace: String,
    name: String,
    /// The objects as they were read: a PUT replaces all of an object, and others keep things there too.
    known: Mutex<Vec<(Key, Lease)>>,
}

impl KubernetesLease {
    /// The Lease `namespace`/`name`. The API is not asked yet.
    ///
    /// # Errors
    ///
    /// Where the configuration cannot be right.
    pub async fn open(access: Access, namespace: &str, name: &str) -> Result<Self, AccessError> {
        connect(&access, &Net::Tcp).await?;
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        Ok(Self { access, net: Net::Tcp, api: OnceCell::new(), namespace, name, known: Mutex::default() })
    }

    /// The same, over another network.
    #[must_use]
    pub fn over(self, net: Net) -> Self {
        Self { net, ..self }
    }

    async fn api(&self) -> Result<&Api<Lease>, StoreError> {
        let make = async || Ok(Api::namespaced(connect(&self.access, &self.net).await?, &self.namespace));
        let made: Result<_, AccessError> = self.api.get_or_try_init(make).await;
        made.map_err(|error| StoreError::Other(error.to_string()))
    }

    fn read(&self, object: Lease) -> Result<Stored, StoreError> {
        let stored = lease::read(&object).map_err(|error| StoreError::Other(error.to_string()))?;
        let mut known = self.known.lock();
        known.retain(|(key, _)| *key != stored.key);
        if known.len() >= MEMORY {
            known.remove(0);
        }
        known.push((stored.key.clone(), object));
        Ok(stored)
    }

    fn known(&self, key: &Key) -> Option<Lease> {
        self.known.lock().iter().find(|(known, _)| known == key).map(|(_, object)| object.clone())
    }

    async fn watch_once(&self, changes: &mpsc::Sender<Change>) -> Result<(), StoreError> {
        let filter = WatchParams::default().fields(&format!("metadata.name={}", self.name)).timeout(WATCH);
        // No version: the newest state first, then what changes it.
        let events = self.api().await?.watch(&filter, "").await.map_err(failed)?;
        let mut events = std::pin::pin!(events);
        while let Some(event) = events.next().await {
            let change = match event.map_err(failed)? {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                    self.read(object).map_or(Change::Look, |now| Change::Written(Box::new(now)))
                }
                WatchEvent::Deleted(_) => Change::Look,
                WatchEvent::Bookmark(_) => continue,
                WatchEvent::Error(status) => return Err(failed(kube::Error::Api(status))),
            };
            if changes.send(change).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
        Ok(())
    }
}

impl LeaseStore for KubernetesLease {
    async fn get(&self) -> Result<Stored, StoreError> {
        // kube sends no resourceVersion: a quorum read, not the watch cache's memory.
        let object = self.api().await?.get(&self.name).await.map_err(failed)?;
        self.read(object)
    }

    async fn create(&self, record: &Record) -> Result<Key, StoreError> {
        let mut object = Lease::default();
        object.metadata.name = Some(self.name.clone());
        lease::write(record, &mut object);
        let made = self.api().await?.create(&ours(), &object).await.map_err(failed)?;
        Ok(self.read(made)?.key)
    }

    async fn replace(&self, key: &Key, record: &Record) -> Result<Key, StoreError> {
        // What is no longer remembered has been replaced often since.
        let mut object = self.known(key).ok_or(StoreError::Conflict)?;
        object.metadata.managed_fields = None;
        object.metadata.uid = Some(key.uid.clone());
        object.metadata.resource_version = Some(key.version.to_string());
        lease::write(record, &mut object);
        let put = self.api().await?.replace(&self.name, &ours(), &object).await.map_err(failed)?;
        Ok(self.read(put)?.key)
    }

    async fn watch(&self, changes: mpsc::Sender<Change>) {
        let patience = Duration::from_secs(WATCH.into()) + GRACE;
        loop {
            match tokio::time::timeout(patience, self.watch_once(&changes)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::debug!(lease = self.name(), %error, "the watch on the lease broke");
                    tokio::time::sleep(again(&error)).await;
                }
                Err(_) => tracing::debug!(lease = self.name(), "the watch on the lease fell silent"),
            }
        }
    }

    fn name(&self) -> String {
        format!("lease {}/{}", self.namespace, self.name)
    }
}

/// How long the watch is left alone after `error`.
const fn again(error: &StoreError) -> Duration {
    match error {
        StoreError::Forbidden(_) | StoreError::Throttled { .. } => REFUSED,
        _ => AGAIN,
    }
}

/// Writes that `kubectl` can tell from others'.
fn ours() -> PostParams {
    PostParams { field_manager: Some("bellwether".to_owned()), ..PostParams::default() }
}

/// What an error of kube's means for a Lease.
fn failed(error: kube::Error) -> StoreError {
    match error {
        kube::Error::Api(status) => match status.code {
            404 => StoreError::NotFound,
            409 => StoreError::Conflict,
            401 | 403 => StoreError::Forbidden(status.message.clone()),
            429 => {
                let seconds = status.details.as_ref().map(|details| details.retry_after_seconds);
                let asked = seconds.filter(|seconds| *seconds > 0).map(|s| Duration::from_secs(s.into()));
                StoreError::Throttled { retry_after: asked }
            }
            code => StoreError::Other(format!("the API server answered {code}: {}", status.message)),
        },
        other => StoreError::Other(chain(&other)),
    }
}

/// An error and what caused it, in one line: kube's own text stops before the reason.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}
