//! A Lease in memory, with the Kubernetes API's rules of UID and resourceVersion. For simulation and tests.
//!
//! Faults are put in from outside: [`MemoryLease::fail`] lets requests fail, before or after they are carried out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};

use super::{Change, LeaseStore, StoreError};
use crate::election::record::{Key, Record, Stored};

/// One Lease, shared by all clones of this handle.
#[derive(Clone, Debug)]
pub struct MemoryLease {
    cell: Arc<Mutex<LeaseCell>>,
    faults: Arc<Mutex<VecDeque<Fault>>>,
    unplugged: Arc<AtomicBool>,
    written: watch::Sender<()>,
}

/// The bare object behind [`MemoryLease`]: reads and writes at once, without time.
#[derive(Clone, Debug, Default)]
pub struct LeaseCell {
    stored: Option<Stored>,
    version: u64,
    objects: u64,
}

/// What happens to one request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It is not carried out, and fails so.
    Refuse(StoreError),
    /// It is carried out, and the answer is lost: the caller sees [`StoreError::Timeout`].
    LoseAnswer,
    /// It is never carried out and never answered.
    Hang,
}

impl LeaseCell {
    /// The Lease as it is.
    pub fn get(&self) -> Result<Stored, StoreError> {
        self.stored.clone().ok_or(StoreError::NotFound)
    }

    /// Creates it, under a new UID.
    pub fn create(&mut self, record: &Record) -> Result<Key, StoreError> {
        if self.stored.is_some() {
            return Err(StoreError::Conflict);
        }
        self.objects += 1;
        Ok(self.put(format!("uid-{}", self.objects), record.clone()))
    }

    /// Replaces it, if `key` is its key.
    pub fn replace(&mut self, key: &Key, record: &Record) -> Result<Key, StoreError> {
        let stored = self.stored.as_ref().ok_or(StoreError::NotFound)?;
        if stored.key != *key {
            return Err(StoreError::Conflict);
        }
        Ok(self.put(key.uid.clone(), record.clone()))
    }

    /// Deletes it, as an operator would.
    pub fn delete(&mut self) {
        self.version += 1;
        self.stored = None;
    }

    /// Changes it whoever holds it, as an operator would.
    pub fn edit(&mut self, change: impl FnOnce(&mut Record)) {
        if let Some(Stored { key, mut record }) = self.stored.take() {
            change(&mut record);
            self.put(key.uid, record);
        }
    }

    fn put(&mut self, uid: String, record: Record) -> Key {
        self.version += 1;
        let key = Key { uid, version: self.version };
        self.stored = Some(Stored { key: key.clone(), record });
        key
    }
}

impl Default for MemoryLease {
    fn default() -> Self {
        Self {
            cell: Arc::default(),
            faults: Arc::default(),
            unplugged: Arc::default(),
            written: watch::Sender::new(()),
        }
    }
}

impl MemoryLease {
    /// The same Lease through another wire: faults put in here do not touch the others.
    pub fn other_wire(&self) -> Self {
        Self { faults: Arc::default(), unplugged: Arc::default(), ..self.clone() }
    }

    /// What happens to the next request that has no fault yet.
    pub fn fail(&self, fault: Fault) {
        self.faults.lock().push_back(fault);
    }

    /// Cuts this wire, or mends it: while it is cut, nothing is carried out, answered or told.
    pub fn unplug(&self, cut: bool) {
        self.unplugged.store(cut, Ordering::SeqCst);
    }

    /// Reads or changes the object directly, and wakes those who watch if it changed.
    pub fn with<R>(&self, act: impl FnOnce(&mut LeaseCell) -> R) -> R {
        let mut cell = self.cell.lock();
        let before = cell.version;
        let result = act(&mut cell);
        if cell.version != before {
            self.written.send_replace(());
        }
        result
    }

    async fn carry_out<R>(
        &self,
        act: impl FnOnce(&mut LeaseCell) -> Result<R, StoreError> + Send,
    ) -> Result<R, StoreError> {
        if self.unplugged.load(Ordering::SeqCst) {
            return std::future::pending().await;
        }
        let fault = self.faults.lock().pop_front();
        match fault {
            Some(Fault::Refuse(error)) => Err(error),
            Some(Fault::LoseAnswer) => {
                let _committed = self.with(act);
                Err(StoreError::Timeout)
            }
            Some(Fault::Hang) => std::future::pending().await,
            None => self.with(act),
        }
    }
}

impl LeaseStore for MemoryLease {
    async fn get(&self) -> Result<Stored, StoreError> {
        self.carry_out(|cell| cell.get()).await
    }

    async fn create(&self, record: &Record) -> Result<Key, StoreError> {
        let record = record.clone();
        self.carry_out(move |cell| cell.create(&record)).await
    }

    async fn replace(&self, key: &Key, record: &Record) -> Result<Key, StoreError> {
        let (key, record) = (key.clone(), record.clone());
        self.carry_out(move |cell| cell.replace(&key, &record)).await
    }

    async fn watch(&self, changes: mpsc::Sender<Change>) {
        let mut written = self.written.subscribe();
        while written.changed().await.is_ok() {
            if self.unplugged.load(Ordering::SeqCst) {
                continue;
            }
            let change = self.cell.lock().get().map_or(Change::Look, |now| Change::Written(Box::new(now)));
            if changes.send(change).await.is_err() {
                break;
            }
        }
        std::future::pending().await
    }

    fn name(&self) -> String {
        "the lease in memory".to_owned()
    }
}
