//! A table with some of its definitions replaced.
//!
//! In: the packed text before, where each definition ends, which go, and the new ones. Out: the new text, in which all that
//! stays is taken as it was packed. What can go wrong: memory has damaged the text before; a new definition has the id of one that stays; then their objects have to do
//! with each other, and only the whole compilation knows who wins.

use std::ops::Range;

use super::document::{Document, Finished};
use crate::snapshot::{Packed, Packer, Reader};

/// In which order old and new definitions follow each other.
pub(super) struct Plan(Vec<Run>);

enum Run {
    /// Definitions of the old document.
    Old(Range<usize>),
    /// One definition of the new document.
    New(usize),
}

/// Where the definition number `index` stands.
pub(super) fn place(ends: &[usize], index: usize) -> Range<usize> {
    start(ends, index)..ends[index]
}

fn start(ends: &[usize], index: usize) -> usize {
    index.checked_sub(1).map_or(0, |previous| ends[previous] + 1)
}

impl Plan {
    /// The plan for `text` without the definitions that go, and with those of `new`: their places in the new document and
    /// their ids, sorted by id. None where one of these is the id of a definition that stays, or the text is damaged.
    pub(super) fn of(
        text: &Packed,
        ends: &[usize],
        goes: impl Fn(usize) -> bool,
        new: &[(usize, &str)],
    ) -> Option<Self> {
        let mut plan = Self(Vec::new());
        let (mut at, mut text) = (0, Reader::new(text));
        let mut compared = |index: usize, id: &str| {
            let definition = text.read(place(ends, index));
            // No definition is empty, so neither is one that can be read.
            (!text.is_damaged()).then(|| id_of(&definition).cmp(id.as_bytes()))
        };
        for (place, id) in new {
            let next = partition_point(ends.len(), |index| Some(compared(index, id)?.is_lt()))?.max(at);
            for index in next..ends.len() {
                if compared(index, id)?.is_ne() {
                    break;
                }
                if !goes(index) {
                    return None;
                }
            }
            plan.keep(at..next, &goes);
            plan.0.push(Run::New(*place));
            at = next;
        }
        plan.keep(at..ends.len(), &goes);
        Some(plan)
    }

    fn keep(&mut self, mut range: Range<usize>, goes: &impl Fn(usize) -> bool) {
        while let Some(first) = range.find(|index| !goes(*index)) {
            let end = range.find(|index| goes(*index)).unwrap_or(range.end.max(first + 1));
            self.0.push(Run::Old(first..end));
        }
    }

    /// Each definition of the result: the number of one that stays, or the place of a new one.
    pub(super) fn places(&self) -> impl Iterator<Item = Result<usize, usize>> + '_ {
        self.0.iter().flat_map(|run| {
            let (old, new) = match run {
                Run::Old(range) => (range.clone(), None),
                Run::New(place) => (0..0, Some(*place)),
            };
            old.map(Ok).chain(new.map(Err))
        })
    }

    /// The table that the plan leads to. None where memory has damaged the text before.
    pub(super) fn apply(&self, text: &Packed, ends: &[usize], new: &Document) -> Option<Finished> {
        let mut out = Packer::new(Some(text));
        let mut out_ends = Vec::with_capacity(ends.len() + new.count());
        for run in &self.0 {
            if !out_ends.is_empty() {
                out.push(b"\n");
            }
            match run {
                Run::Old(range) => {
                    let (from, to) = (start(ends, range.start), ends[range.end - 1]);
                    let moved = |end: &usize| end - from + out.len();
                    out_ends.extend(ends[range.clone()].iter().map(moved));
                    out.take(text, from..to)?;
                }
                Run::New(place) => {
                    out.push(new.definition(*place).as_bytes());
                    out_ends.push(out.len());
                }
            }
        }
        Some(Finished { packed: out.finish(), ends: out_ends })
    }
}

/// An id holds no colon.
pub(super) fn id_of(definition: &[u8]) -> &[u8] {
    let end = definition.iter().position(|byte| *byte == b':').unwrap_or(definition.len());
    &definition[..end]
}

/// The first of so many that is not before, where all that are come first. Each search begins at the same places, which a
/// reader still has. None where one cannot be told.
pub(super) fn partition_point(count: usize, mut before: impl FnMut(usize) -> Option<bool>) -> Option<usize> {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if before(middle)? { low = middle + 1 } else { high = middle }
    }
    Some(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(definitions: &[&str]) -> (Document, Vec<usize>) {
        let mut ends = Vec::new();
        let mut end = 0;
        for (index, definition) in definitions.iter().enumerate() {
            end += definition.len() + usize::from(index > 0);
            ends.push(end);
        }
        (Document::of(definitions.join("\n"), ends.clone()), ends)
    }

    fn spliced(old: &[&str], goes: &[usize], new: &[&str]) -> Option<Vec<String>> {
        let ((old, ends), (new, _)) = (document(old), document(new));
        let ids: Vec<_> =
            (0..new.count()).map(|at| (at, new.definition(at).split(':').next().unwrap())).collect();
        let old = old.pack(None).packed;
        let plan = Plan::of(&old, &ends, |at| goes.contains(&at), &ids)?;
        let (done, ends) = plan.apply(&old, &ends, &new).unwrap().into_parts();
        assert_eq!(plan.places().count(), done.count);
        let done = Document::of(done.eskip(), ends);
        let all: Vec<_> = (0..done.count()).map(|at| done.definition(at).to_owned()).collect();
        assert_eq!(all.join("\n"), done.as_str());
        Some(all)
    }

    #[test]
    fn new_definitions_come_where_their_ids_belong() {
        let old = ["b: 1", "d: 1\n2", "f: 1"];
        for (goes, new, expected) in [
            (&[][..], &[][..], &["b: 1", "d: 1\n2", "f: 1"][..]),
            (&[1], &["d: 3"], &["b: 1", "d: 3", "f: 1"]),
            (&[0, 2], &["a: 1", "c: 1", "g: 1"], &["a: 1", "c: 1", "d: 1\n2", "g: 1"]),
            (&[0, 1, 2], &[], &[]),
            (&[0, 1, 2], &["x: 1"], &["x: 1"]),
        ] {
            assert_eq!(spliced(&old, goes, new).unwrap(), expected);
        }
        assert_eq!(spliced(&[], &[], &["x: 1"]).unwrap(), ["x: 1"]);
    }

    #[test]
    fn an_id_that_stays_is_in_the_way() {
        assert_eq!(spliced(&["b: 1", "d: 1"], &[0], &["d: 2"]), None);
    }
}
