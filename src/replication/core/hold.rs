//! What operators hold back (docs/orders.md): a frozen replica activates no other table than the one it has, and a leader
//! publishes no read while it is frozen or pinned. Announcements are still heard and acknowledged, so who knows of
//! something newer than what it serves still says so.

use super::{Refusal, Replica};
use crate::snapshot::{Contents, Version};
use crate::time::Moment;

/// What may be published and activated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Hold {
    /// Everything that is read.
    #[default]
    Free,
    /// Nothing but what is active.
    Frozen,
    /// What the order of this number names, and no read.
    Pinned(u64),
}

impl Replica {
    /// Orders change. A leader takes back what it is about to publish, where that may not become active any more, and
    /// announces what is active instead; a follower obeys the word that it had to let wait.
    pub fn hold(&mut self, hold: Hold, now: Moment) {
        self.hold = hold;
        match hold {
            Hold::Frozen => self.announce_active_again(now),
            Hold::Free => {
                if let Some(version) = self.word.take() {
                    // As a word that was late on its way: where its term is over, or something else is staged, nothing comes of it.
                    let _: Result<_, Refusal> = self.activate(version);
                }
            }
            // What waits is about to be replaced.
            Hold::Pinned(_) => {}
        }
    }

    /// What is held.
    pub const fn held_by_order(&self) -> Hold {
        self.hold
    }

    /// Whether orders let this replica put `contents` in the place of what is active. What replaces nothing may always come,
    /// and what replaces a damaged table.
    pub fn may_activate(&self, contents: &Contents) -> bool {
        let same = self.active.as_ref().is_none_or(|active| {
            active.version == Version::default() || active.contents.same_tables(contents)
        });
        same || self.hold != Hold::Frozen
    }

    /// Whether orders let this replica, where it leads, publish `contents`.
    pub fn may_publish(&self, contents: &Contents) -> bool {
        match self.hold {
            Hold::Free => contents.order == 0,
            Hold::Frozen => contents.order == 0 && self.may_activate(contents),
            Hold::Pinned(order) => contents.order == order,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::election::Term;
    use crate::replication::core::{Draft, GRANT, Progress, Published, StreamId};
    use crate::snapshot::{Announcement, Epoch, Snapshot};

    const START: Moment = Moment::from_nanos(100_000_000_000);
    const S: StreamId = StreamId(1);

    fn version(sequence: u64) -> Version {
        Version::new(5, sequence)
    }

    fn draft(table: &str, order: u64) -> Draft {
        let text = format!("{table}: * -> <shunt>");
        let contents = Snapshot::for_tests(version(1), &text).contents.as_ref().clone();
        Draft { contents: Contents { order, ..contents }, read_at_millis: 1 }
    }

    fn table(replica: &Replica) -> String {
        let active = replica.active().expect("active");
        String::from_utf8_lossy(&active.contents.table.plain()[..1]).into_owned()
    }

    /// A leader of epoch 5 that serves `a` as 5.1, with the follower `f` in touch.
    fn leader() -> (Replica, Term) {
        let term = Term::for_tests(Epoch(5), (START + Duration::from_secs(60)).as_nanos());
        let mut leader = Replica::new(None);
        leader.lead(term.clone()).expect("first epoch");
        leader.caught_up(None, true, START).expect("leads");
        leader.publish(&term, draft("a", 0), START).expect("valid");
        assert!(matches!(leader.progress(START), Progress::Activated(_)));
        leader.subscribe("f", S, Epoch(5)).expect("leads");
        leader.acknowledge_staged("f", S, version(1)).expect("its stream");
        assert_eq!(leader.ping("f", S, version(1), START).expect("its stream").grant, GRANT);
        (leader, term)
    }

    /// A follower of that leader that serves `a` too, and has staged `b` as 5.2.
    fn follower() -> Replica {
        let (mut leader, term) = leader();
        let mut follower = Replica::new(leader.active().map(|it| it.as_ref().clone()));
        leader.publish(&term, draft("b", 0), START).expect("valid");
        let b = leader.newest().expect("announced").as_ref().clone();
        follower.hear(Announcement::of(&b)).expect("newer");
        follower.stage(b).expect("newer");
        follower
    }

    #[test]
    fn a_frozen_follower_knows_of_what_it_does_not_activate_and_does_so_afterwards() {
        let mut follower = follower();
        follower.hold(Hold::Frozen, START);
        follower.answered(Epoch(5), START, GRANT, true);
        assert_eq!(follower.activate(version(2)).map(|it| it.version), Err(Refusal::Frozen));
        assert_eq!((table(&follower).as_str(), follower.known()), ("a", version(2)));
        assert!(!follower.view().is_current(START), "it moves nobody");
        follower.hold(Hold::Pinned(7), START);
        assert_eq!(table(&follower), "a", "what is pinned comes instead");
        follower.hold(Hold::Free, START);
        assert_eq!(table(&follower), "b", "the word has waited");
    }

    #[test]
    fn a_word_of_a_term_that_is_over_is_not_obeyed_after_a_freeze() {
        let mut follower = follower();
        follower.hold(Hold::Frozen, START);
        assert!(follower.activate(version(2)).is_err());
        follower.see(Epoch(6), None).expect("newer");
        follower.hold(Hold::Free, START);
        assert_eq!(table(&follower), "a");
    }

    #[test]
    fn who_has_nothing_takes_what_it_is_given() {
        let mut empty = Replica::new(None);
        empty.hold(Hold::Frozen, START);
        let a = Snapshot::for_tests(version(1), "a: * -> <shunt>");
        assert!(empty.converge(a, START).is_ok());
        let b = Snapshot::for_tests(version(2), "b: * -> <shunt>");
        assert_eq!(empty.converge(b, START).map(|it| it.version), Err(Refusal::Frozen));
    }

    #[test]
    fn a_frozen_leader_takes_back_what_is_not_active_yet_and_stays_current() {
        let (mut leader, term) = leader();
        leader.publish(&term, draft("b", 0), START).expect("valid");
        leader.acknowledge_announced("f", S, version(2)).expect("its stream");
        leader.hold(Hold::Frozen, START);
        assert_eq!(leader.known(), version(3), "the active table, announced again");
        // The follower staged what was taken back, before it heard of that.
        leader.acknowledge_staged("f", S, version(2)).expect("its stream");
        let late = START + 2 * GRANT;
        assert!(matches!(leader.progress(late), Progress::Activated(it) if it.version == version(3)));
        assert_eq!((table(&leader).as_str(), leader.view().is_current(late)), ("a", true));
        assert_eq!(leader.outlook("f").activate, None, "nobody is told to activate what was taken back");
        leader.acknowledge_staged("f", S, version(3)).expect("its stream");
        assert_eq!(leader.outlook("f").activate, Some(version(3)));

        assert_eq!(leader.publish(&term, draft("b", 0), late), Ok(Published::Held));
        assert_eq!(leader.publish(&term, draft("a", 0), late), Ok(Published::Unchanged));
        leader.hold(Hold::Free, late);
        assert_eq!(leader.publish(&term, draft("b", 0), late), Ok(Published::Announced(version(4))));
    }

    #[test]
    fn a_first_read_that_is_taken_back_makes_nobody_current() {
        let term = Term::for_tests(Epoch(5), (START + Duration::from_secs(60)).as_nanos());
        let mut leader = Replica::new(Some(Snapshot::for_tests(Version::new(4, 1), "a: * -> <shunt>")));
        leader.lead(term.clone()).expect("newer");
        leader.caught_up(None, true, START).expect("leads");
        leader.publish(&term, draft("b", 0), START).expect("valid");
        leader.hold(Hold::Frozen, START);
        assert!(matches!(leader.progress(START), Progress::Activated(_)));
        assert_eq!((table(&leader).as_str(), leader.view().is_current(START)), ("a", false));
        leader.publish(&term, draft("a", 0), START).expect("valid");
        assert!(matches!(leader.progress(START), Progress::Activated(_)));
        assert!(leader.view().is_current(START), "read in this term, and what it has");
    }

    #[test]
    fn what_is_pinned_is_published_once_in_each_term_and_no_read_is() {
        let (mut leader, term) = leader();
        leader.publish(&term, draft("b", 0), START).expect("valid");
        leader.publish(&term, draft("c", 0), START).expect("valid");
        leader.hold(Hold::Pinned(7), START);
        assert_eq!(leader.publish(&term, draft("d", 0), START), Ok(Published::Held));
        assert_eq!(leader.publish(&term, draft("x", 6), START), Ok(Published::Held), "another order");
        let pinned = leader.publish(&term, draft("x", 7), START);
        assert_eq!(pinned, Ok(Published::Announced(version(3))), "what was under way makes room");
        assert_eq!(leader.publish(&term, draft("x", 7), START), Ok(Published::Unchanged));
        let late = START + 2 * GRANT;
        assert!(matches!(leader.progress(late), Progress::Activated(_)));
        assert!(matches!(leader.progress(late), Progress::Idle), "what waited was dropped");
        assert_eq!((table(&leader).as_str(), leader.active().expect("x").origin), ("x", version(3)));
        assert!(leader.view().is_current(late));

        let next = Term::for_tests(Epoch(6), (START + Duration::from_secs(60)).as_nanos());
        leader.lead(next.clone()).expect("newer");
        leader.caught_up(None, true, late).expect("leads");
        assert!(!leader.view().is_current(late), "nothing was published in this term");
        assert!(matches!(leader.publish(&next, draft("x", 7), late), Ok(Published::Announced(_))));
        assert!(matches!(leader.progress(late), Progress::Activated(_)));
        assert!(leader.view().is_current(late));
        leader.hold(Hold::Free, late);
        assert_eq!(leader.publish(&next, draft("x", 7), late), Ok(Published::Held), "the order is over");
        assert!(matches!(leader.publish(&next, draft("b", 0), late), Ok(Published::Announced(_))));
    }
}
