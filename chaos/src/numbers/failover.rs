//! Failover time: from the fault to the first announcement under the new epoch that a follower acknowledges.
//!
//! Seen from outside: until a second replica's `/status` knows of a version of a higher epoch. Of two such replicas
//! one is a follower, and it knows by the announcement.

use std::time::Duration;

use anyhow::{Result, bail};
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
/// Where nobody takes over in time, or the replica does not come back.
pub async fn after(rig: &mut Rig, fault: Fault) -> Result<Times> {
    rig.settled().await?;
    let leader = rig.fleet.leader(DEADLINE).await?;
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
    Ok(times)
}

/// The epoch of the newest version that a replica knows of.
fn known(status: &Status) -> Option<u64> {
    version_of(&status.known).map(|(epoch, _)| epoch)
}
