//! What must follow upon a fault, and how soon: guards close, others lead, whoever was cut off is in step again.
//!
//! Each takes the name of a fault, and tells the worst of all times that it struck. What never followed has no value.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use super::terms::{announced_after, deeds};
use super::{Figure, Unit};
use crate::history::{Act, Deed, FaultEvent, Life, LifeEvent, Name, Record, Role, Seen, State};

/// What happens in so short a time has no order.
const AT_ONCE: Duration = Duration::from_millis(20);

/// One time that a fault struck.
struct Span<'a> {
    from: Duration,
    to: Duration,
    on: &'a [Name],
}

/// Every time that the fault called `what` struck. One that nobody ended has lasted for ever.
fn spans<'a>(history: &'a [Record], what: &str) -> Vec<Span<'a>> {
    let mut spans: BTreeMap<u32, Span<'a>> = BTreeMap::new();
    for record in history {
        let Record::Fault(fault) = record else { continue };
        if *fault.what != *what {
            continue;
        }
        let to = if fault.event == FaultEvent::Struck { fault.at } else { Duration::MAX };
        let span = spans.entry(fault.id).or_insert(Span { from: fault.at, to, on: &fault.on });
        if fault.event == FaultEvent::Healed {
            span.to = fault.at;
        }
    }
    spans.into_values().collect()
}

/// The worst of what came after each; without a value where it did not come after one.
fn worst(name: &str, times: impl IntoIterator<Item = Option<Duration>>) -> Figure {
    let times: Vec<_> = times.into_iter().collect();
    match times.iter().copied().collect::<Option<Vec<_>>>() {
        Some(all) => Figure::worst(name, &all),
        None => Figure::time(name, None).of(times.len()),
    }
}

/// From each fault called `what` until the replica that led says that it leads no more: its guard is closed.
pub fn ceased(history: &[Record], what: &str) -> Figure {
    let deeds = deeds(history);
    let times = spans(history, what).into_iter().filter_map(|span| {
        let leader = leader_at(&deeds, span.from)?;
        Some(ceases_after(&deeds, leader, span.from).map(|at| at - span.from))
    });
    worst("from the fault until the leader's guard is closed", times)
}

/// From each fault called `what` to the first announcement under a higher epoch.
pub fn failovers_of(history: &[Record], what: &str) -> Figure {
    let deeds = deeds(history);
    let times = spans(history, what).into_iter();
    let times = times.map(|span| announced_after(&deeds, span.from).map(|at| at - span.from));
    worst("from the fault to the next leader's announcement", times)
}

/// The shortest of these times, for faults after which a Lease has to expire.
pub fn soonest_failover(history: &[Record], what: &str) -> Figure {
    let deeds = deeds(history);
    let times = spans(history, what).into_iter();
    let times: Vec<_> =
        times.filter_map(|span| announced_after(&deeds, span.from).map(|at| at - span.from)).collect();
    Figure::time("soonest announcement after the fault", times.iter().min().copied()).of(times.len())
}

/// From the end of each fault called `what` until each replica that it was for follows, current.
pub fn back_in_step(history: &[Record], what: &str) -> Figure {
    let follows = |seen: &Seen| seen.current && seen.role == Role::Follower;
    let times = spans(history, what).into_iter().flat_map(|span| {
        let to = span.to;
        span.on.iter().map(move |name| first_seen(history, name, to, follows).map(|at| at - to))
    });
    worst("from the end of the fault until the replica follows, current", times.collect::<Vec<_>>())
}

/// From the begin of each fault called `what` until each replica that it is for knows that it may be behind.
pub fn noticed(history: &[Record], what: &str) -> Figure {
    let times = spans(history, what).into_iter().flat_map(|span| {
        let from = span.from;
        span.on
            .iter()
            .map(move |name| first_seen(history, name, from, |seen| !seen.current).map(|at| at - from))
    });
    worst("from the fault until the replica knows that it may be behind", times.collect::<Vec<_>>())
}

/// From the moment at which a leader that was stopped runs on until it says that it leads no more.
pub fn resumed_leads_no_more(history: &[Record]) -> Figure {
    let deeds = deeds(history);
    let times = lives(history, LifeEvent::Resumed).filter_map(|(replica, at)| {
        let stopped = lives(history, LifeEvent::Paused).filter(|(name, from)| *name == replica && *from < at);
        let leads = leader_at(&deeds, stopped.map(|(_, from)| from).max()?) == Some(replica);
        // It may have said so before the harness wrote down that it runs.
        let ceases = || ceases_after(&deeds, replica, at.saturating_sub(AT_ONCE));
        leads.then(|| ceases().map(|ceased| ceased.saturating_sub(at)))
    });
    worst("from SIGCONT until the old leader leads no more", times.collect::<Vec<_>>())
}

/// How often a replica that lost its lead by the fault called `what` led again within `time` after that.
pub fn relapses(history: &[Record], what: &str, time: Duration) -> Figure {
    let deeds = deeds(history);
    let mut count = 0;
    let spans = spans(history, what);
    for span in &spans {
        for name in span.on {
            let Some(lost) = ceases_after(&deeds, name, span.from) else { continue };
            let again = |deed: &&&Deed| {
                *deed.replica == **name
                    && matches!(deed.act, Act::Leads(_))
                    && deed.at > lost
                    && deed.at <= lost + time
            };
            count += deeds.iter().filter(again).count();
        }
    }
    Figure::count("terms of the one that was cut off, soon after", count).of(spans.len())
}

/// The longest time from the end of a term to the begin of the next one. Zero where the next one had begun by then.
pub fn leaderless(history: &[Record]) -> Figure {
    let deeds = deeds(history);
    let terms: Vec<(Duration, u64)> = deeds
        .iter()
        .filter_map(|deed| match deed.act {
            Act::Leads(epoch) | Act::Raised(epoch) => Some((deed.at, epoch)),
            _ => None,
        })
        .collect();
    let times = deeds.iter().filter_map(|deed| {
        let Act::Ceases(ended) = deed.act else { return None };
        let next = terms.iter().filter(|(_, epoch)| *epoch > ended).map(|(at, _)| *at).min();
        Some(next.map(|at| at.saturating_sub(deed.at)))
    });
    worst("longest time without a leader", times.collect::<Vec<_>>())
}

/// How many terms have an epoch that is not above all those before.
pub fn epochs_that_do_not_grow(history: &[Record]) -> Figure {
    let epochs = super::epochs(history);
    let grows = |index: &usize| epochs[..*index].iter().all(|before| *before < epochs[*index]);
    let count = (0..epochs.len()).filter(|index| !grows(index)).count();
    Figure::count("epochs that are not above those before", count).of(epochs.len())
}

/// How often within `window` a leader took a higher epoch, as somebody knew its own already.
pub fn raised(history: &[Record], window: Range<Duration>) -> Figure {
    let raised = |deed: &&Deed| window.contains(&deed.at) && matches!(deed.act, Act::Raised(_));
    Figure::count("epochs that somebody else knew already", deeds(history).into_iter().filter(raised).count())
}

/// The longest that a replica took to stop after SIGTERM.
pub fn stops(history: &[Record]) -> Figure {
    let times = lives(history, LifeEvent::Terminated).map(|(replica, asked)| {
        let ends = lives(history, LifeEvent::Ended).filter(|(name, at)| *name == replica && *at >= asked);
        ends.map(|(_, at)| at - asked).min()
    });
    worst("longest from SIGTERM to the end of the process", times.collect::<Vec<_>>())
}

/// The longest from the start of a process within `window` until it says that it is ready.
pub fn starts_ready(history: &[Record], window: Range<Duration>) -> Figure {
    let starts = lives(history, LifeEvent::Started).filter(|(_, at)| window.contains(at));
    let times =
        starts.map(|(replica, at)| first_seen(history, replica, at, |seen| seen.ready).map(|seen| seen - at));
    worst("longest from the start of a process until it is ready", times.collect::<Vec<_>>())
}

/// The longest within `window` that a replica said that it may be behind.
pub fn out_of_step(history: &[Record], window: Range<Duration>) -> Figure {
    let mut since: BTreeMap<&str, Option<Duration>> = BTreeMap::new();
    let mut longest = Duration::ZERO;
    for (replica, at, seen) in states(history).filter(|(_, at, _)| window.contains(at)) {
        let begun = since.entry(replica).or_default();
        if seen.is_some_and(|seen| seen.current) {
            longest = longest.max(begun.take().map_or(Duration::ZERO, |begun| at - begun));
        } else {
            longest = longest.max(at - *begun.get_or_insert(at));
        }
    }
    let seen = !since.is_empty();
    Figure::time("longest time that a replica was not current", seen.then_some(longest)).of(since.len())
}

/// The longest within `window` that two replicas that are ready served different tables, by `/status`.
pub fn disagreement(history: &[Record], window: Range<Duration>) -> Figure {
    let mut serves: BTreeMap<&str, Option<&str>> = BTreeMap::new();
    let (mut since, mut longest): (Option<Duration>, Duration) = Default::default();
    for (replica, at, seen) in states(history).filter(|(_, at, _)| window.contains(at)) {
        let digest = seen.filter(|seen| seen.ready).and_then(|seen| seen.digest.as_deref());
        serves.insert(replica, digest);
        let differ = serves.values().flatten().collect::<BTreeSet<_>>().len() > 1;
        longest = longest.max(since.map_or(Duration::ZERO, |since| at - since));
        since = differ.then(|| since.unwrap_or(at));
    }
    let seen = !serves.is_empty();
    Figure::time("longest time that replicas served different tables", seen.then_some(longest))
}

/// How often a replica warned of one and the same thing within `window`, per minute of it begun, at most.
#[allow(clippy::cast_precision_loss, reason = "some minutes, some lines")]
pub fn warnings(history: &[Record], window: Range<Duration>, about: &str) -> Figure {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut last = window.start;
    for deed in deeds(history).into_iter().filter(|deed| window.contains(&deed.at)) {
        last = deed.at;
        if let Act::Warned(text) = &deed.act
            && text.contains(about)
        {
            *counts.entry((&*deed.replica, &**text)).or_default() += 1;
        }
    }
    let length = if window.end == Duration::MAX { last - window.start } else { window.end - window.start };
    let minutes = length.as_secs().div_ceil(60).max(1);
    let most = counts.values().max().map(|count| *count as f64 / minutes as f64);
    Figure::new("lines about it in a log, per minute", Some(most.unwrap_or_default()), Unit::Count)
        .of(counts.values().sum())
}

/// Who leads at `at`, by the logs.
fn leader_at<'a>(deeds: &[&'a Deed], at: Duration) -> Option<&'a str> {
    let mut leader = None;
    for deed in deeds.iter().take_while(|deed| deed.at <= at) {
        match deed.act {
            Act::Leads(_) => leader = Some(&*deed.replica),
            Act::Ceases(_) if leader == Some(&*deed.replica) => leader = None,
            _ => {}
        }
    }
    leader
}

fn ceases_after(deeds: &[&Deed], replica: &str, at: Duration) -> Option<Duration> {
    let ceases =
        |deed: &&&Deed| *deed.replica == *replica && deed.at >= at && matches!(deed.act, Act::Ceases(_));
    deeds.iter().find(ceases).map(|deed| deed.at)
}

/// When `replica` first showed, from `at` on, what `wanted` has.
fn first_seen(
    history: &[Record],
    replica: &str,
    at: Duration,
    wanted: impl Fn(&Seen) -> bool,
) -> Option<Duration> {
    let mut later = states(history).filter(|(name, seen_at, _)| *name == replica && *seen_at >= at);
    later.find(|(_, _, seen)| seen.is_some_and(&wanted)).map(|(_, at, _)| at)
}

fn lives(history: &[Record], event: LifeEvent) -> impl Iterator<Item = (&str, Duration)> {
    history.iter().filter_map(move |record| match record {
        Record::Life(Life { replica, at, event: found }) if *found == event => Some((&**replica, *at)),
        _ => None,
    })
}

fn states(history: &[Record]) -> impl Iterator<Item = (&str, Duration, Option<&Seen>)> {
    history.iter().filter_map(|record| match record {
        Record::State(State { replica, at, seen }) => Some((&**replica, *at, seen.as_deref())),
        _ => None,
    })
}
