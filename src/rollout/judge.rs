//! Whether what one peer shows is what we publish: a state machine, with time as an argument.
//!
//! In: our side, and each look at the peer. Out: the routes that are really different, those of which that cannot be said, and
//! since when there was neither. Both sides read one upstream at moments of their own, so at any moment some routes differ and
//! nothing is wrong. What tells noise from differences is one number, the *settle time*: whatever a side shows was read from
//! the upstream no longer ago than that. Then
//!
//! - a route that is the same pair of meanings, unequal, at every look for a settle time, is a *difference*: in that time both
//!   sides have read the upstream again and neither of them moved. Noise does not live that long, so no alarm is false;
//! - a route agrees where both sides mean the same, or where one means what the other meant within the last settle time while
//!   ours changed: one of the two is only later;
//! - a disagreement is over at the first agreement after our side moved past it. Where ours did not move, a peer that comes
//!   back may be two replicas behind one address, so it is over only after half a settle time without it;
//! - a disagreement that was seen over two settle times without being over is *unsettled*, if it is no difference. It is no
//!   alarm, for a route may change faster than it can be compared; and nothing is safe while there is one, for it may be
//!   a difference. So none is missed: what never agrees is a difference or unsettled, for as long as it does not.
//!
//! What this rests on: the settle time is long enough; and no route changes to and fro in step with the polls of both sides for
//! all of it, one always seeing the one and the other always the other. That would be a false alarm, not a missed difference.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::meanings::{Meaning, Meanings};
use super::side::Side;
use crate::time::Moment;

/// When it is safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Whatever a side shows was read from the upstream no longer ago than this.
    pub settle: Duration,
    /// How long there must have been no difference.
    pub safe_after: Duration,
    /// Over how many changes of our table.
    pub safe_changes: u64,
}

/// What is known of one peer.
#[derive(Clone, Debug)]
pub struct Judge {
    rules: Rules,
    theirs: Side,
    open: BTreeMap<Box<str>, Open>,
    looked: Option<Moment>,
    clean_since: Option<Moment>,
    /// Our changes that may still turn out to be different: for one settle time the peer may only be late, after which what
    /// differs is watched for two more.
    fresh: VecDeque<Moment>,
    changes: u64,
}

/// A route that was seen to differ.
#[derive(Clone, Debug)]
struct Open {
    ours: Option<Meaning>,
    theirs: Option<Meaning>,
    /// Since when every look found this pair; none after one that found them to agree.
    pair_since: Option<Moment>,
    since: Moment,
    /// The last look that found it to differ.
    last: Moment,
    /// Whether ours has changed since.
    moved: bool,
}

/// What a route that differs is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Really different.
    Different,
    /// Different for long, and it cannot be said that it really is.
    Unsettled,
}

impl Judge {
    /// Of a peer that was not looked at yet.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            theirs: Side::new(rules.settle),
            open: BTreeMap::new(),
            looked: None,
            clean_since: None,
            fresh: VecDeque::new(),
            changes: 0,
        }
    }

    /// Our table changed at `now`.
    pub fn we_changed(&mut self, now: Moment) {
        if self.clean_since.is_some() {
            self.fresh.push_back(now);
        }
    }

    /// At `now` the peer was seen to have `theirs`, or what it had before.
    pub fn look(&mut self, ours: &Side, theirs: Option<Arc<Meanings>>, now: Moment) {
        self.missed(now);
        self.looked = Some(now);
        if let Some(theirs) = theirs {
            self.theirs.has(theirs, now);
        }
        let (Some(our_table), Some(their_table)) = (ours.table(), self.theirs.table()) else { return };
        let mut unlike: BTreeMap<&str, (Option<Meaning>, Option<Meaning>)> =
            our_table.unlike(their_table).map(|id| (id, (our_table.get(id), their_table.get(id)))).collect();
        unlike.retain(|id, (a, b)| {
            let ours_is_newer = ours.had(id, *b, now);
            !(ours_is_newer || ours.moved(id, now) && self.theirs.had(id, *a, now))
        });
        let settle = self.rules.settle;
        self.open.retain(|id, open| {
            open.moved |= our_table.get(id) != open.ours;
            if unlike.contains_key(&**id) {
                return true;
            }
            open.pair_since = None;
            !open.moved && now.since(open.last) <= settle / 2
        });
        for (id, (ours, theirs)) in unlike {
            let known = self.open.entry(id.into()).or_insert(Open {
                ours,
                theirs,
                pair_since: Some(now),
                since: now,
                last: now,
                moved: false,
            });
            known.last = now;
            if known.pair_since.is_none() || (known.ours, known.theirs) != (ours, theirs) {
                known.pair_since = Some(now);
                (known.ours, known.theirs) = (ours, theirs);
            }
        }
        self.weigh(now);
    }

    /// There was no look that says anything: what was seen before has lost its continuation where that was long ago.
    pub fn missed(&mut self, now: Moment) {
        if self.is_blind(now) {
            self.forget();
        }
    }

    /// What was seen says nothing any more: our own table is not what the upstream has.
    pub fn forget(&mut self) {
        self.open.clear();
        self.unclean();
    }

    /// Whether the last look was so long ago that anything may have happened since.
    pub fn is_blind(&self, now: Moment) -> bool {
        self.looked.is_none_or(|looked| now.since(looked) > self.rules.settle / 2)
    }

    fn weigh(&mut self, now: Moment) {
        if self.standing().next().is_some() {
            return self.unclean();
        }
        let since = *self.clean_since.get_or_insert(now);
        while self.fresh.front().is_some_and(|at| now.since(*at) > 3 * self.rules.settle) {
            let at = self.fresh.pop_front();
            self.changes += u64::from(at >= Some(since));
        }
    }

    fn unclean(&mut self) {
        self.clean_since = None;
        self.fresh.clear();
        self.changes = 0;
    }

    /// The routes that differ and have for long, by id.
    pub fn standing(&self) -> impl Iterator<Item = (&str, Standing)> {
        let settle = self.rules.settle;
        self.open.iter().filter_map(move |(id, open)| {
            let same_pair = open.pair_since.is_some_and(|since| open.last.since(since) >= settle);
            match (same_pair, open.last.since(open.since) >= 2 * settle) {
                (true, _) => Some((&**id, Standing::Different)),
                (false, true) => Some((&**id, Standing::Unsettled)),
                (false, false) => None,
            }
        })
    }

    /// How long there has been neither a difference nor anything unsettled, at `now`.
    pub fn clean_for(&self, now: Moment) -> Option<Duration> {
        self.clean_since.map(|since| now.since(since))
    }

    /// Over how many changes of our table.
    pub const fn changes(&self) -> u64 {
        self.changes
    }

    /// The routes that the peer has.
    pub fn routes(&self) -> Option<usize> {
        self.theirs.table().map(|table| table.len())
    }

    /// Their table as it was last seen.
    pub const fn theirs(&self) -> Option<&Arc<Meanings>> {
        self.theirs.table()
    }

    /// Whether it is safe to let this peer's clients poll us.
    pub fn is_safe(&self, now: Moment) -> bool {
        let long = self.clean_for(now).is_some_and(|clean| clean >= self.rules.safe_after);
        long && self.changes >= self.rules.safe_changes && !self.is_blind(now)
    }
}

#[cfg(test)]
mod tests;
