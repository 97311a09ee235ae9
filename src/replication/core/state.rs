//! What whoever explores the state machine needs beside its rules: copies that share nothing, and a number by which
//! two states that behave alike are one.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::lead::Leading;
use super::{Fence, Replica, Touch};
use crate::election::Term;
use crate::snapshot::{Announcement, Snapshot};
use crate::time::Moment;

impl Replica {
    /// A copy with a term of its own, where it leads: a renewal of the one leaves the other as it is.
    #[doc(hidden)]
    pub fn fork_for_tests(&self) -> (Self, Option<Term>) {
        let leading = self.leading.as_ref().map(Leading::fork);
        let term = leading.as_ref().map(|leading| leading.term().clone());
        let copy = Self {
            fence: self.fence,
            active: self.active.clone(),
            staged: self.staged.clone(),
            announced: self.announced.clone(),
            touch: self.touch,
            leading,
            confirmed: self.confirmed,
            hold: self.hold,
            word: self.word,
        };
        (copy, term)
    }

    /// A replica whose fence keeps nothing out: what a world without the fence would do.
    #[doc(hidden)]
    pub fn drop_fence_for_tests(&mut self) {
        self.fence = Fence::default();
    }

    /// Feeds everything that a rule may depend on to `state`; moments count as what is left of them at `now`.
    #[doc(hidden)]
    pub fn hash_for_tests(&self, now: Moment, state: &mut impl Hasher) {
        let Self { fence, active, staged, announced, touch, leading, confirmed: _, hold, word } = self;
        (fence, hold, word).hash(state);
        for snapshot in [active, staged] {
            snapshot.as_deref().map(names).hash(state);
        }
        announced.as_ref().map(announcement).hash(state);
        let granted = |touch: &Touch| (touch.until.since(now), touch.leader_current);
        touch.as_ref().map(granted).filter(|(left, _)| !left.is_zero()).hash(state);
        leading.is_some().hash(state);
        if let Some(leading) = leading {
            leading.hash_for_tests(now, state);
        }
    }
}

/// Everything by which two snapshots differ for the rules.
pub(super) fn names(snapshot: &Snapshot) -> impl Hash + use<> {
    let table = Arc::as_ptr(&snapshot.contents.table) as usize;
    (snapshot.version, snapshot.origin, snapshot.term, snapshot.read_at_millis, table)
}

fn announcement(announced: &Announcement) -> impl Hash + use<> {
    (announced.version, announced.origin, announced.term)
}
