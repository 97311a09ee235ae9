//! Keeps on disk what is active, and what was lately: off the threads that serve.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::aside::aside;
use crate::replication::hub::Hub;
use crate::snapshot::disk::Disk;
use crate::snapshot::{Kept, Shelf};

/// The same complaint is made once in this time.
const COMPLAIN: Duration = Duration::from_secs(60);

/// Writes each snapshot that becomes active; where several came meanwhile, the newest. A disk that cannot be
/// written is counted and complained of, and tried again with the next snapshot.
pub async fn keep(hub: Arc<Hub>, disk: Disk) {
    let mut changed = hub.changed();
    let mut written = hub.read(|core| core.active().map(|it| it.version));
    let mut complained: Option<Instant> = None;
    while changed.changed().await.is_ok() {
        let Some(snapshot) = hub.read(|core| core.active().cloned()) else { continue };
        let version = Some(snapshot.version);
        if version == written {
            continue;
        }
        written = version;
        let disk = disk.clone();
        let result = aside(move || disk.write(&snapshot)).await;
        if let Ok(Err(error)) = result {
            hub.metrics().disk_error();
            if complained.is_none_or(|at| at.elapsed() >= COMPLAIN) {
                tracing::warn!(%error, "the last known good is not kept; a restart would start from an older one");
                complained = Some(Instant::now());
            }
        }
    }
}

/// Puts each table that was active on the shelf, the oldest first, and takes up at the start what is there. One that cannot
/// be written is tried again with the next change.
pub async fn keep_history(hub: Arc<Hub>, shelf: Shelf) {
    let reading = shelf.clone();
    if let Ok((kept, rejected)) = aside(move || reading.list()).await {
        for file in rejected {
            tracing::warn!(path = %file.path.display(), reason = %file.reason, "not kept in the history");
        }
        hub.history(|history| history.restore(kept));
    }
    let mut changed = hub.changed();
    let mut failed = None;
    loop {
        let next = hub.history(|history| {
            let others: Vec<_> = history.iter().map(Kept::first).collect();
            history.not_on_disk().map(|(first, snapshot)| (first, snapshot, others))
        });
        let Some((first, snapshot, others)) = next.filter(|(first, ..)| failed != Some(*first)) else {
            failed = None;
            if changed.changed().await.is_err() {
                return;
            }
            continue;
        };
        let shelf = shelf.clone();
        match aside(move || shelf.write(first, &snapshot, &others)).await {
            Ok(Ok(())) => hub.history(|history| history.is_on_disk(first)),
            Ok(Err(error)) => {
                tracing::debug!(%first, %error, "not kept in the history");
                hub.metrics().disk_error();
                failed = Some(first);
                tokio::time::sleep(COMPLAIN).await;
            }
            Err(_) => failed = Some(first),
        }
    }
}
