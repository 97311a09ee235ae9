//! Failover time: from the fault to the first announcement under the new epoch that a follower acknowledges.
//!
//! Seen from outside: until a second replica answers `/routes` under the new epoch. Of two such replicas one is a
//! follower, and it has not only acknowledged the announcement but activated it; so the time is an upper bound.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures::future::join_all;
use tokio::time::Instant;

use super::rig::Rig;
use crate::http::Call;
use crate::observe::poller::version_of;
use crate::stage::replica::Replica;

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

/// Lets `fault` happen to the leader and returns the failover time. The replica is started again afterwards.
///
/// # Errors
///
/// Where nobody takes over in time, or the replica does not come back.
pub async fn after(rig: &mut Rig, fault: Fault) -> Result<Duration> {
    let etag = format!("\"{}\"", rig.settled().await?);
    let leader = rig.fleet.leader(DEADLINE).await?;
    let old = epoch(&rig.fleet.replicas[leader], &etag)
        .await
        .context("the leader answers without X-Table-Version")?;
    let start = Instant::now();
    match fault {
        Fault::Kill => rig.fleet.replicas[leader].kill_now(),
        Fault::Stop => rig.fleet.replicas[leader].terminate(),
    }
    let mut ticks = tokio::time::interval(SAMPLE);
    let time = loop {
        ticks.tick().await;
        let epochs = join_all(rig.fleet.replicas.iter().map(|replica| epoch(replica, &etag))).await;
        if epochs.into_iter().flatten().filter(|epoch| *epoch > old).count() >= 2 {
            break start.elapsed();
        }
        if start.elapsed() > DEADLINE {
            bail!("nobody leads {DEADLINE:?} after the fault ({fault:?})");
        }
    };
    let replica = &mut rig.fleet.replicas[leader];
    replica.ended(DEADLINE).await?;
    replica.start()?;
    Ok(time)
}

/// The epoch of the table that `replica` serves; `None` where it does not answer. 304s name it too.
async fn epoch(replica: &Replica, etag: &str) -> Option<u64> {
    let headers = [(http::header::IF_NONE_MATCH, etag)];
    // A replica that is stopping may hang; it must not hold up the others' samples for long.
    let call = Call { headers: &headers, deadline: SAMPLE * 4, ..Call::get(replica.serve(), "/routes") };
    let (_, reply) = call.send().await.ok()?;
    version_of(reply.header("x-table-version")).map(|(epoch, _)| epoch)
}
