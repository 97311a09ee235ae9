//! In a real cluster (`chaos/cluster`): the chart installed as a user would, Skippers polling its Service, and everything
//! that becomes of pods: deleted, killed, stopped, evicted, rolled, scaled, and gone with their node.
//!
//! In: what `chaos peers` builds; the machines are made and taken away. Out: a history, judged as all are. Clients run beside the
//! nodes, where kube-proxy makes Services answer. What can go wrong: the machine cannot carry a cluster, which is said.

mod acts;
mod containers;
mod follow;
mod limits;
mod machines;
mod mind;
mod pods;
mod set;

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;

use crate::history::History;
use crate::scenario::{say, verdict};
use crate::stage::program;

/// The set's namespace, and its name in there.
const NAMESPACE: &str = "bellwether";

/// How many nodes: a replica on each.
const NODES: usize = 3;

/// The options of `cluster`.
#[derive(Args, Debug)]
pub struct ClusterArgs {
    /// How often the leader's pod is deleted; every second time its process is killed too.
    #[arg(long, default_value_t = 3)]
    deletions: usize,
    /// The binary of Bellwether; by default the one that Cargo builds.
    #[arg(long)]
    bellwether: Option<PathBuf>,
    /// Write the history there, as JSON lines, for `judge` and `report`.
    #[arg(long)]
    history: Option<PathBuf>,
    /// The cluster is there, and we are beside its nodes.
    #[arg(long, hide = true)]
    within: bool,
}

impl ClusterArgs {
    /// Plays it; whether all is well.
    ///
    /// # Errors
    ///
    /// Where the cluster cannot be built, or what must come does not come.
    pub async fn run(self) -> Result<bool> {
        if self.within {
            return self.play().await;
        }
        if let Some(missing) = machines::missing() {
            println!("the real cluster is left out: it needs {missing}");
            return Ok(true);
        }
        machines::build(&program::bellwether(self.bellwether).await?).await?;
        let machines = machines::Machines::up(NODES).await?;
        machines.within(std::env::args_os().skip(1).chain(["--within".into()])).await
    }

    async fn play(&self) -> Result<bool> {
        let history = match &self.history {
            Some(path) => History::to_file(path).with_context(|| format!("make {}", path.display()))?,
            None => History::default(),
        };
        let names: Vec<_> = (0..set::REPLICAS).map(|number| format!("{NAMESPACE}-{number}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        history.stage("cluster", &names, set::LEAST_ROUTES);
        let set = set::Set::build(history.clone()).await?;
        let outcome = acts::play(&set, self.deletions).await;
        let (pods, arrived) = set.stop().await;
        let followed = pods.stop().await;
        history.flush().context("write the history")?;
        let records = history.records();
        let limits = limits::figures(&records, self.deletions);
        let good = verdict::print_with(&records, set::LEAST_ROUTES, limits);
        if outcome.is_err() {
            say(&history, "the play was broken off");
        }
        outcome.and(arrived).and(followed).map(|()| good)
    }
}
