//! The leader of twenty followers dies: who writes the Lease, and who is sent a table, is counted.

use std::time::Duration;

use anyhow::{Context, Result};

use super::set::{START, Set, Sizes};
use crate::catalogue::Extent;
use crate::fakeapi::Endpoint;
use crate::http::Call;
use crate::scenario::say;
use crate::stage::replica::Status;
use crate::stage::until;

/// The leader of many is killed.
pub const DIES: &str = "a leader of twenty followers is killed";

/// Writes of the Lease until there is another leader, refused ones too.
pub const WRITES: &str = "writes of the Lease until there is a leader";

/// Bytes of tables that replicas sent each other until all were in step, by those that the lagging one lacks.
pub const TRANSFERS: &str = "tables sent to all replicas, by lagging follower";

/// The leader and its followers.
const REPLICAS: usize = 21;

/// More would measure this machine.
const ROUTES: usize = 1_000;
const CLIENTS: usize = 60;

/// The bytes of tables that a replica has sent.
const SENT: &str = "bellwether_replication_sent_bytes_total";

/// What it is played on.
pub fn sized(sizes: Sizes) -> Sizes {
    Sizes {
        replicas: REPLICAS,
        routes: sizes.routes.min(ROUTES),
        simulated: sizes.simulated.min(CLIENTS),
        skippers: sizes.skippers.min(1),
        ..sizes
    }
}

/// Kills whoever leads twenty, while one of them starts with an older table.
pub async fn leader_dies(set: &mut Set, extent: Extent) -> Result<()> {
    for _ in 0..extent.times() {
        let (leader, lagging) = (set.leader().await?, set.follower().await?);
        set.kill(lagging).await?;
        set.change_arrives(START).await?;
        in_step(set, set.fleet.replicas.len() - 1).await?;
        let table = whole_table(set, leader).await?;
        let sent = sent(set, leader).await;
        set.begin(DIES, &[leader]);
        set.kill(leader).await?;
        let written = written(set);
        set.launch(lagging)?;
        let next = set.leader().await?;
        let writes = self::written(set) - written;
        set.history.measured(WRITES, "", writes);
        say(&set.history, format!("{} leads, after {writes} writes", set.name(next)));
        in_step(set, set.fleet.replicas.len() - 1).await?;
        let sent = self::sent(set, leader).await - sent;
        set.history.measured(TRANSFERS, "", sent / table);
        say(&set.history, format!("in step, and {sent} bytes of tables were sent; a table has {table}"));
        set.heal().await?;
        set.change_arrives(START).await?;
        set.settle().await?;
    }
    Ok(())
}

/// Waits until so many answer, current, with one digest.
async fn in_step(set: &Set, count: usize) -> Result<()> {
    until("the others in step", START, Duration::from_millis(100), async || {
        let statuses: Vec<Status> = set.fleet.statuses().await.into_iter().flatten().collect();
        let first = statuses.first()?.digest.clone();
        let same = statuses.iter().all(|status| status.current && status.digest == first);
        (statuses.len() == count && same).then_some(())
    })
    .await
}

/// The bytes that all replicas but one have sent so far.
async fn sent(set: &Set, but: usize) -> f64 {
    let mut sum = 0.0;
    for (index, replica) in set.fleet.replicas.iter().enumerate() {
        if index != but {
            // One that does not run has sent nothing.
            sum += replica.metric(SENT).await.unwrap_or_default();
        }
    }
    sum
}

#[allow(clippy::cast_precision_loss, reason = "some hundred writes")]
fn written(set: &Set) -> f64 {
    set.upstream.servers().iter().map(|server| server.written(Endpoint::Leases)).sum::<usize>() as f64
}

/// The bytes of the whole table.
#[allow(clippy::cast_precision_loss, reason = "megabytes")]
async fn whole_table(set: &Set, replica: usize) -> Result<f64> {
    let call = Call::get(set.fleet.replicas[replica].serve(), "/routes");
    let (_, reply) = call.send().await.ok().context("the leader serves its table")?;
    Ok(reply.body.len() as f64)
}
