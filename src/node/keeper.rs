//! Keeps the last known good on disk in step with what is active, off the threads that serve.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::replication::hub::Hub;
use crate::snapshot::disk::Disk;

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
        let result = tokio::task::spawn_blocking(move || disk.write(&snapshot)).await;
        if let Ok(Err(error)) = result {
            hub.metrics().disk_error();
            if complained.is_none_or(|at| at.elapsed() >= COMPLAIN) {
                tracing::warn!(%error, "the last known good is not kept; a restart would start from an older one");
                complained = Some(Instant::now());
            }
        }
    }
}
