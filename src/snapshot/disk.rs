//! The last known good on disk: what a replica serves at once after a restart, with nobody's help (design D9).
//!
//! One file for a snapshot: magic, format, length of the header, header (the protocol's `Header`), the compressed
//! tables, and SHA-256 of all that. Written to a temporary file, synced, renamed; the generation before stays
//! beside it. A file that does not check out is named with its reason and never served.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bytes::{Buf, Bytes};
use prost::Message;
use sha2::{Digest as _, Sha256};

use super::{Announcement, HeaderError, Received, Snapshot, TableError};
use crate::wire;

/// The format that this release writes, and the newest that it reads.
pub const FORMAT: u32 = 1;

const MAGIC: &[u8; 8] = b"BWSNAP\r\n";
const CHECKSUM: usize = 32;
const CURRENT: &str = "last-known-good";
const PREVIOUS: &str = "last-known-good.previous";
const TEMPORARY: &str = "last-known-good.new";

/// A folder that keeps the last known good.
#[derive(Clone, Debug)]
pub struct Disk {
    folder: PathBuf,
}

/// Why nothing was written. Serving goes on from memory.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {cause}", path.display())]
pub struct WriteError {
    /// The file or folder.
    pub path: PathBuf,
    /// What the system said.
    pub cause: io::Error,
}

/// Why a file is not served.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Io(io::Error),
    /// It is not one of ours.
    #[error("is not a snapshot of Bellwether")]
    Foreign,
    /// A newer release wrote it.
    #[error("has format {0}; this release reads up to {FORMAT}")]
    Newer(u32),
    /// It ends too early, or its checksum is wrong.
    #[error("is cut short or damaged")]
    Damaged,
    /// Its header makes no sense.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// One of its tables does not check out.
    #[error(transparent)]
    Table(#[from] TableError),
}

/// A generation that was passed over, and why.
#[derive(Debug)]
pub struct Rejected {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: ReadError,
}

impl Disk {
    /// Opens `folder`, making it where it is missing, and shows that it can be written.
    ///
    /// # Errors
    ///
    /// Where it cannot be made or written.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, WriteError> {
        let folder = folder.into();
        let at = |path: &Path| {
            let path = path.to_owned();
            move |cause| WriteError { path, cause }
        };
        fs::create_dir_all(&folder).map_err(at(&folder))?;
        let probe = folder.join(TEMPORARY);
        File::create(&probe).map_err(at(&probe))?;
        fs::remove_file(&probe).map_err(at(&probe))?;
        Ok(Self { folder })
    }

    /// Keeps `snapshot` as the last known good; the one before becomes the previous generation.
    ///
    /// # Errors
    ///
    /// Where any step fails; what was on disk before is still there.
    pub fn write(&self, snapshot: &Snapshot) -> Result<(), WriteError> {
        let path = self.folder.join(TEMPORARY);
        self.replace(&path, snapshot).map_err(|cause| WriteError { path, cause })
    }

    fn replace(&self, temporary: &Path, snapshot: &Snapshot) -> io::Result<()> {
        let mut file = File::create(temporary)?;
        for part in encode(snapshot) {
            file.write_all(&part)?;
        }
        file.sync_all()?;
        let (current, previous) = (self.folder.join(CURRENT), self.folder.join(PREVIOUS));
        match fs::rename(&current, previous) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
            _ => fs::rename(temporary, current)?,
        }
        File::open(&self.folder)?.sync_all()
    }

    /// The newest generation that checks out, and those that were passed over on the way to it.
    pub fn read(&self) -> (Option<Snapshot>, Vec<Rejected>) {
        let mut rejected = Vec::new();
        for name in [CURRENT, PREVIOUS] {
            let path = self.folder.join(name);
            match fs::read(&path).map_err(ReadError::Io).and_then(|bytes| decode(bytes.into())) {
                Ok(snapshot) => return (Some(snapshot), rejected),
                Err(ReadError::Io(cause)) if cause.kind() == io::ErrorKind::NotFound => {}
                Err(reason) => rejected.push(Rejected { path, reason }),
            }
        }
        (None, rejected)
    }
}

pub(super) fn encode(snapshot: &Snapshot) -> Vec<Bytes> {
    let header = Announcement::of(snapshot).encode().encode_to_vec();
    let mut front = Vec::with_capacity(16 + header.len());
    front.extend_from_slice(MAGIC);
    front.extend_from_slice(&FORMAT.to_be_bytes());
    front.extend_from_slice(&(header.len() as u32).to_be_bytes());
    front.extend_from_slice(&header);
    let contents = &snapshot.contents;
    let mut parts = vec![front.into(), contents.table.gzip().clone()];
    parts.extend(contents.zones.values().map(|table| table.gzip().clone()));
    let mut checksum = Sha256::new();
    parts.iter().for_each(|part| checksum.update(part));
    parts.push(Bytes::copy_from_slice(&checksum.finalize()));
    parts
}

pub(super) fn decode(mut file: Bytes) -> Result<Snapshot, ReadError> {
    if !file.starts_with(MAGIC) {
        // An empty file is what a power cut leaves of ours.
        return Err(if file.is_empty() { ReadError::Damaged } else { ReadError::Foreign });
    }
    if file.len() < MAGIC.len() + 8 + CHECKSUM {
        return Err(ReadError::Damaged);
    }
    let format = (&file[MAGIC.len()..]).get_u32();
    if format > FORMAT {
        return Err(ReadError::Newer(format));
    }
    let checksum = file.split_off(file.len() - CHECKSUM);
    if Sha256::digest(&file)[..] != checksum[..] {
        return Err(ReadError::Damaged);
    }
    file.advance(MAGIC.len() + 4);
    let length = file.get_u32() as usize;
    if file.len() < length {
        return Err(ReadError::Damaged);
    }
    let header = wire::Header::decode(file.split_to(length)).map_err(|_| ReadError::Damaged)?;
    let announcement = Announcement::decode(header)?;
    let mut tables = BTreeMap::new();
    for (at, table) in announcement.tables.iter().enumerate() {
        let length = usize::try_from(table.gzip_bytes).unwrap_or(usize::MAX);
        if file.len() < length {
            return Err(ReadError::Damaged);
        }
        tables.insert(at, Received::Gzip(file.split_to(length)));
    }
    Ok(announcement.assemble(&[], &tables)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::Version;

    fn snapshot(sequence: u64) -> Snapshot {
        Snapshot::for_tests(Version::new(4, sequence), &format!("r{sequence}: Path(\"/\") -> <shunt>"))
    }

    fn kept() -> (tempfile::TempDir, Disk) {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = Disk::open(folder.path().join("state")).expect("can be made");
        (folder, disk)
    }

    #[test]
    fn newest_generation_comes_back_whole() {
        let (_folder, disk) = kept();
        assert!(disk.read().0.is_none() && disk.read().1.is_empty(), "an empty folder is no fault");
        disk.write(&snapshot(1)).expect("written");
        disk.write(&snapshot(2)).expect("written");
        let (read, rejected) = disk.read();
        assert!(rejected.is_empty());
        assert_eq!(Announcement::of(&read.expect("there")), Announcement::of(&snapshot(2)));
    }

    #[test]
    fn damaged_generation_is_named_and_the_one_before_is_served() {
        let (_folder, disk) = kept();
        disk.write(&snapshot(1)).expect("written");
        disk.write(&snapshot(2)).expect("written");
        let path = disk.folder.join(CURRENT);
        let good = fs::read(&path).expect("there");
        let with = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = good.clone();
            change(&mut bytes);
            fs::write(&path, bytes).expect("written");
            let (read, rejected) = disk.read();
            assert_eq!(read.expect("the one before").version, Version::new(4, 1));
            rejected.into_iter().next().expect("named").reason
        };
        for at in 0..good.len() {
            with(&|bytes| bytes[at] ^= 1);
            with(&|bytes| bytes.truncate(at));
        }
        assert!(matches!(with(&|bytes| bytes[11] = 9), ReadError::Newer(9)));
        assert!(matches!(with(&|bytes| *bytes = b"#!/bin/sh".to_vec()), ReadError::Foreign));
        assert!(matches!(with(&|bytes| bytes.clear()), ReadError::Damaged));
    }

    #[test]
    fn folder_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let error = Disk::open(file.path().join("state")).expect_err("below a file");
        assert!(error.to_string().starts_with("cannot write "), "{error}");
    }
}
