//! The kinds of records. Small, as there are some hundred a second for hours: names are shared, what is rare is boxed.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A name or text that many records share.
pub type Name = Arc<str>;

/// `(epoch, sequence)`, as in `X-Table-Version`.
pub type Version = (u64, u64);

/// One observation or deed. All times are since the start of the run; in JSON they are whole microseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// What the run is played with.
    Stage(Box<Stage>),
    /// A poll of `/routes`.
    Poll(Poll),
    /// A request through Skipper.
    Request(Request),
    /// Something in the life of a replica.
    Life(Life),
    /// Something is broken, or mended.
    Fault(Fault),
    /// The upstream changes.
    Change(Change),
    /// What a replica says in its log that it did.
    Deed(Deed),
    /// What a replica says in `/status` that it is.
    State(State),
    /// How much memory a replica takes.
    Memory(Memory),
    /// A number that the play itself has taken.
    Measured(Measured),
    /// A line for people.
    Said(Said),
}

/// What the run is played with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// The name of the play.
    pub scenario: Name,
    /// The replicas behind the Service.
    pub replicas: Vec<Name>,
    /// No table may have fewer routes.
    pub least_routes: usize,
}

/// A poll of `/routes`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Poll {
    /// Who asked.
    pub client: Name,
    /// When it was sent.
    #[serde(with = "micros")]
    pub at: Duration,
    /// When it was answered or given up.
    #[serde(with = "micros")]
    pub end: Duration,
    /// The replica that got it, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replica: Option<Name>,
    /// What came back.
    pub answer: Answer,
}

/// What a poll gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// 200, with a table.
    Table(Box<Table>),
    /// 304: keep what you have.
    Kept,
    /// Another status.
    Status(u16),
    /// No complete answer.
    Failed(Name),
    /// A 200 that was begun and not finished.
    Cut(Box<Cut>),
}

/// A table, as a client got it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// `X-Table-Version`, where the server sends one.
    pub version: Option<Version>,
    /// The digest that the ETag names.
    #[serde(serialize_with = "short")]
    pub promised: Name,
    /// The digest of the body, after decompression.
    #[serde(serialize_with = "short")]
    pub digest: Name,
    /// `X-Count`.
    pub count: Option<usize>,
    /// The routes in the body.
    pub routes: usize,
    /// The number that the marker in it carries.
    pub generation: Option<u64>,
}

/// What there was of a body that was cut.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// The digest that the ETag names.
    #[serde(serialize_with = "short")]
    pub promised: Name,
    /// How it ended.
    pub cause: Name,
}

/// A request through Skipper.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Who asked.
    pub client: Name,
    /// When it was sent.
    #[serde(with = "micros")]
    pub at: Duration,
    /// When it was answered or given up.
    #[serde(with = "micros")]
    pub end: Duration,
    /// For which host.
    pub host: Name,
    /// The generation, where the answer has one; else why it failed.
    pub outcome: Result<Option<u64>, Name>,
}

/// Something in the life of a replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// Its name.
    pub replica: Name,
    /// When.
    #[serde(with = "micros")]
    pub at: Duration,
    /// What.
    pub event: LifeEvent,
}

/// What happens to replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LifeEvent {
    /// The VIP took it in, as it said that it is ready.
    In,
    /// The VIP took it out.
    Out,
    /// Its process is started.
    Started,
    /// It is asked to stop, with SIGTERM.
    Terminated,
    /// It is about to be killed.
    Killed,
    /// It has ended by itself, or after SIGTERM.
    Ended,
    /// It is stopped in the middle of whatever it does, with SIGSTOP.
    Paused,
    /// It runs on.
    Resumed,
    /// Clients cannot reach it from now on, though it runs.
    Cut,
    /// They can again.
    Joined,
}

/// Something that is broken on purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Its number: one fault's begin and end have the same.
    pub id: u32,
    /// When.
    #[serde(with = "micros")]
    pub at: Duration,
    /// What is done.
    pub what: Name,
    /// To which parts; empty where to none in particular.
    pub on: Arc<[Name]>,
    /// Whether it begins or ends.
    pub event: FaultEvent,
}

/// Where a fault is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultEvent {
    /// From now on.
    Begun,
    /// Until now.
    Healed,
    /// Now, without a length.
    Struck,
}

/// The upstream changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// When it was accepted.
    #[serde(with = "micros")]
    pub at: Duration,
    /// What the marker says from then on.
    pub generation: u64,
}

/// What a replica did, by its own log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    /// Its name.
    pub replica: Name,
    /// When.
    #[serde(with = "micros")]
    pub at: Duration,
    /// What.
    pub act: Act,
}

/// What replicas do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// It leads, under this epoch.
    Leads(u64),
    /// It goes on leading, under this higher epoch.
    Raised(u64),
    /// It leads no more; the epoch is the one that ended.
    Ceases(u64),
    /// It has asked its peers, and re-announces their newest table under its own epoch.
    CaughtUp(u64),
    /// It announces a table that it has read.
    Announced(Version),
    /// It serves the table of this version from now on.
    Activated(Version),
    /// It starts with a table from disk.
    FromDisk(Version),
    /// It drains.
    Draining,
    /// It has stopped by itself.
    Stopped,
    /// An error, or a warning of something that was refused, held or left out.
    Warned(Name),
}

/// What a replica is at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Its name.
    pub replica: Name,
    /// When it was asked.
    #[serde(with = "micros")]
    pub at: Duration,
    /// What it said; `None` where it did not answer.
    pub seen: Option<Box<Seen>>,
}

/// What `/status` says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// Whether it leads.
    pub role: Role,
    /// The version of its active table.
    pub version: Option<Version>,
    /// The newest version that it knows of.
    pub known: Option<Version>,
    /// The digest of its active table.
    #[serde(serialize_with = "short_option")]
    pub digest: Option<Name>,
    /// Milliseconds since the upstream was last found to be as this table has it.
    pub age: Option<u64>,
    /// Whether it may move clients.
    pub current: bool,
    /// Whether it is ready.
    pub ready: bool,
}

/// Who leads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It does.
    Leader,
    /// Another one does, or nobody.
    #[default]
    Follower,
}

/// How much memory a replica takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// Its name.
    pub replica: Name,
    /// When.
    #[serde(with = "micros")]
    pub at: Duration,
    /// What of it is resident, in KiB.
    pub rss_kib: u64,
}

/// A number that only the play can take: what it asked a replica's metrics for, or counted at the API server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// When.
    #[serde(with = "micros")]
    pub at: Duration,
    /// What it is.
    pub what: Name,
    /// Of which part; empty where of none in particular.
    pub of: Name,
    /// How much.
    pub value: f64,
}

/// A line for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// When.
    #[serde(with = "micros")]
    pub at: Duration,
    /// What happens.
    pub text: Name,
}

impl Answer {
    /// Whether the client has what it asked for.
    pub const fn is_good(&self) -> bool {
        matches!(self, Self::Table(_) | Self::Kept)
    }
}

/// How many digits of a digest are written.
const DIGITS: usize = 16;

fn short<S: serde::Serializer>(digest: &Name, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(digest.get(..DIGITS).unwrap_or(digest))
}

fn short_option<S: serde::Serializer>(digest: &Option<Name>, serializer: S) -> Result<S::Ok, S::Error> {
    match digest {
        Some(digest) => serializer.serialize_some(digest.get(..DIGITS).unwrap_or(digest)),
        None => serializer.serialize_none(),
    }
}

mod micros {
    use super::{Deserialize, Duration};

    #[allow(clippy::cast_possible_truncation, reason = "no run lasts for half a million years")]
    pub fn serialize<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(time.as_micros() as u64)
    }

    pub fn deserialize<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_micros)
    }
}
