//! Compare and swap on a file: a lock on its folder, a new file, a rename.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use k8s_openapi::api::coordination::v1::Lease;

use super::super::StoreError;
use crate::election::lease;
use crate::election::record::{Key, Record, Stored};

/// How many versions are reserved at once, so that a renewal need not write the counter too.
const RESERVE: u64 = 1000;

/// How long the folder's lock is waited for. It is held for microseconds, unless its holder was stopped meanwhile.
const PATIENCE: Duration = Duration::from_secs(1);

/// A file that a crash left behind is this old when it is removed.
const LITTER: Duration = Duration::from_secs(60);

/// Why a lease file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileLeaseError {
    /// Its folder is not there or cannot be written.
    #[error(
        "the lease file's folder {folder:?} cannot be used ({error}): make it, or name another with --lease=file:PATH"
    )]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the operating system says.
        error: io::Error,
    },
    /// The file or its counter cannot be read or written.
    #[error("{path:?}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        error: io::Error,
    },
    /// There is something else in its place.
    #[error("{path:?} is no lease file ({why}): move it away, or name another with --lease=file:PATH")]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Why it is none.
        why: String,
    },
}

#[derive(Debug)]
pub(super) struct Disk {
    path: PathBuf,
    folder: PathBuf,
    counter: PathBuf,
    writes: AtomicU64,
}

/// What tells one state of the file from the next without reading it.
pub(super) type Glance = Option<(u64, i64, i64, u64)>;

impl From<FileLeaseError> for StoreError {
    fn from(error: FileLeaseError) -> Self {
        match &error {
            FileLeaseError::Folder { error: io, .. } | FileLeaseError::Io { error: io, .. }
                if matches!(io.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) =>
            {
                Self::Forbidden(error.to_string())
            }
            _ => Self::Other(error.to_string()),
        }
    }
}

impl Disk {
    pub(super) fn open(path: &Path) -> Result<Self, FileLeaseError> {
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let counter = beside(path, ".counter");
        let disk = Self { path: path.to_owned(), folder, counter, writes: AtomicU64::new(0) };
        let unusable = |error| FileLeaseError::Folder { folder: disk.folder.clone(), error };
        disk.sweep().map_err(unusable)?;
        let (probe, _) = disk.fresh(b"").map_err(unusable)?;
        fs::remove_file(&probe).map_err(unusable)?;
        Ok(disk)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn glance(&self) -> Glance {
        let meta = fs::metadata(&self.path).ok()?;
        Some((meta.ino(), meta.ctime(), meta.ctime_nsec(), meta.size()))
    }

    /// The Lease, if there is one.
    pub(super) fn read(&self) -> Result<Option<Stored>, FileLeaseError> {
        Ok(self.load()?.map(|(_, stored)| stored))
    }

    pub(super) fn create(&self, record: &Record) -> Result<Key, StoreError> {
        let _lock = self.lock()?;
        if self.read()?.is_some() {
            return Err(StoreError::Conflict);
        }
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| StoreError::Other(error.to_string()))?;
        let key = Key { uid: hex::encode(bytes), version: self.reserved()? + 1 };
        let (fresh, _) = self.fresh(&text(Lease::default(), &key, record)).map_err(|e| self.failed(e))?;
        self.reserve(key.version)?;
        self.swap(&fresh)?;
        Ok(key)
    }

    pub(super) fn replace(&self, key: &Key, record: &Record) -> Result<Key, StoreError> {
        let Some((lease, stored)) = self.load()? else { return Err(StoreError::NotFound) };
        if stored.key != *key {
            return Err(StoreError::Conflict);
        }
        let next = Key { uid: key.uid.clone(), version: key.version + 1 };
        // All that takes long is done before the lock: a process that is stopped while it holds it stops the others.
        let (fresh, _) = self.fresh(&text(lease, &next, record)).map_err(|error| self.failed(error))?;
        let swapped = self.lock().and_then(|_lock| match self.read()? {
            None => Err(StoreError::NotFound),
            Some(stored) if stored.key != *key => Err(StoreError::Conflict),
            Some(_) => {
                self.reserve(next.version)?;
                self.swap(&fresh)
            }
        });
        if swapped.is_err() {
            // Where this fails too, the next start sweeps it up.
            let _ = fs::remove_file(&fresh);
        }
        swapped.map(|()| next)
    }

    fn load(&self) -> Result<Option<(Lease, Stored)>, FileLeaseError> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed(error)),
        };
        let foreign = |why: String| FileLeaseError::Foreign { path: self.path.clone(), why };
        let lease: Lease = serde_json::from_slice(&bytes).map_err(|error| foreign(error.to_string()))?;
        let stored = lease::read(&lease).map_err(|error| foreign(error.to_string()))?;
        Ok(Some((lease, stored)))
    }

    /// Puts `fresh` in the Lease's place. Called with the lock held.
    fn swap(&self, fresh: &Path) -> Result<(), StoreError> {
        fs::rename(fresh, &self.path).map_err(|error| self.failed(error))?;
        // Committed for every process already; this makes it so for a machine that loses power.
        if let Ok(folder) = File::open(&self.folder) {
            let _ = folder.sync_all();
        }
        Ok(())
    }

    /// Up to which version the counter has been reserved; 0 where nothing was ever written here.
    fn reserved(&self) -> Result<u64, FileLeaseError> {
        match fs::read_to_string(&self.counter) {
            Ok(text) => text.trim().parse().map_err(|_| FileLeaseError::Foreign {
                path: self.counter.clone(),
                why: "it should hold one number".to_owned(),
            }),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
            Err(error) => Err(FileLeaseError::Io { path: self.counter.clone(), error }),
        }
    }

    fn reserve(&self, version: u64) -> Result<(), FileLeaseError> {
        if version <= self.reserved()? {
            return Ok(());
        }
        let put = || -> io::Result<()> {
            let (fresh, _) = self.fresh(format!("{}\n", version + RESERVE).as_bytes())?;
            fs::rename(fresh, &self.counter)
        };
        put().map_err(|error| FileLeaseError::Io { path: self.counter.clone(), error })
    }

    /// A new file with `bytes`, safely on disk.
    fn fresh(&self, bytes: &[u8]) -> io::Result<(PathBuf, File)> {
        let number = self.writes.fetch_add(1, Ordering::Relaxed);
        let path = beside(&self.path, &format!(".{}.{:p}.{number}.tmp", std::process::id(), self));
        let mut file = File::create(&path)?;
        file.write_all(bytes)?;
        file.sync_data()?;
        Ok((path, file))
    }

    /// The folder's lock, free again when it is dropped or its process ends.
    fn lock(&self) -> Result<File, StoreError> {
        let failed = |error| FileLeaseError::Folder { folder: self.folder.clone(), error };
        let folder = File::open(&self.folder).map_err(failed)?;
        let mut waited = Duration::ZERO;
        loop {
            match folder.try_lock() {
                Ok(()) => return Ok(folder),
                Err(TryLockError::WouldBlock) if waited < PATIENCE => {
                    let nap = Duration::from_millis(1);
                    std::thread::sleep(nap);
                    waited += nap;
                }
                Err(TryLockError::WouldBlock) => return Err(StoreError::Timeout),
                Err(TryLockError::Error(error)) => return Err(failed(error).into()),
            }
        }
    }

    /// Removes what crashes left behind.
    fn sweep(&self) -> io::Result<()> {
        let prefix = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned() + ".";
        for entry in fs::read_dir(&self.folder)?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let age = entry.metadata().and_then(|meta| meta.modified());
            let old = age.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age > LITTER));
            if old && name.starts_with(&prefix) && name.ends_with(".tmp") {
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }

    fn failed(&self, error: io::Error) -> FileLeaseError {
        FileLeaseError::Io { path: self.path.clone(), error }
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}

fn text(mut object: Lease, key: &Key, record: &Record) -> Vec<u8> {
    object.metadata.name = Some("bellwether".to_owned());
    object.metadata.uid = Some(key.uid.clone());
    object.metadata.resource_version = Some(key.version.to_string());
    lease::write(record, &mut object);
    let mut text = serde_json::to_vec_pretty(&object).expect("a lease is plain data");
    text.push(b'\n');
    text
}
