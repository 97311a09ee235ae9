//! A fake API server with the real one's rules, and faults on command.
//!
//! In: manifests, and writes over HTTP. Out, over HTTP: discovery; objects, lists with versions and pages, watches with
//! bookmarks; 404, 405, 409, 410 and 422 where the real one says so. A [`Fault`] takes the place of what one of the
//! [`Endpoint`]s answers until it is healed; polls can be held and let through one by one. Several can serve one store,
//! each with faults and counts of its own.

mod connection;
mod endpoint;
mod fault;
mod lists;
mod store;
mod turnstile;
mod watches;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::ground::Place;

pub use endpoint::Endpoint;
pub use fault::{Fault, WatchFault};
use store::Store;
use turnstile::Turnstile;

/// How long a call stalls before its connection is closed, as by a balancer in between: longer than our own deadline for
/// silence. A client without one would wait for ever, and there would be no second poll.
const STALL: Duration = Duration::from_secs(6);

/// A running API server; it ends when it is dropped.
pub struct FakeApi {
    address: SocketAddr,
    shared: Arc<Shared>,
    _task: JoinSet<()>,
}

struct Shared {
    store: Arc<Mutex<Store>>,
    faults: Mutex<BTreeMap<Endpoint, Fault>>,
    /// What is wrong with watches, open ones too.
    watches: watch::Sender<Option<WatchFault>>,
    /// How many watches were asked for.
    watched: AtomicUsize,
    /// How often each endpoint was asked, faulty or not.
    asked: Mutex<BTreeMap<Endpoint, usize>>,
    /// How many of those were writes, refused ones too.
    written: Mutex<BTreeMap<Endpoint, usize>>,
    /// Counts the times that everything was healed: what stalls ends with it.
    healed: watch::Sender<usize>,
    turnstile: Turnstile,
}

impl FakeApi {
    /// Starts it on a free port of loopback, with these objects.
    ///
    /// # Errors
    ///
    /// Where it cannot listen.
    pub async fn start(manifests: &[Value]) -> Result<Self> {
        Self::start_in(&Place::on_loopback("api"), manifests)
    }

    /// Starts it in `place`, with these objects.
    ///
    /// # Errors
    ///
    /// Where it cannot listen.
    pub fn start_in(place: &Place, manifests: &[Value]) -> Result<Self> {
        let mut store = Store::new();
        lists::become_these(&mut store, manifests);
        Self::serve(place, Arc::new(Mutex::new(store)))
    }

    /// Another one on the same store, as a control plane has several.
    ///
    /// # Errors
    ///
    /// Where it cannot listen.
    pub async fn beside(&self) -> Result<Self> {
        Self::serve(&Place::on_loopback("api"), Arc::clone(&self.shared.store))
    }

    fn serve(place: &Place, store: Arc<Mutex<Store>>) -> Result<Self> {
        let listener = place.listen(8001).context("listen as the API server")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            store,
            faults: Mutex::default(),
            watches: watch::Sender::default(),
            watched: AtomicUsize::default(),
            asked: Mutex::default(),
            written: Mutex::default(),
            healed: watch::Sender::new(0),
            turnstile: Turnstile::new(),
        });
        let mut task = JoinSet::new();
        task.spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, _task: task })
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on these are its objects. What stays as it was keeps its version, and what has the name of an object that
    /// is there its UID.
    pub fn replace(&self, manifests: &[Value]) {
        lists::become_these(&mut self.shared.store.lock(), manifests);
    }

    /// From now on each of these is there, as it is here; all others stay.
    pub fn put(&self, manifests: &[Value]) {
        lists::put(&mut self.shared.store.lock(), manifests);
    }

    /// Removes the objects of these names.
    pub fn delete(&self, manifests: &[Value]) {
        let mut store = self.shared.store.lock();
        for key in manifests.iter().filter_map(store::key_of) {
            // What is not there need not go.
            let _ = store.delete(&key);
        }
    }

    /// The object of this name, as it is now; a Lease too.
    pub fn get(&self, manifest: &Value) -> Option<Value> {
        let store = self.shared.store.lock();
        store.objects().get(&store::key_of(manifest)?).map(|object| (**object).clone())
    }

    /// Its objects as they are listed, but Leases.
    pub fn objects(&self) -> Vec<Value> {
        let store = self.shared.store.lock();
        let objects = store.objects().iter().filter(|(key, _)| key.0 != Endpoint::Leases);
        objects.map(|(_, object)| (**object).clone()).collect()
    }

    /// Forgets how its objects came to be as they are: pages and watches that need that end with 410.
    pub fn compact(&self) {
        self.shared.store.lock().compact();
    }

    /// The version of its last write.
    pub fn version(&self) -> u64 {
        self.shared.store.lock().version()
    }

    /// From now on `endpoint` answers so.
    pub fn break_with(&self, endpoint: Endpoint, fault: Fault) {
        self.shared.faults.lock().insert(endpoint, fault);
    }

    /// From now on watches are so.
    pub fn break_watches_with(&self, fault: WatchFault) {
        self.shared.watches.send_replace(Some(fault));
    }

    /// How many watches were asked for so far, those of Leases too.
    pub fn watched(&self) -> usize {
        self.shared.watched.load(Ordering::Relaxed)
    }

    /// From now on everything answers as it should; connections that stall are closed.
    pub fn heal(&self) {
        self.shared.watches.send_replace(None);
        self.shared.faults.lock().clear();
        self.shared.healed.send_modify(|times| *times += 1);
    }

    /// How often `endpoint` was asked so far.
    pub fn asked(&self, endpoint: Endpoint) -> usize {
        self.shared.asked.lock().get(&endpoint).copied().unwrap_or_default()
    }

    /// How many writes `endpoint` was asked for so far, refused ones too.
    pub fn written(&self, endpoint: Endpoint) -> usize {
        self.shared.written.lock().get(&endpoint).copied().unwrap_or_default()
    }

    /// From now on each poll waits until it is let through.
    pub fn hold(&self) {
        self.shared.turnstile.hold();
    }

    /// Waits until a poll waits: the one before it is over.
    pub async fn held(&self) {
        self.shared.turnstile.held().await;
    }

    /// Lets one poll through.
    pub fn let_one_through(&self) {
        self.shared.turnstile.let_one_through();
    }
}

impl Shared {
    fn count(&self, endpoint: Endpoint, method: &str) {
        *self.asked.lock().entry(endpoint).or_default() += 1;
        if method != "GET" {
            *self.written.lock().entry(endpoint).or_default() += 1;
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                let shared = Arc::clone(&shared);
                // A client that goes away is no concern of an API server.
                connections.spawn(async move { drop(connection::converse(stream, &shared).await) });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

#[cfg(test)]
mod tests;
