//! The one place of a process that changes its replication state, and keeps the served cell in step with it.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tokio::sync::{broadcast, watch};

use super::core::{Progress, Refusal, Replica, StreamId};
use super::deliveries::Deliveries;
use super::deltas::Deltas;
use super::metrics::Metrics;
use super::observe::Shows;
use super::publications::Publications;
use crate::aside::aside;
use crate::election::{Leader, name_of};
use crate::orders::Orders;
use crate::snapshot::{Cell, Contents, Digest, Epoch, History, Kept, Sharder, Shelf, Snapshot, Version};
use crate::time::{Clock, Moment};

/// The shared handle. Every change goes through [`Hub::update`], under one short lock that no await is held in.
pub struct Hub {
    identity: String,
    core: Mutex<Replica>,
    cell: Arc<Cell>,
    clock: Arc<dyn Clock>,
    changed: watch::Sender<u64>,
    outranked: watch::Sender<Epoch>,
    broken: watch::Sender<Option<Leader>>,
    orders: watch::Sender<Orders>,
    history: Mutex<History>,
    shelf: OnceLock<Shelf>,
    sharder: OnceLock<Arc<Sharder>>,
    shows: OnceLock<Box<Shows>>,
    metrics: Metrics,
    deliveries: Arc<Deliveries>,
    deltas: Deltas,
    publications: Arc<Publications>,
    activations: broadcast::Sender<Activation>,
    serving: watch::Sender<BTreeMap<StreamId, Version>>,
}

/// Activations that may wait to be written down. Each keeps two snapshots in memory.
const ACTIVATIONS: usize = 8;

/// This leader has activated something.
#[derive(Clone, Debug)]
pub struct Activation {
    /// What was active before.
    pub before: Option<Arc<Snapshot>>,
    /// What is active.
    pub now: Arc<Snapshot>,
    /// When it was announced.
    pub announced_at: Moment,
    /// When it became active.
    pub activated_at: Moment,
}

impl Hub {
    /// The hub of the process `identity`, that starts with `replica`'s state.
    pub fn new(
        identity: String,
        replica: Replica,
        cell: Arc<Cell>,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
    ) -> Arc<Self> {
        cell.store(replica.view());
        let mut history = History::default();
        replica.active().into_iter().for_each(|active| history.add(active));
        let deliveries = Deliveries::new(clock.clone(), metrics.deliveries());
        Arc::new(Self {
            identity,
            core: Mutex::new(replica),
            cell,
            clock,
            changed: watch::Sender::default(),
            outranked: watch::Sender::default(),
            broken: watch::Sender::default(),
            orders: watch::Sender::default(),
            history: Mutex::new(history),
            shelf: OnceLock::new(),
            sharder: OnceLock::new(),
            shows: OnceLock::new(),
            metrics,
            deliveries,
            deltas: Deltas::default(),
            publications: Arc::default(),
            activations: broadcast::Sender::new(ACTIVATIONS),
            serving: watch::Sender::default(),
        })
    }

    /// The identity of this process.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// The name of this replica: what its identity begins with.
    pub fn name(&self) -> &str {
        name_of(&self.identity)
    }

    /// The moment now, on the clock that grants and validity are counted on.
    pub fn now(&self) -> Moment {
        self.clock.now()
    }

    /// The counters of replication.
    pub const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Which client has which table whole.
    pub const fn deliveries(&self) -> &Arc<Deliveries> {
        &self.deliveries
    }

    /// The deltas that were made for followers.
    pub const fn deltas(&self) -> &Deltas {
        &self.deltas
    }

    /// The last publications.
    pub const fn publications(&self) -> &Arc<Publications> {
        &self.publications
    }

    /// What this replica activates as the leader, from now on.
    pub fn activations(&self) -> broadcast::Receiver<Activation> {
        self.activations.subscribe()
    }

    /// What the followers that are connected have said that they serve.
    pub fn serving(&self) -> watch::Receiver<BTreeMap<StreamId, Version>> {
        self.serving.subscribe()
    }

    /// The follower of `stream` serves `version`.
    pub fn serves(&self, stream: StreamId, version: Version) {
        self.serving.send_modify(|serving| {
            serving.insert(stream, version);
        });
    }

    /// The `stream` of a follower has ended.
    pub fn gone(&self, stream: StreamId) {
        self.serving.send_modify(|serving| {
            serving.remove(&stream);
        });
    }

    /// Changes the state, and what requests see of it, in one step.
    pub fn update<T>(&self, change: impl FnOnce(&mut Replica, Moment) -> T) -> T {
        let mut core = self.core.lock();
        let before = core.active().cloned();
        let result = change(&mut core, self.clock.now());
        self.cell.store(core.view());
        self.remember(before.as_ref(), &core);
        let active = core.active().filter(|active| {
            let led = core.leads().map(|(epoch, _)| epoch);
            led == Some(active.version.epoch) && before.as_ref().is_none_or(|it| it.version != active.version)
        });
        if let Some(now) = active.cloned() {
            // A new term that finds its own table: nobody had to be waited for.
            let at = self.clock.now();
            self.activated(Activation { before, now, announced_at: at, activated_at: at });
        }
        drop(core);
        self.changed.send_modify(|generation| *generation += 1);
        result
    }

    /// Looks at the state.
    pub fn read<T>(&self, look: impl FnOnce(&Replica) -> T) -> T {
        look(&self.core.lock())
    }

    /// Wakes after each change.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// The highest epoch of others that an own term met: the election must come to a higher one, or retire.
    pub fn outranked(&self) -> watch::Receiver<Epoch> {
        self.outranked.subscribe()
    }

    /// Somebody has seen `epoch`, which is not below that of the own term.
    pub fn outrank(&self, epoch: Epoch) {
        self.outranked.send_if_modified(|highest| {
            let higher = epoch > *highest;
            *highest = (*highest).max(epoch);
            higher
        });
    }

    /// The leader whose stream broke off last, without a word.
    pub fn broken(&self) -> watch::Receiver<Option<Leader>> {
        self.broken.subscribe()
    }

    /// The stream to `leader` broke off: its process, its machine or the network between has failed.
    pub fn broke(&self, leader: &Leader) {
        self.broken.send_replace(Some(leader.clone()));
    }

    /// What this replica shows of itself, where that is settled.
    pub fn shows(&self) -> Option<&Shows> {
        self.shows.get().map(|shows| &**shows)
    }

    /// Settles what this replica shows of itself; the first word counts.
    pub fn show(&self, shows: Box<Shows>) {
        let _ = self.shows.set(shows);
    }

    /// What operators have ordered, as far as this replica knows.
    pub fn orders(&self) -> watch::Receiver<Orders> {
        self.orders.subscribe()
    }

    /// Changes what is ordered, by an operator's word or a peer's, and obeys at once.
    pub fn order<T>(&self, change: impl FnOnce(&mut Orders) -> T) -> T {
        let mut result = None;
        let changed = self.orders.send_if_modified(|orders| {
            let before = orders.clone();
            result = Some(change(orders));
            *orders != before
        });
        if changed {
            // Looked at under the lock of the state, so that of two changes the later one stays.
            self.update(|core, now| core.hold(self.orders.borrow().held(), now));
        }
        result.expect("it was called")
    }

    fn remember(&self, before: Option<&Arc<Snapshot>>, core: &Replica) {
        if let Some(active) = core.active().filter(|active| before.is_none_or(|it| !Arc::ptr_eq(it, active)))
        {
            self.history.lock().add(active);
        }
    }

    /// For whoever writes it down; with nobody there, it is not.
    fn activated(&self, activation: Activation) {
        let _ = self.activations.send(activation);
    }

    /// Looks at what was active here lately, or adds to what is known of it.
    pub fn history<T>(&self, look: impl FnOnce(&mut History) -> T) -> T {
        look(&mut self.history.lock())
    }

    /// What memory has no room for is on `shelf`.
    pub fn shelve(&self, shelf: Shelf) {
        let _ = self.shelf.set(shelf);
    }

    /// Tables are cut into shards by `sharder`.
    pub fn cut_by(&self, sharder: Arc<Sharder>) {
        let _ = self.sharder.set(sharder);
    }

    /// Who cuts tables into shards; none where nobody asks for them.
    pub fn sharder(&self) -> Option<&Arc<Sharder>> {
        self.sharder.get()
    }

    /// The digests of the shards of these contents, where they are cut.
    fn shards(&self, contents: &Contents) -> Vec<Digest> {
        let sharded = self.sharder().and_then(|sharder| sharder.of(contents.table.digest()));
        sharded.iter().flat_map(|sharded| sharded.digests()).collect()
    }

    /// The snapshot that `find` finds, from memory or from the disk.
    pub async fn kept(&self, find: impl Fn(&History) -> Option<&Kept>) -> Option<Arc<Snapshot>> {
        let (first, snapshot) =
            self.history(|history| find(history).map(|kept| (kept.first(), kept.snapshot().cloned())))?;
        if snapshot.is_some() {
            return snapshot;
        }
        let shelf = self.shelf.get()?.clone();
        match aside(move || shelf.read(first)).await.ok()? {
            Ok(snapshot) => Some(Arc::new(snapshot)),
            Err(reason) => {
                tracing::warn!(version = %first, %reason, "a snapshot on disk cannot be used");
                None
            }
        }
    }

    /// Counts a refusal and passes it on.
    pub fn refused(&self, refusal: Refusal) -> Refusal {
        self.metrics.refused(refusal);
        refusal
    }

    /// Activates publications as soon as the rules allow. Runs for the life of the process.
    pub async fn activate(self: Arc<Self>) {
        let mut changed = self.changed();
        loop {
            changed.mark_unchanged();
            match self.read_or_activate() {
                Progress::Activated(snapshot) => {
                    let (version, digest, routes) =
                        (snapshot.version, snapshot.digest(), snapshot.contents.table.routes());
                    tracing::info!(%version, ?digest, routes, origin = %snapshot.origin, "activated as the leader");
                }
                Progress::Wait(until) => {
                    let wait = until.since(self.now());
                    let _ = tokio::time::timeout(wait, changed.changed()).await;
                }
                Progress::Idle => {
                    if changed.changed().await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Only an activation changes what requests see; a look that finds nothing to do must not wake everyone.
    fn read_or_activate(&self) -> Progress {
        let mut core = self.core.lock();
        let before = core.active().cloned();
        let now = self.clock.now();
        let announced_at = core.announced_at().unwrap_or(now);
        let progress = core.progress(now);
        if let Progress::Activated(snapshot) = &progress {
            // What was taken over from others was active there, and whoever starts from nothing replaces nothing: its
            // clients may have the same table from elsewhere.
            if let Some(before) = before.as_ref().filter(|_| snapshot.origin == snapshot.version) {
                let (old, new) = (&before.contents, &snapshot.contents);
                self.deliveries.activated(old, new, snapshot.version);
                // Of what it replaces nothing is known where that was not cut.
                let (old, new) = (self.shards(old), self.shards(new));
                if !old.is_empty() {
                    self.deliveries.replaced(&old, new, snapshot.version);
                }
            }
            self.cell.store(core.view());
            self.remember(None, &core);
            drop(core);
            self.activated(Activation { before, now: snapshot.clone(), announced_at, activated_at: now });
            self.changed.send_modify(|generation| *generation += 1);
        }
        progress
    }
}
