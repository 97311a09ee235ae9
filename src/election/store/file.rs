//! The Lease in a file, for several processes on one machine: the rules of the Kubernetes API, by rename.
//!
//! In: the file's path. Out: a [`LeaseStore`]. The file holds the Lease as JSON; beside it, `PATH.counter` keeps the
//! versions growing when the file is deleted. What can go wrong: the folder cannot be written; the file is no Lease
//! (it is left alone, and the error says so). A crash at any point leaves the old Lease or the new one.

mod disk;
mod process;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use self::disk::Disk;
pub use self::disk::FileLeaseError;
use super::{Change, LeaseStore, StoreError};
use crate::election::identity::Identity;
use crate::election::record::{Key, Record, Stored};

/// How often the file is looked at: one `stat`, for a hand-over that nobody notices.
const GLANCE: Duration = Duration::from_millis(10);

/// A Lease in a file.
#[derive(Clone, Debug)]
pub struct FileLease(Arc<Disk>);

impl FileLease {
    /// The Lease at `path`; its folder must exist. The file may appear later.
    ///
    /// # Errors
    ///
    /// Where the folder cannot be written, or what is at `path` is no Lease.
    pub fn open(path: &Path) -> Result<Self, FileLeaseError> {
        let disk = Disk::open(path)?;
        disk.read()?;
        Ok(Self(Arc::new(disk)))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// An identity for this process under `name`. It describes the process so that another one on the same machine can
    /// tell whether it still runs: a replica that was killed and started anew need not wait for itself.
    ///
    /// # Errors
    ///
    /// Where the operating system gives no random bytes.
    pub fn identity(name: &str) -> Result<Identity, getrandom::Error> {
        Identity::of_pod(name, &process::describe(std::process::id()).unwrap_or_default())
    }

    async fn on_disk<R: Send + 'static>(
        &self,
        act: impl FnOnce(&Disk) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<R, StoreError> {
        let disk = Arc::clone(&self.0);
        // The disk may be slow; the timer that ends a term must not be.
        let joined = tokio::task::spawn_blocking(move || act(&disk)).await;
        joined.map_err(|error| StoreError::Other(error.to_string()))?
    }
}

impl LeaseStore for FileLease {
    async fn get(&self) -> Result<Stored, StoreError> {
        self.on_disk(|disk| disk.read()?.ok_or(StoreError::NotFound)).await
    }

    async fn create(&self, record: &Record) -> Result<Key, StoreError> {
        let record = record.clone();
        self.on_disk(move |disk| disk.create(&record)).await
    }

    async fn replace(&self, key: &Key, record: &Record) -> Result<Key, StoreError> {
        let (key, record) = (key.clone(), record.clone());
        self.on_disk(move |disk| disk.replace(&key, &record)).await
    }

    async fn watch(&self, changes: mpsc::Sender<Change>) {
        let mut glances = tokio::time::interval(GLANCE);
        glances.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = self.0.glance();
        loop {
            glances.tick().await;
            let now = self.0.glance();
            if now == last {
                continue;
            }
            last = now;
            let change = self.get().await.map_or(Change::Look, |now| Change::Written(Box::new(now)));
            if changes.send(change).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Here a process can be asked whether it runs, but only the one that had our own name is: that a killed replica's
    /// *peers* take over at once would make this store behave unlike the one that it stands in for.
    fn is_gone(&self, holder: &Identity, me: &Identity) -> bool {
        holder.name() == me.name() && holder.nonce() != me.nonce() && process::is_gone(holder.uid())
    }

    fn name(&self) -> String {
        format!("lease file {}", PathBuf::from(self.path()).display())
    }
}
