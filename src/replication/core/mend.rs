//! What becomes of a table that is not what it should be: damaged in memory, or another one than the leader has under
//! the same version.

use std::sync::Arc;

use super::Replica;
use crate::snapshot::{Snapshot, Table, Version};

impl Replica {
    /// Puts `sound` in the place of every table with its digest: what was damaged in memory serves again.
    pub fn mend(&mut self, sound: &Arc<Table>) {
        for snapshot in self.active.iter_mut().chain(&mut self.staged) {
            let contents = &snapshot.contents;
            let mut tables = std::iter::once(&contents.table).chain(contents.zones.values());
            if tables.any(|table| table.digest() == sound.digest()) {
                let contents = contents.with(sound);
                *snapshot = Arc::new(Snapshot { contents: Arc::new(contents), ..snapshot.as_ref().clone() });
            }
        }
    }

    /// The leader has another table under the active version. Nobody is moved by it from here on, and the leader's is
    /// taken as if it were new: its announcement is acknowledged, staged and activated once more.
    pub fn disown(&mut self, version: Version) {
        if self.leading.is_some() || self.active.as_ref().is_none_or(|active| active.version != version) {
            return;
        }
        self.touch = None;
        if let Some(active) = &mut self.active {
            *active = Arc::new(Snapshot { version: Version::default(), ..active.as_ref().clone() });
        }
    }
}
