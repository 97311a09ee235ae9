//! Tables in chunks: cutting on one side, collecting on the other. Nothing is resumed across versions.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::BytesMut;

use crate::snapshot::{Announcement, Delta, Digest, Received, Snapshot, Table, TableError, Version};
use crate::wire;

/// The largest chunk: well below the limit of 4 MiB that gRPC implementations set for a message.
pub const CHUNK_BYTES: usize = 1 << 20;

/// The largest message that a replica takes in: a header with very many zones or quarantined routes.
pub const MESSAGE_BYTES: usize = 64 << 20;

/// The most compressed bytes that a follower takes for one snapshot: far beyond the largest table known (4 MiB a
/// table at 20,000 objects), and small enough that a broken leader cannot fill the memory.
pub const MOST_BYTES: u64 = 1 << 30;

/// The chunks of the tables of `snapshot` that `wanted` names by place; places that it has not are skipped. `delta` says
/// for a zone and its table what may be sent instead of the whole.
pub fn chunks(
    snapshot: &Snapshot,
    wanted: &[u32],
    delta: impl Fn(&str, &Table) -> Option<Delta>,
) -> VecDeque<wire::Chunk> {
    let contents = &snapshot.contents;
    let zones = contents.zones.iter().map(|(zone, table)| (zone.as_str(), table));
    let tables: Vec<_> = std::iter::once(("", &contents.table)).chain(zones).collect();
    let version: wire::Version = snapshot.version.into();
    let mut chunks = VecDeque::new();
    for &place in wanted {
        let Some((zone, table)) = tables.get(place as usize) else { continue };
        let (mut rest, delta) = match delta(zone, table) {
            Some(Delta { base, gzip, copies, frame }) => {
                let (base, length, gzip) = (base.to_wire(), frame.len() as u64, gzip.to_wire());
                let copies = copies.into_iter().map(Into::into).collect();
                (frame, Some(wire::Delta { base, length, gzip, copies }))
            }
            None => (table.gzip().clone(), None),
        };
        while !rest.is_empty() {
            let data = rest.split_to(rest.len().min(CHUNK_BYTES));
            chunks.push_back(wire::Chunk {
                version: Some(version),
                table: place,
                data,
                delta: delta.clone(),
            });
        }
    }
    chunks
}

/// The receiving side: what is still to come of an announced snapshot.
#[derive(Debug)]
pub struct Incoming {
    announcement: Announcement,
    parts: BTreeMap<usize, Part>,
    holds: Vec<Digest>,
}

/// One table, as far as it is there.
#[derive(Debug)]
struct Part {
    /// Where the delta starts, which gzip bytes it leads to and what it copies, if it is one.
    delta: Option<(Digest, Digest, Vec<wire::Copied>)>,
    /// How many bytes will have come.
    length: u64,
    bytes: BytesMut,
}

/// A transfer that cannot be right. The stream is closed and opened again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransferError {
    /// A chunk of something that was not asked for, or too much of it.
    #[error("a chunk came that nobody had asked for")]
    Unasked,
    /// More than a replica is ready to hold.
    #[error("the snapshot has {0} compressed bytes, more than {MOST_BYTES}")]
    TooLarge(u64),
}

impl Incoming {
    /// Expects the tables of `announcement` in the places `lacking`, or deltas to them from one of those that it
    /// `holds`.
    ///
    /// # Errors
    ///
    /// Where they are too large.
    pub fn new(
        announcement: Announcement,
        lacking: &[usize],
        holds: Vec<Digest>,
    ) -> Result<Self, TransferError> {
        let length = |&at: &usize| announcement.tables[at].gzip_bytes;
        let missing_bytes = lacking.iter().map(length).fold(0u64, u64::saturating_add);
        if missing_bytes > MOST_BYTES {
            return Err(TransferError::TooLarge(missing_bytes));
        }
        let part = |at: &usize| (*at, Part { delta: None, length: length(at), bytes: BytesMut::new() });
        let parts = lacking.iter().map(part).collect();
        Ok(Self { announcement, parts, holds })
    }

    /// The version that is being received.
    pub const fn version(&self) -> Version {
        self.announcement.version
    }

    /// What to ask the sender for, by place.
    pub fn wanted(&self) -> Vec<u32> {
        self.parts.keys().map(|&at| at as u32).collect()
    }

    /// What to ask the leader for.
    pub fn want(&self) -> wire::Want {
        let holds = self.holds.iter().map(|digest| digest.to_wire()).collect();
        wire::Want { version: Some(self.version().into()), tables: self.wanted(), holds }
    }

    /// Takes a chunk.
    ///
    /// # Errors
    ///
    /// Where it was not asked for.
    pub fn take(&mut self, chunk: &wire::Chunk) -> Result<(), TransferError> {
        let part = self.parts.get_mut(&(chunk.table as usize)).ok_or(TransferError::Unasked)?;
        let digests =
            |it: &wire::Delta| (Digest::from_wire(&it.base), Digest::from_wire(&it.gzip), it.length);
        match chunk.delta.as_ref().map(digests) {
            Some((Some(base), Some(gzip), length)) if part.bytes.is_empty() => {
                // A delta that is no smaller than its table is none.
                if length > part.length || !self.holds.contains(&base) {
                    return Err(TransferError::Unasked);
                }
                let copies = chunk.delta.iter().flat_map(|it| it.copies.iter().copied()).collect();
                (part.delta, part.length) = (Some((base, gzip, copies)), length);
            }
            Some((Some(base), Some(gzip), _))
                if part.delta.as_ref().is_some_and(|it| (it.0, it.1) == (base, gzip)) => {}
            None if part.delta.is_none() => {}
            _ => return Err(TransferError::Unasked),
        }
        if chunk.data.len() as u64 > part.length - part.bytes.len() as u64 {
            return Err(TransferError::Unasked);
        }
        part.bytes.extend_from_slice(&chunk.data);
        Ok(())
    }

    /// Whether everything is there.
    pub fn is_complete(&self) -> bool {
        self.parts.values().all(|part| part.bytes.len() as u64 == part.length)
    }

    /// Whether nothing came yet of what was asked for.
    pub fn is_untouched(&self) -> bool {
        !self.is_complete() && self.parts.values().all(|part| part.bytes.is_empty())
    }

    /// Whether any of it is a delta: where that fails, whole tables do not.
    pub fn has_deltas(&self) -> bool {
        self.parts.values().any(|part| part.delta.is_some())
    }

    /// Verifies and puts together. Takes a while for large tables: not for a thread that serves.
    ///
    /// # Errors
    ///
    /// Where a table is not what was announced.
    pub fn assemble(self, held: &[Arc<Snapshot>]) -> Result<Snapshot, TableError> {
        let held: Vec<&Snapshot> = held.iter().map(AsRef::as_ref).collect();
        let received = |part: Part| match part.delta {
            Some((base, gzip, copies)) => {
                let copies = copies.into_iter().map(Into::into).collect();
                Received::Delta(Delta { base, gzip, copies, frame: part.bytes.freeze() })
            }
            None => Received::Gzip(part.bytes.freeze()),
        };
        let received = self.parts.into_iter().map(|(at, part)| (at, received(part))).collect();
        self.announcement.assemble(&held, &received)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table whose compressed form is larger than one chunk: hex of digests does not compress below half.
    fn large() -> Snapshot {
        let mut text = String::new();
        let mut digest = crate::snapshot::Digest::of(b"seed");
        while text.len() < 3 << 20 {
            digest = crate::snapshot::Digest::of(digest.as_bytes());
            text.push_str(&digest.to_string());
        }
        Snapshot::for_tests(Version::new(2, 1), &text)
    }

    fn chunk(version: Version, table: u32, data: &'static [u8]) -> wire::Chunk {
        wire::Chunk { version: Some(version.into()), table, data: data.into(), delta: None }
    }

    #[test]
    fn chunks_make_the_same_snapshot_again() {
        let snapshot = large();
        let announcement = Announcement::of(&snapshot);
        let mut incoming = Incoming::new(announcement.clone(), &announcement.lacking(&[]), Vec::new())
            .expect("small enough");
        let chunks = chunks(&snapshot, &incoming.wanted(), |_, _| None);
        assert!(chunks.len() > 1 && chunks.iter().all(|chunk| chunk.data.len() <= CHUNK_BYTES));
        assert!(incoming.is_untouched());
        for chunk in &chunks {
            assert!(!incoming.is_complete());
            incoming.take(chunk).expect("asked for");
        }
        assert!(incoming.is_complete() && !incoming.is_untouched() && !incoming.has_deltas());
        let more = chunk(snapshot.version, 0, b"x");
        assert_eq!(incoming.take(&more), Err(TransferError::Unasked));
        assert_eq!(Announcement::of(&incoming.assemble(&[]).expect("whole")), announcement);
    }

    #[test]
    fn what_cannot_be_right_is_refused() {
        let mut announcement = Announcement::of(&large());
        let version = announcement.version;
        let mut incoming = Incoming::new(announcement.clone(), &[0], Vec::new()).expect("small enough");
        assert_eq!(incoming.take(&chunk(version, 7, b"x")), Err(TransferError::Unasked));
        announcement.tables[0].gzip_bytes = u64::MAX;
        assert!(matches!(Incoming::new(announcement, &[0], Vec::new()), Err(TransferError::TooLarge(_))));
    }

    #[test]
    fn only_a_delta_from_what_is_held_is_taken_and_no_other_pieces_between_its_own() {
        let announcement = Announcement::of(&large());
        let (base, gzip) = (Digest::of(b"held"), Digest::of(b"gzip"));
        let piece = |base: Digest, length: u64, data: &'static [u8]| wire::Chunk {
            delta: Some(wire::Delta {
                base: base.to_wire(),
                length,
                gzip: gzip.to_wire(),
                copies: Vec::new(),
            }),
            ..chunk(announcement.version, 0, data)
        };
        let whole = |data| chunk(announcement.version, 0, data);
        let cases: [(&str, &[wire::Chunk], bool); 7] = [
            ("in two pieces", &[piece(base, 3, b"ab"), piece(base, 3, b"c")], true),
            ("not held", &[piece(gzip, 3, b"abc")], false),
            ("too long", &[piece(base, 2, b"abc")], false),
            ("longer than the table", &[piece(base, announcement.tables[0].gzip_bytes + 1, b"a")], false),
            ("a whole one's piece behind it", &[piece(base, 3, b"ab"), whole(b"c")], false),
            ("behind a whole one's piece", &[whole(b"a"), piece(base, 3, b"ab")], false),
            ("another's piece behind it", &[piece(base, 3, b"ab"), piece(gzip, 3, b"c")], false),
        ];
        for (name, chunks, right) in cases {
            let mut incoming = Incoming::new(announcement.clone(), &[0], vec![base]).expect("small enough");
            let taken = chunks.iter().try_for_each(|chunk| incoming.take(chunk));
            assert_eq!((taken.is_ok(), incoming.is_complete()), (right, right), "{name}");
            assert_eq!(incoming.want().holds, [base.to_wire()]);
        }
    }
}
