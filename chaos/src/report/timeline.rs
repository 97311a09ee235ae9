//! What happened when, as rows on columns of equal length.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::raster::{COLUMNS, Scale, Span, paint, tally};
use crate::check;
use crate::history::{
    Act, Answer, Deed, Fault, FaultEvent, Life, LifeEvent, Name, Poll, Record, Request, Role, Said, State,
};

/// Lines for people that are kept, at most.
const NOTES: usize = 40;

/// A signal so near to a fault is that fault.
const SAME: Duration = Duration::from_millis(500);

/// Points of the line of ages.
const POINTS: u16 = 200;

/// The rows of one run. Times are columns, of which there are eight hundred.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    /// How long it is.
    pub seconds: f64,
    /// What was broken, one row for each kind.
    pub faults: Vec<Broken>,
    /// The replicas.
    pub lanes: Vec<Lane>,
    /// Changes of the upstream.
    pub changes: Vec<(u16, u32)>,
    /// Polls that were lost to a dead replica, how many by column.
    pub excused: Vec<(u16, u32)>,
    /// Polls that nothing excuses.
    pub blamed: Vec<(u16, u32)>,
    /// Requests through Skipper that failed.
    pub failed: Vec<(u16, u32)>,
    /// The oldest table in seconds that a replica serves, by column; where any says it.
    pub ages: Vec<(u16, f64)>,
    /// What the scenario said, with its seconds.
    pub notes: Vec<(f64, String)>,
    /// How many lines more it said.
    pub notes_left_out: usize,
}

/// One kind of fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    /// What was done.
    pub what: String,
    /// How often.
    pub times: usize,
    /// From when to when; one column for those without a length.
    pub spans: Vec<(u16, u16)>,
}

/// One replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lane {
    /// Its name.
    pub replica: String,
    /// What it was.
    pub phases: Vec<Span<Phase>>,
    /// When it stood in the rotation.
    pub rotation: Vec<(u16, u16)>,
    /// Which table it served, numbered in the order in which they came up.
    pub tables: Vec<Span<u16>>,
    /// The epochs that it led, from their columns on.
    pub epochs: Vec<(u16, u64)>,
}

/// What a replica is. Of two in one column the later in this order shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It runs, and has no role to tell.
    Runs,
    /// It follows.
    Follows,
    /// It leads.
    Leads,
    /// It runs and does not answer.
    Silent,
    /// Clients cannot reach it.
    Cut,
    /// It is stopped in the middle of whatever it does.
    Paused,
    /// There is no process.
    Down,
}

impl Timeline {
    /// The time line of `history`.
    pub fn of(history: &[Record]) -> Self {
        let times = || history.iter().filter_map(end);
        let (from, to) = (times().min().unwrap_or_default(), times().max().unwrap_or_default());
        let scale = Scale::new(from..to);
        let count =
            |wanted: &dyn Fn(&Record) -> Option<Duration>| tally(&scale, history.iter().filter_map(wanted));
        let blamed: Vec<_> =
            check::no_failed_poll(history).into_iter().map(|violation| violation.at).collect();
        let lost = |record: &Record| match record {
            Record::Poll(Poll { end, answer, .. }) if !answer.is_good() => Some(*end),
            _ => None,
        };
        let all_lost = count(&lost);
        let blamed = tally(&scale, blamed);
        let notes: Vec<_> = history
            .iter()
            .filter_map(|record| match record {
                Record::Said(Said { at, text }) => {
                    Some((at.saturating_sub(from).as_secs_f64(), text.to_string()))
                }
                _ => None,
            })
            .collect();
        Self {
            seconds: scale.seconds(),
            faults: faults(history, &scale, to),
            lanes: lanes(history, &scale, from..to),
            changes: count(&|record| match record {
                Record::Change(change) => Some(change.at),
                _ => None,
            }),
            excused: less(&all_lost, &blamed),
            blamed,
            failed: count(&|record| match record {
                Record::Request(Request { end, outcome: Err(_), .. }) => Some(*end),
                _ => None,
            }),
            ages: ages(history, &scale),
            notes_left_out: notes.len().saturating_sub(NOTES),
            notes: notes.into_iter().take(NOTES).collect(),
        }
    }

    /// How many faults there were.
    pub fn struck(&self) -> usize {
        self.faults.iter().map(|fault| fault.times).sum()
    }
}

/// When a record was complete.
const fn end(record: &Record) -> Option<Duration> {
    match record {
        Record::Stage(_) => None,
        Record::Poll(it) => Some(it.end),
        Record::Request(it) => Some(it.end),
        Record::Life(it) => Some(it.at),
        Record::Fault(it) => Some(it.at),
        Record::Change(it) => Some(it.at),
        Record::Deed(it) => Some(it.at),
        Record::State(it) => Some(it.at),
        Record::Memory(it) => Some(it.at),
        Record::Measured(it) => Some(it.at),
        Record::Said(it) => Some(it.at),
    }
}

fn less(all: &[(u16, u32)], part: &[(u16, u32)]) -> Vec<(u16, u32)> {
    let part: BTreeMap<u16, u32> = part.iter().copied().collect();
    let rest = all.iter().map(|(column, count)| (*column, count - part.get(column).unwrap_or(&0).min(count)));
    rest.filter(|(_, count)| *count > 0).collect()
}

/// Faults by their kind, in the order in which they began; and what was done to replicas without being called one.
fn faults(history: &[Record], scale: &Scale, end: Duration) -> Vec<Broken> {
    let mut kinds: Vec<Broken> = Vec::new();
    let mut add = |what: &str, from: Duration, to: Duration| {
        let span = (scale.column(from), scale.column(to) + 1);
        match kinds.iter_mut().find(|kind| kind.what == what) {
            Some(kind) => {
                kind.times += 1;
                if kind.spans.last() != Some(&span) {
                    kind.spans.push(span);
                }
            }
            None => kinds.push(Broken { what: what.to_owned(), times: 1, spans: vec![span] }),
        }
    };
    let all = history.iter().filter_map(|record| match record {
        Record::Fault(fault) => Some(fault),
        _ => None,
    });
    let all: Vec<&Fault> = all.collect();
    let healed =
        all.iter().filter(|fault| fault.event == FaultEvent::Healed).map(|fault| (fault.id, fault.at));
    let healed: BTreeMap<u32, Duration> = healed.collect();
    for Fault { id, at, what, event, .. } in &all {
        match event {
            FaultEvent::Begun => add(what, *at, healed.get(id).copied().unwrap_or(end)),
            FaultEvent::Struck => add(what, *at, *at),
            FaultEvent::Healed => {}
        }
    }
    let mut down: BTreeSet<&Name> = BTreeSet::new();
    for record in history {
        let Record::Life(Life { replica, event, at }) = record else { continue };
        let signal = match event {
            // Who makes sure that it is dead kills it again.
            LifeEvent::Killed if !down.insert(replica) => continue,
            LifeEvent::Killed => "kill -9",
            LifeEvent::Started => {
                down.remove(replica);
                continue;
            }
            LifeEvent::Terminated => "SIGTERM",
            LifeEvent::Paused => "SIGSTOP",
            _ => continue,
        };
        let about = |fault: &&&Fault| fault.on.is_empty() || fault.on.contains(replica);
        if !all.iter().filter(about).any(|fault| fault.at.abs_diff(*at) < SAME) {
            add(signal, *at, *at);
        }
    }
    kinds
}

fn lanes(history: &[Record], scale: &Scale, window: std::ops::Range<Duration>) -> Vec<Lane> {
    let mut names: Vec<&Name> = Vec::new();
    for record in history {
        match record {
            Record::Stage(stage) => names.extend(&stage.replicas),
            Record::Life(Life { replica, .. }) => names.push(replica),
            _ => {}
        }
    }
    names.sort_unstable();
    names.dedup();
    let mut tables: Vec<&str> = Vec::new();
    let served: BTreeMap<&Name, Vec<(Duration, &str)>> =
        names.iter().map(|name| (*name, served(history, name))).collect();
    let mut first: Vec<_> = served.values().flatten().collect();
    first.sort_unstable();
    for (_, digest) in first {
        if !tables.contains(digest) {
            tables.push(digest);
        }
    }
    let number =
        |digest: &str| tables.iter().position(|it| *it == digest).and_then(|at| u16::try_from(at).ok());
    let lane = |name: &Name| {
        let tables = until_next(&served[name], window.end);
        let tables = tables.filter_map(|(from, to, digest)| Some((from, to, number(digest)?)));
        Lane {
            replica: name.to_string(),
            phases: paint(scale, phases(history, name, &window)),
            rotation: rotation(history, name, scale, window.end),
            tables: paint(scale, tables),
            epochs: epochs(history, name, scale),
        }
    };
    names.into_iter().map(lane).collect()
}

/// Each with its time and that of the next one, the last with `end`.
fn until_next<'a, T: Copy>(
    points: &'a [(Duration, T)],
    end: Duration,
) -> impl Iterator<Item = (Duration, Duration, T)> + 'a {
    let next = points.iter().skip(1).map(|(at, _)| *at).chain([end]);
    points.iter().zip(next).map(|((from, what), to)| (*from, to.max(*from), *what))
}

/// The digests that `name` served, by `/status`; and where it has none, by what clients got from it.
fn served<'a>(history: &'a [Record], name: &Name) -> Vec<(Duration, &'a str)> {
    let states = history.iter().filter_map(|record| match record {
        Record::State(State { replica, at, seen: Some(seen) }) if replica == name => {
            Some((*at, seen.digest.as_deref()?))
        }
        _ => None,
    });
    let states: Vec<_> = states.collect();
    if !states.is_empty() {
        return states;
    }
    let polls = history.iter().filter_map(|record| match record {
        Record::Poll(Poll { replica: Some(replica), end, answer: Answer::Table(table), .. })
            if replica == name =>
        {
            Some((*end, &*table.digest))
        }
        _ => None,
    });
    polls.collect()
}

fn phases(
    history: &[Record],
    name: &Name,
    window: &std::ops::Range<Duration>,
) -> Vec<(Duration, Duration, Phase)> {
    let mut told: Vec<(Duration, Phase)> = Vec::new();
    let mut broken: Vec<(Duration, Option<Phase>)> = Vec::new();
    for record in history {
        match record {
            Record::State(State { replica, at, seen }) if replica == name => {
                let phase = seen.as_ref().map_or(Phase::Silent, |seen| match seen.role {
                    Role::Leader => Phase::Leads,
                    Role::Follower => Phase::Follows,
                });
                told.push((*at, phase));
            }
            Record::Life(Life { replica, at, event }) if replica == name => {
                let phase = match event {
                    LifeEvent::Killed | LifeEvent::Ended => Some(Phase::Down),
                    LifeEvent::Paused => Some(Phase::Paused),
                    LifeEvent::Cut => Some(Phase::Cut),
                    LifeEvent::Started | LifeEvent::Resumed | LifeEvent::Joined => None,
                    LifeEvent::In | LifeEvent::Out | LifeEvent::Terminated => continue,
                };
                broken.push((*at, phase));
            }
            _ => {}
        }
    }
    match told.first_mut() {
        // An excerpt begins between two looks.
        Some((at, _)) if at.saturating_sub(window.start) < Duration::from_secs(2) => *at = window.start,
        Some(_) => {}
        None => told.push((window.start, Phase::Runs)),
    }
    // Before its first start there is nothing.
    let begins = match broken.first() {
        Some((at, None)) => *at,
        _ => window.start,
    };
    let told =
        until_next(&told, window.end).map(|(from, to, phase)| (from.max(begins), to.max(begins), phase));
    let broken = until_next(&broken, window.end).filter_map(|(from, to, phase)| Some((from, to, phase?)));
    told.chain(broken).filter(|(from, to, _)| from < to).collect()
}

fn rotation(history: &[Record], name: &Name, scale: &Scale, end: Duration) -> Vec<(u16, u16)> {
    let turns = history.iter().filter_map(|record| match record {
        Record::Life(Life { replica, at, event: LifeEvent::In }) if replica == name => Some((*at, true)),
        Record::Life(Life { replica, at, event: LifeEvent::Out }) if replica == name => Some((*at, false)),
        _ => None,
    });
    let turns: Vec<_> = turns.collect();
    // Out counts more: a replica that leaves for a moment is one that left.
    let painted = paint(scale, until_next(&turns, end).map(|(from, to, within)| (from, to, !within)));
    painted.into_iter().filter(|(_, _, out)| !out).map(|(from, to, _)| (from, to)).collect()
}

fn epochs(history: &[Record], name: &Name, scale: &Scale) -> Vec<(u16, u64)> {
    let terms = history.iter().filter_map(|record| match record {
        Record::Deed(Deed { replica, at, act: Act::Leads(epoch) | Act::Raised(epoch) })
            if replica == name =>
        {
            Some((scale.column(*at), *epoch))
        }
        _ => None,
    });
    terms.collect()
}

/// The oldest table at each point.
fn ages(history: &[Record], scale: &Scale) -> Vec<(u16, f64)> {
    let step = COLUMNS / POINTS;
    let mut ages: BTreeMap<u16, f64> = BTreeMap::new();
    for record in history {
        if let Record::State(State { at, seen: Some(seen), .. }) = record
            && let Some(age) = seen.age
        {
            let oldest = ages.entry(scale.column(*at) / step * step).or_default();
            *oldest = oldest.max(Duration::from_millis(age).as_secs_f64());
        }
    }
    ages.into_iter().map(|(column, age)| (column, (age * 10.0).round() / 10.0)).collect()
}
