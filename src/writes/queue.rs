//! Events that wait to be written: a bounded list, in which nobody's object takes all the room.
//!
//! In: Events, and what became of the one that was handed out. Out: the next one that may be written, or when there is
//! one. Each object has five at once and then one each twelve seconds; what tells how it stands takes the place of what
//! told so before. What nobody could write for five minutes, or what a term that is over had to say, is forgotten.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::event::{Event, Subject};
use crate::election::Term;
use crate::time::Moment;

/// How many may wait.
const MOST: usize = 1_000;

/// How long one may wait.
const AGE: Duration = Duration::from_secs(300);

/// How many of one object may be written at once.
const BURST: u32 = 5;

/// How long it takes until it may have one more.
const EVERY: Duration = Duration::from_secs(12);

/// Events that wait.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Waiting>,
    /// Until when what was written of an object is paid off, at one each [`EVERY`]; only where that is to come.
    paid: HashMap<Subject, Moment>,
}

/// An Event that waits.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) event: Event,
    /// Since when.
    pub(super) since: Moment,
    /// The term whose leader says so; none where any replica may.
    pub(super) term: Option<Term>,
}

/// What became of an Event that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// It waits.
    Waits,
    /// It waits in the place of an older one.
    Replaced,
    /// There is no room.
    Dropped,
}

/// What to do next.
#[derive(Debug)]
pub(super) enum Next {
    /// Write this.
    Write(Box<Waiting>),
    /// Ask again then.
    Wait(Moment),
    /// Nothing waits.
    Idle,
}

impl Queue {
    /// Takes in an Event.
    pub(super) fn push(&mut self, new: Waiting) -> Came {
        let outdated =
            |old: &Waiting| new.event.is_state && old.event.is_state && old.event.about == new.event.about;
        if let Some(old) = self.waiting.iter_mut().find(|old| outdated(old)) {
            *old = new;
            return Came::Replaced;
        }
        if self.waiting.len() >= MOST {
            return Came::Dropped;
        }
        self.waiting.push_back(new);
        Came::Waits
    }

    /// Takes back one that could not be written now. A newer one of its kind has come first.
    pub(super) fn put_back(&mut self, old: Waiting) {
        let newer =
            |new: &Waiting| new.event.is_state && old.event.is_state && new.event.about == old.event.about;
        if !self.waiting.iter().any(newer) {
            self.waiting.push_front(old);
        }
    }

    /// Forgets what has waited too long, or was said by a leader that leads no more. Returns how many that are.
    pub(super) fn expire(&mut self, now: Moment) -> usize {
        let before = self.waiting.len();
        self.waiting.retain(|it| {
            let over = it.term.as_ref().is_some_and(|term| term.check(now).is_err());
            now.since(it.since) < AGE && !over
        });
        before - self.waiting.len()
    }

    /// The oldest that may be written.
    pub(super) fn next(&mut self, now: Moment) -> Next {
        self.paid.retain(|_, until| *until > now);
        let due = |it: &Waiting| self.due(&it.event.about);
        if let Some(at) = self.waiting.iter().position(|it| due(it) <= now)
            && let Some(next) = self.waiting.remove(at)
        {
            return Next::Write(Box::new(next));
        }
        let soonest = self.waiting.iter().map(|it| self.due(&it.event.about)).min();
        soonest.map_or(Next::Idle, Next::Wait)
    }

    /// An Event about `subject` was written at `now`.
    pub(super) fn written(&mut self, subject: &Subject, now: Moment) {
        let paid = self.paid.get(subject).copied().unwrap_or(now).max(now);
        self.paid.insert(subject.clone(), paid + EVERY);
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    fn due(&self, subject: &Subject) -> Moment {
        self.paid.get(subject).map_or(Moment::default(), |paid| *paid - EVERY * (BURST - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::Epoch;
    use crate::writes::Severity;

    fn at(seconds: u64) -> Moment {
        Moment::from_nanos((1_000 + seconds) * 1_000_000_000)
    }

    fn waiting(name: &str, message: &str, is_state: bool) -> Waiting {
        let event = Event {
            about: Subject { name: name.to_owned(), ..Subject::default() },
            severity: Severity::Normal,
            reason: "Reason",
            message: message.to_owned(),
            is_state,
        };
        Waiting { event, since: at(0), term: None }
    }

    /// The messages that may be written at `now`, each of them written.
    fn write_all(queue: &mut Queue, now: Moment) -> Vec<String> {
        let mut messages = Vec::new();
        while let Next::Write(it) = queue.next(now) {
            queue.written(&it.event.about, now);
            messages.push(it.event.message);
        }
        messages
    }

    #[test]
    fn one_object_has_its_burst_and_then_its_pace_and_others_go_before_it() {
        let mut queue = Queue::default();
        for n in 0..7 {
            queue.push(waiting("loud", &n.to_string(), false));
        }
        queue.push(waiting("other", "hello", false));
        assert_eq!(write_all(&mut queue, at(0)), ["0", "1", "2", "3", "4", "hello"]);
        assert!(matches!(queue.next(at(0)), Next::Wait(until) if until == at(12)));
        assert_eq!(write_all(&mut queue, at(12)), ["5"]);
        assert_eq!(write_all(&mut queue, at(200)), ["6"]);
        assert!(matches!(queue.next(at(200)), Next::Idle));
        assert!(matches!(queue.next(at(300)), Next::Idle));
        assert!(queue.paid.is_empty(), "nothing is remembered of objects that are quiet");
    }

    #[test]
    fn how_an_object_stands_replaces_how_it_stood_and_what_happened_stays() {
        let mut queue = Queue::default();
        assert_eq!(queue.push(waiting("a", "bad", true)), Came::Waits);
        assert_eq!(queue.push(waiting("b", "bad", true)), Came::Waits);
        assert_eq!(queue.push(waiting("a", "well", true)), Came::Replaced);
        queue.push(waiting("lease", "lost", false));
        queue.push(waiting("lease", "elected", false));
        assert_eq!(write_all(&mut queue, at(0)), ["well", "bad", "lost", "elected"]);
    }

    #[test]
    fn what_could_not_be_written_is_next_again_unless_it_is_out_of_date() {
        let mut queue = Queue::default();
        queue.push(waiting("a", "bad", true));
        queue.push(waiting("b", "bad too", true));
        let Next::Write(first) = queue.next(at(0)) else { panic!("it may be written") };
        queue.put_back(*first);
        assert_eq!(queue.len(), 2);
        let Next::Write(first) = queue.next(at(0)) else { panic!("it may be written") };
        assert_eq!(first.event.message, "bad");
        queue.push(waiting("a", "well", true));
        queue.put_back(*first);
        assert_eq!(write_all(&mut queue, at(0)), ["bad too", "well"]);
    }

    #[test]
    fn a_flood_is_bounded() {
        let mut queue = Queue::default();
        for n in 0..MOST {
            assert_eq!(queue.push(waiting(&n.to_string(), "bad", true)), Came::Waits);
        }
        assert_eq!(queue.push(waiting("one more", "bad", true)), Came::Dropped);
        assert_eq!(queue.push(waiting("0", "well", true)), Came::Replaced);
        assert_eq!(queue.len(), MOST);
    }

    #[test]
    fn old_news_and_those_of_a_term_that_is_over_are_forgotten() {
        let mut queue = Queue::default();
        queue.push(waiting("a", "old", true));
        queue.push(Waiting { since: at(100), ..waiting("b", "young", true) });
        let term = Term::for_tests(Epoch(1), at(50).as_nanos());
        queue.push(Waiting { term: Some(term), since: at(100), ..waiting("c", "not ours to say", true) });
        assert_eq!(queue.expire(at(49)), 0);
        assert_eq!(queue.expire(at(50)), 1);
        assert_eq!(queue.expire(at(300)), 1);
        assert_eq!(write_all(&mut queue, at(300)), ["young"]);
    }
}
