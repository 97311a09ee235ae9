//! What has changed between two tables, route by route: how many, and which a few of them are.
//!
//! In: two packed tables. Out: numbers and names, for people. Blocks that both have are not unpacked, so what it costs
//! hangs on what has changed. What can go wrong: memory has damaged one of them; then nothing is said.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::ops::Range;

use memchr::{memchr, memrchr};

use super::delta::shared;
use super::inflate::Inflater;
use super::packed::Packed;
use crate::compile::ObjectRef;

/// How many routes are named, of each kind of change.
pub const NAMED: usize = 4;

/// What has changed from one table to the next one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Routes that the table before has not.
    pub added: u64,
    /// Routes that it alone has.
    pub removed: u64,
    /// Routes that say something else under the same id.
    pub changed: u64,
    /// The first few of each, in the order of the table.
    pub named: Vec<Change>,
}

/// What has become of one route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The id of the route.
    pub route: String,
    /// What has become of it.
    pub what: What,
    /// The object that it comes from, where that is known.
    pub object: Option<ObjectRef>,
}

/// What can become of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It says something else.
    Changed,
}

impl What {
    /// Its name, in JSON and on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        }
    }

    /// What has that name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Added, Self::Removed, Self::Changed].into_iter().find(|what| what.name() == name)
    }
}

impl Difference {
    /// From `old` to `new`, both sorted by id. None where memory has damaged one of them.
    pub fn between(old: &Packed, new: &Packed) -> Option<Self> {
        let mut difference = Self::default();
        if old == new {
            return Some(difference);
        }
        let (olds, news) = differing(old, new);
        let (mut old, mut new) = (Definitions::of(old, olds)?, Definitions::of(new, news)?);
        loop {
            let order = match (old.current(), new.current()) {
                (None, None) => return Some(difference),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(one), Some(other)) => id(one).cmp(id(other)),
            };
            match order {
                Ordering::Less => difference.count(What::Removed, old.current()),
                Ordering::Greater => difference.count(What::Added, new.current()),
                Ordering::Equal if old.current() != new.current() => {
                    difference.count(What::Changed, new.current());
                }
                Ordering::Equal => {}
            }
            if order.is_le() {
                old.advance()?;
            }
            if order.is_ge() {
                new.advance()?;
            }
        }
    }

    /// How many routes are touched.
    pub const fn total(&self) -> u64 {
        self.added + self.removed + self.changed
    }

    fn count(&mut self, what: What, definition: Option<&[u8]>) {
        let number = match what {
            What::Added => &mut self.added,
            What::Removed => &mut self.removed,
            What::Changed => &mut self.changed,
        };
        *number += 1;
        if *number <= NAMED as u64 {
            let route = definition.map(id).unwrap_or_default();
            let route = String::from_utf8_lossy(route).into_owned();
            self.named.push(Change { route, what, object: None });
        }
    }
}

/// The places of the blocks of each that must be looked at: those that the other has not, and before each gap one that it
/// has, in which the definition may begin that a gap begins in the middle of.
fn differing(old: &Packed, new: &Packed) -> (Vec<usize>, Vec<usize>) {
    let (ends, mut at) = ((old.held().blocks.len(), new.held().blocks.len()), (0, 0));
    let (mut olds, mut news) = (Vec::new(), Vec::new());
    let mut before = None;
    for (one, other) in shared(old, new).into_iter().chain([ends]) {
        if (at.0, at.1) != (one, other) {
            if let Some((one, other)) = before {
                olds.push(one);
                news.push(other);
            }
            olds.extend(at.0..one);
            news.extend(at.1..other);
        }
        (before, at) = (Some((one, other)), (one + 1, other + 1));
    }
    (olds, news)
}

/// An id holds no colon.
fn id(definition: &[u8]) -> &[u8] {
    let end = memchr(b':', definition).unwrap_or(definition.len());
    &definition[..end]
}

/// The definitions in some blocks of a table, one at a time.
pub(super) struct Definitions<'a> {
    packed: &'a Packed,
    /// The blocks that are still to come.
    places: VecDeque<usize>,
    /// The block that was read last.
    last: Option<usize>,
    inflater: Inflater,
    block: Vec<u8>,
    /// What was read and is not gone through yet; all of it lies together in the table.
    text: Vec<u8>,
    /// Where in it the definition lies that it stands at.
    at: Range<usize>,
}

impl<'a> Definitions<'a> {
    /// Those in the blocks at `places`. None where memory has damaged them.
    pub(super) fn of(packed: &'a Packed, places: Vec<usize>) -> Option<Self> {
        let mut definitions = Self {
            packed,
            places: places.into(),
            last: None,
            inflater: Inflater::default(),
            block: Vec::new(),
            text: Vec::new(),
            at: 0..0,
        };
        definitions.find()?;
        Some(definitions)
    }

    /// The definition that it stands at.
    pub(super) fn current(&self) -> Option<&[u8]> {
        Some(&self.text[self.at.clone()]).filter(|definition| !definition.is_empty())
    }

    /// Goes on to the next one.
    pub(super) fn advance(&mut self) -> Option<()> {
        self.at.start = (self.at.end + 1).min(self.text.len());
        self.find()
    }

    /// Finds where the definition ends that begins at `at.start`.
    fn find(&mut self) -> Option<()> {
        let mut from = self.at.start;
        loop {
            if let Some(end) = end(&self.text, from) {
                self.at.end = end;
                return Some(());
            }
            // The line that may be the next one's first is not all there.
            from = memrchr(b'\n', &self.text[from..]).map_or(self.text.len(), |line| from + line);
            if self.last.is_some() && self.places.front().copied() == self.last.map(|last| last + 1) {
                from -= self.at.start;
                self.text.drain(..self.at.start);
                self.at.start = 0;
                self.read()?;
                continue;
            }
            // An end that no other definition follows.
            self.at.end = self.text.len() - usize::from(self.text.ends_with(b"\n"));
            if self.at.start < self.at.end || self.places.is_empty() {
                self.at.start = self.at.start.min(self.at.end);
                return Some(());
            }
            self.text.clear();
            self.read()?;
            // Both tables have the block; and the definition too, if it begins in the middle of one.
            self.at.start = first(&self.text, self.last == Some(0));
            from = self.at.start;
        }
    }

    /// Appends the next block.
    fn read(&mut self) -> Option<()> {
        let place = self.places.pop_front()?;
        self.packed.unpack(place, &mut self.inflater, &mut self.block)?;
        self.text.extend_from_slice(&self.block);
        self.last = Some(place);
        Some(())
    }
}

/// Where the definition ends in which `from` lies, if that can be told: each ends with a semicolon and a line, and the next
/// line begins with an id. A line break in a regular expression has no such neighbours.
fn end(text: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(line) = memchr(b'\n', &text[at..]) {
        let newline = at + line;
        if newline > 0 && text[newline - 1] == b';' && begins(&text[newline + 1..]) {
            return Some(newline);
        }
        at = newline + 1;
    }
    None
}

/// Where the first definition begins that begins here.
fn first(text: &[u8], is_all: bool) -> usize {
    if is_all || begins(text) { 0 } else { end(text, 0).map_or(text.len(), |end| end + 1) }
}

/// Whether a definition begins here.
fn begins(text: &[u8]) -> bool {
    let id = text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    id > 0 && text[id..].starts_with(b": ")
}

#[cfg(test)]
mod tests;
