//! The numbers: measured on three replicas of this machine, printed beside their limits.
//!
//! In: nothing but the binary; manifests and a lease file take the place of a cluster. Out: a table, JSON where it is
//! asked for, and whether every limit is kept. What can go wrong: a replica that does not come back in time.

pub mod changes;
mod demo;
mod failover;
pub mod faster;
mod hung;
mod rig;
mod series;
mod skew;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;

use crate::stage::{Folder, program};
use rig::Rig;
use series::Series;

/// The options of `numbers`.
#[derive(Args, Debug)]
pub struct NumbersArgs {
    /// Few rounds of each, for CI.
    #[arg(long)]
    short: bool,
    /// A hundred rounds of each, and a thousand publications: half an hour.
    #[arg(long, conflicts_with = "short")]
    long: bool,
    /// Also write every sample here, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// The binary of Bellwether; by default the one that Cargo builds, in the same profile.
    #[arg(long)]
    bellwether: Option<PathBuf>,
    /// About how many routes the table has while leaders fail.
    #[arg(long, default_value_t = 2000)]
    routes: usize,
    /// About how many it has while publications are measured.
    #[arg(long, default_value_t = 20_000)]
    published: usize,
    /// Keep state and logs.
    #[arg(long)]
    keep: bool,
}

/// Until somebody leads.
const WAIT: Duration = Duration::from_secs(30);

/// How often each thing is done.
struct Rounds {
    kills: usize,
    stops: usize,
    restarts: usize,
    publications: usize,
    hangs: usize,
    demos: usize,
}

impl NumbersArgs {
    /// Measures everything; whether every limit is kept.
    ///
    /// # Errors
    ///
    /// Where a replica does not start or what is measured does not come.
    pub async fn run(self) -> Result<bool> {
        let mut folder = Folder::new()?;
        let measured = self.measure(&folder).await;
        if self.keep {
            println!("state and logs are in {}", folder.keep().display());
        }
        let all = measured?;
        print!("{}", series::table(&all));
        if let Some(path) = &self.json {
            let text = serde_json::to_string_pretty(&all).expect("numbers and names are JSON");
            std::fs::write(path, text).with_context(|| format!("write {}", path.display()))?;
        }
        Ok(all.iter().all(Series::kept))
    }

    async fn measure(&self, folder: &Folder) -> Result<Vec<Series>> {
        let rounds = match (self.short, self.long) {
            (true, _) => Rounds { kills: 3, stops: 3, restarts: 3, publications: 20, hangs: 1, demos: 1 },
            (false, false) => {
                Rounds { kills: 20, stops: 20, restarts: 20, publications: 100, hangs: 10, demos: 5 }
            }
            (false, true) => {
                Rounds { kills: 100, stops: 100, restarts: 100, publications: 1000, hangs: 20, demos: 20 }
            }
        };
        let binary = program::bellwether(self.bellwether.clone()).await?;
        let limited = |name, milliseconds| Series::new(name, Some(Duration::from_millis(milliseconds)));
        let mut first = limited("demo: from its start to the first table", 2000);
        for round in 0..rounds.demos {
            first.push(demo::first_table(&binary, folder, round).await?);
        }
        // Of few publications the worst decides, on a machine that may do other things: so the limit is a wide one.
        let most = if self.short { 100 } else { 20 };
        let mut skew = limited("publication: from the first replica that serves it to the last", most).p99();
        {
            let own = Folder::new()?;
            let mut rig = Rig::start(&binary, self.published, &[], &own).await?;
            for _ in 0..rounds.publications {
                skew.push(skew::publish(&mut rig).await?);
            }
        }
        let mut rig = Rig::start(&binary, self.routes, &[], folder).await?;
        let mut well = Series::new("publication: from the change to a follower that serves it", None);
        let mut hung = limited("  the first one while the other follower hangs", 1200);
        let mut next = limited("  the next one while it hangs", 500);
        for _ in 0..rounds.hangs {
            let times = hung::publish(&mut rig, WAIT).await?;
            well.push(times.well);
            hung.push(times.first);
            next.push(times.next);
        }
        let mut stop = limited("failover after SIGTERM to the leader", 200);
        let mut stop_active = Series::new("  until a follower serves under the new epoch", None);
        for _ in 0..rounds.stops {
            let times = failover::after(&mut rig, failover::Fault::Stop).await?;
            stop.push(times.acknowledged);
            stop_active.push(times.active);
        }
        let mut kill = limited("failover after kill -9 of the leader", 3300);
        let mut kill_active = Series::new("  until a follower serves under the new epoch", None);
        for _ in 0..rounds.kills {
            let times = failover::after(&mut rig, failover::Fault::Kill).await?;
            kill.push(times.acknowledged);
            kill_active.push(times.active);
        }
        let mut restart = limited("restart of the leader: from its start until it leads again", 200);
        for _ in 0..rounds.restarts {
            restart.push(failover::restart(&mut rig).await?);
        }
        drop(rig);
        let own = Folder::new()?;
        let mut rig = Rig::start(&binary, self.routes, &["--fast-takeover"], &own).await?;
        let mut fast = limited("failover after kill -9 with --fast-takeover", 1000);
        let mut fast_active = limited("  until a follower serves under the new epoch", 1600);
        for _ in 0..rounds.kills {
            let times = failover::after(&mut rig, failover::Fault::Kill).await?;
            fast.push(times.acknowledged);
            fast_active.push(times.active);
        }
        let first = [first, skew, well, hung, next, stop, stop_active, kill, kill_active];
        Ok(first.into_iter().chain([restart, fast, fast_active]).collect())
    }
}
