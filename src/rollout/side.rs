//! One side of the comparison: the table that it has, and what its routes meant a short while ago.
//!
//! In: each table, with the moment from which it was had. Out: what a route means now, whether it ever meant something else
//! lately, and what. Kept are changes alone, and for one span: the time after which whatever a table shows was read anew.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::meanings::{Meaning, Meanings};
use crate::time::Moment;

/// Meanings of one route that are remembered at most: a side shows no more tables in any span that makes sense.
const MOST: usize = 256;

/// A side.
#[derive(Clone, Debug)]
pub struct Side {
    span: Duration,
    table: Option<Arc<Meanings>>,
    left: HashMap<Box<str>, Vec<(Option<Meaning>, Moment)>>,
}

impl Side {
    /// A side that has nothing yet, and remembers for `span`.
    pub fn new(span: Duration) -> Self {
        Self { span, table: None, left: HashMap::new() }
    }

    /// From `now` on it has `table`. Whether that is another one than before.
    pub fn has(&mut self, table: Arc<Meanings>, now: Moment) -> bool {
        let mut moved = false;
        if let Some(before) = &self.table {
            for id in before.unlike(&table) {
                moved = true;
                let left = self.left.entry(id.into()).or_default();
                left.push((before.get(id), now));
                if left.len() > MOST {
                    left.remove(0);
                }
            }
        }
        self.table = Some(table);
        self.left.retain(|_, left| {
            left.retain(|(_, until)| now.since(*until) <= self.span);
            !left.is_empty()
        });
        moved
    }

    /// The table that it has now.
    pub const fn table(&self) -> Option<&Arc<Meanings>> {
        self.table.as_ref()
    }

    /// Whether the route called `id` changed within the span before `now`.
    pub fn moved(&self, id: &str, now: Moment) -> bool {
        self.lately(id, now).next().is_some()
    }

    /// Whether it meant `meaning` within the span before `now`, and no longer does.
    pub fn had(&self, id: &str, meaning: Option<Meaning>, now: Moment) -> bool {
        self.lately(id, now).any(|left| left == meaning)
    }

    fn lately(&self, id: &str, now: Moment) -> impl Iterator<Item = Option<Meaning>> {
        let left = self.left.get(id).map(Vec::as_slice).unwrap_or_default();
        left.iter().filter(move |(_, until)| now.since(*until) <= self.span).map(|(meaning, _)| *meaning)
    }
}
