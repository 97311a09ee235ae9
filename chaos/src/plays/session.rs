//! One run: scenarios on as few sets as they need, one after the other, each judged by its own part of the history.
//!
//! In: scenarios and how long each. Out: lines for people, and, where a folder is given, each scenario's result and history,
//! and the report of all. What can go wrong: a set cannot be built. One that is not well after a scenario is built anew.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bellwether::protection::{Protection, VARIABLE};

use super::excerpt::excerpt;
use super::run::HowArgs;
use super::set::{Api, Server, Set, Sizes};
use crate::catalogue::{Extent, Scenario};
use crate::check;
use crate::ground::Ground;
use crate::history::{self, Record};
use crate::judge::least_routes;
use crate::report::{self, Made, Outcome, Report, Side};
use crate::scenario::say;
use crate::table::render;

/// Before anything is broken and after it was mended: so long all is only watched.
const QUIET: Duration = Duration::from_millis(1500);

/// Between two sets: what the last one listened on is closed a moment after it is gone.
const TIDY: Duration = Duration::from_secs(1);

/// How many violations are printed in full.
const SHOWN: usize = 10;

/// A run.
pub struct Session {
    ground: Ground,
    how: HowArgs,
    sizes: Sizes,
    report: Report,
    /// Leaves out what has its result already.
    pub resume: bool,
    /// What random plays begin with.
    pub seed: Option<u64>,
    /// What Bellwether does without; it must be built for that.
    pub without: Option<Protection>,
}

/// A scenario, and how long.
type Play = (&'static Scenario, Extent);

impl Session {
    /// One that has not played anything.
    pub fn new(ground: Ground, how: HowArgs, sizes: Sizes) -> Self {
        let made = Made::here(format!(
            "{} routes, {} replicas, {} Skippers, {} simulated, polls of {} s",
            sizes.routes,
            sizes.replicas,
            sizes.skippers,
            sizes.simulated,
            sizes.poll.as_secs()
        ));
        let report = Report { made, outcomes: Vec::new() };
        Self { ground, how, sizes, report, resume: false, seed: None, without: None }
    }

    /// Plays them; whether every limit was kept.
    ///
    /// # Errors
    ///
    /// Where a set cannot be built, or a result not be written.
    pub async fn play(&mut self, plays: Vec<Play>) -> Result<bool> {
        if let Some(out) = &self.how.out {
            std::fs::create_dir_all(out).with_context(|| format!("make {}", out.display()))?;
        }
        let first = if self.how.peer { Server::Bellwether } else { self.how.server };
        self.side(first, &plays).await?;
        if self.how.peer {
            // What it does in ten rounds it does in a hundred: it is there to be compared, not to be shown right.
            let plays = plays.iter().map(|(it, extent)| (*it, extent.at_most(it.lengths.all)));
            self.side(Server::Routesrv, &plays.collect::<Vec<_>>()).await?;
        }
        ensure!(!self.report.outcomes.is_empty(), "there is nothing to play");
        if let Some(out) = &self.how.out {
            let json = serde_json::to_vec(&self.report).context("a report is plain values")?;
            write(&out.join("report.json"), &json)?;
            write(&out.join("report.html"), report::page(&self.report).as_bytes())?;
        }
        self.summary();
        Ok(self.report.good())
    }

    /// Plays one, on a set of its own, with nothing said of it but what it came to.
    ///
    /// # Errors
    ///
    /// Where the set cannot be built, or the scenario needs another ground.
    pub async fn play_one(&self, scenario: &'static Scenario, extent: Extent) -> Result<Side> {
        ensure!(!scenario.root || self.ground.has_places(), "{} needs namespaces", scenario.name);
        let sizes = self.sizes_of(scenario, Server::Bellwether);
        let set = self.build(Server::Bellwether, scenario.api, sizes).await?;
        let (_, side, _) = play(set, scenario, extent).await;
        print_side(scenario, &side);
        Ok(side)
    }

    /// Plays them with one route server.
    async fn side(&mut self, server: Server, plays: &[Play]) -> Result<()> {
        for api in [Api::Real, Api::Fake] {
            let mut set: Option<Set> = None;
            for (scenario, extent) in plays.iter().filter(|(scenario, _)| scenario.api == api) {
                if server == Server::Routesrv && !scenario.peer {
                    continue;
                }
                if scenario.root && !self.ground.has_places() {
                    println!("\n== {} is left out: it needs namespaces", scenario.name);
                    continue;
                }
                if scenario.needs_before() && self.how.before().is_none() {
                    println!(
                        "\n== {} is left out: it needs an older version, which `chaos before REVISION` builds, or --before",
                        scenario.name
                    );
                    continue;
                }
                if self.resume && self.taken_up(scenario, server)? {
                    println!("\n== {} has its result already", scenario.name);
                    continue;
                }
                let sizes = self.sizes_of(scenario, server);
                let current = match set.take() {
                    Some(set) if set.sizes == sizes => set,
                    other => {
                        drop(other);
                        self.build(server, api, sizes).await?
                    }
                };
                let (records, side, left) = play(current, scenario, *extent).await;
                print_side(scenario, &side);
                let side = Side { commit: self.report.made.commit.clone(), ..side };
                self.keep(scenario, server, &records, side)?;
                set = left;
            }
        }
        Ok(())
    }

    fn sizes_of(&self, scenario: &Scenario, server: Server) -> Sizes {
        let sizes = scenario.sized(self.sizes);
        // Two are what an operator of routesrv has: more only disagree more.
        let replicas = if server == Server::Routesrv { 2 } else { sizes.replicas };
        Sizes { replicas, ..sizes }
    }

    async fn build(&self, server: Server, api: Api, sizes: Sizes) -> Result<Set> {
        tokio::time::sleep(TIDY).await;
        let (ground, binary) = (self.ground.clone(), self.how.bellwether.clone());
        let env = self.without.map(|without| (VARIABLE.to_owned(), without.name().to_owned()));
        let env = env.into_iter().collect();
        let mut set = Set::build(ground, server, api, sizes, binary, env).await?;
        set.before = self.how.before();
        if let Some(seed) = self.seed {
            set.seed = seed;
        }
        if self.how.keep {
            println!("state and logs are in {}", set.folder.keep().display());
        }
        Ok(set)
    }

    /// Takes the result of `scenario` from the folder; false where there is none. Where its history is there too, that is
    /// judged anew: checkers may have learnt since.
    fn taken_up(&mut self, scenario: &Scenario, server: Server) -> Result<bool> {
        let Some(path) = self.file(scenario, server, "json").filter(|path| path.exists()) else {
            return Ok(false);
        };
        let context = || format!("read {}", path.display());
        let bytes = std::fs::read(&path).with_context(context)?;
        let mut side: Side = serde_json::from_slice(&bytes).with_context(context)?;
        if let Some(path) = self.file(scenario, server, "jsonl").filter(|path| path.exists()) {
            let records = history::read(&path).with_context(|| format!("read {}", path.display()))?;
            let sizes = self.sizes_of(scenario, server);
            let anew = judged(scenario, server, &sizes, &records, side.broken_off.take());
            side = Side { commit: side.commit, ..anew };
            print_side(scenario, &side);
        }
        self.add(scenario, server, side);
        Ok(true)
    }

    fn keep(&mut self, scenario: &Scenario, server: Server, records: &[Record], side: Side) -> Result<()> {
        if let Some(path) = self.file(scenario, server, "json") {
            write(&path, &serde_json::to_vec(&side).context("a result is plain values")?)?;
        }
        if let Some(path) = self.file(scenario, server, "jsonl") {
            let mut lines = Vec::new();
            for record in records {
                serde_json::to_writer(&mut lines, record).context("records are plain values")?;
                lines.push(b'\n');
            }
            write(&path, &lines)?;
        }
        self.add(scenario, server, side);
        Ok(())
    }

    fn add(&mut self, scenario: &Scenario, server: Server, side: Side) {
        let there = self.report.outcomes.iter_mut().find(|it| it.name == scenario.name);
        match (there, server) {
            (Some(outcome), Server::Routesrv) => outcome.peer = Some(side),
            (_, _) => self.report.outcomes.push(Outcome {
                name: scenario.name.to_owned(),
                broken: scenario.broken.to_owned(),
                modes: scenario.modes.to_vec(),
                ours: side,
                peer: None,
            }),
        }
    }

    fn file(&self, scenario: &Scenario, server: Server, extension: &str) -> Option<PathBuf> {
        let server = format!("{server:?}").to_lowercase();
        Some(self.how.out.as_ref()?.join(format!("{}.{server}.{extension}", scenario.name)))
    }

    fn summary(&self) {
        println!();
        let heads = ["scenario", "s", "limits", "missed", "violations", "", "routesrv"];
        let verdict = |side: &Side| if side.good() { "well" } else { "NOT well" }.to_owned();
        let rows = self.report.outcomes.iter().map(|it| {
            let limited: Vec<_> = it.ours.figures.iter().filter(|figure| figure.limit.is_some()).collect();
            let missed = limited.iter().filter(|figure| !figure.kept).count();
            vec![
                it.name.clone(),
                format!("{:.0}", it.ours.seconds),
                limited.len().to_string(),
                missed.to_string(),
                it.ours.violations.to_string(),
                verdict(&it.ours),
                it.peer.as_ref().map(verdict).unwrap_or_default(),
            ]
        });
        let heads = heads.map(str::to_owned).to_vec();
        print!("{}", render(&std::iter::once(heads).chain(rows).collect::<Vec<_>>()));
        println!("{}", if self.report.good() { "all is well" } else { "NOT well" });
    }
}

/// Plays `scenario`, and mends what it broke. The set comes back where all is well again.
async fn play(mut set: Set, scenario: &'static Scenario, extent: Extent) -> (Vec<Record>, Side, Option<Set>) {
    println!("\n== {}: {}", scenario.name, scenario.broken);
    let at = set.history.now();
    let names: Vec<_> = (0..set.fleet.replicas.len()).map(|index| set.name(index)).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    set.history.stage(scenario.name, &names, set.least_routes);
    tokio::time::sleep(QUIET).await;
    let played = (scenario.play)(&mut set, extent).await;
    if let Err(error) = &played {
        say(&set.history, format!("the play was broken off: {error:#}"));
    }
    let mended = match set.heal().await {
        Ok(()) => set.settle().await.map(drop),
        Err(error) => Err(error),
    };
    tokio::time::sleep(QUIET).await;
    let records = excerpt(&set.history.records(), at);
    let well = mended.is_ok();
    let broken_off = played.err().or(mended.err()).map(|error| format!("{error:#}"));
    let side = judged(scenario, set.server, &set.sizes, &records, broken_off);
    (records, side, well.then_some(set))
}

/// What `records` of `scenario` come to.
fn judged(
    scenario: &Scenario,
    server: Server,
    sizes: &Sizes,
    records: &[Record],
    broken_off: Option<String>,
) -> Side {
    let least = least_routes(records);
    let mut figures = check::figures(records, least);
    figures.extend((scenario.limits)(records, sizes));
    if server == Server::Routesrv {
        // It has no leader to lose.
        figures.retain(|figure| !figure.name.ends_with("failover"));
    }
    let violations = check::all(records, least);
    let program = match server {
        Server::Bellwether => "Bellwether",
        Server::Routesrv => "routesrv",
    };
    Side::new(program, records, &figures, &violations, broken_off)
}

fn print_side(scenario: &Scenario, side: &Side) {
    for figure in &side.figures {
        println!("  {figure}");
    }
    for violation in side.worded.iter().take(SHOWN) {
        println!("    {violation}");
    }
    if let Some(why) = &side.broken_off {
        println!("  broken off: {why}");
    }
    let verdict = if side.good() { "well" } else { "NOT well" };
    println!("{}: {} is {verdict}, after {:.0} s", scenario.name, side.program, side.seconds);
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("write {}", path.display()))
}
