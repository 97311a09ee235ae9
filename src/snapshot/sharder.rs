//! The shards of the tables that are active, or about to be: cut once, ahead of activation, by whoever has the time.
//!
//! In: tables, on their way to become active. Out: the shards of one of them. What can go wrong: a table becomes active
//! before it is cut, as one that comes from the disk or a peer may. Then there are those of an earlier table only, and
//! whoever answers knows it.

use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::{Digest, Sharded, Table};

/// The shards of so many tables are kept: of the active one, and of what is under way, staged and waits. Shards that do not
/// differ are shared between them.
const KEPT: usize = 4;

/// Cuts tables into a number of shards. Requests read without a lock.
#[derive(Debug)]
pub struct Sharder {
    number: u16,
    /// The active one first, or the last that was; behind it what may be next.
    known: ArcSwap<Vec<Arc<Sharded>>>,
    /// One table at a time is cut.
    cutting: Mutex<()>,
}

impl Sharder {
    /// Cuts into `number` shards, which is not zero.
    pub fn new(number: u16) -> Arc<Self> {
        Arc::new(Self { number, known: ArcSwap::default(), cutting: Mutex::default() })
    }

    /// Into how many.
    pub const fn number(&self) -> u16 {
        self.number
    }

    /// Cuts `table`, unless that is done. Long work: off the threads that serve.
    pub fn prepare(&self, table: &Table) {
        let _cutting = self.cutting.lock();
        if self.of(table.digest()).is_some() {
            return;
        }
        // Damaged memory is mended, or taken from elsewhere, by whoever looks after it; then it is cut.
        let mut known = Vec::clone(&self.known.load());
        let Some(sharded) = Sharded::of(table, self.number, known.last().map(AsRef::as_ref)) else { return };
        if known.len() == KEPT {
            known.remove(1);
        }
        known.push(Arc::new(sharded));
        self.known.store(Arc::new(known));
    }

    /// The table with this digest is active: what came before it is given back.
    pub fn activated(&self, table: Digest) {
        if self.active().is_some_and(|active| active.table() == table) {
            return;
        }
        // While one is cut nothing is given back: that has time until the next change.
        let Some(_cutting) = self.cutting.try_lock() else { return };
        let mut known = Vec::clone(&self.known.load());
        if let Some(place) = known.iter().rposition(|sharded| sharded.table() == table) {
            known.drain(..place);
            self.known.store(Arc::new(known));
        }
    }

    /// The shards of the table that has this digest, if it was cut.
    pub fn of(&self, table: Digest) -> Option<Arc<Sharded>> {
        self.known.load().iter().rev().find(|sharded| sharded.table() == table).cloned()
    }

    /// The shards of the last table that was active and cut.
    pub fn active(&self) -> Option<Arc<Sharded>> {
        self.known.load().first().cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &'static str) -> Table {
        Table::new(text, 1, 7)
    }

    #[test]
    fn a_table_is_cut_once_and_the_active_one_is_kept_until_another_one_is() {
        let sharder = Sharder::new(2);
        let first = table("a: * -> <shunt>;");
        assert!(sharder.of(first.digest()).is_none() && sharder.active().is_none());
        sharder.prepare(&first);
        let cut = sharder.of(first.digest()).expect("cut");
        sharder.prepare(&first);
        assert!(Arc::ptr_eq(&cut, &sharder.active().expect("cut")));
        let drafts =
            (0..9).map(|n| Table::new(format!("a: Weight({n}) -> <shunt>;"), 1, 7)).collect::<Vec<_>>();
        drafts.iter().for_each(|draft| sharder.prepare(draft));
        assert_eq!(sharder.known.load().len(), KEPT);
        assert!(Arc::ptr_eq(&cut, &sharder.active().expect("nothing else became active")));
        sharder.activated(drafts[7].digest());
        assert!(sharder.of(first.digest()).is_none() && sharder.of(drafts[8].digest()).is_some());
        assert_eq!(sharder.active().expect("cut").table(), drafts[7].digest());
        sharder.activated(first.digest());
        assert_eq!(sharder.known.load().len(), 2, "it is not known any more");
    }

    #[test]
    fn what_memory_has_damaged_is_not_cut() {
        let sharder = Sharder::new(2);
        sharder.prepare(&table("a: * -> <shunt>;").damaged_for_tests(9));
        assert!(sharder.active().is_none());
    }
}
