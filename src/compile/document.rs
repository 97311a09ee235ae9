//! A table while it is put together: its text, and where in it each route stands.

use std::ops::Range;

use crate::eskip::{self, Backend, Route};

use super::{Text, splice};
use crate::snapshot::Packed;

/// Definitions, a line each, without a newline at the end.
#[derive(Clone, Debug, Default)]
pub(super) struct Document {
    text: String,
    /// Where each definition ends.
    ends: Vec<usize>,
    /// The last backend of several endpoints, and where it stands. The next routes mostly lead to it too.
    last: Option<(Backend, Range<usize>)>,
}

/// A table that is put together.
#[derive(Clone, Debug)]
pub(super) struct Finished {
    pub(super) packed: Packed,
    /// Where each definition ends.
    pub(super) ends: Vec<usize>,
}

impl Document {
    /// A text, and where each of its definitions ends.
    pub(super) fn of(text: String, ends: Vec<usize>) -> Self {
        Self { text, ends, last: None }
    }

    /// An empty document with room for about `routes` routes.
    pub(super) fn with_room_for(routes: usize) -> Self {
        let (text, ends) = (String::with_capacity(routes * 384), Vec::with_capacity(routes));
        Self { text, ends, last: None }
    }

    /// Appends the definition of a route if `accept` does not object to its text.
    ///
    /// # Errors
    ///
    /// What `accept` objected. The document is then as it was.
    pub(super) fn push<E>(
        &mut self,
        route: &Route,
        accept: impl FnOnce(&str) -> Result<(), E>,
    ) -> Result<(), E> {
        let before = self.text.len();
        if before > 0 {
            self.text.push('\n');
        }
        let start = self.text.len();
        self.print(route);
        let accepted = accept(&self.text[start..]);
        match accepted {
            Ok(()) => self.ends.push(self.text.len()),
            Err(_) => {
                self.text.truncate(before);
                self.last.take_if(|(_, place)| place.end > before);
            }
        }
        accepted
    }

    fn print(&mut self, route: &Route) {
        eskip::print_front(&mut self.text, route);
        match &self.last {
            Some((backend, place)) if *backend == route.backend => {
                self.text.extend_from_within(place.clone());
            }
            _ => {
                let start = self.text.len();
                route.backend.append_to(&mut self.text);
                if matches!(route.backend, Backend::LoadBalanced { .. }) {
                    self.last = Some((route.backend.clone(), start..self.text.len()));
                }
            }
        }
        self.text.push(';');
    }

    /// Appends a definition that was looked at before.
    pub(super) fn append(&mut self, text: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(text);
        self.ends.push(self.text.len());
    }

    /// The text before the definition number `index`, its newline included.
    pub(super) fn before(&self, index: usize) -> usize {
        index.checked_sub(1).map_or(0, |previous| self.ends[previous] + 1)
    }

    /// Where the definition number `index` ends.
    pub(super) fn end(&self, index: usize) -> usize {
        self.ends[index]
    }

    /// The definition number `index`.
    pub(super) fn definition(&self, index: usize) -> &str {
        &self.text[self.before(index)..self.end(index)]
    }

    /// The id of the definition number `index`. An id holds no colon.
    pub(super) fn id(&self, index: usize) -> &str {
        let definition = self.definition(index);
        definition.split_once(':').map_or(definition, |(id, _)| id)
    }

    /// Whether there is a definition of that id, where all are sorted by theirs.
    pub(super) fn has(&self, id: &str) -> bool {
        let at = splice::partition_point(self.count(), |index| Some(self.id(index) < id));
        at.is_some_and(|at| at < self.count() && self.id(at) == id)
    }

    /// The whole text.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// How many routes it has.
    pub(super) fn count(&self) -> usize {
        self.ends.len()
    }

    /// The finished table. What is in `before` too is taken from there.
    #[cfg(test)]
    pub(super) fn pack(&self, before: Option<&Packed>) -> Finished {
        Finished { packed: Packed::of(self.text.as_bytes(), before), ends: self.ends.clone() }
    }
}

impl Finished {
    /// The table, and where each of its definitions ends.
    pub(super) fn into_parts(self) -> (Text, Vec<usize>) {
        (Text { count: self.ends.len(), packed: self.packed }, self.ends)
    }
}
