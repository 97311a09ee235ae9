//! The tables that were active here lately, so that an operator can go back to one. In: each activation. Out: what there
//! is, and the snapshots themselves while they fit in memory; the older ones are on disk alone ([`super::shelf`]).

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Announcement, Digest, Snapshot, Version};

/// A snapshot that was active once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// A version that it was active under.
    pub version: Version,
    /// The version that its table was read under.
    pub origin: Version,
    /// The digest of its main table.
    pub digest: Digest,
}

/// How many tables are kept.
pub const KEPT: usize = 16;

/// How many bytes of them are kept in memory, beside the newest.
const MEMORY: usize = 32 << 20;

/// How many versions of one table are remembered; the first one always.
const NAMES: usize = 64;

/// The tables that were active, the newest last.
#[derive(Debug, Default)]
pub struct History(VecDeque<Kept>);

/// One of them.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The versions that it was active under, the first one first.
    pub versions: Vec<Version>,
    /// The version that it was read under.
    pub origin: Version,
    /// When it was read, in Unix milliseconds.
    pub read_at_millis: u64,
    /// How many routes the main table has.
    pub routes: u64,
    /// The digests of its tables, the main one first, with their zones.
    tables: Vec<(String, Digest)>,
    bytes: usize,
    snapshot: Option<Arc<Snapshot>>,
    is_on_disk: bool,
}

impl Kept {
    /// What `snapshot` leaves behind.
    fn of(snapshot: &Arc<Snapshot>) -> Self {
        let contents = &snapshot.contents;
        let tables = std::iter::once(&contents.table).chain(contents.zones.values());
        let bytes = tables.map(|table| table.gzip().len()).sum();
        let whole = Some(snapshot.clone());
        Self { bytes, snapshot: whole, is_on_disk: false, ..Self::on_disk(&Announcement::of(snapshot)) }
    }

    /// What the disk has.
    pub fn on_disk(header: &Announcement) -> Self {
        let tables = header.tables.iter().map(|table| (table.zone.clone(), table.digest));
        Self {
            versions: vec![header.version],
            origin: header.origin,
            read_at_millis: header.read_at_millis,
            routes: header.tables[0].routes,
            tables: tables.collect(),
            bytes: 0,
            snapshot: None,
            is_on_disk: true,
        }
    }

    /// The version that it was active under first: its name on disk.
    pub fn first(&self) -> Version {
        self.versions[0]
    }

    /// The digest of its main table.
    pub fn digest(&self) -> Digest {
        self.tables[0].1
    }

    /// The snapshot, where memory has it.
    pub const fn snapshot(&self) -> Option<&Arc<Snapshot>> {
        self.snapshot.as_ref()
    }

    fn target(&self) -> Target {
        let version = *self.versions.last().expect("it was active under one");
        Target { version, origin: self.origin, digest: self.digest() }
    }

    fn also(&mut self, versions: impl IntoIterator<Item = Version>) {
        self.versions.extend(versions);
        self.versions[1..].sort_unstable();
        self.versions.dedup();
        if self.versions.len() > NAMES {
            self.versions.remove(1);
        }
    }
}

impl History {
    /// `snapshot` became active.
    pub fn add(&mut self, snapshot: &Arc<Snapshot>) {
        let kept = Kept::of(snapshot);
        match self.0.back_mut().filter(|last| last.tables == kept.tables) {
            Some(last) => {
                last.also(kept.versions);
                // Damaged memory is mended by the same table anew.
                (last.bytes, last.snapshot, last.read_at_millis) =
                    (kept.bytes, kept.snapshot, kept.read_at_millis);
            }
            None => self.0.push_back(kept),
        }
        self.trim(MEMORY);
    }

    /// The disk has these too, from before the start.
    pub fn restore(&mut self, mut older: Vec<Kept>) {
        older.sort_by_key(Kept::first);
        older.retain(|old| self.0.iter().all(|kept| kept.first() != old.first()));
        for old in older.into_iter().rev() {
            match self.0.front_mut().filter(|first| first.tables == old.tables) {
                Some(first) => {
                    let later = std::mem::replace(&mut first.versions, old.versions.clone());
                    first.also(later);
                    (first.origin, first.is_on_disk) = (old.origin, true);
                }
                None => self.0.push_front(old),
            }
        }
        self.trim(MEMORY);
    }

    fn trim(&mut self, memory: usize) {
        while self.0.len() > KEPT {
            self.0.pop_front();
        }
        let mut bytes = 0;
        for kept in self.0.iter_mut().rev().skip(1).filter(|kept| kept.snapshot.is_some()) {
            bytes += kept.bytes;
            // What no disk takes must not fill the memory either.
            if bytes > 2 * memory || bytes > memory && kept.is_on_disk {
                kept.snapshot = None;
            }
        }
        self.0.retain(|kept| kept.snapshot.is_some() || kept.is_on_disk);
    }

    /// All of them, the newest last.
    pub fn iter(&self) -> impl Iterator<Item = &Kept> {
        self.0.iter()
    }

    /// How many tables became active after the last one that has `digest`, as its main table or a zone's; `None` where none
    /// has.
    pub fn later_than(&self, digest: Digest) -> Option<usize> {
        self.0.iter().rev().position(|kept| kept.tables.iter().any(|(_, table)| *table == digest))
    }

    /// What was active under `version`, or read under it.
    pub fn find(&self, version: Version) -> Option<Target> {
        self.entry(version).map(Kept::target)
    }

    /// The same, with what else is known of it.
    pub fn entry(&self, version: Version) -> Option<&Kept> {
        let named = |kept: &&Kept| kept.versions.contains(&version);
        self.0.iter().rev().find(named).or_else(|| self.0.iter().rev().find(|kept| kept.origin == version))
    }

    /// The one that `target` names.
    pub fn exact(&self, target: &Target) -> Option<&Kept> {
        let same = |kept: &&Kept| kept.origin == target.origin || kept.versions.contains(&target.version);
        self.0.iter().rev().filter(same).find(|kept| kept.digest() == target.digest)
    }

    /// The newest that was active before the table of `base`, and is another one; before the newest of all, where there is
    /// no base.
    pub fn before(&self, base: Option<Version>) -> Option<Target> {
        let named = |base: Version| self.0.iter().rposition(|kept| kept.versions.contains(&base));
        let at = base.and_then(named).or_else(|| self.0.len().checked_sub(1))?;
        let other = |kept: &&Kept| kept.tables != self.0[at].tables;
        self.0.iter().take(at).rev().find(other).map(Kept::target)
    }

    /// The first that the disk has not.
    pub fn not_on_disk(&self) -> Option<(Version, Arc<Snapshot>)> {
        self.0
            .iter()
            .filter(|kept| !kept.is_on_disk)
            .find_map(|kept| Some((kept.first(), kept.snapshot.clone()?)))
    }

    /// The disk has the one that was first active under `first`.
    pub fn is_on_disk(&mut self, first: Version) {
        for kept in self.0.iter_mut().filter(|kept| kept.first() == first) {
            kept.is_on_disk = true;
        }
        self.trim(MEMORY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn active(history: &mut History, sequence: u64, table: &str) {
        let snapshot = Snapshot::for_tests(Version::new(7, sequence), &format!("{table}: * -> <shunt>"));
        history.add(&Arc::new(snapshot));
    }

    fn versions(history: &History) -> Vec<String> {
        history
            .iter()
            .map(|kept| kept.versions.iter().map(Version::to_string).collect::<Vec<_>>().join("="))
            .collect()
    }

    #[test]
    fn each_table_is_kept_once_in_the_order_of_activation() {
        let mut history = History::default();
        for (sequence, table) in [(1, "a"), (2, "a"), (3, "b"), (4, "a"), (4, "a")] {
            active(&mut history, sequence, table);
        }
        assert_eq!(versions(&history), ["7.1=7.2", "7.3", "7.4"]);
        let found = |sequence| history.find(Version::new(7, sequence)).map(|it| it.origin.sequence.0);
        assert_eq!((found(2), found(3), found(4), found(5)), (Some(1), Some(3), Some(4), None));
    }

    #[test]
    fn a_rollback_goes_to_another_table_and_a_second_one_further_back() {
        let mut history = History::default();
        assert_eq!(history.before(None), None);
        for (sequence, table) in [(1, "a"), (2, "b"), (3, "c")] {
            active(&mut history, sequence, table);
        }
        let first = history.before(None).expect("b");
        assert_eq!(first.version, Version::new(7, 2));
        active(&mut history, 4, "b");
        assert_eq!(history.before(Some(first.version)).map(|it| it.version), Some(Version::new(7, 1)));
        assert_eq!(history.before(Some(Version::new(7, 1))), None);
    }

    #[test]
    fn sixteen_are_kept_and_memory_is_bounded() {
        let mut history = History::default();
        for sequence in 1..=20 {
            active(&mut history, sequence, &format!("t{sequence:02}"));
        }
        assert_eq!((versions(&history).len(), versions(&history)[0].as_str()), (KEPT, "7.5"));
        for sequence in 5..=15 {
            history.is_on_disk(Version::new(7, sequence));
        }
        let one = history.0[0].bytes;
        history.trim(6 * one + one / 2);
        let in_memory = |history: &History| history.iter().filter(|kept| kept.snapshot().is_some()).count();
        assert_eq!((versions(&history).len(), in_memory(&history)), (KEPT, 7), "the newest, and six more");
        history.trim(one + one / 4);
        assert_eq!(versions(&history).len(), KEPT - 2, "what neither memory nor disk has is gone");
    }

    #[test]
    fn what_the_disk_kept_comes_back_before_what_is_active() {
        let header = |sequence, table: &str| {
            let text = format!("{table}: * -> <shunt>");
            Kept::on_disk(&Announcement::of(&Snapshot::for_tests(Version::new(6, sequence), &text)))
        };
        let mut history = History::default();
        active(&mut history, 1, "b");
        history.restore(vec![header(2, "b"), header(1, "a")]);
        assert_eq!(versions(&history), ["6.1", "6.2=7.1"]);
        assert_eq!(history.before(None).map(|it| it.version), Some(Version::new(6, 1)));
        assert!(history.not_on_disk().is_none());
    }
}
