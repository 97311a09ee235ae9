//! Snapshots: immutable, versioned tables with everything that an answer or a new leader needs.
//!
//! In: the texts that the compiler printed, or the bytes that a leader or the disk sent. Out: [`Snapshot`]s whose
//! digests were checked. What can go wrong: bytes that do not hash to what was promised; they never become a
//! snapshot.

mod announcement;
mod cell;
mod cut;
mod delta;
mod difference;
mod digest;
pub mod disk;
mod foreign;
mod history;
mod inflate;
mod packed;
mod packer;
mod publication;
mod reader;
mod sharded;
mod sharder;
mod shelf;
mod table;
mod version;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::compile::{Counts, Diagnostic, Measure, Quarantined};

pub use announcement::{Announcement, HeaderError, Received, TableInfo};
pub use cell::{Cell, Standing, View};
pub use delta::{Copied, Delta};
pub use difference::{Change, Difference, NAMED, What};
pub use digest::Digest;
pub use history::{History, KEPT, Kept, Target};
pub use packed::Packed;
pub use packer::Packer;
pub use publication::{Lengths, Publication, cause};
pub use reader::Reader;
pub use sharded::{MOST_SHARDS, Sharded};
pub use sharder::Sharder;
pub use shelf::Shelf;
pub use table::{Condition, Table, TableError};
pub use version::{Epoch, Sequence, TermId, Version, VersionError};

/// One published state of the routes. Never changes; replicas share it behind an `Arc`.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Under which number it was published.
    pub version: Version,
    /// The version under which its table was read from the upstream. Orders contents across terms (design D3).
    pub origin: Version,
    /// The term that published it under its version.
    pub term: TermId,
    /// When its table was read from the upstream, in milliseconds since the epoch of Unix. For people, not for
    /// decisions.
    pub read_at_millis: u64,
    /// The contents, shared with every re-announcement of the same digests.
    pub contents: Arc<Contents>,
}

/// What a snapshot holds, whatever version it is published under.
#[derive(Clone, Debug)]
pub struct Contents {
    /// The main table.
    pub table: Arc<Table>,
    /// The tables of the zones; a zone that is not here is served the main table.
    pub zones: BTreeMap<String, Arc<Table>>,
    /// The resource version of each list that it was compiled from, by kind.
    pub resource_versions: BTreeMap<String, String>,
    /// What was left out of it.
    pub quarantined: Vec<Quarantined>,
    /// What was wrong with its input.
    pub diagnostics: Vec<Diagnostic>,
    /// What it was made of; the guard compares the next table with it.
    pub counts: Counts,
    /// The number of the operator's order that it was published by; zero where it is what the upstream holds.
    pub order: u64,
    /// The ready addresses of single Services that clients ask for by `namespace/name`.
    pub addresses: BTreeMap<String, Vec<String>>,
}

impl Contents {
    /// A main table, and nothing to say of it.
    pub const fn of(table: Arc<Table>) -> Self {
        Self {
            table,
            zones: BTreeMap::new(),
            resource_versions: BTreeMap::new(),
            quarantined: Vec::new(),
            diagnostics: Vec::new(),
            counts: Counts(BTreeMap::new()),
            order: 0,
            addresses: BTreeMap::new(),
        }
    }

    /// The digests of its tables, the main one first.
    pub fn digests(&self) -> impl Iterator<Item = Digest> {
        std::iter::once(&self.table).chain(self.zones.values()).map(|table| table.digest())
    }

    /// The table for `zone`: its own, or the main one where the zone has none.
    pub fn for_zone(&self, zone: &str) -> &Arc<Table> {
        self.zones.get(zone).unwrap_or(&self.table)
    }

    /// The same contents, where each table that is in `before` byte for byte keeps its moment of change.
    pub fn unchanged_since(self, before: &Self) -> Self {
        let keep =
            |old: &Arc<Table>, new: Arc<Table>| if old.digest() == new.digest() { old.clone() } else { new };
        let zones = self.zones.into_iter().map(|(zone, table)| {
            let table = keep(before.for_zone(&zone), table);
            (zone, table)
        });
        Self { zones: zones.collect(), table: keep(&before.table, self.table), ..self }
    }

    /// The same contents with `table` in the place of each table that has its digest.
    pub fn with(&self, table: &Arc<Table>) -> Self {
        let put = |old: &Arc<Table>| if old.digest() == table.digest() { table.clone() } else { old.clone() };
        let zones = self.zones.iter().map(|(zone, old)| (zone.clone(), put(old)));
        Self { zones: zones.collect(), table: put(&self.table), ..self.clone() }
    }

    /// Whether it says the same of its input as `other`: who asked for it, what is wrong with it, what is left out, what the guard and the
    /// next leader start from, which addresses clients ask for. Others that no table has come and go, and alone make no
    /// difference.
    pub fn same_findings(&self, other: &Self) -> bool {
        let counts = |of: &Self| {
            let mut counts = of.counts.clone();
            counts.0.remove(&Measure::Addresses);
            counts
        };
        self.order == other.order
            && self.quarantined == other.quarantined
            && self.diagnostics == other.diagnostics
            && counts(self) == counts(other)
            && self.addresses == other.addresses
    }

    /// Whether every table, zones too, has the digest of `other`'s.
    pub fn same_tables(&self, other: &Self) -> bool {
        self.table.digest() == other.table.digest()
            && self.zones.len() == other.zones.len()
            && self.zones.iter().all(|(zone, table)| {
                other.zones.get(zone).is_some_and(|theirs| theirs.digest() == table.digest())
            })
    }
}

impl Snapshot {
    /// The digest of the main table.
    pub fn digest(&self) -> Digest {
        self.contents.table.digest()
    }

    /// The same contents and origin under another version: what a new leader re-announces.
    pub fn adopted(&self, version: Version, term: TermId) -> Self {
        Self { version, term, ..self.clone() }
    }

    /// A snapshot for tests: `eskip` read and published under `version`, without zones.
    #[doc(hidden)]
    pub fn for_tests(version: Version, eskip: &str) -> Self {
        let table = Table::new(eskip.to_owned(), eskip.lines().count() as u64, 1_700_000_000);
        let contents = Contents::of(Arc::new(table));
        let term = TermId(u128::from(version.epoch.0));
        Self {
            version,
            origin: version,
            term,
            read_at_millis: 1_700_000_000_000,
            contents: Arc::new(contents),
        }
    }
}
