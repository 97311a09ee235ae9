//! What can happen to the store behind the API server.

use std::time::Duration;

use anyhow::Result;

use super::set::{START, Set, lease};
use crate::catalogue::Extent;
use crate::scenario::say;
use crate::stage::until;

/// The store is an older one, and its versions go on from there.
pub const RESTORED: &str = "the store is restored from a backup";

/// What whoever finds out says to people, in its log and as an Event.
pub const SAID: &str = "restored-store";

/// How far the backup is behind, in versions: more than all of them write while the old versions are not believed, so
/// that nothing but time ends the doubt. A large cluster writes that in minutes.
const BEHIND: u32 = 2_000;

/// For so long versions that are too low are not believed, and then they are.
const DOUBT: Duration = Duration::from_secs(60);

/// How long an Event may take to be written.
const TOLD: Duration = Duration::from_secs(10);

/// Restores etcd from a backup: objects, versions and the Lease go back, and time goes on from there. Between the two
/// another replica has come to lead: the Lease in the backup knows nothing of its epoch.
pub async fn restored(set: &mut Set, extent: Extent) -> Result<()> {
    for time in 0..extent.times() {
        let backup = set.upstream.cluster()?.back_up(&set.folder, &format!("backup{time}"))?;
        say(&set.history, "the store is backed up");
        let leader = set.leader().await?;
        set.terminate(leader);
        set.fleet.replicas[leader].ended(START).await?;
        set.launch(leader)?;
        set.settle().await?;
        set.upstream.cluster()?.write_elsewhere(BEHIND).await?;
        set.change_arrives(START).await?;
        set.settle().await?;
        set.begin(RESTORED, &[]);
        set.upstream.cluster()?.restore(&backup).await?;
        set.heal().await?;
        say(&set.history, RESTORED);
        set.change_arrives(DOUBT + START).await?;
        told(set).await?;
        set.settle().await?;
    }
    Ok(())
}

/// Waits for the Event about it, where `kubectl describe lease` shows it.
async fn told(set: &mut Set) -> Result<()> {
    let (namespace, lease) = (set.namespace.clone(), lease(&set.namespace));
    let name = lease["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let cluster = set.upstream.cluster()?;
    let found = until("an Event about the restored store", TOLD, Duration::from_millis(100), async || {
        let events = cluster.events_about(&namespace, &name).await.ok()?;
        events.into_iter().find(|event| event.message.as_deref().is_some_and(|text| text.contains(SAID)))
    });
    let event = found.await?;
    say(&set.history, format!("an Event tells of it: {}", event.reason.unwrap_or_default()));
    Ok(())
}
