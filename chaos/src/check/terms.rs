//! Who led when, under which epoch, and how long nobody did.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::time::Duration;

use super::lives::Lives;
use super::{Figure, Invariant, Violation};
use crate::history::{Act, Deed, Life, LifeEvent, Record, State, Version};

/// Epochs under which two replicas led or announced.
pub fn no_epoch_twice(history: &[Record]) -> Vec<Violation> {
    let mut owners: BTreeMap<u64, &str> = BTreeMap::new();
    let mut violations = Vec::new();
    for deed in deeds(history) {
        let epoch = match deed.act {
            Act::Leads(epoch) | Act::Raised(epoch) | Act::CaughtUp(epoch) | Act::Announced((epoch, _)) => {
                epoch
            }
            _ => continue,
        };
        let owner = *owners.entry(epoch).or_insert(&deed.replica);
        if owner != &*deed.replica {
            let what = format!("epoch {epoch} is {owner}'s and {}'s", deed.replica);
            violations.push(Violation { invariant: Invariant::NoEpochTwice, at: deed.at, what });
        }
    }
    violations
}

/// Replicas that serve a version below one that the same process has served, by their logs or by `/status`.
pub fn no_replica_back(history: &[Record]) -> Vec<Violation> {
    let lives = Lives::of(history);
    let mut violations = Vec::new();
    let mut newest: HashMap<(&str, bool), (Version, Duration)> = HashMap::new();
    let mut served = |replica, by_log, at: Duration, version: Version| {
        let (newest, seen) = newest.entry((replica, by_log)).or_insert((version, at));
        // A new process starts from disk, which may be one table behind.
        let restarted = lives.starts(replica).iter().any(|start| *seen < *start && *start <= at);
        if version < *newest && !restarted {
            let source = if by_log { "its log" } else { "/status" };
            let what = format!("{replica} serves {version:?} after {newest:?}, by {source}");
            violations.push(Violation { invariant: Invariant::NoReplicaBack, at, what });
        }
        *newest = if restarted { version } else { version.max(*newest) };
        *seen = at;
    };
    for deed in deeds(history) {
        if let Act::Activated(version) | Act::FromDisk(version) = deed.act {
            served(&*deed.replica, true, deed.at, version);
        }
    }
    for record in history {
        let Record::State(State { replica, at, seen: Some(seen) }) = record else { continue };
        if let Some(version) = seen.version {
            served(replica, false, *at, version);
        }
    }
    violations
}

/// How often leadership began anew within `window`: another replica, or the same one in a new term.
pub fn changes_of_leader(history: &[Record], window: Range<Duration>) -> Figure {
    let terms = deeds(history).into_iter().filter(|deed| matches!(deed.act, Act::Leads(_)));
    // The first term of a run is no change.
    let changes = terms.skip(1).filter(|deed| window.contains(&deed.at)).count();
    Figure::count("changes of leader", changes)
}

/// The epochs that were led, in the order of their beginning.
pub fn epochs(history: &[Record]) -> Vec<u64> {
    let terms = deeds(history).into_iter().filter_map(|deed| match deed.act {
        Act::Leads(epoch) | Act::Raised(epoch) => Some(epoch),
        _ => None,
    });
    terms.collect()
}

/// The longest time from a fault of the replica that led (killed, paused or cut off) to the first announcement under a
/// higher epoch. Without a value where one was not followed by any.
pub fn failovers(history: &[Record]) -> Figure {
    let ends = |event| matches!(event, LifeEvent::Killed | LifeEvent::Paused | LifeEvent::Cut);
    successions("longest failover", history, ends)
}

/// The same after SIGTERM to the replica that led: it hands over.
pub fn handovers(history: &[Record]) -> Figure {
    successions("longest hand-over", history, |event| event == LifeEvent::Terminated)
}

fn successions(name: &str, history: &[Record], ends: impl Fn(LifeEvent) -> bool) -> Figure {
    let deeds = deeds(history);
    let mut times = Vec::new();
    for record in history {
        let Record::Life(Life { replica, at, event }) = record else { continue };
        if ends(*event) && leads(&deeds, replica, *at) {
            times.push(announced_after(&deeds, *at).map(|announced| announced - *at));
        }
    }
    match times.iter().copied().collect::<Option<Vec<_>>>() {
        Some(times) => Figure::worst(name, &times),
        None => Figure::time(name, None).of(times.len()),
    }
}

/// Whether `replica` is the last that began to lead before `at`, and has not ceased to.
fn leads(deeds: &[&Deed], replica: &str, at: Duration) -> bool {
    let before = || deeds.iter().rev().filter(|deed| deed.at < at);
    before().find(|deed| matches!(deed.act, Act::Leads(_))).is_some_and(|last| {
        let ceased = |deed: &&&Deed| deed.at >= last.at && matches!(deed.act, Act::Ceases(_));
        &*last.replica == replica && !before().filter(ceased).any(|deed| &*deed.replica == replica)
    })
}

/// The time from `at` to the first announcement under an epoch higher than any before it.
pub fn failover_after(history: &[Record], at: Duration) -> Figure {
    let announced = announced_after(&deeds(history), at);
    Figure::time("failover", announced.map(|announced| announced - at))
}

pub(super) fn announced_after(deeds: &[&Deed], at: Duration) -> Option<Duration> {
    let announcement = |deed: &Deed| match deed.act {
        Act::CaughtUp(epoch) | Act::Announced((epoch, _)) => Some(epoch),
        _ => None,
    };
    let before = deeds.iter().filter(|deed| deed.at <= at).filter_map(|deed| announcement(deed)).max();
    let later = deeds.iter().filter(|deed| deed.at > at);
    later.filter(|deed| announcement(deed) > before).map(|deed| deed.at).next()
}

/// By how much the highest epoch that was led or announced from `to` on is above the highest before `from`. Without a value where
/// there is none on one side.
#[allow(clippy::cast_precision_loss, reason = "epochs are far below 2^52")]
pub fn epoch_gain(history: &[Record], from: Duration, to: Duration) -> Figure {
    let deeds = deeds(history);
    let highest = |within: &dyn Fn(Duration) -> bool| {
        let epochs = deeds.iter().filter(|deed| within(deed.at)).filter_map(|deed| match deed.act {
            Act::Leads(epoch) | Act::Raised(epoch) | Act::CaughtUp(epoch) | Act::Announced((epoch, _)) => {
                Some(epoch)
            }
            _ => None,
        });
        epochs.max()
    };
    let gain = highest(&|at| at < from).zip(highest(&|at| at >= to));
    let gain = gain.map(|(before, after)| after as f64 - before as f64);
    Figure::new("the epoch afterwards is higher by", gain, super::Unit::Count)
}

/// How often a replica warned, or called for a human, with `text` in what it said.
pub fn said(history: &[Record], text: &str) -> Figure {
    let about = |deed: &&&Deed| matches!(&deed.act, Act::Warned(said) if said.contains(text));
    Figure::count(format!("what a human must know: {text}"), deeds(history).iter().filter(about).count())
}

/// What replicas did, in the order of time: logs are read a moment after they are written.
pub(super) fn deeds(history: &[Record]) -> Vec<&Deed> {
    let mut deeds: Vec<&Deed> = history
        .iter()
        .filter_map(|record| match record {
            Record::Deed(deed) => Some(deed),
            _ => None,
        })
        .collect();
    deeds.sort_by_key(|deed| deed.at);
    deeds
}
