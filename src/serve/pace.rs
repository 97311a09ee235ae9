//! How many bytes may be under way at once, from how long bodies take.
//!
//! A Skipper has three seconds for a poll. Where more bodies share a link than it carries in that time, all are late, all are
//! asked for again, and none ever arrives: the link is busy with what nobody gets to keep. So less is sent at once, until
//! bodies arrive in time; who waits longer than it may is told so before its first byte, and loses nothing.
//!
//! In: when a body got its place, how long it took, or that it is still not through, and how much is under way. Out: a new
//! budget, now and then. One slow client is no thin link: only where even the quickest bodies are slow is there less to share.

use std::time::Duration;

/// So many bodies are looked at before anything changes.
const WINDOW: usize = 16;

/// Where the quickest quarter takes longer than this, half of what is under way is sent at once: half of a poll's time, so that
/// a wait for the place fits in too.
const TOO_LONG: Duration = Duration::from_millis(1500);

/// Where three quarters take less than this, twice as much: not so much that it would be too long again.
const QUICK: Duration = Duration::from_millis(500);

/// The least that the budget is of its most: bodies of a megabyte, one after the other, at the default.
const LEAST: u32 = 256;

/// The budget of one listener, in whatever places are counted in.
#[derive(Clone, Debug)]
pub struct Pace {
    most: u32,
    budget: u32,
    /// When the budget changed: what began before says nothing of it.
    since: Duration,
    seen: Vec<Duration>,
}

impl Pace {
    /// Begins with all of it.
    pub fn new(most: u32) -> Self {
        Self { most, budget: most, since: Duration::ZERO, seen: Vec::with_capacity(WINDOW) }
    }

    /// What may be under way now.
    pub const fn budget(&self) -> u32 {
        self.budget
    }

    /// A body that began at `began` has taken so long until `now`, whether it is through or not, while so much was
    /// `under_way`, itself included. Times are since any one moment, the same for all. The new budget, where it changes.
    pub fn took(&mut self, began: Duration, now: Duration, under_way: u32) -> Option<u32> {
        if began < self.since {
            return None;
        }
        self.seen.push(now.saturating_sub(began));
        if self.seen.len() < WINDOW {
            return None;
        }
        self.seen.sort_unstable();
        let (quickest, most) = (self.seen[WINDOW / 4 - 1], self.seen[WINDOW * 3 / 4 - 1]);
        self.seen.clear();
        let budget = if quickest > TOO_LONG {
            (self.budget.min(under_way) / 2).max(self.most / LEAST).max(1)
        } else if most < QUICK {
            self.budget.saturating_mul(2).min(self.most)
        } else {
            self.budget
        };
        if budget == self.budget {
            return None;
        }
        (self.budget, self.since) = (budget, now);
        Some(budget)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: u32 = 4096;

    fn after(pace: &mut Pace, began: u64, took: &[u64]) -> Option<u32> {
        let began = Duration::from_millis(began);
        let all = |took: &u64| pace.took(began, began + Duration::from_millis(*took), MOST);
        took.iter().filter_map(all).last()
    }

    #[test]
    fn where_all_are_slow_half_as_much_is_sent_and_never_nothing() {
        let mut pace = Pace::new(MOST);
        assert_eq!(after(&mut pace, 0, &[2000; WINDOW - 1]), None, "too early to say");
        assert_eq!(after(&mut pace, 0, &[2000]), Some(MOST / 2));
        for round in 1..20 {
            after(&mut pace, round * 10_000, &[2000; WINDOW]);
        }
        assert_eq!(pace.budget(), MOST / LEAST);
        assert_eq!(after(&mut Pace::new(1), 0, &[2000; WINDOW]), None, "of one there is no half");
    }

    #[test]
    fn what_nobody_uses_is_not_worth_halving() {
        let mut pace = Pace::new(MOST);
        let late = Duration::from_secs(2);
        let budget = (0..WINDOW).filter_map(|_| pace.took(Duration::ZERO, late, 100)).last();
        assert_eq!(budget, Some(50));
    }

    #[test]
    fn what_began_before_a_change_says_nothing_of_it() {
        let mut pace = Pace::new(MOST);
        assert_eq!(after(&mut pace, 0, &[2000; WINDOW]), Some(MOST / 2));
        assert_eq!(after(&mut pace, 0, &[2500; 10 * WINDOW]), None);
        assert_eq!(pace.budget(), MOST / 2);
    }

    #[test]
    fn slow_clients_among_quick_ones_are_no_thin_link() {
        let mut pace = Pace::new(MOST);
        let mixed = [[2000; WINDOW * 3 / 4].as_slice(), &[100; WINDOW / 4]].concat();
        assert_eq!(after(&mut pace, 0, &mixed), None);
    }

    #[test]
    fn what_was_taken_back_is_given_again_once_bodies_are_quick() {
        let mut pace = Pace::new(MOST);
        after(&mut pace, 0, &[2000; WINDOW]);
        assert_eq!(after(&mut pace, 10_000, &[900; WINDOW]), None, "as it should be");
        assert_eq!(after(&mut pace, 20_000, &[100; WINDOW]), Some(MOST));
        assert_eq!(after(&mut pace, 30_000, &[100; WINDOW]), None, "there is no more");
    }
}
