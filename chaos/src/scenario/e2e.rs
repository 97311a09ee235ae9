//! End to end: a real API server, three replicas with the RBAC of `deploy/`, a real Skipper, and a client that never
//! stops asking.
//!
//! Changes arrive; the leader is killed and they still do; all replicas lose power while the API server is down and
//! serve from disk; the API server comes back. Nobody in front of Skipper notices any of it.

mod acts;
mod set;

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use crate::history::History;
use crate::scenario::{say, verdict};
use crate::stage::Folder;

/// Which route server stands behind the VIP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Server {
    /// Three replicas of Bellwether.
    Bellwether,
    /// Two of routesrv, for comparison: it starts from nothing, so its acts leave out the power cut.
    Routesrv,
}

/// The options of `e2e`.
#[derive(Args, Debug)]
pub struct E2eArgs {
    /// The route server.
    #[arg(long, value_enum, default_value = "bellwether")]
    server: Server,
    /// The binary of Bellwether; by default the one that Cargo builds.
    #[arg(long)]
    bellwether: Option<PathBuf>,
    /// Write the history there, as JSON lines, for `judge`.
    #[arg(long)]
    history: Option<PathBuf>,
    /// Keep state and logs.
    #[arg(long)]
    keep: bool,
}

impl E2eArgs {
    /// Plays it; whether all is well.
    ///
    /// # Errors
    ///
    /// Where the stage cannot be set, or what must come does not come.
    pub async fn run(self) -> Result<bool> {
        let mut folder = Folder::new()?;
        let played = self.play(&folder).await;
        if self.keep {
            println!("state and logs are in {}", folder.keep().display());
        }
        played
    }

    async fn play(&self, folder: &Folder) -> Result<bool> {
        let history = match &self.history {
            Some(path) => History::to_file(path).with_context(|| format!("make {}", path.display()))?,
            None => History::default(),
        };
        let mut set = set::Set::build(self.server, self.bellwether.clone(), folder, history.clone()).await?;
        let least = set.least_routes;
        let outcome = acts::play(&mut set, self.server, folder).await;
        set.observers.stop().await;
        set.witness.stop().await;
        history.flush().context("write the history")?;
        let records = history.records();
        let good = verdict::print(&records, least);
        if outcome.is_err() {
            say(&history, "the play was broken off");
        }
        outcome.map(|()| good)
    }
}
