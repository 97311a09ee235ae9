//! What a leader does for operators: publishes again what is pinned, and releases what its guard holds.
//!
//! In: orders, whoever took them; the judgements of the guard. Out: publications of the term, and for each order what became
//! of it. It waits for no poll. What can go wrong: nobody keeps the pinned table any more; then it is looked for again each
//! second, and what is active stays.

use std::sync::Arc;
use std::time::Duration;

use super::Gate;
use crate::election::Term;
use crate::orders::{Order, Orders, Outcome, Target};
use crate::replication::catch_up;
use crate::replication::clerk::now_millis;
use crate::replication::core::{Draft, Published};
use crate::replication::hub::Hub;
use crate::replication::peer::Security;
use crate::snapshot::{Contents, Snapshot, Table};
use crate::writes::{Events, Severity};

/// How long until a table that nobody had is looked for again.
const AGAIN: Duration = Duration::from_secs(1);

/// What carries orders out, while this replica leads.
pub(super) struct Carrier {
    pub(super) hub: Arc<Hub>,
    pub(super) gate: Arc<Gate>,
    pub(super) peers: Vec<String>,
    pub(super) security: Security,
    pub(super) events: Events,
}

impl Carrier {
    /// Carries orders out under `term`, for ever.
    pub(super) async fn run(&self, term: &Term) {
        let (mut orders, mut changed) = (self.hub.orders(), self.hub.changed());
        let mut judged = self.gate.judged();
        let mut complained = 0;
        loop {
            let now = orders.borrow_and_update().clone();
            judged.mark_unchanged();
            changed.mark_unchanged();
            self.release(&now);
            let missing = match now.pin() {
                Some((order, target)) => !self.publish(term, order, &target).await,
                None => false,
            };
            if let Some((order, target)) =
                now.pin().filter(|(order, _)| missing && order.number != complained)
            {
                complained = order.number;
                tracing::error!(
                    order = order.number,
                    version = %target.version,
                    "no replica that answers keeps the pinned table; looking for it each second"
                );
            }
            let unfinished = now.pin().is_some_and(|(order, _)| now.outcome(order.number).is_none());
            tokio::select! {
                _ = orders.changed() => {}
                _ = judged.changed() => {}
                _ = changed.changed(), if unfinished && !missing => {}
                () = tokio::time::sleep(AGAIN), if missing => {}
            }
        }
    }

    /// Lets pass what is held. Where this term has not judged anything yet, the order waits for what it reads first.
    fn release(&self, orders: &Orders) {
        let Some(order) = orders.release_due() else { return };
        if *self.gate.judged().borrow() == 0 {
            return;
        }
        let said = match self.gate.release() {
            Some(held) => format!("released, if the next poll reads no less: {}", held.describe()),
            None => "nothing was held".to_owned(),
        };
        self.done(order, said);
    }

    /// Publishes what is pinned as a read of this term, once; the same bytes cost nothing. Whether it was to be had.
    async fn publish(&self, term: &Term, order: &Order, target: &Target) -> bool {
        let newest = self.hub.read(|core| core.newest().cloned());
        let (contents, read_at_millis) = match newest.filter(|it| it.contents.order == order.number) {
            Some(newest) => (newest.contents.as_ref().clone(), newest.read_at_millis),
            None => {
                let Some(found) = self.find(target).await else { return false };
                (again(&found, order), found.read_at_millis)
            }
        };
        let counts = contents.counts.clone();
        let published =
            self.hub.update(|core, now| core.publish(term, Draft { contents, read_at_millis }, now));
        match published {
            Ok(Published::Announced(version)) => {
                tracing::info!(%version, order = order.number, "announced: {}", order.act);
                // What is read when the order ends is compared with what is published now.
                self.gate.open(Some(counts));
            }
            Ok(Published::Unchanged | Published::Waiting | Published::Held) => {}
            Err(over) => tracing::warn!(reason = %over, "nothing published"),
        }
        let active = self.hub.read(|core| core.active().cloned());
        if let Some(active) = active.filter(|it| it.contents.order == order.number) {
            self.done(order, format!("published as {}", active.version));
        }
        true
    }

    async fn find(&self, target: &Target) -> Option<Arc<Snapshot>> {
        let own = self.hub.kept(|history| history.exact(target)).await;
        if own.is_some() {
            return own;
        }
        catch_up::fetch_kept(&self.hub, target, &self.peers, &self.security).await.map(Arc::new)
    }

    /// Once for each order; a later term that publishes the same again has nothing to add.
    fn done(&self, order: &Order, said: String) {
        let by = self.hub.name().to_owned();
        let outcome = Outcome { number: order.number, at_millis: now_millis(), by, said };
        let first = self.hub.order(|orders| {
            let first = orders.outcome(order.number).is_none();
            if first {
                orders.carried_out(outcome.clone());
            }
            first
        });
        if first {
            let Outcome { number, by, said, .. } = outcome;
            let message = format!("{by} carried out order {number}, {}: {said}", order.act);
            self.events.tell_of_fleet(Severity::Normal, "OrderCarriedOut", message, false);
        }
    }
}

/// The old bytes, that change what is served now.
fn again(found: &Snapshot, order: &Order) -> Contents {
    let now = now_millis() / 1_000;
    let changed = |table: &Arc<Table>| Arc::new(table.as_ref().clone().modified_at(now));
    let zones = found.contents.zones.iter().map(|(zone, table)| (zone.clone(), changed(table)));
    Contents {
        zones: zones.collect(),
        table: changed(&found.contents.table),
        order: order.number,
        ..found.contents.as_ref().clone()
    }
}
