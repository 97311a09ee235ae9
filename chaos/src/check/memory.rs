//! Whether memory grows.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use super::lives::Lives;
use super::{Figure, Unit};
use crate::history::{Memory, Record, Role};

/// So many samples in a window, a minute's, tell what a replica takes in one role.
const ENOUGH: usize = 12;

/// From so long after a change of role on, what a replica takes is that of the role it has: a new leader still fetches
/// and keeps objects, a new follower still gives them back.
const SETTLED: Duration = Duration::from_secs(60);

/// The worst ratio, over the replicas and their roles, of the least memory within `late` to the least within `early`. The
/// least, as what is used for a moment and given back is no leak; of one role, [`SETTLED`] in it, as a leader has objects
/// in its hands. A role that was rare within `early` is looked at for as long after it, before `late`, as it takes to know it. Only
/// a process that runs all the while can tell: a replica that was started again meanwhile is left out. Without a value
/// where none is left, or one has no sample in one of them.
#[allow(clippy::cast_precision_loss, reason = "KiB are far below 2^52")]
pub fn growth(history: &[Record], early: Range<Duration>, late: Range<Duration>) -> Figure {
    let mut ratios = Vec::new();
    for (replica, samples) in samples(history, early.start..late.end) {
        let roles = roles(history, replica);
        let taken = |window: &Range<Duration>, role: Role| -> Vec<u64> {
            let within = samples.iter().filter(|(at, _)| window.contains(at));
            within.filter(|(at, _)| settled(&roles, *at) == Some(role)).map(|(_, rss)| *rss).collect()
        };
        let before = early.start..late.start;
        let unknown = |window| samples.iter().all(|(at, _)| !Range::contains(window, at));
        if unknown(&early) || unknown(&late) {
            ratios.push(None);
        }
        for role in [Role::Leader, Role::Follower] {
            let (mut early, late) = (taken(&early, role), taken(&late, role));
            if early.len() < ENOUGH {
                early = taken(&before, role).into_iter().take(ENOUGH).collect();
            }
            if early.len().min(late.len()) >= ENOUGH {
                let least = early.into_iter().min().zip(late.into_iter().min());
                ratios.push(least.map(|(early, late)| late as f64 / early as f64));
            }
        }
    }
    let worst = ratios.iter().copied().collect::<Option<Vec<f64>>>();
    let worst = worst.and_then(|ratios| ratios.into_iter().reduce(f64::max));
    Figure::new("memory at the end, by that at the beginning", worst, Unit::Ratio).of(ratios.len())
}

/// What `replica` has become, and since when; the first is what it was when it first said so.
fn roles(history: &[Record], replica: &str) -> Vec<(Duration, Role)> {
    let said = history.iter().filter_map(|record| match record {
        Record::State(state) if *state.replica == *replica => Some((state.at, state.seen.as_ref()?.role)),
        _ => None,
    });
    let mut roles: Vec<_> = said.collect();
    roles.dedup_by_key(|(_, role)| *role);
    roles
}

/// The role at `at`, if it was not taken just before; whoever has not said anything follows.
fn settled(roles: &[(Duration, Role)], at: Duration) -> Option<Role> {
    match roles.partition_point(|(since, _)| *since <= at).checked_sub(1) {
        None => Some(Role::Follower),
        Some(0) => Some(roles[0].1),
        Some(last) => Some(roles[last].1).filter(|_| at - roles[last].0 >= SETTLED),
    }
}

/// The steepest line, over the replicas, through the least memory of each minute within `window`, in MiB per hour.
/// Of processes that run all the while, as above; without a value where one has fewer than three such minutes.
#[allow(clippy::cast_precision_loss, reason = "KiB and minutes are far below 2^52")]
pub fn slope(history: &[Record], window: Range<Duration>) -> Figure {
    let mut slopes = Vec::new();
    for samples in samples(history, window.clone()).values() {
        let mut minutes: BTreeMap<u64, u64> = BTreeMap::new();
        for (at, rss) in samples.iter().filter(|(at, _)| window.contains(at)) {
            let least = minutes.entry(at.as_secs() / 60).or_insert(*rss);
            *least = (*least).min(*rss);
        }
        let points: Vec<(f64, f64)> =
            minutes.iter().map(|(minute, rss)| (*minute as f64 / 60.0, *rss as f64 / 1024.0)).collect();
        slopes.push((points.len() >= 3).then(|| steepness(&points)));
    }
    let steepest = slopes.iter().copied().collect::<Option<Vec<f64>>>();
    let steepest = steepest.and_then(|slopes| slopes.into_iter().reduce(f64::max));
    Figure::new("memory grows by", steepest, Unit::MibPerHour).of(slopes.len())
}

/// The least-squares line's slope.
#[allow(clippy::cast_precision_loss, reason = "a few hundred points")]
fn steepness(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0 / count, y + point.1 / count));
    let (above, below) = points.iter().fold((0.0, 0.0), |(above, below), point| {
        (above + (point.0 - x) * (point.1 - y), below + (point.0 - x).powi(2))
    });
    above / below
}

/// How much more memory, in MiB, a replica other than `but` took at most within `during` than it took at most within `before`:
/// the worst of them, of processes that run all the while. Without a value where one has no sample in one of the two.
#[allow(clippy::cast_precision_loss, reason = "KiB are far below 2^52")]
pub fn more_than_before(
    history: &[Record],
    but: &[&str],
    before: Range<Duration>,
    during: Range<Duration>,
) -> Figure {
    let mut rises = Vec::new();
    let samples = samples(history, before.start..during.end);
    for (_, samples) in samples.iter().filter(|(name, _)| !but.contains(name)) {
        let most = |window: &Range<Duration>| {
            samples.iter().filter(|(at, _)| window.contains(at)).map(|(_, rss)| *rss as f64).reduce(f64::max)
        };
        rises.push(most(&before).zip(most(&during)).map(|(before, during)| (during - before) / 1024.0));
    }
    let worst = rises.iter().copied().collect::<Option<Vec<f64>>>();
    let worst = worst.and_then(|rises| rises.into_iter().reduce(f64::max));
    Figure::new("memory more than before", worst, Unit::Mib).of(rises.len())
}

/// What each replica took and when, of those whose process did not begin within `window`.
fn samples(history: &[Record], window: Range<Duration>) -> BTreeMap<&str, Vec<(Duration, u64)>> {
    let lives = Lives::of(history);
    let mut samples: BTreeMap<&str, Vec<(Duration, u64)>> = BTreeMap::new();
    for record in history {
        if let Record::Memory(Memory { replica, at, rss_kib }) = record {
            samples.entry(replica).or_default().push((*at, *rss_kib));
        }
    }
    samples.retain(|replica, _| !lives.starts(replica).iter().any(|start| window.contains(start)));
    samples
}
