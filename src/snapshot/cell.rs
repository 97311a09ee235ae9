//! The one cell that requests read: what is active, what is known to be newer, and whether this replica may move
//! clients to its table. Loaded once per request, after the request has arrived (design D4).

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use super::{Snapshot, Version};
use crate::election::Term;
use crate::protection::Protection;
use crate::time::Moment;

/// Everything that an answer depends on, at one instant.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// The snapshot that is served.
    pub active: Option<Arc<Snapshot>>,
    /// The newest version that this process knows of: active, staged or only announced.
    pub known: Version,
    /// What entitles this replica to move clients, if anything does.
    pub standing: Standing,
    /// When a poll last found the upstream to be as the active table has it, in Unix milliseconds; zero where
    /// nobody has said so since the table was read.
    pub confirmed_at_millis: u64,
}

/// What a replica is to the fleet.
#[derive(Clone, Debug, Default)]
pub enum Standing {
    /// Neither leads nor is in touch with a leader.
    #[default]
    Alone,
    /// Leads.
    Leads {
        /// The proof; checked at each request.
        term: Term,
        /// The first version whose table was read from the upstream in this term.
        read_since: Option<Version>,
    },
    /// Follows, and its last answered ping granted it this.
    InTouch {
        /// The moment at which that ping was sent, and what the answer granted.
        until: Moment,
        /// Whether the leader was current when it answered.
        leader_current: bool,
    },
}

/// A [`View`] that one task writes and every request reads without a lock.
#[derive(Debug, Default)]
pub struct Cell(ArcSwap<View>);

impl View {
    /// Whether this replica's active table is the newest truth that anyone can know of: only then may it hand a
    /// client another table than the one that the client holds (design D4, *current*).
    pub fn is_current(&self, now: Moment) -> bool {
        let Some(active) = &self.active else { return false };
        if self.known > active.version {
            return false;
        }
        match &self.standing {
            Standing::Alone => false,
            Standing::Leads { term, read_since } => {
                term.check(now).is_ok() && read_since.is_some_and(|since| active.version >= since)
            }
            Standing::InTouch { until, leader_current } => {
                *leader_current && (now < *until || Protection::Grants.is_off())
            }
        }
    }

    /// Whether this replica leads or is in touch with a leader: what is published next comes here too. It may not be current,
    /// as while a publication is under way.
    pub fn is_in_touch(&self, now: Moment) -> bool {
        match &self.standing {
            Standing::Alone => false,
            Standing::Leads { term, .. } => term.check(now).is_ok(),
            Standing::InTouch { until, .. } => now < *until,
        }
    }

    /// Until when the active table is known to be the truth, in Unix milliseconds: the moment of its reading, or of
    /// the last poll that found nothing else. For people, not for decisions.
    pub fn confirmed_at_millis(&self) -> Option<u64> {
        self.active.as_ref().map(|active| active.read_at_millis.max(self.confirmed_at_millis))
    }
}

impl Cell {
    /// The state at this instant.
    pub fn load(&self) -> Guard<Arc<View>> {
        self.0.load()
    }

    /// Replaces the state. There is one writer: the replica's replication task.
    pub fn store(&self, view: View) {
        self.0.store(Arc::new(view));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::snapshot::Epoch;

    const NOW: Moment = Moment::from_nanos(10_000_000_000);

    fn view(active: Version, known: Version, standing: Standing) -> View {
        let snapshot = Snapshot::for_tests(active, "a: * -> <shunt>");
        View { active: Some(Arc::new(snapshot)), known, standing, ..View::default() }
    }

    fn leads(since: Option<Version>, valid: Duration) -> Standing {
        let until = (NOW + valid).since(Moment::from_nanos(0)).as_nanos() as u64;
        Standing::Leads { term: Term::for_tests(Epoch(3), until), read_since: since }
    }

    #[test]
    fn leader_is_current_once_its_own_read_is_active_and_its_term_valid() {
        let (adopted, read) = (Version::new(3, 0), Version::new(3, 1));
        let second = Duration::from_secs(1);
        assert!(view(read, read, leads(Some(read), second)).is_current(NOW));
        assert!(!view(adopted, adopted, leads(None, second)).is_current(NOW), "nothing read in this term");
        assert!(!view(adopted, adopted, leads(Some(read), second)).is_current(NOW), "read, not yet active");
        assert!(!view(read, read, leads(Some(read), Duration::ZERO)).is_current(NOW), "term over");
        assert!(
            !view(read, read.next(), leads(Some(read), second)).is_current(NOW),
            "something newer is announced"
        );
    }

    #[test]
    fn follower_is_current_while_in_touch_with_a_current_leader() {
        let at = Version::new(3, 1);
        let touch = |until, leader_current| Standing::InTouch { until, leader_current };
        let later = NOW + Duration::from_millis(1);
        assert!(view(at, at, touch(later, true)).is_current(NOW));
        assert!(!view(at, at, touch(NOW, true)).is_current(NOW), "the grant has run out");
        assert!(!view(at, at, touch(later, false)).is_current(NOW), "the leader is not current");
        assert!(!view(at, at.next(), touch(later, true)).is_current(NOW), "something newer is known");
        assert!(!view(at, at, Standing::Alone).is_current(NOW));
    }

    #[test]
    fn in_touch_is_whoever_hears_of_the_next_table() {
        let at = Version::new(3, 1);
        let touch = |until| Standing::InTouch { until, leader_current: false };
        let second = Duration::from_secs(1);
        assert!(view(at, at.next(), touch(NOW + second)).is_in_touch(NOW), "something newer is on its way");
        assert!(!view(at, at, touch(NOW)).is_in_touch(NOW), "the grant has run out");
        assert!(view(at, at, leads(None, second)).is_in_touch(NOW));
        assert!(!view(at, at, leads(Some(at), Duration::ZERO)).is_in_touch(NOW), "term over");
        assert!(!view(at, at, Standing::Alone).is_in_touch(NOW));
    }
}
