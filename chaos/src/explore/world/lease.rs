//! The Lease: compare-and-swap is one step here, and whoever takes it does so at the earliest moment allowed.

use std::hash::{Hash, Hasher};

use bellwether::election::Term;
use bellwether::snapshot::{Epoch, TermId};
use bellwether::time::Moment;

use super::{LEASE, Plan, VALID, World};
use crate::explore::rule::Rule;

#[derive(Clone, Copy, Debug, Default)]
pub struct Lease {
    /// Which process of which replica holds it.
    pub holder: Option<(usize, u8)>,
    pub epoch: u64,
    pub term: u8,
    /// When it was written last: others wait [`LEASE`] from there.
    pub written_at: Moment,
    /// Whether the leader itself gave it up.
    pub released: bool,
    /// The highest epoch ever: what the store's resourceVersion gives after a deletion.
    pub highest: u64,
}

impl Lease {
    pub fn hash(&self, now: Moment, state: &mut impl Hasher) {
        let Self { holder, epoch, term, written_at, released, highest } = self;
        (holder, epoch, term, (*written_at + LEASE).since(now), released, highest).hash(state);
    }
}

impl World {
    /// Whether `at` may take the Lease (docs/protocol.md, rule E2).
    pub(super) fn is_free(&self, at: usize) -> bool {
        let node = &self.nodes[at];
        // The same pod with another process: the one before is dead for certain.
        let restarted = self.lease.holder.is_some_and(|(holder, of)| holder == at && of != node.incarnation);
        node.term.is_none() && (self.has_expired() || restarted || self.lease.released)
    }

    fn has_expired(&self) -> bool {
        self.now >= self.lease.written_at + LEASE
    }

    /// Takes the free Lease.
    pub(super) fn acquire(&mut self, plan: &Plan, at: usize) {
        let expired = self.has_expired();
        let incarnation = self.nodes[at].incarnation;
        self.spent.terms += 1;
        let store = if plan.breaks(Rule::Epoch) { 0 } else { self.lease.highest };
        let epoch = self.lease.epoch.max(self.nodes[at].replica.fence().0).max(store) + 1;
        self.lease = Lease {
            holder: Some((at, incarnation)),
            epoch,
            term: self.spent.terms,
            written_at: self.now,
            released: false,
            highest: self.lease.highest.max(epoch),
        };
        let id = TermId(self.spent.terms.into());
        let after_expiry = expired || plan.breaks(Rule::Inherited);
        let term = Term::made_for_tests(Epoch(epoch), id, self.now, after_expiry);
        term.extend_for_tests(self.valid_until(plan));
        let node = self.node(at);
        (node.term, node.reading, node.asked, node.stream) = (Some(term.clone()), None, None, None);
        if node.replica.lead(term).is_ok() {
            node.asked = Some(Default::default());
        }
    }

    fn valid_until(&self, plan: &Plan) -> Moment {
        if plan.breaks(Rule::Term) { self.now + 100 * VALID } else { self.now + VALID }
    }

    pub(super) fn renew(&mut self, plan: &Plan, at: usize) {
        let until = self.valid_until(plan);
        let holds = self.lease.holder == Some((at, self.nodes[at].incarnation));
        let valid = |term: &Term| term.check(self.now).is_ok();
        if holds && self.nodes[at].term.as_ref().is_some_and(valid) {
            self.lease.written_at = self.now;
            if let Some(term) = &self.node(at).term {
                term.extend_for_tests(until);
            }
        }
    }

    pub(super) fn release(&mut self, at: usize) {
        let node = self.node(at);
        if let Some(term) = node.term.take() {
            term.extend_for_tests(Moment::default());
            node.replica.retire();
            (node.reading, node.asked) = (None, None);
            if self.lease.holder == Some((at, self.nodes[at].incarnation)) {
                (self.lease.holder, self.lease.released) = (None, true);
            }
        }
    }

    /// Somebody deletes it, and it is made anew at once: it stands for its full duration before anyone takes it.
    pub(super) fn delete_lease(&mut self) {
        let highest = self.lease.highest;
        self.lease = Lease { highest, written_at: self.now, ..Lease::default() };
    }

    pub(super) fn see_lease(&mut self, at: usize) {
        let Lease { holder, epoch, .. } = self.lease;
        let node = self.node(at);
        node.saw(epoch);
        let _ = node.replica.see(Epoch(epoch), None);
        let lost = holder != Some((at, node.incarnation));
        if lost && let Some(term) = node.term.take() {
            term.extend_for_tests(Moment::default());
            node.replica.retire();
            (node.reading, node.asked) = (None, None);
        }
    }
}
