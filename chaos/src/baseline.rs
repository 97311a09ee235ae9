//! Bellwether's election and that of the crate `kube-leader-election`, before the same real API server: how often, and for how
//! long, do several candidates believe at once that they lead?
//!
//! In: nothing; the baseline is built from `chaos/baseline`, with its own lock file. Out: one table, and whether ours
//! never had two leaders. What can go wrong: the baseline does not build; nobody leads; or even the baseline had no
//! race, and then the harness has shown nothing.

mod belief;
mod candidate;
mod clock;
mod field;
mod gate;
mod lines;
mod rounds;
mod tally;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::process::Command;

use crate::ground::Ground;
use crate::stage::cluster::Cluster;
use crate::stage::{Folder, program};
use field::Field;
use rounds::{Off, Round};
use tally::Tally;

pub use candidate::CandidateArgs;

/// The duration of a lease on both sides, in seconds: our default.
const LEASE: u64 = 3;

/// How many races run at a time, each on its own Lease.
const AT_A_TIME: usize = 20;

/// The options of `baseline`.
#[derive(Args, Debug)]
pub struct BaselineArgs {
    /// Few rounds of each, for CI.
    #[arg(long)]
    short: bool,
    /// Keep state and logs.
    #[arg(long)]
    keep: bool,
}

impl BaselineArgs {
    /// Runs all of it on both; whether ours never had two leaders.
    ///
    /// # Errors
    ///
    /// Where something does not build or start, nobody leads, or the baseline never had two leaders either.
    pub async fn run(self) -> Result<bool> {
        let mut folder = Folder::new()?;
        let outcome = self.both(&folder).await;
        if self.keep {
            println!("state and logs are in {}", folder.keep().display());
        }
        let (theirs, ours) = outcome?;
        print!("{}", tally::table(&theirs, &ours));
        ensure!(theirs.race.doubles() > 0, "not even the baseline had two leaders: this was no race");
        Ok(ours.is_safe())
    }

    async fn both(&self, folder: &Folder) -> Result<(Tally, Tally)> {
        let baseline = build().await?;
        let cluster = Cluster::start(&Ground::loopback(), folder).await?;
        let seconds = LEASE.to_string();
        let theirs = |url: &str, name: &str| {
            let mut command = Command::new(&baseline);
            command.args([url, name, &seconds]);
            command
        };
        let field = Field::start("baseline", theirs, cluster.client(), folder).await?;
        let theirs = self.all(&field).await.context("kube-leader-election")?;
        drop(field);
        let harness = std::env::current_exe()?;
        let ours = |url: &str, name: &str| {
            let mut command = Command::new(&harness);
            command.args(["candidate", url, name]);
            command
        };
        let field = Field::start("bellwether", ours, cluster.client(), folder).await?;
        let ours = self.all(&field).await.context("Bellwether")?;
        Ok((theirs, ours))
    }

    async fn all(&self, field: &Field) -> Result<Tally> {
        let (races, others) = if self.short { (100, 4) } else { (1000, 20) };
        let race: Vec<Round> = stream::iter(0..races)
            .map(|number| rounds::race(field, number))
            .buffer_unordered(AT_A_TIME)
            .try_collect()
            .await?;
        let cuts = futures::future::try_join_all((0..others).map(|number| rounds::partition(field, number)));
        let clocks = |off: Off| {
            futures::future::try_join_all((0..others).map(move |number| rounds::clock(field, number, off)))
        };
        let (partition, ahead, behind) =
            tokio::try_join!(cuts, clocks(Off::CandidateAhead), clocks(Off::LeaderBehind))?;
        Ok(Tally {
            race: race.into(),
            partition: partition.into(),
            ahead: ahead.into(),
            behind: behind.into(),
        })
    }
}

/// Builds the baseline with its own lock file, in its own target folder.
async fn build() -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("baseline");
    let target = folder.join("target");
    let mut build = program::cargo();
    build.args(["build", "--quiet", "--locked", "--target-dir"]).arg(&target).current_dir(&folder);
    let status = build.status().await.context("run cargo")?;
    ensure!(status.success(), "cargo could not build chaos/baseline ({status})");
    Ok(target.join("debug/baseline"))
}
