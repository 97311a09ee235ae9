//! Failover time: from the fault to the first announcement under the new epoch that a follower acknowledges.
//!
//! Seen from outside: until a second replica's `/status` knows of a version of a higher epoch. Of two such replicas
//! one is a follower, and it knows by the announcement.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use tokio::time::Instant;

use super::rig::Rig;
use crate::observe::poller::version_of;
use crate::stage::replica::Status;

/// Between two questions to each replica.
const SAMPLE: Duration = Duration::from_millis(5);

/// Whatever takes longer is no failover.
const DEADLINE: Duration = Duration::from_secs(30);

/// What happens to the leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL.
    Kill,
    /// SIGTERM.
    Stop,
}

/// What was measured, both from the fault.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Until a follower has acknowledged an announcement under the new epoch.
    pub acknowledged: Duration,
    /// Until a follower serves under it.
    pub active: Duration,
}

/// Lets `fault` happen to the leader and returns the times. The replica is started again afterwards.
///
/// # Errors
///
/// Where nobody takes over in time, the replica does not come back, or the change of leader alone moved a table: to
/// clients by another ETag, or between replicas.
pub async fn after(rig: &mut Rig, fault: Fault) -> Result<Times> {
    let digest = rig.settled().await?;
    let leader = rig.fleet.leader(DEADLINE).await?;
    let sent = sent_bytes(rig, leader).await?;
    let before = rig.fleet.statuses().await;
    let old = before.iter().flatten().filter_map(known).max().unwrap_or_default();
    let start = Instant::now();
    match fault {
        Fault::Kill => rig.fleet.replicas[leader].kill_now(),
        Fault::Stop => rig.fleet.replicas[leader].terminate(),
    }
    let mut ticks = tokio::time::interval(SAMPLE);
    let mut acknowledged = None;
    let times = loop {
        ticks.tick().await;
        let statuses = rig.fleet.statuses().await;
        let two = |epoch: fn(&Status) -> Option<u64>| {
            statuses.iter().flatten().filter_map(epoch).filter(|epoch| *epoch > old).count() >= 2
        };
        if two(known) {
            let acknowledged = *acknowledged.get_or_insert_with(|| start.elapsed());
            if two(|status| status.epoch) {
                break Times { acknowledged, active: start.elapsed() };
            }
        }
        if start.elapsed() > DEADLINE {
            bail!("nobody leads {DEADLINE:?} after the fault ({fault:?})");
        }
    };
    let replica = &mut rig.fleet.replicas[leader];
    replica.ended(DEADLINE).await?;
    replica.start()?;
    ensure!(rig.settled().await? == digest, "a change of leader changed the table");
    let sent = sent_bytes(rig, leader).await? - sent;
    ensure!(sent == 0.0, "a change of leader sent {sent} bytes of tables between replicas");
    Ok(times)
}

/// The bytes of tables that all but the `leader` have sent to others.
async fn sent_bytes(rig: &Rig, leader: usize) -> Result<f64> {
    let mut sum = 0.0;
    for (_, replica) in rig.fleet.replicas.iter().enumerate().filter(|(index, _)| *index != leader) {
        sum += replica.metric("bellwether_replication_sent_bytes_total").await?;
    }
    Ok(sum)
}

/// From the start of the leader's program, whose process was killed just before, until it leads again: what the restart
/// of a container costs beside the container.
///
/// # Errors
///
/// Where it does not lead in time, or another one does.
pub async fn restart(rig: &mut Rig) -> Result<Duration> {
    rig.settled().await?;
    let leader = rig.fleet.leader(DEADLINE).await?;
    let replica = &mut rig.fleet.replicas[leader];
    replica.kill().await?;
    let start = Instant::now();
    replica.start()?;
    let mut ticks = tokio::time::interval(SAMPLE);
    loop {
        ticks.tick().await;
        match replica.status().await {
            Ok(status) if status.role == "leader" => return Ok(start.elapsed()),
            _ if start.elapsed() > DEADLINE => bail!("it does not lead {DEADLINE:?} after its start"),
            _ => {}
        }
    }
}

/// The epoch of the newest version that a replica knows of.
fn known(status: &Status) -> Option<u64> {
    version_of(&status.known).map(|(epoch, _)| epoch)
}
