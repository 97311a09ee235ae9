//! The history on disk: one file for each table that was active lately, in the form of the last known good, named by the
//! first version that it was active under. A file that does not check out is never served, and makes room.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::disk::{ReadError, Rejected, WriteError, decode, encode};
use super::{Announcement, Kept, Snapshot, Version};

const TEMPORARY: &str = "new";

/// A folder of snapshots.
#[derive(Clone, Debug)]
pub struct Shelf {
    folder: PathBuf,
}

impl Shelf {
    /// The shelf in the state folder `state`; its own folder is made with the first snapshot.
    pub fn new(state: &Path) -> Self {
        Self { folder: state.join("history") }
    }

    /// Puts `snapshot` up under the version `first`, and takes away all that are not among `others`.
    ///
    /// # Errors
    ///
    /// Where any step fails; what was there before still is.
    pub fn write(&self, first: Version, snapshot: &Snapshot, others: &[Version]) -> Result<(), WriteError> {
        let path = self.folder.join(TEMPORARY);
        self.put(&path, first, snapshot, others).map_err(|cause| WriteError { path, cause })
    }

    fn put(
        &self,
        temporary: &Path,
        first: Version,
        snapshot: &Snapshot,
        others: &[Version],
    ) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let mut file = File::create(temporary)?;
        for part in encode(&snapshot.adopted(first, snapshot.term)) {
            file.write_all(&part)?;
        }
        file.sync_all()?;
        fs::rename(temporary, self.folder.join(first.to_string()))?;
        for (version, path) in self.files()? {
            if version != first && !others.contains(&version) {
                fs::remove_file(path)?;
            }
        }
        File::open(&self.folder)?.sync_all()
    }

    /// The snapshot that was first active under `first`.
    ///
    /// # Errors
    ///
    /// Where it is not there, or not what was put there.
    pub fn read(&self, first: Version) -> Result<Snapshot, ReadError> {
        let bytes = fs::read(self.folder.join(first.to_string())).map_err(ReadError::Io)?;
        decode(bytes.into())
    }

    /// All that check out, and those that do not. Takes a while: not for a thread that serves.
    pub fn list(&self) -> (Vec<Kept>, Vec<Rejected>) {
        let (mut kept, mut rejected) = (Vec::new(), Vec::new());
        for (version, path) in self.files().unwrap_or_default() {
            match self.read(version) {
                Ok(snapshot) => kept.push(Kept::on_disk(&Announcement::of(&snapshot))),
                Err(reason) => rejected.push(Rejected { path, reason }),
            }
        }
        (kept, rejected)
    }

    fn files(&self) -> io::Result<Vec<(Version, PathBuf)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if let Some(version) = entry.file_name().to_str().and_then(|name| name.parse().ok()) {
                files.push((version, entry.path()));
            }
        }
        Ok(files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(sequence: u64) -> Snapshot {
        Snapshot::for_tests(Version::new(4, sequence), &format!("r{sequence}: * -> <shunt>"))
    }

    #[test]
    fn what_is_put_up_can_be_taken_down_and_old_ones_make_room() {
        let folder = tempfile::tempdir().expect("a folder");
        let shelf = Shelf::new(folder.path());
        assert!(shelf.list().0.is_empty(), "nothing yet");
        let at = |sequence| Version::new(4, sequence);
        shelf.write(at(1), &snapshot(1), &[]).expect("written");
        shelf.write(at(2), &snapshot(3), &[at(1)]).expect("under its first version");
        assert_eq!(shelf.read(at(2)).expect("there").digest(), snapshot(3).digest());
        assert_eq!(shelf.read(at(2)).expect("there").version, at(2));
        shelf.write(at(4), &snapshot(4), &[at(2)]).expect("written");
        let (mut kept, rejected) = shelf.list();
        kept.sort_by_key(Kept::first);
        assert_eq!(kept.iter().map(Kept::first).collect::<Vec<_>>(), [at(2), at(4)]);
        assert!(rejected.is_empty());
    }

    #[test]
    fn damage_is_named_and_passed_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let shelf = Shelf::new(folder.path());
        let at = Version::new(4, 1);
        shelf.write(at, &snapshot(1), &[]).expect("written");
        let path = folder.path().join("history/4.1");
        let mut bytes = fs::read(&path).expect("there");
        bytes[40] ^= 1;
        fs::write(&path, bytes).expect("written");
        let (kept, rejected) = shelf.list();
        assert!(kept.is_empty() && rejected.len() == 1);
        assert!(shelf.read(at).is_err());
    }
}
