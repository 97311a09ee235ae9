//! Gzip files that others have made: replicas, or this one before its last start.
//!
//! In: the file. Out: its blocks, found again by the empty stored blocks at their ends. What can go wrong: it is no gzip, or of
//! another length than was announced. One that is in no blocks, or in others than are made here, is held as a single one.

use std::io;

use bytes::Bytes;
use crc32fast::Hasher;
use memchr::memmem;
use sha2::{Digest as _, Sha256};

use super::Digest;
use super::cut::{CHOOSERS, Cutter};
use super::inflate::Inflater;
use super::packed::{Block, END, HEAD, Held, tail};

/// What an empty stored block ends with (RFC 1951 3.2.4).
const MARK: [u8; 4] = [0, 0, 0xff, 0xff];

/// CRC-32 and length.
const TAIL: usize = 8;

/// The blocks of a file as far as they were found.
struct Blocks {
    blocks: Vec<Block>,
    hash: Sha256,
    crc: Hasher,
    length: usize,
}

/// Reads the gzip file `bytes`, which unpacks to `length` bytes.
///
/// # Errors
///
/// Where it is no gzip, or of another length.
pub(super) fn read(bytes: Bytes, length: u64) -> io::Result<Held> {
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let most = usize::try_from(length).map_err(|_| invalid("its length is more than memory has"))?;
    // No release has ever written another head, but for the level and the system.
    if bytes.len() < HEAD.len() + TAIL || bytes[..4] != HEAD[..4] {
        return Err(invalid("it is no gzip, or has a head that no replica writes"));
    }
    let (start, end) = (HEAD.len(), bytes.len() - TAIL);
    let in_blocks = in_blocks(&bytes[..end], start, most);
    let is_ours = in_blocks.is_some() && bytes[..start] == HEAD;
    let found = match in_blocks {
        Some(found) => found,
        None => in_one(&bytes[..end], start, most).ok_or_else(|| invalid("it does not unpack"))?,
    };
    if found.length != most {
        return Err(invalid("its length is not the announced one"));
    }
    if bytes[end..] != tail(found.crc, found.length) {
        return Err(invalid("its checksum is not that of its text"));
    }
    Ok(Held {
        gzip: Digest::of(&bytes),
        bytes,
        digest: Digest::from_bytes(found.hash.finalize().into()),
        length: found.length,
        blocks: found.blocks,
        is_ours,
    })
}

impl Blocks {
    const fn new(hash: Sha256, crc: Hasher) -> Self {
        Self { blocks: Vec::new(), hash, crc, length: 0 }
    }

    fn add(&mut self, plain: &[u8], file: &[u8], packed: std::ops::Range<usize>) {
        self.hash.update(plain);
        let crc = crc32fast::hash(plain);
        self.crc.combine(&Hasher::new_with_initial_len(crc, plain.len() as u64));
        let check = crc32fast::hash(&file[packed.clone()]);
        let at = self.length..self.length + plain.len();
        self.length = at.end;
        self.blocks.push(Block { plain: at, packed, crc, check, hash: self.hash.clone() });
    }
}

/// The blocks of `file` from `start` on, cut as they are cut here. None where it is in no such blocks.
fn in_blocks(file: &[u8], start: usize, most: usize) -> Option<Blocks> {
    let mut found = Blocks::new(Sha256::new(), Hasher::new());
    let (mut at, mut inflater) = (start, Inflater::default());
    let (mut plain, mut behind, mut part) = (Vec::new(), Vec::new(), Vec::new());
    let mut block: Option<std::ops::Range<usize>> = None;
    while file[at..] != END {
        let end = next(file, at, most, &mut inflater, &mut part, &mut behind)?;
        if let Some(packed) = block.replace(at..end) {
            let length = plain.len();
            plain.extend_from_slice(&behind[..behind.len().min(CHOOSERS)]);
            if Cutter::new().end(&plain, behind.len() <= CHOOSERS) != Some(length) {
                return None;
            }
            found.add(&plain[..length], file, packed);
        }
        std::mem::swap(&mut plain, &mut behind);
        if found.length + plain.len() > most {
            return None;
        }
        at = end;
    }
    if let Some(packed) = block {
        if Cutter::new().end(&plain, true) != Some(plain.len()) {
            return None;
        }
        found.add(&plain, file, packed);
    }
    Some(found)
}

/// Where the block ends that begins at `at`; its text goes to `plain`. The mark may come within a block too.
fn next(
    file: &[u8],
    at: usize,
    most: usize,
    inflater: &mut Inflater,
    part: &mut Vec<u8>,
    plain: &mut Vec<u8>,
) -> Option<usize> {
    memmem::find_iter(&file[at..], &MARK).map(|mark| at + mark + MARK.len()).find(|end| {
        part.clear();
        part.extend_from_slice(&file[at..*end]);
        part.extend_from_slice(&END);
        inflater.unpack_all(part, most, plain) == Some(true)
    })
}

/// All of `file` from `start` on, as one block.
fn in_one(file: &[u8], start: usize, most: usize) -> Option<Blocks> {
    let mut plain = Vec::new();
    Inflater::default().unpack_all(&file[start..], most, &mut plain).filter(|is_whole| *is_whole)?;
    let mut found = Blocks::new(Sha256::new(), Hasher::new());
    if !plain.is_empty() {
        found.add(&plain, file, start..file.len());
    }
    Some(found)
}
