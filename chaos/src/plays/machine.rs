//! What happens to a replica's machine: its cable, its disk, its clock, its processor, its certificates.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use jiff::SignedDuration;
use tokio::time::Instant;

use super::set::{START, Set};
use crate::catalogue::Extent;
use crate::ground::WallClock;
use crate::ground::disk::{self, Damage, Disk};
use crate::history::LifeEvent;
use crate::scenario::say;
use crate::stage::replica::metric;

/// Nothing reaches a machine, and nothing comes from it.
pub const VANISHED: &str = "the leader's machine is gone, without a word";

/// Packets between the leader and one follower get lost.
pub const LOSSY: &str = "packets between the leader and a follower get lost";

/// The wall clock of one replica is wrong.
pub const CLOCK: &str = "wall clocks are wrong";

/// The leader gets little of a processor.
pub const THROTTLED: &str = "the leader gets little of a processor";

/// Nothing can be written to a follower's disk.
pub const FULL: &str = "a disk takes nothing";

/// For how long the leader still trusts its Lease, by its own metric.
pub const VALIDITY: &str = "least validity of the leader's Lease";

/// What a follower could not write to its disk, by its own metric.
pub const UNWRITTEN: &str = "writes to the disk that failed";

/// Certificates are replaced while everybody runs.
pub const RENEWED: &str = "new certificates";

/// How many of a hundred packets get lost.
const LOSS: u8 = 30;

/// What is left of one processor, in hundredths.
const CPU: u32 = 20;

/// The room on a disk that can be full, in bytes.
const ROOM: u64 = 512 << 20;

/// How long a machine is gone.
const GONE: Duration = Duration::from_secs(12);

/// Between two looks at a metric.
const SAMPLE: Duration = Duration::from_millis(100);

/// Between two changes while something is wrong all the time.
const PACE: Duration = Duration::from_secs(5);

/// Cuts the leader's machine off from everybody, clients too.
pub async fn vanish(set: &mut Set, extent: Extent) -> Result<()> {
    for _ in 0..extent.times() {
        let leader = set.leader().await?;
        let (name, until) = (set.name(leader), Instant::now() + GONE);
        set.begin(VANISHED, &[leader]);
        set.history.life(&name, LifeEvent::Cut);
        set.places[leader].vanish()?;
        say(&set.history, format!("{name} is gone, without a word"));
        set.change_arrives(START).await?;
        tokio::time::sleep_until(until).await;
        set.heal().await?;
        set.history.life(&name, LifeEvent::Joined);
        set.settle().await?;
    }
    Ok(())
}

/// Loses packets between the leader and one follower, both ways.
pub async fn lose(set: &mut Set, extent: Extent) -> Result<()> {
    let (leader, follower) = (set.leader().await?, set.follower().await?);
    set.begin(LOSSY, &[follower]);
    set.places[follower].lose(&set.places[leader], LOSS)?;
    set.places[leader].lose(&set.places[follower], LOSS)?;
    changes(set, extent).await?;
    set.heal().await
}

/// Sets the wall clock of each replica to another hour, and lets it jump.
pub async fn shift_clocks(set: &mut Set, extent: Extent) -> Result<()> {
    let mut clocks = Vec::new();
    for (index, hours) in [1, -1, 0].into_iter().cycle().take(set.fleet.replicas.len()).enumerate() {
        let clock = WallClock::new(&set.folder.sub(&format!("clock{index}"))?)?;
        clock.shift(SignedDuration::from_hours(hours))?;
        set.fleet.replicas[index].relaunch(|launch| launch.env.extend(clock.env()));
        clocks.push(clock);
    }
    super::fleet::restart_each(set, async |_, _| Ok(())).await?;
    set.settle().await?;
    set.begin(CLOCK, &[]);
    let end = Instant::now() + extent.time();
    let mut hours = 0;
    while Instant::now() < end {
        hours = (hours + 7) % 24;
        for (index, clock) in clocks.iter().enumerate() {
            clock.shift(SignedDuration::from_hours(if index % 2 == 0 { hours } else { -hours }))?;
        }
        set.change_arrives(START).await?;
        tokio::time::sleep(PACE).await;
    }
    set.heal().await?;
    let names: Vec<_> = clocks.iter().flat_map(WallClock::env).map(|(name, _)| name).collect();
    for replica in &mut set.fleet.replicas {
        replica.relaunch(|launch| names.iter().for_each(|name| drop(launch.env.remove(name))));
    }
    super::fleet::restart_each(set, async |_, _| Ok(())).await
}

/// Gives the leader little of a processor.
pub async fn throttle(set: &mut Set, extent: Extent) -> Result<()> {
    let leader = set.leader().await?;
    set.begin(THROTTLED, &[leader]);
    set.fleet.replicas[leader].group()?.limit_cpu(Some(CPU))?;
    let (history, name) = (set.history.clone(), set.name(leader));
    let support = set.fleet.replicas[leader].support();
    let watched = tokio::spawn(async move {
        loop {
            if let Ok(validity) = metric(support, "bellwether_election_validity_seconds").await {
                history.measured(VALIDITY, &name, validity);
            }
            tokio::time::sleep(SAMPLE).await;
        }
    });
    let changed = changes(set, extent).await;
    watched.abort();
    set.fleet.replicas[leader].group()?.limit_cpu(None)?;
    changed?;
    set.heal().await
}

/// Fills the disk of a follower, and then makes it read-only.
pub async fn fill_disk(set: &mut Set, extent: Extent) -> Result<()> {
    let follower = set.follower().await?;
    let folder = state_of(set, follower)?;
    set.kill(follower).await?;
    let disk = Disk::mount(&folder, ROOM)?;
    set.start(follower).await?;
    set.settle().await?;
    set.begin(FULL, &[follower]);
    disk.fill()?;
    say(&set.history, format!("the disk of {} is full", set.name(follower)));
    changes(set, extent).await?;
    unwritten(set, follower).await?;
    disk.free()?;
    disk.read_only(true)?;
    say(&set.history, format!("the disk of {} can only be read", set.name(follower)));
    changes(set, extent).await?;
    unwritten(set, follower).await?;
    disk.read_only(false)?;
    set.heal().await?;
    set.kill(follower).await?;
    drop(disk);
    set.start(follower).await
}

/// Writes down how often the replica `index` could not write.
async fn unwritten(set: &Set, index: usize) -> Result<()> {
    let failed = set.fleet.replicas[index].metric("bellwether_last_known_good_write_errors_total").await?;
    set.history.measured(UNWRITTEN, &set.name(index), failed);
    Ok(())
}

/// Damages what a follower keeps on disk, in each way, while it does not run.
pub async fn damage_disk(set: &mut Set, extent: Extent) -> Result<()> {
    for _ in 0..extent.times() {
        for how in [Damage::Bit, Damage::Half, Damage::Empty, Damage::Gone] {
            let follower = set.follower().await?;
            set.kill(follower).await?;
            let files = disk::damage(&state_of(set, follower)?, how)?;
            say(&set.history, format!("{files} files of {} are damaged: {how:?}", set.name(follower)));
            set.change_arrives(START).await?;
            set.start(follower).await?;
            set.settle().await?;
        }
    }
    Ok(())
}

/// Gives every replica a new certificate while all run.
pub async fn rotate_certificates(set: &mut Set, extent: Extent) -> Result<()> {
    for _ in 0..extent.times() {
        set.badges.as_ref().context("replicas have no certificates on loopback")?.renew()?;
        set.begin(RENEWED, &[]);
        say(&set.history, "every replica has a new certificate");
        for _ in 0..3 {
            set.change_arrives(START).await?;
            tokio::time::sleep(PACE).await;
        }
        set.heal().await?;
        // A stream that is made anew shows that the new ones are good.
        let follower = set.follower().await?;
        set.kill(follower).await?;
        set.start(follower).await?;
        set.settle().await?;
    }
    Ok(())
}

/// Changes the table at a steady pace.
async fn changes(set: &mut Set, extent: Extent) -> Result<()> {
    let end = Instant::now() + extent.time();
    while Instant::now() < end {
        set.change_arrives(START).await?;
        tokio::time::sleep(PACE).await;
    }
    Ok(())
}

/// Where the replica `index` keeps its last known good table.
fn state_of(set: &Set, index: usize) -> Result<PathBuf> {
    set.folder.sub(&set.name(index))
}
