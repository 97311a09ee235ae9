//! What can happen to the API server, for all replicas alike.

use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::time::Instant;

use super::fleet;
use super::set::{START, Server, Set};
use crate::catalogue::Extent;
use crate::faults;
use crate::ground::disk::{self, Damage};
use crate::http::Call;
use crate::scenario::say;

/// The API server refuses whoever connects.
pub const AWAY: &str = "the API server is away";

/// What a replica that has nothing answers for /routes.
pub const ANSWER: &str = "status of /routes with nothing to serve";

/// Whether it says that it is ready.
pub const READY: &str = "replicas that are ready with nothing to serve";

/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);

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
        faults::power_cut(&mut set.fleet.replicas).await?;
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

/// The same, and all replicas lose their disks too: there is nothing left to serve, and they say so.
pub async fn nothing_left(set: &mut Set, extent: Extent) -> Result<()> {
    let digest = set.agreed().await?;
    away(set).await?;
    for index in 0..set.fleet.replicas.len() {
        set.kill(index).await?;
    }
    for index in 0..set.fleet.replicas.len() {
        disk::damage(&set.folder.sub(&set.name(index))?, Damage::Gone)?;
        set.launch(index)?;
    }
    say(&set.history, format!("all replicas start with empty disks; {digest} is nowhere"));
    let until = Instant::now() + extent.time();
    while Instant::now() < until {
        for replica in &set.fleet.replicas {
            // One that is still starting does not answer, which is right too.
            if let Ok((_, reply)) = Call::get(replica.serve(), "/routes").send().await {
                set.history.measured(ANSWER, replica.name(), f64::from(reply.status.as_u16()));
                set.history.measured(READY, replica.name(), f64::from(u8::from(replica.ready().await)));
            }
        }
        tokio::time::sleep(LOOK).await;
    }
    set.heal().await?;
    say(&set.history, "the API server is back");
    set.change_arrives(START).await.map(drop)
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
