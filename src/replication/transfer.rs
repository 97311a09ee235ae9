//! Tables in chunks: cutting on one side, collecting on the other. Nothing is resumed across versions.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::snapshot::{Announcement, Snapshot, TableError, Version};
use crate::wire;

/// The largest chunk: well below the limit of 4 MiB that gRPC implementations set for a message.
pub const CHUNK_BYTES: usize = 1 << 20;

/// The largest message that a replica takes in: a header with very many zones or quarantined routes.
pub const MESSAGE_BYTES: usize = 64 << 20;

/// The most compressed bytes that a follower takes for one snapshot: far beyond the largest table known (4 MiB a
/// table at 20,000 objects), and small enough that a broken leader cannot fill the memory.
pub const MOST_BYTES: u64 = 1 << 30;

/// The chunks of the tables of `snapshot` that `wanted` names by place; places that it has not are skipped.
pub fn chunks(snapshot: &Snapshot, wanted: &[u32]) -> VecDeque<wire::Chunk> {
    let contents = &snapshot.contents;
    let tables: Vec<_> = std::iter::once(&contents.table).chain(contents.zones.values()).collect();
    let version: wire::Version = snapshot.version.into();
    let mut chunks = VecDeque::new();
    for &place in wanted {
        let Some(table) = tables.get(place as usize) else { continue };
        let mut rest = table.gzip().clone();
        while !rest.is_empty() {
            let data = rest.split_to(rest.len().min(CHUNK_BYTES));
            chunks.push_back(wire::Chunk { version: Some(version), table: place, data });
        }
    }
    chunks
}

/// The receiving side: what is still to come of an announced snapshot.
#[derive(Debug)]
pub struct Incoming {
    announcement: Announcement,
    parts: BTreeMap<usize, BytesMut>,
    missing_bytes: u64,
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
    /// Expects the tables of `announcement` in the places `lacking`.
    ///
    /// # Errors
    ///
    /// Where they are too large.
    pub fn new(announcement: Announcement, lacking: &[usize]) -> Result<Self, TransferError> {
        let missing_bytes =
            lacking.iter().fold(0u64, |sum, &at| sum.saturating_add(announcement.tables[at].gzip_bytes));
        if missing_bytes > MOST_BYTES {
            return Err(TransferError::TooLarge(missing_bytes));
        }
        let parts = lacking.iter().map(|&at| (at, BytesMut::new())).collect();
        Ok(Self { announcement, parts, missing_bytes })
    }

    /// The version that is being received.
    pub const fn version(&self) -> Version {
        self.announcement.version
    }

    /// What to ask the sender for.
    pub fn wanted(&self) -> Vec<u32> {
        self.parts.keys().map(|&at| at as u32).collect()
    }

    /// Takes a chunk.
    ///
    /// # Errors
    ///
    /// Where it was not asked for.
    pub fn take(&mut self, table: u32, data: &Bytes) -> Result<(), TransferError> {
        let at = table as usize;
        let part = self.parts.get_mut(&at).ok_or(TransferError::Unasked)?;
        let room = self.announcement.tables[at].gzip_bytes - part.len() as u64;
        if data.len() as u64 > room {
            return Err(TransferError::Unasked);
        }
        part.extend_from_slice(data);
        self.missing_bytes -= data.len() as u64;
        Ok(())
    }

    /// Whether everything is there.
    pub const fn is_complete(&self) -> bool {
        self.missing_bytes == 0
    }

    /// Verifies and puts together. Takes a while for large tables: not for a thread that serves.
    ///
    /// # Errors
    ///
    /// Where a table is not what was announced.
    pub fn assemble(self, held: &[Arc<Snapshot>]) -> Result<Snapshot, TableError> {
        let held: Vec<&Snapshot> = held.iter().map(AsRef::as_ref).collect();
        let received = self.parts.into_iter().map(|(at, part)| (at, part.freeze())).collect();
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

    #[test]
    fn chunks_make_the_same_snapshot_again() {
        let snapshot = large();
        let announcement = Announcement::of(&snapshot);
        let mut incoming =
            Incoming::new(announcement.clone(), &announcement.lacking(&[])).expect("small enough");
        let chunks = chunks(&snapshot, &incoming.wanted());
        assert!(chunks.len() > 1 && chunks.iter().all(|chunk| chunk.data.len() <= CHUNK_BYTES));
        for chunk in &chunks {
            assert!(!incoming.is_complete());
            incoming.take(chunk.table, &chunk.data).expect("asked for");
        }
        assert!(incoming.is_complete());
        assert_eq!(incoming.take(0, &Bytes::from_static(b"x")), Err(TransferError::Unasked));
        assert_eq!(Announcement::of(&incoming.assemble(&[]).expect("whole")), announcement);
    }

    #[test]
    fn what_cannot_be_right_is_refused() {
        let mut announcement = Announcement::of(&large());
        let mut incoming = Incoming::new(announcement.clone(), &[0]).expect("small enough");
        assert_eq!(incoming.take(7, &Bytes::from_static(b"x")), Err(TransferError::Unasked));
        announcement.tables[0].gzip_bytes = u64::MAX;
        assert!(matches!(Incoming::new(announcement, &[0]), Err(TransferError::TooLarge(_))));
    }
}
