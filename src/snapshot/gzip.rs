//! Gzip in blocks that stand alone: equal text gives equal bytes, and whoever holds an earlier table compresses only
//! the blocks that changed.
//!
//! A text is cut at lines that their own bytes choose, so that a change moves no cut but those beside it. Each block is
//! deflated from an empty window and ends with a whole byte (an empty stored block, RFC 1951 3.2.4); the blocks one
//! behind the other are the one member of a gzip file (RFC 1952) that any reader reads.

use std::collections::HashMap;
use std::io::Read;
use std::ops::Range;

use bytes::Bytes;
use flate2::read::GzDecoder;
use flate2::{Compress, Compression, Crc, FlushCompress};
use memchr::memchr;

use super::Digest;

/// The level of Go's default writer, which the peer compresses with.
const LEVEL: Compression = Compression::new(6);

/// No time, no name, no system: the same on each replica.
const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// The last block of the deflate stream, an empty one.
const END: [u8; 2] = [0x03, 0x00];

/// The least bytes of a block: what its window costs at its beginning should not matter.
const LEAST: usize = 64 << 10;

/// The most bytes of a block.
const MOST: usize = 512 << 10;

/// One line in so many is chosen as the first of a block.
const ONE_IN: u32 = 128;

/// How many bytes of a line choose: an id, mostly.
const CHOOSERS: usize = 48;

/// A compressed text, and where its blocks are.
#[derive(Clone, Debug)]
pub(super) struct Packed {
    pub(super) bytes: Bytes,
    /// Their SHA-256.
    pub(super) digest: Digest,
    /// None where another replica compressed it.
    blocks: Vec<Block>,
}

#[derive(Clone, Debug)]
struct Block {
    plain: Range<usize>,
    packed: Range<usize>,
    /// Of its plain bytes.
    crc: u32,
}

impl Packed {
    /// What `bytes` from elsewhere are, which are known to unpack.
    pub(super) fn foreign(bytes: Bytes) -> Self {
        Self { digest: Digest::of(&bytes), bytes, blocks: Vec::new() }
    }

    /// Whether the bytes are still those that they were.
    pub(super) fn is_sound(&self) -> bool {
        Digest::of(&self.bytes) == self.digest
    }

    /// Compresses `plain`. Blocks that are in `before`, a text and what it was compressed to, are taken from there. None
    /// where such a block is not what it was when it was compressed: memory has damaged it.
    pub(super) fn of(plain: &[u8], before: Option<(&[u8], &Self)>) -> Option<Self> {
        let known = before.map(|(text, packed)| packed.known(text)).unwrap_or_default();
        let mut out = Vec::with_capacity(before.map_or(plain.len() / 4, |(_, it)| it.bytes.len()) + 64);
        out.extend_from_slice(&HEAD);
        let mut whole = Crc::new();
        let mut deflate = Compress::new(LEVEL, false);
        let (mut blocks, mut at) = (Vec::new(), 0);
        while at < plain.len() {
            let rest = &plain[at..];
            let same = known.get(first_line(rest)).filter(|known| known.begins(rest));
            let block = &rest[..same.map_or_else(|| cut(rest), |known| known.block.plain.len())];
            let mut crc = Crc::new();
            crc.update(block);
            let start = out.len();
            match same {
                Some(known) if known.block.crc != crc.sum() => return None,
                Some(known) => out.extend_from_slice(known.packed),
                None => {
                    deflate.reset();
                    // Never more than stored blocks have, and room is left: one call does it.
                    out.reserve(block.len() + block.len() / 64 + 1024);
                    deflate
                        .compress_vec(block, &mut out, FlushCompress::Sync)
                        .expect("memory does not fail, and the stream was reset");
                    debug_assert_eq!(deflate.total_in(), block.len() as u64);
                }
            }
            whole.combine(&crc);
            blocks.push(Block { plain: at..at + block.len(), packed: start..out.len(), crc: crc.sum() });
            at += block.len();
        }
        out.extend_from_slice(&END);
        out.extend_from_slice(&whole.sum().to_le_bytes());
        out.extend_from_slice(&whole.amount().to_le_bytes());
        Some(Self { digest: Digest::of(&out), bytes: out.into(), blocks })
    }

    /// The blocks of `text` by their first lines.
    fn known<'a>(&'a self, text: &'a [u8]) -> HashMap<&'a [u8], Known<'a>> {
        let known = |block: &'a Block| {
            let ahead = (block.plain.end + CHOOSERS).min(text.len());
            let (seen, is_last) = (&text[block.plain.start..ahead], ahead == text.len());
            (first_line(seen), Known { block, seen, is_last, packed: &self.bytes[block.packed.clone()] })
        };
        self.blocks.iter().map(known).collect()
    }
}

/// A block of an earlier text.
struct Known<'a> {
    block: &'a Block,
    /// Its bytes, and those behind it that had a part in where it ends.
    seen: &'a [u8],
    /// Whether that is all that was left of the text.
    is_last: bool,
    packed: &'a [u8],
}

impl Known<'_> {
    /// Whether `rest` begins with this block, and is cut where it ends.
    fn begins(&self, rest: &[u8]) -> bool {
        if self.is_last { rest == self.seen } else { rest.starts_with(self.seen) }
    }
}

/// Unpacks `gzip` to exactly `length` bytes.
///
/// # Errors
///
/// Where it is no gzip, or of another length.
pub(super) fn unpack(gzip: &[u8], length: u64) -> std::io::Result<Bytes> {
    // One byte more than announced is enough to see that it is too long, and bounds what a liar can make us hold.
    let mut plain = Vec::with_capacity(usize::try_from(length.min(1 << 30)).unwrap_or(0));
    GzDecoder::new(gzip).take(length.saturating_add(1)).read_to_end(&mut plain)?;
    if plain.len() as u64 != length {
        return Err(std::io::Error::new(
            std::io::ErrorKind::InvalidData,
            "its length is not the announced one",
        ));
    }
    Ok(plain.into())
}

/// How long the first block of `rest` is.
fn cut(rest: &[u8]) -> usize {
    let end = rest.len().min(MOST);
    let mut at = LEAST;
    while at < end {
        let Some(line) = memchr(b'\n', &rest[at..end]) else { break };
        at += line + 1;
        if at < rest.len() && chosen(&rest[at..]) {
            return at;
        }
    }
    end
}

/// Whether the line that `rest` begins with is the first of a block, by FNV-1a of its front.
fn chosen(rest: &[u8]) -> bool {
    let front = rest.iter().take(CHOOSERS).take_while(|&&byte| byte != b':' && byte != b'\n');
    let hash = front.fold(0x811c_9dc5u32, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    // The last bytes reach only its low bits; once more multiplied they reach the high ones.
    hash.wrapping_mul(0x9e37_79b1) <= u32::MAX / ONE_IN
}

fn first_line(block: &[u8]) -> &[u8] {
    let front = &block[..block.len().min(4096)];
    &front[..memchr(b'\n', front).unwrap_or(front.len())]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// So many lines, long enough for several blocks, each different.
    pub(super) fn lines(count: usize) -> Vec<String> {
        let line = |n: usize| {
            format!("route_{n}: Path(\"/{}\") -> \"http://10.0.0.1:80\";", "x".repeat(n * 7919 % 997))
        };
        (0..count).map(line).collect()
    }

    fn fresh(text: &str) -> Packed {
        Packed::of(text.as_bytes(), None).expect("nothing is taken from before")
    }

    fn same_as_fresh(before: &str, after: &str) -> Packed {
        let old = fresh(before);
        let reused =
            Packed::of(after.as_bytes(), Some((before.as_bytes(), &old))).expect("nothing is damaged");
        assert_eq!(reused.bytes, fresh(after).bytes);
        assert_eq!(unpack(&reused.bytes, after.len() as u64).expect("it is gzip"), after);
        reused
    }

    #[test]
    fn nothing_and_little_are_gzip_too() {
        for text in ["", "a", "a\n", "\n\n"] {
            same_as_fresh("", text);
        }
    }

    #[test]
    fn a_change_moves_no_cut_but_those_beside_it() {
        let before = lines(4000);
        let old = fresh(&before.join("\n"));
        assert!(old.blocks.len() > 8, "{} blocks", old.blocks.len());
        let mut after = before.clone();
        after.insert(1999, "another: * -> <shunt>;".to_owned());
        let (before, after) = (before.join("\n"), after.join("\n"));
        let new = same_as_fresh(&before, &after);
        let text = |of: &str, block: &Block| of[block.plain.clone()].to_owned();
        let known: Vec<_> = old.blocks.iter().map(|block| text(&before, block)).collect();
        let changed = new.blocks.iter().filter(|block| !known.contains(&text(&after, block)));
        assert!(changed.count() <= 2);
    }

    #[test]
    fn damage_is_not_taken_over() {
        let text = lines(4000).join("\n");
        let old = fresh(&text);
        let damaged = text.replacen("route_1999:", "route_1998:", 1);
        assert!(Packed::of(damaged.as_bytes(), Some((damaged.as_bytes(), &old))).is_none());
    }

    #[test]
    fn a_text_without_lines_is_cut_all_the_same() {
        let text = "x".repeat(3 * MOST + 1);
        assert_eq!(same_as_fresh("", &text).blocks.len(), 4);
    }

    #[test]
    fn wrong_lengths_are_refused() {
        let gzip = fresh("text").bytes;
        assert!(unpack(&gzip, 3).is_err() && unpack(&gzip, 5).is_err() && unpack(&gzip[..9], 4).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn whoever_has_another_text_compresses_to_the_same_bytes(
            count in 0usize..2000,
            removed in proptest::collection::vec(any::<prop::sample::Index>(), 0..4),
            added in proptest::collection::vec((any::<prop::sample::Index>(), "[a-z:;\n ]{0,40}"), 0..4),
        ) {
            let before = lines(count);
            let mut after = before.clone();
            for (at, line) in added {
                after.insert(at.index(after.len() + 1), line);
            }
            for at in removed {
                if !after.is_empty() {
                    after.remove(at.index(after.len()));
                }
            }
            same_as_fresh(&before.join("\n"), &after.join("\n"));
        }
    }
}
