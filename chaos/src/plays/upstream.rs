//! What can happen to the API server, for all replicas alike.

use anyhow::{Result, ensure};
use tokio::time::Instant;

use super::fleet;
use super::set::{START, Server, Set};
use crate::catalogue::Extent;
use crate::faults;
use crate::scenario::say;

/// The API server refuses whoever connects.
pub const AWAY: &str = "the API server is away";

/// Takes the API server away; everybody serves on. A change that waits for its return is served soon after.
pub async fn down(set: &mut Set, extent: Extent) -> Result<()> {
    let digest = set.agreed().await?;
    away(set).await?;
    tokio::time::sleep(extent.time()).await;
    back(set, &digest).await
}

/// The same, while all replicas are restarted: one by one first, then all at once, as after a power cut.
pub async fn restart_without(set: &mut Set, extent: Extent) -> Result<()> {
    let digest = set.agreed().await?;
    away(set).await?;
    let until = Instant::now() + extent.time();
    if set.server == Server::Bellwether {
        fleet::restart_each(set, async |_, _| Ok(())).await?;
        say(&set.history, "all replicas were restarted, one after the other");
        faults::power_cut(&mut set.fleet).await?;
        set.history.struck("power cut", &[]);
        set.fleet.ready(START).await?;
        say(&set.history, "all replicas were killed and started again");
    } else {
        // It has no disk: who starts now serves nothing, and nobody waits for it.
        set.kill(0).await?;
        set.fleet.replicas[0].start()?;
    }
    tokio::time::sleep_until(until).await;
    back(set, &digest).await
}

async fn away(set: &mut Set) -> Result<()> {
    set.begin(AWAY, &[]);
    set.upstream.down().await?;
    say(&set.history, "the API server is away");
    Ok(())
}

/// Brings it back, with a change, where everybody still has the table called `digest`.
async fn back(set: &mut Set, digest: &str) -> Result<()> {
    if set.server == Server::Bellwether {
        for status in set.fleet.statuses().await.into_iter().flatten() {
            let serves = status.digest.unwrap_or_default();
            ensure!(serves == digest, "{} serves {serves}, not {digest}", status.replica);
        }
    }
    set.heal().await?;
    say(&set.history, "the API server is back");
    set.change_arrives(START).await.map(drop)
}
