//! What can be done to a stage. Each fault is one function; scenarios put them in order.

use anyhow::Result;

use crate::stage::fleet::Fleet;

/// A power cut for all replicas at once; each starts again at once.
///
/// # Errors
///
/// Where one survives or cannot be started again.
pub async fn power_cut(fleet: &mut Fleet) -> Result<()> {
    for replica in &mut fleet.replicas {
        replica.kill_now();
    }
    for replica in &mut fleet.replicas {
        replica.kill().await?;
        replica.start()?;
    }
    Ok(())
}
