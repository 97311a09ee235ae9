//! What the watches of a cluster have told so far: the objects of each kind, in the order in which the API lists them.
//!
//! In: whole lists, and events after them with the moments at which they were heard. Out: the objects as a list would have
//! them now, with the resource version at which it would say so; and when it is time to read them. What can go wrong: a list
//! that comes in another order than that of its keys cannot be kept by events, as nobody knows where a new object stands; and
//! an event that never came, which [`Mirror::differences`] finds by a list that is read beside.

mod entry;
mod event;
mod pace;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::page::Page;
use crate::compile::Diagnostic;
use crate::object::{Kind, Objects};
use crate::source::versions;
use crate::time::Moment;

pub(super) use entry::{Entry, Key};
pub(super) use event::{Event, Unfit};
pub(super) use pace::Pace;

/// All kinds that are watched.
#[derive(Debug)]
pub(super) struct Mirror {
    shelves: BTreeMap<Kind, Shelf>,
    pace: Pace,
    /// What refers to others and has changed since the last reading.
    fresh: BTreeSet<(Kind, Key)>,
}

/// The objects of one kind.
#[derive(Debug)]
pub(super) struct Shelf {
    entries: BTreeMap<Key, Entry>,
    /// The list at this version is what is held.
    version: String,
    /// What events have changed since the audit began, and the versions of the last ones; none between audits.
    touched: Option<BTreeMap<Key, String>>,
}

/// A list that cannot be kept by events.
#[derive(Debug, thiserror::Error)]
#[error("the list of {} is not in the order of its names at {at:?}", kind.name())]
pub(super) struct Unordered {
    kind: Kind,
    at: String,
}

impl Mirror {
    /// What these lists hold. None of it is to be read: whoever has the lists has read them.
    pub(super) fn new(shelves: BTreeMap<Kind, Shelf>, pace: Pace) -> Self {
        Self { shelves, pace, fresh: BTreeSet::new() }
    }

    /// Takes what was heard of `kind` at `now`. What is not newer than what is known was told before.
    pub(super) fn hear(&mut self, kind: Kind, event: Event, now: Moment) {
        let Some(shelf) = self.shelves.get_mut(&kind) else { return };
        if !is_newer(event.version(), &shelf.version) {
            return;
        }
        shelf.version = event.version().to_owned();
        let key = match event {
            Event::Mark { .. } => return,
            Event::Put(key, entry) => {
                if entry.refers() {
                    self.fresh.insert((kind, key.clone()));
                }
                shelf.entries.insert(key.clone(), entry);
                key
            }
            Event::Gone(key, _) => {
                self.fresh.remove(&(kind, key.clone()));
                shelf.entries.remove(&key);
                key
            }
        };
        if let Some(touched) = &mut shelf.touched {
            touched.insert(key, shelf.version.clone());
        }
        self.pace.hear(now);
    }

    /// When what has changed is to be read; none where nothing has. Streams of different kinds keep no order among each
    /// other: what has come before the Service that it names waits for that as long as anything may wait.
    pub(super) fn due(&self) -> Option<Moment> {
        if self.dangles() { self.pace.latest() } else { self.pace.due() }
    }

    fn dangles(&self) -> bool {
        let entry = |(kind, key): &(Kind, Key)| self.shelves.get(kind)?.entries.get(key);
        self.fresh.iter().filter_map(entry).any(|entry| {
            let mut named = entry.services();
            named.any(|service| !self.is_reachable(&service))
        })
    }

    /// Whether the Service of that key is there, and its addresses where it has some of its own.
    fn is_reachable(&self, service: &Key) -> bool {
        let shelf = |kind| self.shelves.get(&kind);
        let Some(entry) = shelf(Kind::Service).and_then(|shelf| shelf.entries.get(service)) else {
            return false;
        };
        entry.is_elsewhere() || shelf(Kind::Endpoints).is_none_or(|shelf| shelf.entries.contains_key(service))
    }

    /// All objects, as lists would have them now, and what is wrong with some.
    pub(super) fn read(&mut self) -> (Objects, Vec<Diagnostic>) {
        self.pace.rest();
        self.fresh.clear();
        let (mut objects, mut diagnostics) = (Objects::default(), Vec::new());
        for (kind, shelf) in &self.shelves {
            shelf.entries.values().for_each(|entry| entry.add_to(&mut objects, &mut diagnostics));
            objects.resource_versions.insert(kind.name().to_owned(), shelf.version.clone());
        }
        (objects, diagnostics)
    }

    /// From here on it is noted what events change, for the lists that are read beside. Returns the versions that none of
    /// them may be below.
    pub(super) fn begin_audit(&mut self) -> BTreeMap<String, String> {
        let version = |(kind, shelf): (&Kind, &mut Shelf)| {
            shelf.touched = Some(BTreeMap::new());
            (kind.name().to_owned(), shelf.version.clone())
        };
        self.shelves.iter_mut().map(version).collect()
    }

    /// What is otherwise in the `fresh` lists, but for what events have changed that are newer than these. What stays
    /// different while events still come was never told.
    pub(super) fn differences(&self, fresh: &BTreeMap<Kind, Shelf>) -> Vec<(Kind, Key)> {
        let mut found = Vec::new();
        for (kind, shelf) in &self.shelves {
            let Some(fresh) = fresh.get(kind) else { continue };
            let is_other = |(key, entry): &(&Key, &Entry)| {
                !shelf.entries.get(*key).is_some_and(|known| known.is_version_of(entry))
            };
            let others = fresh.entries.iter().filter(is_other).map(|(key, _)| key);
            let gone = shelf.entries.keys().filter(|key| !fresh.entries.contains_key(*key));
            let told = |key: &&Key| !shelf.knows_better(key, &fresh.version);
            found.extend(others.chain(gone).filter(told).map(|key| (*kind, key.clone())));
        }
        found
    }

    /// Whether the lists are of the same kinds.
    pub(super) fn has_kinds_of(&self, fresh: &BTreeMap<Kind, Shelf>) -> bool {
        self.shelves.keys().eq(fresh.keys())
    }

    /// The audit is over, and found no difference: the objects of the lists take the place of their equals, which they
    /// share with whoever reads these lists again.
    pub(super) fn end_audit(&mut self, fresh: BTreeMap<Kind, Shelf>) {
        for (kind, fresh) in fresh {
            let Some(shelf) = self.shelves.get_mut(&kind) else { continue };
            for (key, entry) in fresh.entries {
                if !shelf.knows_better(&key, &fresh.version) {
                    shelf.entries.insert(key, entry);
                }
            }
            shelf.touched = None;
            if is_newer(&fresh.version, &shelf.version) {
                shelf.version = fresh.version;
            }
        }
    }

    /// The version that each kind is at: where its watch begins.
    pub(super) fn versions(&self) -> impl Iterator<Item = (Kind, &str)> {
        self.shelves.iter().map(|(kind, shelf)| (*kind, shelf.version.as_str()))
    }
}

impl Shelf {
    /// The objects of a whole list.
    pub(super) fn of(kind: Kind, pages: &[Arc<Page>], version: &str) -> Result<Self, Unordered> {
        let mut entries = BTreeMap::new();
        let mut last: [Option<Key>; 2] = [None, None];
        for entry in pages.iter().flat_map(|page| Entry::of_page(kind, page)) {
            let unordered = |at: &str| Unordered { kind, at: at.to_owned() };
            let key = entry.key().ok_or_else(|| unordered(""))?;
            // Those that cannot be read are listed apart from the others.
            let last = &mut last[usize::from(entry.is_misshapen())];
            if last.as_ref().is_some_and(|last| *last >= key) {
                return Err(unordered(&key));
            }
            *last = Some(key.clone());
            entries.insert(key, entry);
        }
        Ok(Self { entries, version: version.to_owned(), touched: None })
    }

    /// The version of the list that this is.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// Whether an event newer than a list of that `version` has changed the object of this key.
    fn knows_better(&self, key: &Key, version: &str) -> bool {
        let touched = self.touched.as_ref().and_then(|touched| touched.get(key));
        touched.is_some_and(|at| is_newer(at, version))
    }
}

/// Versions that are no numbers cannot be compared; another one is taken for a newer one.
fn is_newer(version: &str, than: &str) -> bool {
    match versions::order(version, than) {
        Some(order) => order == Ordering::Greater,
        None => version != than,
    }
}

#[cfg(test)]
mod tests;
