//! The whole cluster, in groups of parts that have nothing to do with each other ([`super::roster`] says what ties objects
//! together).
//!
//! In: all objects. Out: the tables. The groups are made side by side, each by the code that would make all at once, and of each
//! only its text is kept: the routes of a whole cluster are never there as values. What can go wrong, costs time only: two
//! groups that ask for one id have to do with each other after all; then all is made at once.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ScopedJoinHandle};

use crate::object::Objects;

use super::incremental::Origin;
use super::merge::Merged;
use super::parts::Places;
use super::roster::Roster;
use super::{Compiled, Made, Past, Settings, make};

/// About how many objects are made at once: with their Services and endpoints some thousand Ingresses and RouteGroups.
pub(super) const GROUP: usize = 4096;

/// More threads than this would have nothing of it: the tables of the zones are packed after this, one thread each.
const THREADS: usize = 4;

/// Compiles all `objects` under `settings`, in groups of about `size`: the same bytes for each size. What is tied together
/// comes in one group, however many that are.
pub fn compile_in_groups(objects: &Objects, settings: &Settings, past: &Past, size: usize) -> Compiled {
    let roster = Roster::of(objects, settings);
    let groups = Places::groups(&roster, size);
    let merged = match &groups[..] {
        [] | [_] => None,
        several => Merged::of(side_by_side(several, |places| make(&places.among(objects), settings, past))),
    };
    let merged = merged.unwrap_or_else(|| Merged::of_all(make(objects, settings, past)));
    let (diagnostics, quarantined) = merged.findings();
    let origin = Origin::of(objects, settings, roster, &merged.knots(), &diagnostics);
    let (tables, uids) = merged.pack(past);
    tables.finish(objects, settings, Arc::new(uids), origin, diagnostics, quarantined)
}

/// What `make` makes of each group, in their order.
fn side_by_side(groups: &[Places], make: impl Fn(&Places) -> Made + Sync) -> Vec<Made> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut made = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(group) = groups.get(place) else { return made };
            made.push((place, make(group)));
        }
    };
    let threads = thread::available_parallelism().map_or(1, |count| count.get().min(THREADS));
    let mut made: Vec<_> = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let own = work();
        own.into_iter().chain(others.into_iter().flat_map(joined)).collect()
    });
    made.sort_unstable_by_key(|(place, _)| *place);
    made.into_iter().map(|(_, made)| made).collect()
}

/// What a thread came to; a panic goes on here.
pub(super) fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

#[cfg(test)]
mod tests;
