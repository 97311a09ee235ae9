//! Takes orders from operators, on any replica: numbers them, keeps them on disk, and says who has heard of them and what a
//! leader made of them. What other replicas tell is kept on disk too. What can go wrong: the disk; the order counts all the
//! same, and the operator hears of it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::catch_up;
use super::exchange::Reach;
use super::hub::Hub;
use super::peer::Security;
use crate::aside::aside;
use crate::orders::{Act, Order, Orders, OrdersFile, Outcome, Target};
use crate::snapshot::Version;
use crate::writes::{Events, Severity};

/// How long an operator waits to hear who has been told.
const TELL: Duration = Duration::from_secs(1);

/// How long an operator waits for the leader.
const CARRY: Duration = Duration::from_secs(2);

/// Where orders are given.
pub struct Clerk {
    hub: Arc<Hub>,
    file: OrdersFile,
    /// What the file holds.
    written: tokio::sync::Mutex<Orders>,
    peers: Vec<String>,
    security: Security,
    reach: Arc<Reach>,
    events: Events,
}

/// An order that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// The order.
    pub order: Order,
    /// Whether it is on this replica's disk.
    pub is_on_disk: bool,
    /// How many other replicas know of it.
    pub told: usize,
    /// The addresses of those that do not.
    pub not_reached: Vec<String>,
    /// What a leader made of it so far.
    pub outcome: Option<Outcome>,
}

/// Why an order was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// Nobody has the snapshot.
    #[error("no replica that answers keeps {0} any more; `bellwether diff` lists what one keeps")]
    Unknown(Version),
    /// There is nothing to go back to.
    #[error("this replica keeps no table from before the active one; ask another one, or pin a version")]
    NothingBefore,
}

impl Clerk {
    /// Takes up what `file` holds; obeys it from here on. A file that cannot be read is complained of.
    pub fn open(
        hub: Arc<Hub>,
        file: OrdersFile,
        peers: Vec<String>,
        security: Security,
        events: Events,
    ) -> Arc<Self> {
        let written = file.read().unwrap_or_else(|error| {
            tracing::error!(%error, "what was ordered before is not known here");
            Orders::default()
        });
        hub.order(|orders| orders.merge(&written));
        let written = tokio::sync::Mutex::new(written);
        Arc::new(Self { hub, file, written, peers, security, reach: Arc::default(), events })
    }

    /// What peers know of orders.
    pub const fn reach(&self) -> &Arc<Reach> {
        &self.reach
    }

    /// What obeys.
    pub const fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// What is ordered.
    pub fn orders(&self) -> Orders {
        self.hub.orders().borrow().clone()
    }

    /// The snapshot that was active under `version`, here or at a peer.
    ///
    /// # Errors
    ///
    /// Where nobody has it.
    pub async fn find(&self, version: Version) -> Result<Target, NotTaken> {
        if let Some(target) = self.hub.history(|history| history.find(version)) {
            return Ok(Target { version, ..target });
        }
        let found = catch_up::kept(version, &self.peers, &self.security).await;
        found.map(|(_, target)| target).ok_or(NotTaken::Unknown(version))
    }

    /// The table before the active one, or before the one that is pinned: each further rollback goes one further back.
    ///
    /// # Errors
    ///
    /// Where this replica keeps none.
    pub fn before(&self) -> Result<Target, NotTaken> {
        let pinned = self.orders().pin().map(|(_, target)| target.version);
        self.hub.history(|history| history.before(pinned)).ok_or(NotTaken::NothingBefore)
    }

    /// Takes the order `act` of `by`, and waits a little for what comes of it; with `led`, for the leader too.
    pub async fn give(&self, act: Act, by: String, why: String, led: bool) -> Given {
        let at_millis = now_millis();
        let order = self.hub.order(|orders| orders.give(act, by, why, at_millis));
        let is_on_disk = self.write().await;
        self.tell(&order);
        let carried_out = async {
            if !act.is_carried_out() || !led {
                return;
            }
            let done = |orders: &Orders| orders.outcome(order.number).is_some();
            let _ = tokio::time::timeout(CARRY, self.hub.orders().wait_for(done)).await;
        };
        let ((told, not_reached), ()) = tokio::join!(self.reach.told(order.number, TELL), carried_out);
        let outcome = self.orders().outcome(order.number).cloned();
        Given { order, is_on_disk, told, not_reached, outcome }
    }

    /// Keeps on disk what is ordered, whoever has told it. Runs for the life of the process.
    pub async fn keep(self: Arc<Self>) {
        let mut orders = self.hub.orders();
        orders.mark_changed();
        let mut known = Orders::default();
        while orders.changed().await.is_ok() {
            let now = orders.borrow_and_update().clone();
            log(&known, &now);
            known = now;
            self.write().await;
        }
    }

    /// Whether the disk holds what is ordered now.
    async fn write(&self) -> bool {
        let mut written = self.written.lock().await;
        let orders = self.orders();
        if *written == orders {
            return true;
        }
        let (file, writing) = (self.file.clone(), orders.clone());
        match aside(move || file.write(&writing)).await {
            Ok(Ok(())) => {
                *written = orders;
                true
            }
            Ok(Err(error)) => {
                self.hub.metrics().disk_error();
                tracing::error!(%error, "orders are not kept: a restart of every replica would forget them");
                false
            }
            Err(_) => false,
        }
    }

    fn tell(&self, order: &Order) {
        let Order { number, act, by, why, .. } = order;
        let (severity, reason) = match act {
            Act::Freeze => (Severity::Warning, "Frozen"),
            Act::Unfreeze => (Severity::Normal, "Unfrozen"),
            Act::Pin(_) => (Severity::Warning, "Pinned"),
            Act::Rollback(_) => (Severity::Warning, "RolledBack"),
            Act::GuardRelease => (Severity::Normal, "GuardReleased"),
        };
        let why = if why.is_empty() { "no reason given" } else { why };
        let message = format!("order {number}, {act}, by {by}: {why}");
        self.events.tell_of_fleet(severity, reason, message, false);
    }
}

/// Says once what is new.
fn log(before: &Orders, now: &Orders) {
    let new = |of: fn(&Orders) -> Option<&Order>| of(now).filter(|order| of(before) != Some(order));
    for order in [new(Orders::hold), new(Orders::release)].into_iter().flatten() {
        let Order { number, act, by, why, .. } = order;
        tracing::info!(order = number, by, why, "in force: {act}");
        if let Some(Outcome { by, said, .. }) = now.outcome(*number) {
            tracing::info!(order = number, by, said, "carried out: {act}");
        }
    }
    for order in [now.hold(), now.release()].into_iter().flatten() {
        if let Some(Outcome { by, said, .. }) = now.outcome(order.number)
            && [before.hold(), before.release()].contains(&Some(order))
            && before.outcome(order.number).is_none()
        {
            tracing::info!(order = order.number, by, said, "carried out: {}", order.act);
        }
    }
}

/// Now, in Unix milliseconds; for people.
pub fn now_millis() -> u64 {
    let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(unix.as_millis()).unwrap_or(u64::MAX)
}
