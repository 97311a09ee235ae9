//! The whole cluster, in groups of parts that have nothing to do with each other ([`super::roster`] says what ties objects
//! together).
//!
//! In: all objects. Out: the tables. The groups are made side by side, each by the code that would make all at once, and of each
//! only its text is kept: the routes of a whole cluster are never there as values. What can go wrong, costs time only: two
//! groups that ask for one id have to do with each other after all; then all is made at once.

use std::sync::Arc;

use crate::object::Objects;

use super::incremental::Origin;
use super::merge::Merged;
use super::parts::Places;
use super::roster::Roster;
use super::side_by_side::{processors, side_by_side};
use super::{Compiled, Past, Settings, make};

/// About how many objects are made at once: with their Services and endpoints some thousand Ingresses and RouteGroups.
pub(super) const GROUP: usize = 4096;

/// Compiles all `objects` under `settings`, in groups of about `size`: the same bytes for each size. What is tied together
/// comes in one group, however many that are.
pub fn compile_in_groups(objects: &Objects, settings: &Settings, past: &Past, size: usize) -> Compiled {
    let roster = Roster::of(objects, settings);
    let groups = Places::groups(&roster, size);
    let threads = processors(past);
    let making = |places: &Places| make(&places.among(objects), settings, past);
    let merged = match &groups[..] {
        [] | [_] => None,
        several => Merged::of(side_by_side(several, threads, making)),
    };
    let merged = merged.unwrap_or_else(|| Merged::of_all(make(objects, settings, past)));
    let (diagnostics, quarantined) = merged.findings();
    let origin = Origin::of(objects, settings, roster, &merged.knots(), &diagnostics);
    let (tables, uids) = merged.pack(past, threads);
    tables.finish(objects, settings, Arc::new(uids), origin, diagnostics, quarantined)
}

#[cfg(test)]
mod tests;
