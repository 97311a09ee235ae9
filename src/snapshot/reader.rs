//! Reads here and there in a packed text, without unpacking a block for each look.
//!
//! In: the text, and ranges in it. Out: their bytes. What can go wrong: memory has damaged the text. Then what is read is
//! empty, and the reader says so.

use std::collections::VecDeque;
use std::ops::Range;

use super::inflate::Inflater;
use super::packed::Packed;

/// How many blocks are held: those that a search begins with, and those that it ends in.
const HELD: usize = 32;

/// Reads in a packed text.
pub struct Reader<'a> {
    packed: &'a Packed,
    /// The blocks that were read last, the last one first.
    held: VecDeque<(usize, Vec<u8>)>,
    inflater: Inflater,
    is_damaged: bool,
}

impl<'a> Reader<'a> {
    /// Reads in `packed`.
    pub fn new(packed: &'a Packed) -> Self {
        Self { packed, held: VecDeque::new(), inflater: Inflater::default(), is_damaged: false }
    }

    /// The bytes at `range`; none where there are none, or memory has damaged them.
    pub fn read(&mut self, range: Range<usize>) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(range.len());
        let mut at = range.start;
        while at < range.end {
            let Some((start, plain)) = self.block(at) else {
                self.is_damaged = true;
                return Vec::new();
            };
            let end = plain.len().min(range.end - start);
            bytes.extend_from_slice(&plain[at - start..end]);
            at = start + end;
        }
        bytes
    }

    /// Whether anything that was read is damaged.
    pub const fn is_damaged(&self) -> bool {
        self.is_damaged
    }

    /// The block that has the byte at `at`: where it begins, and its text.
    fn block(&mut self, at: usize) -> Option<(usize, &[u8])> {
        let place = self.packed.place(at)?;
        let start = self.packed.held().blocks[place].plain.start;
        let held = match self.held.iter().position(|(held, _)| *held == place) {
            Some(index) => self.held.remove(index)?,
            None => {
                let old = if self.held.len() < HELD { None } else { self.held.pop_back() };
                let mut plain = old.map(|(_, plain)| plain).unwrap_or_default();
                self.packed.unpack(place, &mut self.inflater, &mut plain)?;
                (place, plain)
            }
        };
        self.held.push_front(held);
        self.held.front().map(|(_, plain)| (start, plain.as_slice()))
    }
}
