//! Plays very many schedules of the real core of the election: requests late and lost, clocks that drift, operators,
//! restarts. In: how many. Out: whether terms ever overlap, an epoch is ever used twice, or a leader is not found. Then what
//! the rules rest on is taken away, one by one, and that must be noticed.

use std::thread;
use std::time::Duration;

use anyhow::Result;
use bellwether::election::simulation::{Broken, Counterexample, explore};
use clap::Args;
use tokio::time::Instant;

use crate::table::render;

/// How many schedules may pass before what is broken is noticed.
const TRIES: u64 = 20_000;

/// What to play.
#[derive(Args, Debug)]
pub struct ElectionsArgs {
    /// How many schedules.
    #[arg(long, default_value_t = 100_000)]
    schedules: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

impl ElectionsArgs {
    /// Plays them; whether all is well.
    ///
    /// # Errors
    ///
    /// Where a thread cannot be waited for.
    pub async fn run(self) -> Result<bool> {
        tokio::task::spawn_blocking(move || self.play()).await.map_err(Into::into)
    }

    fn play(&self) -> bool {
        let (start, found) = (Instant::now(), self.sound());
        let took = start.elapsed();
        match &found {
            None => println!("{} schedules in {:.1} s: no violation", self.schedules, took.as_secs_f64()),
            Some(found) => println!("violation: {found}"),
        }
        let head = ["rule", "taken away", "seconds", "noticed"].map(str::to_owned).to_vec();
        let bites: Vec<_> = Broken::ALL.into_iter().map(bite).collect();
        let rows = bites.iter().map(|(row, _)| row.clone());
        print!("{}", render(&std::iter::once(head).chain(rows).collect::<Vec<_>>()));
        found.is_none() && bites.iter().all(|(_, noticed)| *noticed)
    }

    /// The first violation, on all cores of this machine.
    fn sound(&self) -> Option<Box<Counterexample>> {
        let threads = thread::available_parallelism().map_or(1, |count| count.get() as u64);
        let share = self.schedules.div_ceil(threads);
        thread::scope(|scope| {
            let part = |number: u64| {
                let first = self.seed + number * share;
                let last = (first + share).min(self.seed + self.schedules);
                scope.spawn(move || explore(first..last, None).err())
            };
            let parts: Vec<_> = (0..threads).map(part).collect();
            parts.into_iter().find_map(|part| part.join().expect("a panic is a defect of the core"))
        })
    }
}

/// A row that says how soon it is noticed that something is broken, and whether it is.
fn bite(broken: Broken) -> (Vec<String>, bool) {
    let start = Instant::now();
    let found = explore(0..TRIES, Some(broken)).err();
    let took: Duration = start.elapsed();
    let what = found.as_ref().map_or("NOBODY NOTICES".to_owned(), |found| found.what.clone());
    let row =
        vec![broken.rule().to_owned(), format!("{broken:?}"), format!("{:.2}", took.as_secs_f64()), what];
    (row, found.is_some())
}
