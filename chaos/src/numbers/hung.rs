//! What a follower that hangs costs the others: one publication waits until its last grant has run out, and none after
//! that.

use std::time::Duration;

use anyhow::Result;
use tokio::time::Instant;

use super::rig::Rig;
use super::skew::first_200;

/// What was measured, each from the change of a manifest until the other follower serves it. The leader's next look at
/// its folder, at most 100 ms later, is part of it.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Nobody hangs.
    pub well: Duration,
    /// The first publication while one hangs.
    pub first: Duration,
    /// The one after that.
    pub next: Duration,
}

/// Publishes once while all is well, and twice while one follower hangs. It runs on afterwards.
///
/// # Errors
///
/// Where the other follower does not serve a change in time.
pub async fn publish(rig: &mut Rig, deadline: Duration) -> Result<Times> {
    rig.settled().await?;
    let leader = rig.fleet.leader(deadline).await?;
    let (hung, other) = ((leader + 1) % 3, (leader + 2) % 3);
    let well = published(rig, other).await?;
    rig.settled().await?;
    rig.fleet.replicas[hung].pause();
    let first = published(rig, other).await;
    let next = published(rig, other).await;
    rig.fleet.replicas[hung].resume();
    Ok(Times { well, first: first?, next: next? })
}

async fn published(rig: &mut Rig, other: usize) -> Result<Duration> {
    let replica = &rig.fleet.replicas[other];
    let (serve, old) = (replica.serve(), replica.status().await?.digest.unwrap_or_default());
    let start = Instant::now();
    rig.change()?;
    Ok(first_200(serve, &format!("\"{old}\"")).await? - start)
}
