//! `list`, `run`, `all` and `soak`: what is played, in which length, and how large.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;

use super::session::Session;
use super::set::{Server, Sizes};
use super::soak;
use crate::before;
use crate::catalogue::{Extent, Length, MODES, Scenario};
use crate::ground::{Entered, Ground};
use crate::table::render;

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
    /// The lengths of the numbers.
    #[arg(long, conflicts_with = "short")]
    full: bool,
    /// CI's set: few scenarios, short, on a small table.
    #[arg(long)]
    short: bool,
    /// Leave out what has its result in the folder of --out already.
    #[arg(long, requires = "out")]
    resume: bool,
    #[command(flatten)]
    how: HowArgs,
}

/// The options of `soak`.
#[derive(Args, Debug)]
pub struct SoakArgs {
    /// What the schedule comes from.
    #[arg(long)]
    seed: Option<u64>,
    /// For how many minutes.
    #[arg(long = "for", default_value_t = 20)]
    minutes: u64,
    /// Print the schedule, and play nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    how: HowArgs,
}

/// How scenarios are played.
#[derive(Args, Clone, Debug)]
pub struct HowArgs {
    /// The route server.
    #[arg(long, value_enum, default_value = "bellwether")]
    pub server: Server,
    /// Play each scenario with routesrv too, where it has the part that is broken.
    #[arg(long, conflicts_with = "server")]
    pub peer: bool,
    /// The binary of Bellwether; by default the one that Cargo builds, in the same profile.
    #[arg(long)]
    pub bellwether: Option<PathBuf>,
    /// The binary of an older Bellwether, for what plays both; by default the one that `before` built.
    #[arg(long)]
    pub before: Option<PathBuf>,
    /// About so many routes.
    #[arg(long)]
    routes: Option<usize>,
    /// So many simulated Skippers.
    #[arg(long)]
    clients: Option<usize>,
    /// So many real ones.
    #[arg(long)]
    skippers: Option<usize>,
    /// So many replicas; of routesrv two by default.
    #[arg(long)]
    replicas: Option<usize>,
    /// On loopback, although there could be namespaces.
    #[arg(long)]
    loopback: bool,
    /// Write the results into this folder: JSON and history of each scenario, and the report of all.
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Keep state and logs.
    #[arg(long)]
    pub keep: bool,
}

impl ListArgs {
    /// Prints what there is; whether every failure mode is shown by something.
    ///
    /// # Errors
    ///
    /// None.
    pub fn run(self) -> Result<bool> {
        let heads = ["scenario", "modes", "API", "needs", "short", "all", "full"].map(str::to_owned).to_vec();
        let rows = Scenario::all().map(|it| {
            let modes: Vec<_> = it.modes.iter().map(ToString::to_string).collect();
            let length = |length| it.lengths.of(length).map_or("-".to_owned(), shown);
            let api = format!("{:?}", it.api).to_lowercase();
            let needs = [(it.root, "root"), (it.needs_before(), "before")];
            let needs = needs.iter().filter(|(needed, _)| *needed).map(|(_, what)| *what);
            let needs = needs.collect::<Vec<_>>().join(", ");
            let lengths = [Length::Short, Length::All, Length::Full].map(length);
            [vec![it.name.to_owned(), modes.join(","), api, needs], lengths.to_vec()].concat()
        });
        print!("{}", render(&std::iter::once(heads).chain(rows).collect::<Vec<_>>()));
        println!();
        for it in Scenario::all() {
            println!("{}: {}", it.name, it.broken);
        }
        println!();
        let mut all = true;
        for (mode, broken) in (1..).zip(MODES) {
            let shown = Scenario::showing(mode);
            all &= !shown.is_empty();
            let shown = if shown.is_empty() { "NOTHING".to_owned() } else { shown.join(", ") };
            println!("mode {mode}, {broken}: {shown}");
        }
        Ok(all)
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
        let Some(ground) = self.how.ground().await? else { return Ok(true) };
        let sizes = self.how.sizes(self.length);
        let mut session = Session::new(ground, self.how, sizes);
        let plays =
            scenarios.into_iter().map(|it| (it, it.lengths.of(self.length).unwrap_or(it.lengths.all)));
        session.play(plays.collect()).await
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
        let Some(ground) = self.how.ground().await? else { return Ok(true) };
        let sizes = self.how.sizes(length);
        let mut session = Session::new(ground, self.how, sizes);
        session.resume = self.resume;
        let plays = Scenario::all().filter_map(|it| Some((it, it.lengths.of(length)?)));
        session.play(plays.collect()).await
    }
}

impl SoakArgs {
    /// Plays the schedule of the seed; whether all is well.
    ///
    /// # Errors
    ///
    /// Where a set cannot be built.
    pub async fn run(self) -> Result<bool> {
        let time = Duration::from_secs(self.minutes * 60);
        if self.dry_run {
            let seed = self.seed.context("a schedule without a seed is none: give --seed")?;
            soak::schedule(seed, time).iter().for_each(|step| println!("{step}"));
            return Ok(true);
        }
        let Some(ground) = self.how.ground().await? else { return Ok(true) };
        let seed = self.seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
        println!("the seed is {seed}: chaos soak --seed {seed} --for {} plays the same again", self.minutes);
        let sizes = self.how.sizes(Length::All);
        let mut session = Session::new(ground, self.how, sizes);
        session.seed = Some(seed);
        let scenario = Scenario::named("soak").context("the catalogue has a soak")?;
        session.play(vec![(scenario, Extent::For(time))]).await
    }
}

impl HowArgs {
    /// Where all is played; none where we are outside of it, and all was well in there.
    pub(super) async fn ground(&self) -> Result<Option<Ground>> {
        if self.loopback {
            return Ok(Some(Ground::loopback()));
        }
        match Ground::best("scenarios that break the net, disks and clocks").await? {
            Entered::Inside(ground) => Ok(Some(ground)),
            Entered::Over(true) => Ok(None),
            Entered::Over(false) => anyhow::bail!("not all is well"),
        }
    }

    /// The binary of an older version: the one that was given, or the one that `before` built.
    pub(super) fn before(&self) -> Option<PathBuf> {
        self.before.clone().or_else(before::built)
    }

    pub(super) fn sizes(&self, length: Length) -> Sizes {
        let standard = match length {
            Length::Short => Sizes {
                replicas: 3,
                routes: 1_000,
                skippers: 1,
                simulated: 60,
                // Longer than a dead replica stays in the rotation.
                poll: Duration::from_secs(2),
                drain: Duration::from_secs(1),
            },
            Length::All | Length::Full => Sizes {
                replicas: 3,
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
}

fn shown(extent: Extent) -> String {
    match extent {
        Extent::For(time) => format!("{} s", time.as_secs()),
        Extent::Times(times) => format!("{times} ×"),
    }
}
