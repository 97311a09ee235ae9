//! Whether a leader is cut off from replicas that live, so that another one should lead: the rule, without I/O.
//!
//! In: how many followers are subscribed, and what was found at the addresses of the peers. Out: a verdict. A leader
//! whose peers are all gone must keep leading, and one that gave up in vain must not do so again soon.

use std::fmt;
use std::time::Duration;

use crate::election::Timing;
use crate::snapshot::Epoch;
use crate::time::Moment;

/// For how many leases others must have stayed away though they exist.
const PATIENCE: u32 = 2;

/// For how many leases a leader that gave up does not do so again: if nobody else could lead, it did not help.
const REST: u32 = 20;

/// What was found at a peer's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// It answers questions, so it lives and can be reached.
    Answers,
    /// Nothing comes back: it is cut off, or its machine is gone.
    Silent,
    /// Nothing is there: the connection is refused, or nobody has that name.
    Absent,
}

/// Why a leader is believed to be cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutOff {
    /// So many peers answer its questions, but none of them follows it: they cannot reach it.
    Unfollowed(usize),
    /// So many followers that it had vanished from the network, all of them.
    Vanished(usize),
}

/// What a leader knows of its followers, over time.
#[derive(Clone, Copy, Debug)]
pub struct Quorum {
    lease: Duration,
    epoch: Epoch,
    /// The most followers that this term has had at once.
    most: usize,
    /// Since when it looks as if it were cut off.
    since: Option<Moment>,
    rest_until: Moment,
}

impl Quorum {
    /// For an election with this timing.
    pub const fn new(timing: Timing) -> Self {
        let rest_until = Moment::from_nanos(0);
        Self { lease: timing.lease(), epoch: Epoch(0), most: 0, since: None, rest_until }
    }

    /// So many followers are subscribed to this replica, in the term of this epoch; `None` where it does not lead.
    /// Returns whether there are none, and the peers should be looked at.
    pub fn counted(&mut self, subscribed: Option<(Epoch, usize)>) -> bool {
        let (epoch, count) = subscribed.unwrap_or_default();
        if epoch != self.epoch {
            (self.epoch, self.most, self.since) = (epoch, 0, None);
        }
        self.most = self.most.max(count);
        if count > 0 {
            self.since = None;
        }
        subscribed.is_some() && count == 0
    }

    /// Nobody is subscribed, and this is what was found at the peers' addresses. Returns why the Lease should be given
    /// up, if it should.
    pub fn found(&mut self, peers: &[Peer], now: Moment) -> Option<CutOff> {
        let count = |what| peers.iter().filter(|peer| **peer == what).count();
        let (answering, silent) = (count(Peer::Answers), count(Peer::Silent));
        let looks = if answering > 0 {
            Some(CutOff::Unfollowed(answering))
        } else if silent > 1 && self.most > 1 {
            // Of two machines that see each other no more, either may be the one that is cut off; of three, it is
            // likely the one that misses both others.
            Some(CutOff::Vanished(silent))
        } else {
            None
        };
        let Some(why) = looks else {
            self.since = None;
            return None;
        };
        let since = *self.since.get_or_insert(now);
        if now.since(since) < PATIENCE * self.lease || now < self.rest_until {
            return None;
        }
        self.rest_until = now + REST * self.lease;
        Some(why)
    }
}

impl fmt::Display for CutOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unfollowed(count) => {
                write!(f, "{count} of the --peers answer but do not follow: they cannot reach this replica")
            }
            Self::Vanished(count) => {
                write!(f, "all followers vanished, and {count} of the --peers do not answer")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Peer::{Absent, Answers, Silent};
    use super::*;

    const L: Duration = Timing::DEFAULT.lease();

    /// A leader that had `most` followers, has none now, and finds `peers` every half second for `length`. Returns when
    /// it gives up.
    fn gives_up(most: usize, peers: &[Peer], length: Duration) -> Vec<Duration> {
        let mut quorum = Quorum::new(Timing::DEFAULT);
        quorum.counted(Some((Epoch(1), most)));
        let start = Moment::from_nanos(1_000_000_000);
        let mut gave_up = Vec::new();
        let mut now = start;
        while now.since(start) <= length {
            if quorum.counted(Some((Epoch(1), 0))) && quorum.found(peers, now).is_some() {
                gave_up.push(now.since(start));
            }
            now = now + Duration::from_millis(500);
        }
        gave_up
    }

    #[test]
    fn peers_that_answer_and_do_not_follow_for_two_leases_should_be_led_by_another() {
        for most in [0, 1, 2] {
            assert_eq!(gives_up(most, &[Answers, Absent], 3 * L), [2 * L]);
        }
        assert!(gives_up(2, &[Answers, Silent], 2 * L - Duration::from_millis(1)).is_empty());
    }

    #[test]
    fn followers_that_vanished_all_at_once_are_believed_to_live() {
        assert_eq!(gives_up(2, &[Silent, Silent], 3 * L), [2 * L]);
        assert_eq!(gives_up(4, &[Silent, Silent, Absent, Silent], 3 * L), [2 * L]);
    }

    #[test]
    fn lone_replica_keeps_leading() {
        let long = 100 * L;
        assert!(gives_up(0, &[], long).is_empty(), "it has no peers");
        assert!(gives_up(2, &[Absent, Absent], long).is_empty(), "they are down");
        assert!(gives_up(2, &[Absent, Silent], long).is_empty(), "one is down, one lost");
        assert!(gives_up(1, &[Silent], long).is_empty(), "of two, nobody knows which is cut off");
        assert!(gives_up(0, &[Silent, Silent], long).is_empty(), "they never were there");
    }

    #[test]
    fn giving_up_that_did_not_help_is_not_repeated_soon() {
        assert_eq!(gives_up(0, &[Answers], 50 * L), [2 * L, 22 * L, 42 * L]);
    }

    #[test]
    fn one_follower_is_enough() {
        let mut quorum = Quorum::new(Timing::DEFAULT);
        let mut now = Moment::from_nanos(0);
        for _ in 0..100 {
            now = now + L;
            assert!(!quorum.counted(Some((Epoch(1), 1))), "with one of two gone nobody is asked");
        }
        assert!(!quorum.counted(None), "a follower asks nobody");
    }

    #[test]
    fn a_peer_that_has_just_started_is_given_time_to_subscribe() {
        let mut quorum = Quorum::new(Timing::DEFAULT);
        let mut now = Moment::from_nanos(0);
        for _ in 0..10 {
            for peer in [Absent, Answers] {
                assert!(quorum.counted(Some((Epoch(1), 0))));
                assert_eq!(quorum.found(&[peer], now), None);
                now = now + L;
            }
        }
    }

    #[test]
    fn each_term_begins_anew() {
        let mut quorum = Quorum::new(Timing::DEFAULT);
        let now = Moment::from_nanos(0);
        quorum.counted(Some((Epoch(1), 0)));
        assert_eq!(quorum.found(&[Answers], now), None);
        quorum.counted(Some((Epoch(2), 0)));
        assert_eq!(quorum.found(&[Answers], now + 3 * L), None);
    }
}
