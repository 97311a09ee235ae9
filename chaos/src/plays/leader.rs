//! What can happen to the leader alone.

use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::time::Instant;

use super::set::{START, Server, Set};
use crate::catalogue::Extent;
use crate::scenario::say;
use crate::stage::until;

/// The API server and one replica: nothing passes between them, and nobody is told.
pub const UNREACHABLE: &str = "no way to the API server";

/// From one kill to the next.
const EVERY: Duration = Duration::from_secs(10);

/// How long a leader is stopped: longer than a Lease, every grant and every silence.
const PAUSE: Duration = Duration::from_secs(10);

/// How long a leader is cut off.
const CUT: Duration = Duration::from_secs(10);

/// How long one that leads no more may take to say so, and to have what the others have.
const REJOINS: Duration = Duration::from_secs(10);

/// Kills whoever leads, each ten seconds. A change comes right after each kill.
pub async fn kill(set: &mut Set, extent: Extent) -> Result<()> {
    let end = Instant::now() + extent.time();
    while Instant::now() < end {
        let next = Instant::now() + EVERY;
        let leader = set.leader().await?;
        set.kill(leader).await?;
        set.change_arrives(START).await?;
        set.start(leader).await?;
        set.vip.whole(START).await?;
        tokio::time::sleep_until(next).await;
    }
    Ok(())
}

/// Stops whoever leads in the middle of whatever it does, and lets it run on when another one leads.
pub async fn pause(set: &mut Set, extent: Extent) -> Result<()> {
    for _ in 0..extent.times() {
        let leader = set.leader().await?;
        let until = Instant::now() + PAUSE;
        set.pause(leader);
        set.change_arrives(START).await?;
        tokio::time::sleep_until(until).await;
        set.heal().await?;
        rejoins(set, leader).await?;
        set.settle().await?;
    }
    Ok(())
}

/// Cuts whoever leads off from the API server.
pub async fn partition(set: &mut Set, extent: Extent) -> Result<()> {
    for _ in 0..extent.times() {
        let leader = set.leader().await?;
        set.begin(UNREACHABLE, &[leader]);
        let until = Instant::now() + CUT;
        set.to_api[leader].silence()?;
        say(&set.history, format!("{} does not reach the API server", set.name(leader)));
        // The Lease is renewed for the last time at most a second before; nothing is decided before it has expired.
        set.change_arrives(START).await?;
        if set.server == Server::Bellwether {
            let now = set.leader().await?;
            ensure!(now != leader, "{} still leads", set.name(leader));
        }
        tokio::time::sleep_until(until).await;
        set.heal().await?;
        rejoins(set, leader).await?;
        set.settle().await?;
    }
    Ok(())
}

/// Waits until a replica that led has what the others have.
async fn rejoins(set: &Set, replica: usize) -> Result<()> {
    if set.server == Server::Routesrv {
        return Ok(());
    }
    let start = Instant::now();
    let rejoined =
        until("the old leader to follow, current", REJOINS, Duration::from_millis(10), async || {
            let status = set.fleet.replicas[replica].status().await.ok()?;
            (status.role == "follower" && status.current).then_some(())
        });
    rejoined.await?;
    let took = start.elapsed().as_secs_f64();
    say(&set.history, format!("{} follows, current, {took:.3} s after it was let go", set.name(replica)));
    Ok(())
}
