//! What can happen between the leader and those who follow it, and to those.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::time::Instant;

use super::set::{START, Server, Set};
use crate::catalogue::Extent;
use crate::scenario::say;
use crate::stage::until;

/// The leader, and everybody who follows it.
pub const DEAF: &str = "no way between the leader and its followers";

/// From then on until the others have a leader among them, and are current.
pub const FRESH: &str = "until the others have a leader, current";

/// One follower, and everybody else of the fleet.
pub const ALONE: &str = "no way between one follower and the others";

/// How long followers may go without a leader that only they have lost: two Leases, and a failover.
const RELEASED: Duration = Duration::from_secs(10);

/// One that gave the Lease up keeps it for twenty Leases the next time, and some seconds more.
const RESTED: Duration = Duration::from_secs(65);

/// How long a follower is cut off.
const CUT: Duration = Duration::from_secs(8);

/// Cuts the leader off from all others, but not from the API server: its Lease is well, and nobody hears it.
pub async fn deaf(set: &mut Set, extent: Extent) -> Result<()> {
    let mut gave_up: HashMap<usize, Instant> = HashMap::new();
    for _ in 0..extent.times() {
        let leader = set.leader().await?;
        if let Some(at) = gave_up.get(&leader).filter(|_| set.server == Server::Bellwether) {
            tokio::time::sleep_until(*at + RESTED).await;
        }
        set.begin(DEAF, &[leader]);
        set.part_from_others(leader)?;
        say(&set.history, format!("nobody hears {}, the leader", set.name(leader)));
        let (generation, start) = (set.change().await?, Instant::now());
        let others: Vec<_> = (0..set.fleet.replicas.len()).filter(|index| *index != leader).collect();
        let led =
            until("the others to have a leader, current", RELEASED, Duration::from_millis(20), async || {
                let statuses = set.fleet.statuses().await;
                let current = |index: &usize| statuses[*index].as_ref().is_some_and(|status| status.current);
                let leads =
                    |index: &usize| statuses[*index].as_ref().is_some_and(|status| status.role == "leader");
                (others.iter().all(current) && others.iter().any(leads)).then_some(())
            });
        match set.server {
            Server::Bellwether => {
                led.await?;
                gave_up.insert(leader, Instant::now());
                let took = start.elapsed().as_secs_f64();
                set.history.measured(FRESH, "", took);
                say(&set.history, format!("the others have a leader after {took:.3} s"));
            }
            Server::Routesrv => drop(led),
        }
        set.arrives(generation, START).await?;
        set.heal().await?;
        set.settle().await?;
    }
    Ok(())
}

/// Cuts one follower off from the others of the fleet, while the table changes.
pub async fn cut_off(set: &mut Set, extent: Extent) -> Result<()> {
    for _ in 0..extent.times() {
        let follower = set.follower().await?;
        set.begin(ALONE, &[follower]);
        set.part_from_others(follower)?;
        say(&set.history, format!("{} hears nobody", set.name(follower)));
        let until = Instant::now() + CUT;
        while Instant::now() < until {
            set.change_arrives(START).await?;
        }
        set.heal().await?;
        set.settle().await?;
    }
    Ok(())
}

/// Kills a follower, and starts it again while the table changes.
pub async fn kill(set: &mut Set, extent: Extent) -> Result<()> {
    for _ in 0..extent.times() {
        let follower = set.follower().await?;
        set.kill(follower).await?;
        set.change_arrives(START).await?;
        set.start(follower).await?;
        set.settle().await?;
    }
    Ok(())
}

/// Kills whoever leads at some moment of a publication, each time at a later one.
pub async fn crash_while_publishing(set: &mut Set, extent: Extent) -> Result<()> {
    let times = extent.times();
    for time in 0..times {
        let leader = set.leader().await?;
        let generation = set.change().await?;
        // A publication lies within a poll of its change, at a time that nobody knows before.
        tokio::time::sleep(set.sizes.poll * time / times).await;
        set.kill(leader).await?;
        set.arrives(generation, START).await?;
        set.start(leader).await?;
        set.settle().await?;
    }
    Ok(())
}

/// Kills whoever leads, and starts it at once, as a container is in its pod.
pub async fn restart_container(set: &mut Set, extent: Extent) -> Result<()> {
    for _ in 0..extent.times() {
        let leader = set.leader().await?;
        set.kill(leader).await?;
        set.launch(leader)?;
        set.change_arrives(START).await?;
        set.settle().await?;
    }
    Ok(())
}

/// Kills whoever leads, and starts another pod of that name at once: it is somebody else.
pub async fn replace_pod(set: &mut Set, extent: Extent) -> Result<()> {
    for time in 0..extent.times() {
        let leader = set.leader().await?;
        let name = set.name(leader);
        set.fleet.replicas[leader].relaunch(|launch| {
            launch.env.insert("POD_UID".to_owned(), format!("pod-{time}-of-{name}"));
        });
        set.kill(leader).await?;
        set.launch(leader)?;
        set.change_arrives(START).await?;
        set.settle().await?;
    }
    Ok(())
}

/// Cuts the power of all replicas at once, and gives it back.
pub async fn power_cut(set: &mut Set, extent: Extent) -> Result<()> {
    for _ in 0..extent.times() {
        let before = set.agreed().await?;
        crate::faults::power_cut(&mut set.fleet.replicas).await?;
        set.history.struck("power cut", &[]);
        set.fleet.ready(START).await?;
        for status in set.fleet.statuses().await.into_iter().flatten() {
            let digest = status.digest.context("who is ready has a table")?;
            ensure!(digest == before, "{} serves {digest} from disk, not {before}", status.replica);
        }
        set.change_arrives(START).await?;
        set.settle().await?;
    }
    Ok(())
}
