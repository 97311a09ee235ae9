//! How old tables are, how soon changes arrive, and how long replicas differ.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::time::Duration;

use super::Figure;
use super::lives::Lives;
use super::terms::deeds;
use crate::history::{
    Act, Answer, Change, Fault, FaultEvent, Life, LifeEvent, Name, Poll, Record, Request, Seen, State,
    Version,
};

/// What the wall clock's milliseconds and the way of an answer may add up to.
const SLACK: Duration = Duration::from_millis(200);

/// The longest time from a change of the upstream to its publication: a replica announces or activates it, or a client
/// has it. Where a replica is killed or stopped between the two, it counts from there. Without a value where one was
/// never published.
pub fn publication(history: &[Record]) -> Figure {
    let struck: Vec<Duration> = history
        .iter()
        .filter_map(|record| match record {
            Record::Life(Life { event, at, .. }) if stops(*event) => Some(*at),
            _ => None,
        })
        .collect();
    let name = "longest from a change (or a kill after it) to its publication";
    worst(name, history, published(history), |changed, published| {
        let last = struck.iter().filter(|at| (changed..published).contains(*at)).max();
        last.copied().unwrap_or(changed)
    })
}

/// From `moment` to the publication of the newest change before it, zero where it was published by then. Without a value
/// where it never was, or nothing had changed.
pub fn published_since(history: &[Record], moment: Duration) -> Figure {
    let waits = history.iter().filter_map(|record| match record {
        Record::Change(change) if change.at <= moment => Some(change),
        _ => None,
    });
    let since = waits.max_by_key(|change| change.generation).and_then(|change| {
        let mut seen = published(history);
        seen.retain(|(at, generation)| *at >= change.at && *generation >= change.generation);
        seen.iter().map(|(at, _)| at.saturating_sub(moment)).min()
    });
    Figure::time("from the end of the fault to the publication of what waited for it", since)
}

/// How many announcements were of a table older than one announced before, by the number that its marker carries.
pub fn older_announced(history: &[Record]) -> Figure {
    let generations = generations(history);
    let (mut newest, mut older) = (0, 0);
    for deed in deeds(history) {
        let Act::Announced(version) = deed.act else { continue };
        let Some(generation) = generations.get(&version) else { continue };
        older += usize::from(*generation < newest);
        newest = newest.max(*generation);
    }
    Figure::count("announcements of an older table", older)
}

/// What each version's marker says, by those who got it.
fn generations(history: &[Record]) -> HashMap<Version, u64> {
    let tables = history.iter().filter_map(|record| match record {
        Record::Poll(Poll { answer: Answer::Table(table), .. }) => table.version.zip(table.generation),
        _ => None,
    });
    tables.collect()
}

/// Every sign that a generation was published: a replica announces or activates it, or a client has it.
fn published(history: &[Record]) -> Vec<(Duration, u64)> {
    let generations = generations(history);
    let mut seen: Vec<(Duration, u64)> = Vec::new();
    for record in history {
        match record {
            Record::Poll(Poll { answer: Answer::Table(table), end, .. }) => {
                seen.extend(table.generation.map(|generation| (*end, generation)));
            }
            Record::Request(Request { outcome: Ok(Some(generation)), end, .. }) => {
                seen.push((*end, *generation));
            }
            _ => {}
        }
    }
    for deed in deeds(history) {
        let (Act::Announced(version) | Act::Activated(version)) = deed.act else { continue };
        seen.extend(generations.get(&version).map(|generation| (deed.at, *generation)));
    }
    seen
}

/// The longest time from a change of the upstream to the first answer through a Skipper that has it. Without a value
/// where one never arrived.
pub fn arrival(history: &[Record]) -> Figure {
    let answers = history.iter().filter_map(|record| match record {
        Record::Request(Request { outcome: Ok(Some(generation)), end, .. }) => Some((*end, *generation)),
        _ => None,
    });
    worst("longest from a change to an answer through Skipper", history, answers.collect(), |at, _| at)
}

fn worst(
    name: &str,
    history: &[Record],
    mut seen: Vec<(Duration, u64)>,
    since: impl Fn(Duration, Duration) -> Duration,
) -> Figure {
    seen.sort_unstable();
    let changes = history.iter().filter_map(|record| match record {
        Record::Change(change) => Some(change),
        _ => None,
    });
    let after = |change: &Change| {
        let later = &seen[seen.partition_point(|(at, _)| *at < change.at)..];
        let (at, _) = later.iter().find(|(_, generation)| *generation >= change.generation)?;
        Some(*at - since(change.at, *at))
    };
    let times: Vec<Option<Duration>> = changes.map(after).collect();
    match times.iter().copied().collect::<Option<Vec<_>>>() {
        Some(times) => Figure::worst(name, &times),
        None => Figure::time(name, None).of(times.len()),
    }
}

/// The time from the first to the last replica that activates a version: what `share` of the publications do not
/// exceed. Replicas that were dead, started or under a fault of their own meanwhile are left out.
pub fn skew(history: &[Record], share: f64) -> Figure {
    let lives = Lives::of(history);
    let faults = faults(history);
    let mut activated: BTreeMap<Version, BTreeMap<&str, Duration>> = BTreeMap::new();
    for deed in deeds(history) {
        if let Act::Activated(version) = deed.act {
            activated.entry(version).or_default().entry(&deed.replica).or_insert(deed.at);
        }
    }
    let mut skews = Vec::new();
    for replicas in activated.values() {
        let Some(first) = replicas.values().min().copied() else { continue };
        let disturbed = |replica: &str, at: Duration| {
            let started = lives.starts(replica).iter().any(|start| *start <= at && first <= *start + SLACK);
            let broken = faults
                .iter()
                .any(|(on, from, to)| on.iter().any(|on| &**on == replica) && *from <= at && first <= *to);
            started || broken || lives.dead(replica, first, at)
        };
        let healthy: Vec<_> =
            replicas.iter().filter(|(replica, at)| !disturbed(replica, **at)).map(|(_, at)| *at).collect();
        if let (Some(first), Some(last), true) =
            (healthy.iter().min(), healthy.iter().max(), healthy.len() > 1)
        {
            skews.push(*last - *first);
        }
    }
    Figure::quantile(format!("from the first replica to the last, p{}", share * 100.0), &skews, share)
}

/// How long after the begin of `outage` every replica's `/status` admits it: shows an age of at least the outage so
/// far, in every answer from then on. Without a value where one still does not at the end, or none answers.
pub fn staleness_shown(history: &[Record], outage: Range<Duration>) -> Figure {
    let name = "until /status shows the staleness";
    let mut admitted: BTreeMap<&str, bool> = BTreeMap::new();
    let mut last = Duration::ZERO;
    for (replica, at, seen) in states(history) {
        let Some(seen) = seen.filter(|_| outage.contains(&at)) else { continue };
        let so_far = at - outage.start;
        let age = seen.age.map(Duration::from_millis);
        let admits = seen.version.is_none() || age.is_some_and(|age| age + SLACK >= so_far);
        if !admits {
            last = last.max(so_far);
        }
        admitted.insert(replica, admits);
    }
    let all = !admitted.is_empty() && admitted.values().all(|admits| *admits);
    Figure::time(name, all.then_some(last)).of(admitted.len())
}

/// How long after `moment`, that of the last fault's end, all replicas serve one table, to the end of the run.
/// Without a value where they do not.
pub fn of_one_mind(history: &[Record], moment: Duration) -> Figure {
    let mut newest: BTreeMap<&str, Option<&str>> = BTreeMap::new();
    for record in history {
        if let Record::Stage(stage) = record {
            newest.extend(stage.replicas.iter().map(|replica| (&**replica, None)));
        }
    }
    let mut since: Option<Duration> = None;
    for (replica, at, seen) in states(history) {
        newest.insert(replica, seen.and_then(|seen| seen.digest.as_deref()));
        let mut digests = newest.values();
        let first = digests.next().copied().flatten();
        let one = first.is_some() && digests.all(|digest| *digest == first);
        since = if one { since.or(Some(at)) } else { None };
    }
    let time = since.map(|since| since.saturating_sub(moment));
    Figure::time("until all replicas serve one table", time).of(newest.len())
}

/// The oldest table that a replica owned up to in `/status`.
pub fn oldest_shown(history: &[Record]) -> Figure {
    let ages = states(history).filter_map(|(_, _, seen)| seen?.age);
    Figure::time("oldest table, by /status", ages.max().map(Duration::from_millis))
}

/// How many different tables replicas served within `window`, by `/status`.
pub fn tables_served(history: &[Record], window: Range<Duration>) -> Figure {
    let within = states(history).filter(|(_, at, _)| window.contains(at));
    let digests: BTreeSet<&str> = within.filter_map(|(_, _, seen)| seen?.digest.as_deref()).collect();
    Figure::count("tables served", digests.len())
}

/// How often the table changed from one version to the next within `window`, by `/status`.
pub fn table_changes(history: &[Record], window: Range<Duration>) -> Figure {
    let within = states(history).filter(|(_, at, _)| window.contains(at));
    let tables: BTreeMap<Version, &str> =
        within.filter_map(|(_, _, seen)| Some((seen?.version?, seen?.digest.as_deref()?))).collect();
    let digests: Vec<_> = tables.into_values().collect();
    Figure::count("changes of the table", digests.windows(2).filter(|pair| pair[0] != pair[1]).count())
}

/// The fewest replicas that stood in the rotation at one moment within `window`.
pub fn least_in_rotation(history: &[Record], window: Range<Duration>) -> Figure {
    let lives = Lives::of(history);
    let outs = history.iter().filter_map(|record| match record {
        Record::Life(Life { event: LifeEvent::Out, at, .. }) if window.contains(at) => Some(*at),
        _ => None,
    });
    let least =
        [window.start].into_iter().chain(outs).map(|at| lives.in_rotation(at)).min().unwrap_or_default();
    Figure::count("fewest replicas in the rotation", least)
}

const fn stops(event: LifeEvent) -> bool {
    matches!(event, LifeEvent::Killed | LifeEvent::Terminated | LifeEvent::Paused | LifeEvent::Cut)
}

/// What is broken, from when to when.
fn faults(history: &[Record]) -> Vec<(&[Name], Duration, Duration)> {
    let mut faults: BTreeMap<u32, (&[Name], Duration, Duration)> = BTreeMap::new();
    for record in history {
        let Record::Fault(Fault { id, at, on, event, .. }) = record else { continue };
        match event {
            FaultEvent::Begun => drop(faults.insert(*id, (on, *at, Duration::MAX))),
            FaultEvent::Healed => {
                if let Some((_, _, end)) = faults.get_mut(id) {
                    *end = *at;
                }
            }
            FaultEvent::Struck => {}
        }
    }
    faults.into_values().collect()
}

fn states(history: &[Record]) -> impl Iterator<Item = (&str, Duration, Option<&Seen>)> {
    history.iter().filter_map(|record| match record {
        Record::State(State { replica, at, seen }) => Some((&**replica, *at, seen.as_deref())),
        _ => None,
    })
}
