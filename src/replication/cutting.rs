//! Tables are cut into shards before they are active: here those that were not, as one from the disk, a peer or an order.
//!
//! Whoever compiles or receives a table cuts it on the way. Until the others are cut, their shards are answered as by a replica
//! that may be behind: clients keep what they have.

use std::future::pending;
use std::sync::Arc;

use super::hub::Hub;
use crate::aside::aside;

/// Cuts what is active and has no shards, and gives back those of what was active before. Runs for the life of the process.
pub async fn cut(hub: Arc<Hub>) {
    let Some(sharder) = hub.sharder().cloned() else { return pending().await };
    let mut changed = hub.changed();
    loop {
        changed.mark_unchanged();
        let table = hub.read(|core| core.active().map(|active| active.contents.table.clone()));
        if let Some(table) = table {
            let (digest, cutting) = (table.digest(), Arc::clone(&sharder));
            if sharder.of(digest).is_none() {
                // A panic is a defect that the next change tries again.
                let _ = aside(move || cutting.prepare(&table)).await;
            }
            sharder.activated(digest);
        }
        if changed.changed().await.is_err() {
            return;
        }
    }
}
