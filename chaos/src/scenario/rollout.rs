//! Moving over from routesrv, with the real ones: routesrv and a Skipper that polls it, beside three replicas in `pre`.
//!
//! While the upstream changes each second the comparison must raise no alarm and come to say that it is safe. Then the Skipper
//! is moved to the replicas by its Service's address, and must fetch nothing. Then routesrv and a second Skipper get a
//! flag that makes other routes of the same objects: both must be found.
//!
//! In: nothing; a fake API server has the objects. Out: when what was said. What can go wrong: a binary is missing.

mod set;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args;
use serde_json::Value;
use tokio::time::Instant;

use crate::history::History;
use crate::scenario::say;
use crate::stage::{Folder, until};
use set::Set;

/// How long anything may take that is not timed.
const PATIENCE: Duration = Duration::from_secs(60);

const LOOK: Duration = Duration::from_millis(200);

/// How many polls of the Skipper that was moved are counted.
const POLLS: usize = 6;

/// The options of `rollout`.
#[derive(Args, Debug)]
pub struct RolloutArgs {
    /// The binary of Bellwether; by default the one that Cargo builds.
    #[arg(long)]
    bellwether: Option<PathBuf>,
    /// Go on changing for so many seconds after it was first said to be safe.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Keep state and logs.
    #[arg(long)]
    keep: bool,
}

impl RolloutArgs {
    /// Plays it; whether all was said rightly, and nothing fetched twice.
    ///
    /// # Errors
    ///
    /// Where a server or a Skipper does not start, or what must come does not come.
    pub async fn run(self) -> Result<bool> {
        let mut folder = Folder::new()?;
        let played = self.play(&folder).await;
        if self.keep {
            println!("state and logs are in {}", folder.keep().display());
        }
        played.map(|()| true)
    }

    async fn play(&self, folder: &Folder) -> Result<()> {
        let history = History::default();
        let mut set = Set::start(self.bellwether.clone(), folder, &history).await?;
        say(&history, "routesrv, two Skippers and three replicas in pre have one table");
        self.becomes_safe(&mut set, &history).await?;
        moves_over(&mut set, &history).await?;
        set.other_flags(folder).await?;
        say(
            &history,
            "routesrv appends a filter to each route, and the second Skipper sets another one before",
        );
        differences_are_found(&mut set, &history).await
    }

    /// One change each second, until the replicas say that it is safe, and a while longer.
    async fn becomes_safe(&self, set: &mut Set, history: &History) -> Result<()> {
        let start = Instant::now();
        let mut safe_at = None;
        loop {
            set.change();
            tokio::time::sleep(Duration::from_secs(1)).await;
            let report = set.report().await;
            let verdict = report["verdict"].as_str().unwrap_or("nothing yet");
            ensure!(verdict != "different", "a false alarm: {report:#}");
            ensure!(
                verdict == "safe" || safe_at.is_none(),
                "no longer safe, and nothing was wrong: {report:#}"
            );
            ensure!(
                verdict == "safe" || start.elapsed() < PATIENCE,
                "it does not come to be safe: {report:#}"
            );
            if verdict == "safe" {
                let since = *safe_at.get_or_insert_with(Instant::now);
                if since.elapsed() >= Duration::from_secs(self.seconds) {
                    break;
                }
            }
        }
        let (said, code) = set.check().await?;
        ensure!(code == Some(0), "rollout check exits with {code:?}: {said}");
        say(
            history,
            format!(
                "safe, after {} changes: {}",
                set.changes(),
                said.lines().nth(1).unwrap_or_default().trim()
            ),
        );
        Ok(())
    }
}

/// The Skipper's Service leads to the replicas from now on.
async fn moves_over(set: &mut Set, history: &History) -> Result<()> {
    set.same_everywhere(PATIENCE).await?;
    set.switch.turn_to(set.replicas());
    until("polls of the Skipper that was moved", PATIENCE, LOOK, async || {
        (set.switch.answers().len() >= POLLS).then_some(())
    })
    .await?;
    let answers = set.switch.answers();
    say(history, format!("the first Skipper was moved over, and is answered {answers:?}"));
    ensure!(answers.iter().all(|status| *status == 304), "it was to fetch nothing");
    let marker = set.change_marker();
    until("the next change in the Skipper that was moved", PATIENCE, LOOK, async || {
        set.has(&set.moved, marker).await.then_some(())
    })
    .await?;
    say(history, "and has the next change");
    Ok(())
}

/// Both peers run other routes than the replicas have.
async fn differences_are_found(set: &mut Set, history: &History) -> Result<()> {
    let start = Instant::now();
    let differ = |report: &Value| {
        let peers = report["peers"].as_array().cloned().unwrap_or_default();
        !peers.is_empty() && peers.iter().all(|peer| peer["different"].as_u64() > Some(0))
    };
    let report = until("differences in routesrv and in the Skipper", PATIENCE, LOOK, async || {
        let report = set.report().await;
        differ(&report).then_some(report)
    })
    .await?;
    let (_, code) = set.check().await?;
    ensure!(code == Some(1), "rollout check exits with {code:?}");
    // What differs in a route is read with the look after the one that found it.
    until("what differs, in words", PATIENCE, LOOK, async || {
        let (said, _) = set.check().await.ok()?;
        (said.contains("X-Appended") && said.contains("X-Prepended")).then_some(())
    })
    .await?;
    let reasons = report["reasons"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let reasons: Vec<_> = reasons.collect();
    say(history, format!("found within {:.1} s: {}", start.elapsed().as_secs_f64(), reasons.join("; ")));
    Ok(())
}
