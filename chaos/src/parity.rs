//! The HTTP surface, question by question: routesrv and Bellwether read the same API server, are sent the same
//! requests, and every difference between their answers must have its row in `docs/compatibility.md`.
//!
//! What can go wrong: a binary is missing (the message says how to build it); one of them never serves; the two
//! tables differ, and then nothing else is worth comparing.

mod allowed;
mod answer;
mod cluster;
mod pair;
mod requests;

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::stage::Folder;
use answer::Difference;
use pair::Pair;
use requests::Request;

/// The options of `http`.
#[derive(Args, Debug)]
pub struct ParityArgs {
    /// The binary of Bellwether; by default the one that Cargo builds.
    #[arg(long)]
    bellwether: Option<PathBuf>,
    /// Show the differences that are in docs/compatibility.md too.
    #[arg(long)]
    all: bool,
    /// Keep state and logs.
    #[arg(long)]
    keep: bool,
}

/// What has been found so far.
#[derive(Default)]
struct Findings {
    requests: usize,
    known: usize,
    unexplained: usize,
}

impl ParityArgs {
    /// Asks both; whether all differences are known ones.
    ///
    /// # Errors
    ///
    /// Where one of the two cannot be started, or does not come to serve the table.
    pub async fn run(self) -> Result<bool> {
        let mut folder = Folder::new()?;
        let compared = self.compare(&folder).await;
        if self.keep {
            println!("state and logs are in {}", folder.keep().display());
        }
        compared
    }

    async fn compare(&self, folder: &Folder) -> Result<bool> {
        let mut pair = Pair::start(self.bellwether.clone(), folder).await?;
        let mut findings = Findings::default();
        for request in requests::before_the_first_table() {
            self.ask(&pair, &request, &mut findings).await?;
        }
        let subject = pair.serve().await?;
        for request in requests::about(&subject) {
            self.ask(&pair, &request, &mut findings).await?;
        }
        pair.with_shards(folder).await?;
        for request in requests::about_shards() {
            self.ask(&pair, &request, &mut findings).await?;
        }
        let Findings { requests, known, unexplained } = findings;
        println!("{known} differences are those of docs/compatibility.md");
        println!("{requests} requests, {unexplained} unexplained differences");
        Ok(unexplained == 0)
    }

    async fn ask(&self, pair: &Pair, request: &Request, findings: &mut Findings) -> Result<()> {
        findings.requests += 1;
        let (peers, ours) = pair.ask(request).await?;
        for difference in answer::compare(&peers, &ours) {
            let row = allowed::row(request, &difference);
            findings.known += usize::from(row.is_some());
            findings.unexplained += usize::from(row.is_none());
            if self.all || row.is_none() {
                let Difference { aspect, peers, ours } = &difference;
                println!("{request}\n    {aspect}: routesrv {peers:?}, Bellwether {ours:?}");
                println!("    {}", row.unwrap_or("NOT IN docs/compatibility.md"));
            }
        }
        Ok(())
    }
}
