//! When each replica was in the rotation, and when it could not answer.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::history::{Life, LifeEvent, Poll, Record, State};

/// The lives of all replicas, to be asked again and again.
pub(super) struct Lives<'a> {
    of: BTreeMap<&'a str, Spans>,
}

/// A time in which a replica could not answer, as it was killed, stopped or cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Death {
    pub(super) from: Duration,
    /// Its first sign of life; [`Duration::MAX`] where there is none.
    pub(super) to: Duration,
}

#[derive(Default)]
struct Spans {
    rotation: Vec<(Duration, Duration)>,
    deaths: Vec<Death>,
    out: Vec<Duration>,
    starts: Vec<Duration>,
}

impl<'a> Lives<'a> {
    pub(super) fn of(history: &'a [Record]) -> Self {
        let mut events: BTreeMap<&str, Vec<(Duration, Sign)>> = BTreeMap::new();
        let mut add = |replica: &'a str, at, sign| events.entry(replica).or_default().push((at, sign));
        for record in history {
            match record {
                Record::Life(Life { replica, at, event }) => add(replica, *at, Sign::Event(*event)),
                Record::Poll(Poll { replica: Some(replica), at, answer, .. }) if answer.is_good() => {
                    add(replica, *at, Sign::Alive);
                }
                Record::State(State { replica, at, seen: Some(seen) }) if seen.ready => {
                    add(replica, *at, Sign::Alive);
                }
                _ => {}
            }
        }
        let spans = |mut events: Vec<(Duration, Sign)>| {
            events.sort_by_key(|(at, _)| *at);
            Spans::of(&events)
        };
        // Whoever merely answered a poll, without a life on record, has none to judge.
        let known =
            |events: &[(Duration, Sign)]| events.iter().any(|(_, sign)| matches!(sign, Sign::Event(_)));
        let of = events.into_iter().filter(|(_, events)| known(events));
        Self { of: of.map(|(replica, events)| (replica, spans(events))).collect() }
    }

    /// All of them.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.of.keys().copied()
    }

    /// Whether `replica` could not answer at some moment from `from` to `to`.
    pub(super) fn dead(&self, replica: &str, from: Duration, to: Duration) -> bool {
        self.deaths(replica).iter().any(|death| death.from <= to && from < death.to)
    }

    /// The times in which `replica` could not answer.
    pub(super) fn deaths(&self, replica: &str) -> &[Death] {
        self.of.get(replica).map_or(&[], |spans| &spans.deaths)
    }

    /// Whether the VIP gave `replica` connections at some moment from `from` to `to`.
    pub(super) fn rotating(&self, replica: &str, from: Duration, to: Duration) -> bool {
        let spans = self.of.get(replica);
        spans.is_some_and(|spans| spans.rotation.iter().any(|(begin, end)| *begin <= to && from < *end))
    }

    /// How many the VIP gave connections at `at`.
    pub(super) fn in_rotation(&self, at: Duration) -> usize {
        self.names().filter(|name| self.rotating(name, at, at)).count()
    }

    /// When the VIP took `replica` out after `at`; [`Duration::MAX`] where it never did.
    pub(super) fn taken_out(&self, replica: &str, at: Duration) -> Duration {
        let out = self.of.get(replica).and_then(|spans| spans.out.iter().find(|out| **out >= at));
        out.copied().unwrap_or(Duration::MAX)
    }

    /// When processes of `replica` began.
    pub(super) fn starts(&self, replica: &str) -> &[Duration] {
        self.of.get(replica).map_or(&[], |spans| &spans.starts)
    }
}

#[derive(Clone, Copy)]
enum Sign {
    Event(LifeEvent),
    Alive,
}

impl Spans {
    fn of(events: &[(Duration, Sign)]) -> Self {
        let mut spans = Self::default();
        let mut rotating: Option<Duration> = None;
        // Since when, and whether it can have come back since.
        let mut dead: Option<(Duration, bool)> = None;
        for (at, sign) in events {
            match sign {
                Sign::Event(LifeEvent::In) => {
                    rotating.get_or_insert(*at);
                }
                Sign::Event(LifeEvent::Out) => {
                    spans.out.push(*at);
                    if let Some(since) = rotating.take() {
                        spans.rotation.push((since, *at));
                    }
                }
                Sign::Event(LifeEvent::Killed | LifeEvent::Paused | LifeEvent::Cut) => {
                    dead = Some((dead.map_or(*at, |(since, _)| since), false));
                }
                Sign::Event(LifeEvent::Started) => {
                    spans.starts.push(*at);
                    dead = dead.map(|(since, _)| (since, true));
                }
                Sign::Event(LifeEvent::Resumed | LifeEvent::Joined) => {
                    dead = dead.map(|(since, _)| (since, true));
                }
                Sign::Event(LifeEvent::Terminated | LifeEvent::Ended) | Sign::Alive => {}
            }
            // An answer that was asked for after the end of the fault proves it; so does the probe that takes it in.
            let alive = matches!(sign, Sign::Alive | Sign::Event(LifeEvent::In));
            if let Some((from, true)) = dead.filter(|_| alive) {
                spans.deaths.push(Death { from, to: *at });
                dead = None;
            }
        }
        spans.rotation.extend(rotating.map(|since| (since, Duration::MAX)));
        spans.deaths.extend(dead.map(|(from, _)| Death { from, to: Duration::MAX }));
        spans
    }
}
