//! What the ledger has learned lately, in order, for readers that each are somewhere in it. Bounded: who is too far
//! behind reads the ledger itself.

use std::collections::{BTreeSet, VecDeque};

use super::ledger::{Key, Teller};

/// How much is remembered.
const LENGTH: usize = 16_384;

/// The keys of what changed, numbered from zero.
#[derive(Debug, Default)]
pub(super) struct Journal {
    entries: VecDeque<(Key, Teller)>,
    end: u64,
}

impl Journal {
    pub(super) fn add(&mut self, key: Key, teller: Teller) {
        if self.entries.len() == LENGTH {
            self.entries.pop_front();
        }
        self.entries.push_back((key, teller));
        self.end += 1;
    }

    /// The number of the next entry.
    pub(super) const fn end(&self) -> u64 {
        self.end
    }

    /// The keys from `cursor` on that `reader` did not tell itself; `None` where they are not all remembered.
    pub(super) fn since(&self, cursor: u64, reader: Teller) -> Option<BTreeSet<Key>> {
        let missing = usize::try_from(self.end.checked_sub(cursor)?).ok()?;
        let from = self.entries.len().checked_sub(missing)?;
        let entries = self.entries.range(from..).filter(|(_, teller)| *teller != reader);
        Some(entries.map(|(key, _)| *key).collect())
    }
}
