//! The append-only record of one run: what clients saw, what replicas did, and what was done to them.
//!
//! Kept in memory for the checkers, at some hundred bytes a record, and written as JSON lines while the run goes on
//! ([`file`]), so that anyone can judge it again. Whoever appends never waits for the disk: lines are made outside the
//! lock, and go through a buffer that is passed on once a second.

mod file;
mod record;

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

pub use file::{ReadError, read};
pub use record::{
    Act, Answer, Change, Cut, Deed, Fault, FaultEvent, Life, LifeEvent, Measured, Memory, Name, Poll, Record,
    Request, Role, Said, Seen, Stage, State, Table, Version,
};

/// A shared handle. Everyone appends, nobody changes.
#[derive(Clone)]
pub struct History {
    start: Instant,
    records: Arc<Mutex<Vec<Record>>>,
    names: Arc<Mutex<HashSet<Name>>>,
    log: Option<Arc<Mutex<file::Log>>>,
    faults: Arc<AtomicU32>,
}

/// A fault under way, to say later that it is over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a fault that nobody ends lasts until the end of the run"]
pub struct FaultId(u32, Name, Arc<[Name]>);

impl Default for History {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            records: Arc::default(),
            names: Arc::default(),
            log: None,
            faults: Arc::default(),
        }
    }
}

impl History {
    /// One that is also written to a new file at `path`.
    ///
    /// # Errors
    ///
    /// Where it cannot be made.
    pub fn to_file(path: &Path) -> io::Result<Self> {
        let log = file::Log::create(path)?;
        Ok(Self { log: Some(Arc::new(Mutex::new(log))), ..Self::default() })
    }

    /// The time since the run began.
    pub fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Appends a record.
    pub fn push(&self, record: Record) {
        if let Some(log) = &self.log {
            let line = file::line(&record);
            log.lock().append(&line);
        }
        self.records.lock().push(record);
    }

    /// `text` as a name that all its users share.
    pub fn name(&self, text: &str) -> Name {
        let mut names = self.names.lock();
        if let Some(name) = names.get(text) {
            return name.clone();
        }
        let name = Name::from(text);
        names.insert(name.clone());
        name
    }

    /// Appends what the run is played with.
    pub fn stage(&self, scenario: &str, replicas: &[&str], least_routes: usize) {
        let replicas = replicas.iter().map(|replica| self.name(replica)).collect();
        let stage = Stage { scenario: self.name(scenario), replicas, least_routes };
        self.push(Record::Stage(Box::new(stage)));
    }

    /// Appends that `event` happens to `replica` now.
    pub fn life(&self, replica: &str, event: LifeEvent) {
        self.push(Record::Life(Life { replica: self.name(replica), at: self.now(), event }));
    }

    /// Appends that `what` begins to be broken now, for the parts named in `on` (none: for all).
    pub fn fault(&self, what: &str, on: &[&str]) -> FaultId {
        self.begin(what, on, FaultEvent::Begun)
    }

    /// Appends that a fault is over.
    pub fn healed(&self, fault: &FaultId) {
        let FaultId(id, what, on) = fault.clone();
        self.push(Record::Fault(Fault { id, at: self.now(), what, on, event: FaultEvent::Healed }));
    }

    /// Appends a fault that has no length: a kill, a signal, an edit.
    pub fn struck(&self, what: &str, on: &[&str]) {
        let FaultId(..) = self.begin(what, on, FaultEvent::Struck);
    }

    fn begin(&self, what: &str, on: &[&str], event: FaultEvent) -> FaultId {
        let id = self.faults.fetch_add(1, Ordering::Relaxed);
        let (what, on): (_, Arc<[Name]>) = (self.name(what), on.iter().map(|on| self.name(on)).collect());
        let fault = Fault { id, at: self.now(), what: what.clone(), on: Arc::clone(&on), event };
        self.push(Record::Fault(fault));
        FaultId(id, what, on)
    }

    /// Appends that the upstream has the marker `generation` from now on.
    pub fn change(&self, generation: u64) {
        self.push(Record::Change(Change { at: self.now(), generation }));
    }

    /// Appends that `what` of `of` (empty: of none in particular) is `value` now.
    pub fn measured(&self, what: &str, of: &str, value: f64) {
        let (what, of) = (self.name(what), self.name(of));
        self.push(Record::Measured(Measured { at: self.now(), what, of, value }));
    }

    /// Appends a line for people.
    pub fn say(&self, text: &str) {
        self.push(Record::Said(Said { at: self.now(), text: text.into() }));
    }

    /// Everything so far, in the order of its end.
    pub fn records(&self) -> Vec<Record> {
        self.records.lock().clone()
    }

    /// Writes to the file what still waits in memory.
    ///
    /// # Errors
    ///
    /// Where a line could not be written, now or before.
    pub fn flush(&self) -> io::Result<()> {
        self.log.as_ref().map_or(Ok(()), |log| log.lock().flush())
    }
}
