//! Packs a text while it comes: cut into blocks, hashed and compressed on the way, and never in memory as a whole.
//!
//! In: pieces of text, or places in an earlier text. Out: the packed text, the same bytes whoever packs it and whatever came
//! before. A block of the earlier text that comes again is taken from there as it is; nothing of it is unpacked while all
//! before it came again too. What can go wrong: memory has damaged what is to be taken; then nothing is.

use std::collections::HashMap;
use std::ops::Range;

use crc32fast::Hasher;
use flate2::{Compress, Compression, FlushCompress};
use sha2::{Digest as _, Sha256};

use super::Digest;
use super::cut::{CHOOSERS, Cutter};
use super::inflate::Inflater;
use super::packed::{Block, END, HEAD, Held, Packed, tail};

/// A third less work than the usual 6, for 2 % more bytes (docs/decisions/0004-deltas-and-gzip-in-blocks.md).
const LEVEL: Compression = Compression::new(5);

/// A text that is being packed.
pub struct Packer<'a> {
    before: Option<&'a Packed>,
    /// The blocks of the earlier text, by checksum and length.
    known: HashMap<(u32, usize), usize>,
    /// How many blocks are those of the earlier text, from its beginning on.
    same: usize,
    out: Vec<u8>,
    blocks: Vec<Block>,
    /// How many bytes are in blocks.
    length: usize,
    hash: Sha256,
    crc: Hasher,
    /// What is not yet in a block.
    text: Vec<u8>,
    cutter: Cutter,
    deflate: Option<Compress>,
    inflater: Inflater,
    plain: Vec<u8>,
    /// The text of the block of the earlier text that was taken from last, and which one that is.
    open: Vec<u8>,
    opened: Option<usize>,
}

impl<'a> Packer<'a> {
    /// Nothing yet, `before` being an earlier text that may have much in common with it.
    pub fn new(before: Option<&'a Packed>) -> Self {
        let before = before.filter(|before| before.held().is_ours);
        let blocks = before.iter().flat_map(|before| before.held().blocks.iter().enumerate());
        let known = blocks.map(|(place, block)| ((block.crc, block.plain.len()), place)).collect();
        let mut out = Vec::with_capacity(before.map_or(0, |before| before.gzip().len()) + 64);
        out.extend_from_slice(&HEAD);
        Self {
            before,
            known,
            same: 0,
            out,
            blocks: Vec::new(),
            length: 0,
            hash: Sha256::new(),
            crc: Hasher::new(),
            text: Vec::new(),
            cutter: Cutter::new(),
            deflate: None,
            inflater: Inflater::default(),
            plain: Vec::new(),
            open: Vec::new(),
            opened: None,
        }
    }

    /// How many bytes have come.
    pub fn len(&self) -> usize {
        self.length + self.text.len()
    }

    /// Whether nothing has come yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Goes on with `text`.
    pub fn push(&mut self, text: &[u8]) {
        // A long text passes through in short pieces.
        for piece in text.chunks(64 << 10) {
            self.text.extend_from_slice(piece);
            while let Some(end) = self.cutter.end(&self.text, false) {
                self.close(end);
            }
        }
    }

    /// Goes on with what stands at `range` in `source`. None where memory has damaged that.
    pub fn take(&mut self, source: &Packed, range: Range<usize>) -> Option<()> {
        let is_before = self.before.is_some_and(|before| std::ptr::eq(before.held(), source.held()));
        let mut at = range.start;
        while at < range.end {
            let place = source.place(at)?;
            let block = source.held().blocks[place].plain.clone();
            // What follows has a part in where a block ends.
            let comes_again = is_before && self.text.is_empty() && block.start == at;
            if comes_again && block.end + CHOOSERS <= range.end {
                self.reuse(source, place)?;
                at = block.end;
                continue;
            }
            if !is_before || self.opened != Some(place) {
                self.opened = None;
                source.unpack(place, &mut self.inflater, &mut self.open)?;
                self.opened = is_before.then_some(place);
            }
            let end = block.end.min(range.end);
            self.text.extend_from_slice(&self.open[at - block.start..end - block.start]);
            at = end;
            while let Some(end) = self.cutter.end(&self.text, false) {
                self.close(end);
                let left = self.text.len();
                if is_before && left > 0 && left <= at - range.start && source.begins(at - left) {
                    // From here on it is in step with the earlier text.
                    at -= left;
                    self.text.clear();
                    break;
                }
            }
        }
        Some(())
    }

    /// The packed text.
    pub fn finish(mut self) -> Packed {
        while !self.text.is_empty() {
            let end = self.cutter.end(&self.text, true).expect("all of it is there");
            self.close(end);
        }
        let mut out = self.out;
        out.extend_from_slice(&END);
        out.extend_from_slice(&tail(self.crc, self.length));
        out.shrink_to_fit();
        self.blocks.shrink_to_fit();
        Packed::holding(Held {
            gzip: Digest::of(&out),
            bytes: out.into(),
            digest: Digest::from_bytes(self.hash.finalize().into()),
            length: self.length,
            blocks: self.blocks,
            is_ours: true,
        })
    }

    /// Closes a block after so many bytes of the text.
    fn close(&mut self, end: usize) {
        let text = &self.text[..end];
        let crc = crc32fast::hash(text);
        let known = self.known.get(&(crc, end)).copied().and_then(|place| {
            let before = self.before?;
            before.unpack(place, &mut self.inflater, &mut self.plain)?;
            (self.plain == text).then_some((place, before.block(place)?))
        });
        let start = self.out.len();
        match known {
            Some((place, packed)) => {
                self.out.extend_from_slice(packed);
                self.same += usize::from(place == self.same && place == self.blocks.len());
            }
            None => {
                let deflate = self.deflate.get_or_insert_with(|| Compress::new(LEVEL, false));
                deflate.reset();
                // Never more than stored blocks have, and room is left: one call does it.
                self.out.reserve(end + end / 64 + 1024);
                deflate
                    .compress_vec(text, &mut self.out, FlushCompress::Sync)
                    .expect("memory does not fail, and the stream was reset");
                debug_assert_eq!(deflate.total_in(), end as u64);
            }
        }
        self.hash.update(text);
        self.add(end, start, crc);
        self.text.drain(..end);
        self.cutter = Cutter::new();
    }

    /// Takes a block of the earlier text as it is.
    fn reuse(&mut self, before: &Packed, place: usize) -> Option<()> {
        let (packed, start) = (before.block(place)?, self.out.len());
        let block = &before.held().blocks[place];
        if place == self.same && place == self.blocks.len() {
            self.same += 1;
            self.hash.clone_from(&block.hash);
        } else {
            before.unpack(place, &mut self.inflater, &mut self.plain)?;
            self.hash.update(&self.plain);
        }
        self.out.extend_from_slice(packed);
        self.add(block.plain.len(), start, block.crc);
        Some(())
    }

    fn add(&mut self, length: usize, start: usize, crc: u32) {
        let (plain, packed) = (self.length..self.length + length, start..self.out.len());
        let check = crc32fast::hash(&self.out[packed.clone()]);
        self.length = plain.end;
        self.crc.combine(&Hasher::new_with_initial_len(crc, length as u64));
        self.blocks.push(Block { plain, packed, crc, check, hash: self.hash.clone() });
    }
}
