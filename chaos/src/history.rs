//! The append-only record of one run: what clients saw, and what was done to the replicas.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// A shared handle. Everyone appends, nobody changes.
#[derive(Clone)]
pub struct History {
    start: Instant,
    records: Arc<Mutex<Vec<Record>>>,
}

/// One observation or deed.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// A poll of `/routes`.
    Poll(Poll),
    /// A request through Skipper.
    Request(Request),
    /// Something in the life of a replica.
    Life(Life),
}

/// A poll of `/routes`.
#[derive(Clone, Debug, PartialEq)]
pub struct Poll {
    /// Who asked.
    pub client: String,
    /// When it was sent, since the start of the run.
    pub at: Duration,
    /// When it was answered or given up.
    pub end: Duration,
    /// The replica that got it, where one did.
    pub replica: Option<String>,
    /// What came back.
    pub answer: Answer,
}

/// What a poll gave.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// 200, with a table.
    Table(Table),
    /// 304: keep what you have.
    Kept,
    /// Another status.
    Status(u16),
    /// No complete answer.
    Failed(String),
}

/// A table, as a client got it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// `X-Table-Version`, where the server sends one.
    pub version: Option<(u64, u64)>,
    /// The digest that the ETag names.
    pub promised: String,
    /// The digest of the body, after decompression.
    pub digest: String,
    /// `X-Count`.
    pub count: Option<usize>,
    /// The routes in the body.
    pub routes: usize,
    /// The number that the marker in it carries.
    pub generation: Option<u64>,
}

/// A request through Skipper.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Who asked.
    pub client: String,
    /// When it was sent.
    pub at: Duration,
    /// When it was answered or given up.
    pub end: Duration,
    /// For which host.
    pub host: String,
    /// The generation, where the answer has one; else why it failed.
    pub outcome: Result<Option<u64>, String>,
}

/// Something in the life of a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    /// Its name.
    pub replica: String,
    /// When.
    pub at: Duration,
    /// What.
    pub event: LifeEvent,
}

/// What happens to replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LifeEvent {
    /// The VIP took it in, as it said that it is ready.
    In,
    /// The VIP took it out.
    Out,
    /// It is about to be killed.
    Killed,
    /// It has ended by itself, or after SIGTERM.
    Ended,
}

impl Default for History {
    fn default() -> Self {
        Self { start: Instant::now(), records: Arc::default() }
    }
}

impl History {
    /// The time since the run began.
    pub fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Appends a record.
    pub fn push(&self, record: Record) {
        self.records.lock().push(record);
    }

    /// Appends that `event` happens to `replica` now.
    pub fn life(&self, replica: &str, event: LifeEvent) {
        self.push(Record::Life(Life { replica: replica.to_owned(), at: self.now(), event }));
    }

    /// Everything so far, in the order of its end.
    pub fn records(&self) -> Vec<Record> {
        self.records.lock().clone()
    }
}
