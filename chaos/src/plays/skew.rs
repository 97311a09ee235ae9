//! Two versions side by side: the release before this one, and this one.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tokio::time::Instant;

use super::fleet;
use super::set::{START, Set};
use crate::catalogue::Extent;
use crate::check::{self, Figure};
use crate::history::Record;
use crate::scenario::say;

/// All replicas become another version, one after the other.
pub const ROLLOUT: &str = "a rolling update to another version";

/// From a change until every replica serves it, where a replica of the older version leads one of the newer.
pub const OLD_LEADS: &str = "from a change to all replicas, the older version leading the newer";

/// The same, the other way round.
pub const NEW_LEADS: &str = "from a change to all replicas, the newer version leading the older";

/// Back to the older version and to the newer one again; then replicas of both under one another's lead.
pub async fn play(set: &mut Set, extent: Extent) -> Result<()> {
    let before = set.before.clone().context("an older binary is needed")?;
    let now = set.fleet.replicas[0].launch().binary.clone();
    let played = both(set, extent, &before, &now).await;
    if played.is_err() {
        // What runs on after this runs this version.
        for index in 0..set.fleet.replicas.len() {
            become_version(set, index, &now);
            set.fleet.replicas[index].kill().await?;
        }
    }
    played
}

/// The most that the table changes in one rollout, although nothing changes upstream.
pub fn changes_of_table(history: &[Record]) -> Figure {
    let rollouts = fleet::rounds(history, ROLLOUT);
    let counts = rollouts.iter().map(|rollout| check::table_changes(history, rollout.clone()));
    let worst = counts.max_by(|a, b| a.value.unwrap_or_default().total_cmp(&b.value.unwrap_or_default()));
    // A history without a rollout has not shown anything.
    let worst = worst.unwrap_or_else(|| Figure::time("", None));
    worst.named("changes of the table in one rollout").of(rollouts.len())
}

/// The longest time within any rollout that ready replicas served different tables.
pub fn disagreement(history: &[Record]) -> Figure {
    let rollouts = fleet::rounds(history, ROLLOUT);
    let times = rollouts.iter().map(|rollout| check::disagreement(history, rollout.clone()));
    let worst = times.max_by(|a, b| a.value.unwrap_or_default().total_cmp(&b.value.unwrap_or_default()));
    worst.unwrap_or_else(|| Figure::time("longest time that replicas served different tables", None))
}

async fn both(set: &mut Set, extent: Extent, before: &Path, now: &Path) -> Result<()> {
    for _ in 0..extent.times() {
        for (version, name) in [(before, "older"), (now, "newer")] {
            set.begin(ROLLOUT, &[]);
            for index in 0..set.fleet.replicas.len() {
                restart_as(set, index, version).await?;
            }
            set.heal().await?;
            say(&set.history, format!("all replicas are of the {name} version"));
            set.change_arrives(START).await?;
            set.settle().await?;
        }
        restart_as(set, 0, before).await?;
        for (leads, what) in [(before, OLD_LEADS), (now, NEW_LEADS)] {
            led_by(set, leads).await?;
            let start = Instant::now();
            set.change().await?;
            set.agreed().await?;
            set.history.measured(what, "", start.elapsed().as_secs_f64());
            say(&set.history, what);
        }
        restart_as(set, 0, now).await?;
        set.settle().await?;
    }
    Ok(())
}

/// Asks the replica `index` to stop, and starts it as that version.
async fn restart_as(set: &mut Set, index: usize, version: &Path) -> Result<()> {
    become_version(set, index, version);
    set.terminate(index);
    set.fleet.replicas[index].ended(START).await?;
    set.launch(index)?;
    set.fleet.ready(START).await?;
    set.vip.whole(START).await
}

fn become_version(set: &mut Set, index: usize, version: &Path) {
    let version: PathBuf = version.to_owned();
    set.fleet.replicas[index].relaunch(|launch| launch.binary = version);
}

/// Has a replica of that version lead: those of the other one that lead are stopped until one does, and started again.
async fn led_by(set: &mut Set, version: &Path) -> Result<()> {
    let mut stopped = Vec::new();
    loop {
        let leader = set.leader().await?;
        if set.fleet.replicas[leader].launch().binary == version {
            break;
        }
        set.terminate(leader);
        set.fleet.replicas[leader].ended(START).await?;
        stopped.push(leader);
    }
    for index in stopped {
        set.launch(index)?;
    }
    set.fleet.ready(START).await?;
    set.vip.whole(START).await?;
    let leader = set.leader().await?;
    ensure!(set.fleet.replicas[leader].launch().binary == version, "the lead went back to the other version");
    Ok(())
}
