//! What a leader sends for a table that is wanted: the way from a table that the follower holds, where that is smaller,
//! else all of it. A delta is made once for each pair of tables, whoever asks, and takes a while: not for a thread that
//! serves.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;

use super::transfer;
use crate::snapshot::{Delta, Digest, Snapshot, Table};
use crate::wire;

/// The most bytes that are kept. A delta is a few KiB; of larger ones the last publication's are enough.
const MOST_BYTES: u64 = 32 << 20;

/// How long one is kept that nobody asks for. All followers ask within a second; the deltas of a hundred publications, kept
/// for nobody, would be more than the tables.
const IDLE: Duration = Duration::from_secs(10);

/// What an entry costs beside its bytes.
const ENTRY_BYTES: usize = 256;

/// The deltas that were made, by the digests that they lead from and to. `None` where the whole is smaller.
#[derive(Clone, Debug)]
pub struct Deltas(Cache<(Digest, Digest), Option<Delta>>);

impl Default for Deltas {
    fn default() -> Self {
        let weigh = |_: &(Digest, Digest), delta: &Option<Delta>| {
            let bytes = ENTRY_BYTES + delta.as_ref().map_or(0, |delta| delta.frame.len());
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        Self(Cache::builder().max_capacity(MOST_BYTES).weigher(weigh).time_to_idle(IDLE).build())
    }
}

impl Deltas {
    /// The chunks of the `wanted` tables of `snapshot`, by their places, for someone who holds tables with the digests
    /// `holds`. Deltas start from tables of `bases`: the same zone's, or the main one.
    pub fn chunks(
        &self,
        snapshot: &Snapshot,
        wanted: &[u32],
        bases: &[Arc<Snapshot>],
        holds: &[Digest],
    ) -> VecDeque<wire::Chunk> {
        transfer::chunks(snapshot, wanted, |zone, target| {
            let tables = bases.iter().flat_map(|it| [it.contents.for_zone(zone), &it.contents.table]);
            let mut held = tables.filter(|table| holds.contains(&table.digest()));
            self.between(held.next()?, target)
        })
    }

    fn between(&self, base: &Table, target: &Table) -> Option<Delta> {
        self.0.get_with((base.digest(), target.digest()), || Delta::between(base, target))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::{Contents, Version};

    /// Text of so many lines, the last of them `end`.
    fn table(lines: usize, end: &str) -> Arc<Table> {
        let line = |n: usize| format!("r{n}: Path(\"/{}\") -> <shunt>;\n", Digest::of(&n.to_le_bytes()));
        Arc::new(Table::new((0..lines).map(line).collect::<String>() + end, lines as u64, 7))
    }

    fn snapshot(main: Arc<Table>, zone: Option<Arc<Table>>) -> Arc<Snapshot> {
        let zones = zone.map(|zone| ("z".to_owned(), zone)).into_iter().collect();
        let contents = Arc::new(Contents { zones, ..Contents::of(main) });
        Arc::new(Snapshot { contents, ..Snapshot::for_tests(Version::new(1, 1), "") })
    }

    /// Digest of the base, and bytes, of what is sent for each of both tables.
    fn sent(
        deltas: &Deltas,
        new: &Snapshot,
        bases: &[Arc<Snapshot>],
        holds: &[Digest],
    ) -> Vec<(Option<Digest>, usize)> {
        let chunks = deltas.chunks(new, &[0, 1], bases, holds);
        let base = |chunk: &wire::Chunk| chunk.delta.as_ref().and_then(|it| Digest::from_wire(&it.base));
        chunks.iter().map(|chunk| (base(chunk), chunk.data.len())).collect()
    }

    #[test]
    fn delta_starts_from_what_the_follower_holds_of_the_same_zone_or_the_main_table() {
        let (main, zone) = (table(400, "a"), table(400, "b"));
        let (old, young) = (snapshot(main.clone(), Some(zone.clone())), snapshot(main.clone(), None));
        let new = snapshot(table(400, "c"), Some(table(400, "d")));
        let deltas = Deltas::default();
        let starts = |bases: &[Arc<Snapshot>], holds: &[Digest]| {
            sent(&deltas, &new, bases, holds).into_iter().map(|(base, _)| base).collect::<Vec<_>>()
        };
        let (main, zone) = (main.digest(), zone.digest());
        assert_eq!(starts(std::slice::from_ref(&old), &[main, zone]), [Some(main), Some(zone)]);
        assert_eq!(starts(std::slice::from_ref(&old), &[main]), [Some(main), Some(main)]);
        assert_eq!(starts(&[young], &[main, zone]), [Some(main), Some(main)], "a zone of its own is new");
        assert_eq!(starts(&[old], &[]), [None, None], "it holds nothing, or is of an older release");
        assert_eq!(starts(&[], &[main, zone]), [None, None], "nothing to make it from");
        assert_eq!(deltas.0.iter().count(), 3, "each pair once");
    }

    #[test]
    fn delta_travels_only_where_it_is_smaller() {
        let (old, new) = (snapshot(table(400, "a"), None), snapshot(table(400, "b"), Some(table(1, "c"))));
        let sent = sent(&Deltas::default(), &new, std::slice::from_ref(&old), &[old.digest()]);
        assert_eq!(sent[0].0, Some(old.digest()));
        assert!(sent[0].1 < 100 && sent[1].1 <= new.contents.zones["z"].gzip().len(), "{sent:?}");
        let other = snapshot(Arc::new(Table::new("*", 1, 1)), None);
        let chunks = Deltas::default().chunks(&other, &[0], std::slice::from_ref(&old), &[old.digest()]);
        assert!(chunks.iter().map(|it| it.data.len()).sum::<usize>() <= other.contents.table.gzip().len());
    }
}
