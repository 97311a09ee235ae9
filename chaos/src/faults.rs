//! What can be done to a stage. Each fault is one function; scenarios put them in order.

use std::time::Duration;

use anyhow::Result;

use crate::stage::fleet::Fleet;
use crate::stage::replica::Replica;

/// A power cut for all of `replicas` at once; each starts again at once.
///
/// # Errors
///
/// Where one survives or cannot be started again.
pub async fn power_cut(replicas: impl IntoIterator<Item = &mut Replica>) -> Result<()> {
    let mut replicas: Vec<_> = replicas.into_iter().collect();
    for replica in &mut replicas {
        replica.kill_now();
    }
    for replica in replicas {
        replica.kill().await?;
        replica.start()?;
    }
    Ok(())
}

/// A roll-out: one replica after the other is asked to stop, started again, and waited for.
///
/// # Errors
///
/// Where one does not end or does not come back within `deadline`.
pub async fn rolling_restart(fleet: &mut Fleet, deadline: Duration) -> Result<()> {
    for index in 0..fleet.replicas.len() {
        let replica = &mut fleet.replicas[index];
        replica.terminate();
        replica.ended(deadline).await?;
        replica.start()?;
        fleet.ready(deadline).await?;
    }
    Ok(())
}
