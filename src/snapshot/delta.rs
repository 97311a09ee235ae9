//! What a table differs in from another one: which blocks it has from there, and a zstd frame (RFC 8878) of the rest, whose
//! prefix is the rest of the other.
//!
//! In: two tables; or one, and the delta to another. Out: a delta; or text that is not yet verified, no longer than it
//! was announced to be. What can go wrong: the frame is broken, or was made for another prefix.

use std::collections::HashMap;
use std::io;

use bytes::Bytes;
use zstd::zstd_safe::{CCtx, CParameter, DCtx, DParameter, get_error_name, get_frame_content_size};

use super::packer::Packer;
use super::{Digest, Packed, Table};
use crate::wire;

/// Long matches are found by the search over the whole prefix; between them a fast level is enough.
const LEVEL: i32 = 1;

/// The window that a decoder allows: any. It reads from the prefix and its own output, and allocates none.
const ANY_WINDOW: u32 = 31;

/// The most bytes that are compressed against each other, on either side. Where more has changed, the whole table is not
/// much more, and costs no such memory.
const MOST_BYTES: usize = 64 << 20;

/// The way from one table to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    /// The digest of the table to start from.
    pub base: Digest,
    /// The SHA-256 of the target's gzip bytes, which a replica makes itself: those of all replicas are equal.
    pub gzip: Digest,
    /// What is taken from the base, in its order there.
    pub copies: Vec<Copied>,
    /// The rest, compressed. Its prefix is what the base has beside the copies.
    pub frame: Bytes,
}

/// A part of the base that comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// How many bytes of the rest come before it.
    pub after: u64,
    /// Where it begins in the base.
    pub from: u64,
    /// How many bytes it has.
    pub length: u64,
}

impl Delta {
    /// The delta from `base` to `target`; `None` where it is no smaller than the compressed target.
    pub fn between(base: &Table, target: &Table) -> Option<Self> {
        let copies = copies(base.packed(), target.packed());
        let prefix = beside(base.packed(), &copies)?;
        let text = rest(target.packed(), &copies)?;
        let mut frame = Vec::with_capacity(target.gzip().len());
        let mut encoder = CCtx::create();
        let parameters = [
            CParameter::CompressionLevel(LEVEL),
            CParameter::EnableLongDistanceMatching(true),
            // As far as from the end of the text to the beginning of the prefix's same place.
            CParameter::WindowLog(bits(prefix.len().max(text.len())).clamp(10, ANY_WINDOW)),
        ];
        for parameter in parameters {
            encoder.set_parameter(parameter).ok()?;
        }
        encoder.ref_prefix(&prefix).ok()?;
        // No room for more is how it fails where it is not smaller.
        encoder.compress2(&mut frame, &text).ok()?;
        frame.shrink_to_fit();
        let smaller = frame.len() < target.gzip().len();
        smaller.then(|| Self { base: base.digest(), gzip: target.gzip_digest(), copies, frame: frame.into() })
    }

    /// The text that it leads to from `base`, which must have `length` bytes.
    ///
    /// # Errors
    ///
    /// Where the frame is broken, or its text has another length.
    pub(super) fn apply(&self, base: &Packed, length: u64) -> io::Result<Packed> {
        let copied = self.copies.iter().map(|copy| copy.length).fold(0u64, u64::saturating_add);
        let size = get_frame_content_size(&self.frame).map_err(|error| invalid(error.to_string()))?;
        if size.and_then(|size| size.checked_add(copied)) != Some(length) {
            return Err(invalid(format!("it leads to {size:?} bytes and {copied} instead of {length}")));
        }
        let prefix = beside(base, &self.copies)
            .ok_or_else(|| invalid("its copies are not of this base".to_owned()))?;
        let mut rest: Vec<u8> = Vec::new();
        let size = usize::try_from(length - copied).map_err(|_| invalid("it is too long".to_owned()))?;
        rest.try_reserve_exact(size)?;
        let mut decoder = DCtx::create();
        let named = |code| invalid(get_error_name(code).to_owned());
        decoder.set_parameter(DParameter::WindowLogMax(ANY_WINDOW)).map_err(named)?;
        decoder.ref_prefix(&prefix).map_err(named)?;
        decoder.decompress(&mut rest, &self.frame).map_err(named)?;
        let mut packer = Packer::new(Some(base));
        let mut rest = &rest[..];
        for copy in &self.copies {
            let after = usize::try_from(copy.after).ok().and_then(|after| rest.split_at_checked(after));
            let (before, behind) =
                after.ok_or_else(|| invalid("its copies lie behind its end".to_owned()))?;
            packer.push(before);
            let taken = packer.take(base, copy.from as usize..(copy.from + copy.length) as usize);
            taken.ok_or_else(|| invalid("memory has damaged the base".to_owned()))?;
            rest = behind;
        }
        packer.push(rest);
        Ok(packer.finish())
    }
}

impl From<wire::Copied> for Copied {
    fn from(wire::Copied { after, from, length }: wire::Copied) -> Self {
        Self { after, from, length }
    }
}

impl From<Copied> for wire::Copied {
    fn from(Copied { after, from, length }: Copied) -> Self {
        Self { after, from, length }
    }
}

fn invalid(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// The blocks that both have, in the same order, by their places in `base` and in `target`.
pub(super) fn shared(base: &Packed, target: &Packed) -> Vec<(usize, usize)> {
    let (mut shared, mut least) = (Vec::new(), 0);
    if !base.held().is_ours || !target.held().is_ours {
        return shared;
    }
    let blocks = base.held().blocks.iter().enumerate();
    let known: HashMap<_, _> = blocks.map(|(place, block)| ((block.crc, block.plain.len()), place)).collect();
    for (place, block) in target.held().blocks.iter().enumerate() {
        let same = known.get(&(block.crc, block.plain.len())).filter(|at| {
            let both = base.block(**at).zip(target.block(place));
            **at >= least && both.is_some_and(|(one, other)| one == other)
        });
        if let Some(at) = same {
            least = at + 1;
            shared.push((*at, place));
        }
    }
    shared
}

/// What is taken from `base`: the blocks that both have; those that follow each other in both are one.
fn copies(base: &Packed, target: &Packed) -> Vec<Copied> {
    let (mut copies, mut end): (Vec<Copied>, u64) = (Vec::new(), 0);
    for (at, place) in shared(base, target) {
        let plain = &target.held().blocks[place].plain;
        let (rest, length) = (plain.start as u64 - end, plain.len() as u64);
        let from = base.held().blocks[at].plain.start as u64;
        end = plain.end as u64;
        match copies.last_mut().filter(|last| rest == 0 && last.from + last.length == from) {
            Some(last) => last.length += length,
            None => copies.push(Copied { after: rest, from, length }),
        }
    }
    copies
}

/// What `base` has beside the copies; none where they are not in it, not in its order, or it is too much.
fn beside(base: &Packed, copies: &[Copied]) -> Option<Vec<u8>> {
    let mut ranges = Vec::with_capacity(copies.len() + 1);
    let mut at = 0;
    for copy in copies {
        let end = copy.from.checked_add(copy.length).filter(|end| *end <= base.len() as u64)?;
        ranges.push(at..copy.from as usize);
        at = end as usize;
    }
    ranges.push(at..base.len());
    if ranges.iter().any(|range| range.start > range.end) {
        return None;
    }
    of(base, &ranges)
}

/// What `target` has beside the copies.
fn rest(target: &Packed, copies: &[Copied]) -> Option<Vec<u8>> {
    let mut ranges = Vec::with_capacity(copies.len() + 1);
    let mut at = 0;
    for copy in copies {
        let end = at + copy.after as usize;
        ranges.push(at..end);
        at = end + copy.length as usize;
    }
    ranges.push(at..target.len());
    of(target, &ranges)
}

/// The text at `ranges`.
fn of(packed: &Packed, ranges: &[std::ops::Range<usize>]) -> Option<Vec<u8>> {
    let length = ranges.iter().map(ExactSizeIterator::len).sum();
    if length > MOST_BYTES {
        return None;
    }
    let mut text = Vec::with_capacity(length);
    for range in ranges {
        let mut at = range.start;
        while at < range.end {
            let piece = packed.piece(at)?;
            let piece = &piece[..piece.len().min(range.end - at)];
            text.extend_from_slice(piece);
            at += piece.len();
        }
    }
    Some(text)
}

/// How many bits `number` has.
const fn bits(number: usize) -> u32 {
    usize::BITS - number.leading_zeros()
}
