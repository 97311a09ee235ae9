//! A text as it is held: compressed, in blocks that stand alone, and nowhere as a whole.
//!
//! Each block is deflated from an empty window and ends with a whole byte (an empty stored block, RFC 1951 3.2.4); the blocks
//! one behind the other are the one member of a gzip file (RFC 1952) that any reader reads. So any part of the text is had by
//! unpacking the blocks that it lies in. What can go wrong: memory has damaged a block. Each is held against checksums before
//! and after it is unpacked; one flipped bit in it is found and mended.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use crc32fast::Hasher;
use sha2::Sha256;

use super::Digest;
use super::foreign;
use super::inflate::Inflater;
use super::packer::Packer;

/// No time, no name, no system: the same on each replica.
pub(super) const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// The last block of the deflate stream, an empty one.
pub(super) const END: [u8; 2] = [0x03, 0x00];

/// A compressed text. Clones share it.
#[derive(Clone, Debug)]
pub struct Packed(Arc<Held>);

#[derive(Debug)]
pub(super) struct Held {
    /// The gzip file.
    pub(super) bytes: Bytes,
    /// Its SHA-256.
    pub(super) gzip: Digest,
    /// That of the text.
    pub(super) digest: Digest,
    pub(super) length: usize,
    pub(super) blocks: Vec<Block>,
    /// Whether the blocks are cut and compressed as they are here. Others are one block.
    pub(super) is_ours: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) plain: Range<usize>,
    pub(super) packed: Range<usize>,
    /// The CRC-32 of its plain bytes.
    pub(super) crc: u32,
    /// That of its compressed ones.
    pub(super) check: u32,
    /// The hash of the text up to its end.
    pub(super) hash: Sha256,
}

impl Packed {
    /// Compresses `text`. What is in `before` in the same blocks is taken from there.
    pub fn of(text: &[u8], before: Option<&Self>) -> Self {
        let mut packer = Packer::new(before);
        packer.push(text);
        packer.finish()
    }

    /// A gzip file from elsewhere, which unpacks to `length` bytes.
    ///
    /// # Errors
    ///
    /// Where it is no gzip, or of another length.
    pub fn from_gzip(bytes: Bytes, length: u64) -> std::io::Result<Self> {
        foreign::read(bytes, length).map(Self::holding)
    }

    pub(super) fn holding(held: Held) -> Self {
        Self(Arc::new(held))
    }

    pub(super) fn held(&self) -> &Held {
        &self.0
    }

    /// How many bytes the text has.
    pub fn len(&self) -> usize {
        self.0.length
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The SHA-256 of the text.
    pub fn digest(&self) -> Digest {
        self.0.digest
    }

    /// The gzip file.
    pub fn gzip(&self) -> &Bytes {
        &self.0.bytes
    }

    /// The SHA-256 of the gzip file: equal on all replicas.
    pub fn gzip_digest(&self) -> Digest {
        self.0.gzip
    }

    /// The bytes of the text from `at` to the end of their block. None where there are none, or memory has damaged them.
    pub fn piece(&self, at: usize) -> Option<Bytes> {
        let (place, mut plain) = (self.place(at)?, Vec::new());
        self.unpack(place, &mut Inflater::default(), &mut plain)?;
        Some(Bytes::from(plain).slice(at - self.0.blocks[place].plain.start..))
    }

    /// All of the text. None where memory has damaged it.
    pub fn text(&self) -> Option<Bytes> {
        let (mut all, mut plain) = (Vec::with_capacity(self.len()), Vec::new());
        let mut inflater = Inflater::default();
        for place in 0..self.0.blocks.len() {
            self.unpack(place, &mut inflater, &mut plain)?;
            all.extend_from_slice(&plain);
        }
        Some(all.into())
    }

    /// Whether the gzip file is still what it was.
    pub fn is_sound(&self) -> bool {
        Digest::of(self.gzip()) == self.0.gzip
    }

    /// The same with what it was in the place of flipped bits, one for each block. None where more is damaged.
    pub(super) fn mended(&self) -> Option<Self> {
        let held = self.held();
        let mut bytes = held.bytes.to_vec();
        for block in &held.blocks {
            let packed = &mut bytes[block.packed.clone()];
            let syndrome = crc32fast::hash(packed) ^ block.check;
            if syndrome != 0 {
                let bit = flipped(syndrome, packed.len())?;
                packed[bit / 8] ^= 1 << (bit % 8);
            }
        }
        if held.is_ours {
            let mut crc = Hasher::new();
            for block in &held.blocks {
                crc.combine(&Hasher::new_with_initial_len(block.crc, block.plain.len() as u64));
            }
            let tail = tail(crc, held.length);
            bytes[..HEAD.len()].copy_from_slice(&HEAD);
            let end = bytes.len() - tail.len();
            bytes[end - END.len()..end].copy_from_slice(&END);
            bytes[end..].copy_from_slice(&tail);
        }
        let mended = self.with_bytes(bytes.into());
        mended.is_sound().then_some(mended)
    }

    fn with_bytes(&self, bytes: Bytes) -> Self {
        let Held { gzip, digest, length, ref blocks, is_ours, .. } = *self.held();
        Self::holding(Held { bytes, gzip, digest, length, blocks: blocks.clone(), is_ours })
    }

    /// The same with so many bits in the middle of its last block flipped, as bad memory would, for tests.
    #[doc(hidden)]
    pub fn damaged_for_tests(&self, bits: usize) -> Self {
        let mut bytes = self.gzip().to_vec();
        if let Some(block) = self.held().blocks.last() {
            let packed = &mut bytes[block.packed.clone()];
            let middle = packed.len() / 2;
            packed[middle..].iter_mut().take(bits).for_each(|byte| *byte ^= 1);
        }
        self.with_bytes(bytes.into())
    }

    /// The block that has the byte at `at`.
    pub(super) fn place(&self, at: usize) -> Option<usize> {
        let place = self.0.blocks.partition_point(|block| block.plain.end <= at);
        (place < self.0.blocks.len()).then_some(place)
    }

    /// Whether a block begins at `at`.
    pub(super) fn begins(&self, at: usize) -> bool {
        self.place(at).is_some_and(|place| self.0.blocks[place].plain.start == at)
    }

    /// The compressed bytes of a block. None where memory has damaged them.
    pub(super) fn block(&self, place: usize) -> Option<&[u8]> {
        let Block { packed, check, .. } = &self.0.blocks[place];
        Some(&self.0.bytes[packed.clone()]).filter(|bytes| crc32fast::hash(bytes) == *check)
    }

    /// Puts the text of a block into `plain`. None where memory has damaged it.
    pub(super) fn unpack(&self, place: usize, inflater: &mut Inflater, plain: &mut Vec<u8>) -> Option<()> {
        let block = &self.0.blocks[place];
        inflater.unpack(&self.0.bytes[block.packed.clone()], block.plain.len(), plain)?;
        (crc32fast::hash(plain) == block.crc).then_some(())
    }
}

impl Default for Packed {
    fn default() -> Self {
        Self::of(b"", None)
    }
}

impl PartialEq for Packed {
    fn eq(&self, other: &Self) -> bool {
        self.digest() == other.digest()
    }
}

impl Eq for Packed {}

impl From<Bytes> for Packed {
    fn from(text: Bytes) -> Self {
        Self::of(&text, None)
    }
}

impl From<String> for Packed {
    fn from(text: String) -> Self {
        Self::of(text.as_bytes(), None)
    }
}

impl From<&'static str> for Packed {
    fn from(text: &'static str) -> Self {
        Self::of(text.as_bytes(), None)
    }
}

/// What a gzip file ends with: the checksum of its text, and its length modulo 2^32.
pub(super) fn tail(crc: Hasher, length: usize) -> [u8; 8] {
    let mut tail = [0; 8];
    tail[..4].copy_from_slice(&crc.finalize().to_le_bytes());
    tail[4..].copy_from_slice(&(length as u32).to_le_bytes());
    tail
}

/// Which bit of so many bytes was flipped, where that changed their CRC-32 by `syndrome`. A flipped bit is passed through the
/// register by all that follow it, so each place leaves another mark there.
fn flipped(syndrome: u32, bytes: usize) -> Option<usize> {
    const POLYNOMIAL: u32 = 0xedb8_8320;
    let mut mark = 1u32;
    (0..8 * bytes).rev().find(|_| {
        mark = (mark >> 1) ^ if mark & 1 == 1 { POLYNOMIAL } else { 0 };
        mark == syndrome
    })
}

#[cfg(test)]
mod tests;
