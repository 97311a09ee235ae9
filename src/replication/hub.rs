//! The one place of a process that changes its replication state, and keeps the served cell in step with it.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::core::{Progress, Refusal, Replica};
use super::deliveries::Deliveries;
use super::deltas::Deltas;
use super::metrics::Metrics;
use crate::election::Leader;
use crate::snapshot::{Cell, Epoch};
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
    metrics: Metrics,
    deliveries: Arc<Deliveries>,
    deltas: Deltas,
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
        let deliveries = Deliveries::new(clock.clone(), metrics.deliveries());
        Arc::new(Self {
            identity,
            core: Mutex::new(replica),
            cell,
            clock,
            changed: watch::Sender::default(),
            outranked: watch::Sender::default(),
            broken: watch::Sender::default(),
            metrics,
            deliveries,
            deltas: Deltas::default(),
        })
    }

    /// The identity of this process.
    pub fn identity(&self) -> &str {
        &self.identity
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

    /// Changes the state, and what requests see of it, in one step.
    pub fn update<T>(&self, change: impl FnOnce(&mut Replica, Moment) -> T) -> T {
        let mut core = self.core.lock();
        let result = change(&mut core, self.clock.now());
        self.cell.store(core.view());
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
        let progress = core.progress(self.clock.now());
        if let Progress::Activated(snapshot) = &progress {
            // What was taken over from others was active there, and whoever starts from nothing replaces nothing: its
            // clients may have the same table from elsewhere.
            if let Some(before) = before.filter(|_| snapshot.origin == snapshot.version) {
                self.deliveries.activated(&before.contents, &snapshot.contents, snapshot.version);
            }
            self.cell.store(core.view());
            drop(core);
            self.changed.send_modify(|generation| *generation += 1);
        }
        progress
    }
}
