//! `list`, `run` and `all`: scenarios on as few sets as they need, one after the other, each judged by its own part of the
//! history.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use tokio::time::Instant;

use super::excerpt::excerpt;
use super::set::{Api, Server, Set, Sizes};
use crate::catalogue::{ELSEWHERE, Extent, Length, SCENARIOS, Scenario};
use crate::check::{self, Figure, Violation};
use crate::ground::{self, Entered, Ground};
use crate::history::{History, Record};
use crate::scenario::say;
use crate::table::render;

/// How many violations are printed in full.
const SHOWN: usize = 10;

/// Before anything is broken and after it was mended: so long all is only watched.
const QUIET: Duration = Duration::from_millis(1500);

/// The options of `list`.
#[derive(Args, Debug)]
pub struct ListArgs {}

/// The options of `run`.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// Which scenarios (see list).
    #[arg(required = true)]
    names: Vec<String>,
    /// In which of their lengths.
    #[arg(long, value_enum, default_value = "all")]
    length: Length,
    #[command(flatten)]
    how: HowArgs,
}

/// The options of `all`.
#[derive(Args, Debug)]
pub struct AllArgs {
    /// The lengths and the size of the numbers.
    #[arg(long, conflicts_with = "short")]
    full: bool,
    /// CI's set: few scenarios, short, on a small table.
    #[arg(long)]
    short: bool,
    #[command(flatten)]
    how: HowArgs,
}

/// How scenarios are played.
#[derive(Args, Debug)]
pub struct HowArgs {
    /// The route server.
    #[arg(long, value_enum, default_value = "bellwether")]
    server: Server,
    /// The binary of Bellwether; by default the one that Cargo builds, in the same profile.
    #[arg(long)]
    bellwether: Option<PathBuf>,
    /// About so many routes.
    #[arg(long)]
    routes: Option<usize>,
    /// So many simulated Skippers.
    #[arg(long)]
    clients: Option<usize>,
    /// So many real ones.
    #[arg(long)]
    skippers: Option<usize>,
    /// So many replicas; routesrv has two by default.
    #[arg(long)]
    replicas: Option<usize>,
    /// On loopback, although there could be namespaces.
    #[arg(long)]
    loopback: bool,
    /// Keep state, logs and histories in this folder.
    #[arg(long)]
    keep: Option<PathBuf>,
}

/// What a scenario came to.
pub struct Outcome {
    /// Which one.
    pub scenario: &'static Scenario,
    /// Its part of the history.
    pub records: Vec<Record>,
    /// Everything that it is judged by, and what there is to tell.
    pub figures: Vec<Figure>,
    /// What the counts among them count.
    pub violations: Vec<Violation>,
    /// Why it did not come to its end, where it did not.
    pub broken_off: Option<String>,
    /// How long it took.
    pub took: Duration,
}

impl ListArgs {
    /// Prints what there is.
    ///
    /// # Errors
    ///
    /// None.
    pub fn run(self) -> Result<bool> {
        let heads = ["scenario", "modes", "API", "short", "all", "full"].map(str::to_owned).to_vec();
        let rows = SCENARIOS.iter().map(|it| {
            let modes: Vec<_> = it.modes.iter().map(ToString::to_string).collect();
            let length = |length| it.lengths.of(length).map_or("-".to_owned(), shown);
            let api = format!("{:?}", it.api).to_lowercase();
            let lengths = [Length::Short, Length::All, Length::Full].map(length);
            [vec![it.name.to_owned(), modes.join(","), api], lengths.to_vec()].concat()
        });
        print!("{}", render(&std::iter::once(heads).chain(rows).collect::<Vec<_>>()));
        println!();
        for it in SCENARIOS {
            println!("{}: {}", it.name, it.broken);
        }
        println!();
        for it in ELSEWHERE {
            println!("mode {}, {}: {}", it.mode, it.broken, it.shown_by);
        }
        Ok(true)
    }
}

impl RunArgs {
    /// Plays them; whether all is well.
    ///
    /// # Errors
    ///
    /// Where there is no such scenario, or a set cannot be built.
    pub async fn run(self) -> Result<bool> {
        let named = self.names.iter().map(|name| {
            Scenario::named(name).with_context(|| format!("there is no scenario {name}; see: chaos list"))
        });
        let scenarios: Vec<_> = named.collect::<Result<_>>()?;
        self.how.play(&scenarios, self.length).await
    }
}

impl AllArgs {
    /// Plays all; whether all is well.
    ///
    /// # Errors
    ///
    /// Where a set cannot be built.
    pub async fn run(self) -> Result<bool> {
        let length = match (self.short, self.full) {
            (true, _) => Length::Short,
            (_, true) => Length::Full,
            _ => Length::All,
        };
        let played = |it: &&Scenario| {
            it.lengths.of(length).is_some() && (it.peer || self.how.server == Server::Bellwether)
        };
        let scenarios: Vec<_> = SCENARIOS.iter().filter(played).collect();
        self.how.play(&scenarios, length).await
    }
}

impl HowArgs {
    fn sizes(&self, length: Length) -> Sizes {
        let replicas = if self.server == Server::Bellwether { 3 } else { 2 };
        let standard = match length {
            Length::Short => Sizes {
                replicas,
                routes: 1_000,
                skippers: 1,
                simulated: 60,
                // Longer than a dead replica stays in the rotation.
                poll: Duration::from_secs(2),
                drain: Duration::from_secs(1),
            },
            Length::All | Length::Full => Sizes {
                replicas,
                routes: 20_000,
                skippers: 3,
                simulated: 300,
                poll: Duration::from_secs(3),
                drain: Duration::from_secs(2),
            },
        };
        Sizes {
            routes: self.routes.unwrap_or(standard.routes),
            simulated: self.clients.unwrap_or(standard.simulated),
            skippers: self.skippers.unwrap_or(standard.skippers),
            replicas: self.replicas.unwrap_or(standard.replicas),
            ..standard
        }
    }

    async fn play(&self, scenarios: &[&'static Scenario], length: Length) -> Result<bool> {
        let ground = match ground::missing() {
            _ if self.loopback => Ground::loopback(),
            Some(missing) => {
                println!(
                    "no namespaces of our own, for want of {missing}: on loopback, which cannot lose packets"
                );
                Ground::loopback()
            }
            None => match Ground::enter().await? {
                Entered::Inside(ground) => ground,
                Entered::Over(good) => return Ok(good),
            },
        };
        let mut outcomes = Vec::new();
        for api in [Api::Real, Api::Fake] {
            let mut set: Option<Set> = None;
            for scenario in scenarios.iter().filter(|it| it.api == api) {
                let current = match set.take() {
                    Some(set) => set,
                    None => self.build(&ground, api, length).await?,
                };
                let (outcome, left) = play(current, scenario, length).await;
                print_outcome(&outcome);
                outcomes.push(outcome);
                set = left;
            }
        }
        ensure!(!outcomes.is_empty(), "there is nothing to play");
        Ok(summary(&outcomes))
    }

    async fn build(&self, ground: &Ground, api: Api, length: Length) -> Result<Set> {
        let history = match &self.keep {
            Some(folder) => {
                std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
                let path = folder.join(format!("{api:?}-{}.jsonl", std::process::id()).to_lowercase());
                History::to_file(&path).with_context(|| format!("write {}", path.display()))?
            }
            None => History::default(),
        };
        let sizes = self.sizes(length);
        let mut set =
            Set::build(ground.clone(), self.server, api, sizes, self.bellwether.clone(), history).await?;
        if self.keep.is_some() {
            println!("state and logs are in {}", set.folder.keep().display());
        }
        Ok(set)
    }
}

/// Plays `scenario`, and mends what it broke. The set comes back where all is well again.
async fn play(mut set: Set, scenario: &'static Scenario, length: Length) -> (Outcome, Option<Set>) {
    let extent = scenario.lengths.of(length).unwrap_or(scenario.lengths.all);
    println!("\n== {}: {}", scenario.name, scenario.broken);
    let (start, at) = (Instant::now(), set.history.now());
    let names: Vec<_> = (0..set.fleet.replicas.len()).map(|index| set.name(index)).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    set.history.stage(scenario.name, &names, set.least_routes);
    tokio::time::sleep(QUIET).await;
    let played = (scenario.play)(&mut set, extent).await;
    let mended = match set.heal().await {
        Ok(()) => set.settle().await.map(drop),
        Err(error) => Err(error),
    };
    tokio::time::sleep(QUIET).await;
    if let Err(error) = &played {
        say(&set.history, format!("the play was broken off: {error:#}"));
    }
    let records = excerpt(&set.history.records(), at);
    let mut figures = check::figures(&records, set.least_routes);
    figures.extend((scenario.limits)(&records, &set.sizes));
    let broken_off = played.err().or(mended.as_ref().err().map(|error| anyhow::anyhow!("{error:#}")));
    let outcome = Outcome {
        scenario,
        figures,
        violations: check::all(&records, set.least_routes),
        records,
        broken_off: broken_off.map(|error| format!("{error:#}")),
        took: start.elapsed(),
    };
    (outcome, mended.is_ok().then_some(set))
}

impl Outcome {
    /// Whether every limit is kept. A scenario in which nobody asked anything has shown nothing.
    pub fn good(&self) -> bool {
        let asked = |wanted: fn(&Record) -> bool| self.records.iter().any(wanted);
        self.broken_off.is_none()
            && self.figures.iter().all(|figure| figure.kept)
            && asked(|record| matches!(record, Record::Poll(_)))
            && asked(|record| matches!(record, Record::Request(_)))
    }
}

fn print_outcome(outcome: &Outcome) {
    for figure in &outcome.figures {
        println!("  {figure}");
    }
    for violation in outcome.violations.iter().take(SHOWN) {
        println!("    {violation}");
    }
    if outcome.violations.len() > SHOWN {
        println!("    and {} more", outcome.violations.len() - SHOWN);
    }
    if let Some(why) = &outcome.broken_off {
        println!("  broken off: {why}");
    }
    let verdict = if outcome.good() { "well" } else { "NOT well" };
    println!("{}: {verdict}, after {:.0} s", outcome.scenario.name, outcome.took.as_secs_f64());
}

fn summary(outcomes: &[Outcome]) -> bool {
    println!();
    let heads = ["scenario", "s", "limits", "missed", ""].map(str::to_owned).to_vec();
    let rows = outcomes.iter().map(|it| {
        let limited: Vec<_> = it.figures.iter().filter(|figure| figure.limit.is_some()).collect();
        let missed = limited.iter().filter(|figure| !figure.kept).count();
        let verdict = if it.good() { "well" } else { "NOT well" };
        vec![
            it.scenario.name.to_owned(),
            format!("{:.0}", it.took.as_secs_f64()),
            limited.len().to_string(),
            missed.to_string(),
            verdict.to_owned(),
        ]
    });
    print!("{}", render(&std::iter::once(heads).chain(rows).collect::<Vec<_>>()));
    let good = outcomes.iter().all(Outcome::good);
    println!("{}", if good { "all is well" } else { "NOT well" });
    good
}

fn shown(extent: Extent) -> String {
    match extent {
        Extent::For(time) => format!("{} s", time.as_secs()),
        Extent::Times(times) => format!("{times} ×"),
    }
}
