//! `scale`: how far it goes on paper. What a change, a poll and a replica cost in fleets and clusters that no test can have.
//!
//! In: constants that `bench` measures. Out: tables for `docs/scale.md`: what grows with what, and which option moves it.

pub mod flip;

use std::time::Duration;

use anyhow::Result;
use clap::Args;

use crate::table::render;
use flip::Fleet;

/// Of one object with its Service and EndpointSlice, in bytes: as JSON, as routes, and as routes under gzip (`bench`, 20,000
/// objects).
const JSON: f64 = 5_700.0;
const PLAIN: f64 = 4_670.0;
const GZIP: f64 = 157.0;

/// Processor time, in seconds: a 304 on a connection of its own (`bench`), an unchanged poll of one object.
const UNCHANGED: f64 = 20.6e-6;
const POLLED: f64 = 42e-6;

/// Steady memory, in MiB: of a replica, and of 1,000 objects (`docs/sizing.md`).
const MEMORY: (f64, f64) = (50.0, 12.0);

/// Between two polls.
const POLL: Duration = Duration::from_secs(3);

const GIGABIT: f64 = 125e6;

/// The options of `scale`.
#[derive(Args, Debug)]
pub struct ScaleArgs {
    /// What chance comes from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// With a budget of bytes that stays as it is, however late bodies are.
    #[arg(long)]
    fixed: bool,
}

/// A fleet that is tried.
struct Try {
    clients: usize,
    objects: usize,
    replicas: usize,
    gigabits: f64,
    /// The table is asked for in so many parts, one of which has changed.
    shards: usize,
}

impl ScaleArgs {
    /// Prints both tables.
    ///
    /// # Errors
    ///
    /// None.
    pub fn run(&self) -> Result<bool> {
        print!("{}", render(&clusters()));
        println!();
        print!("{}", render(&self.flips()));
        Ok(true)
    }

    fn flips(&self) -> Vec<Vec<String>> {
        let heads =
            ["clients", "objects", "replicas", "Gbit/s", "of the table", "GB", "half", "all", "503", "late"];
        let mut rows = vec![heads.map(str::to_owned).to_vec()];
        for it in tries() {
            let fleet = Fleet {
                clients: it.clients,
                replicas: it.replicas,
                link: it.gigabits * GIGABIT,
                bytes: it.objects as f64 * GZIP / it.shards as f64,
                poll: POLL,
                paced: !self.fixed,
            };
            let flip = fleet.flip(self.seed);
            let seconds = |at: Option<f64>| at.map_or("never".to_owned(), |at| format!("{at:.1} s"));
            let part = if it.shards == 1 { "all".to_owned() } else { format!("1 of {}", it.shards) };
            rows.push(vec![
                it.clients.to_string(),
                it.objects.to_string(),
                it.replicas.to_string(),
                format!("{}", it.gigabits),
                part,
                format!("{:.2}", flip.sent / 1e9),
                seconds(flip.half),
                seconds(flip.all),
                flip.refused.to_string(),
                flip.late.to_string(),
            ]);
        }
        rows
    }
}

fn tries() -> impl Iterator<Item = Try> {
    let standard = Try { clients: 300, objects: 20_000, replicas: 3, gigabits: 1.0, shards: 1 };
    let of = move |change: fn(&mut Try)| {
        let mut it = Try { ..standard };
        change(&mut it);
        it
    };
    [
        of(|_| {}),
        of(|it| it.gigabits = 0.1),
        of(|it| it.gigabits = 10.0),
        of(|it| it.shards = 16),
        of(|it| it.objects = 100_000),
        of(|it| (it.objects, it.gigabits) = (100_000, 10.0)),
        of(|it| (it.objects, it.shards) = (100_000, 16)),
        of(|it| it.clients = 1_000),
        of(|it| (it.clients, it.gigabits) = (1_000, 10.0)),
        of(|it| (it.clients, it.gigabits) = (10_000, 10.0)),
        of(|it| (it.clients, it.gigabits, it.replicas) = (10_000, 10.0, 9)),
        of(|it| (it.clients, it.gigabits, it.shards) = (10_000, 10.0, 16)),
        of(|it| (it.clients, it.objects, it.gigabits) = (10_000, 100_000, 10.0)),
        of(|it| (it.clients, it.objects, it.gigabits, it.shards) = (10_000, 100_000, 10.0, 16)),
    ]
    .into_iter()
}

/// What one cluster costs without any change.
fn clusters() -> Vec<Vec<String>> {
    let heads = [
        "objects",
        "a table, MB",
        "gzip, MB",
        "read from the API server, MB/s",
        "leader's processor",
        "memory of 3 replicas, GiB",
        "and of 200 clusters",
    ];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    for objects in [1_000, 5_000, 20_000, 100_000] {
        let count = f64::from(objects);
        let memory = 3.0 * (MEMORY.0 + MEMORY.1 * count / 1_000.0) / 1_024.0;
        rows.push(vec![
            objects.to_string(),
            format!("{:.1}", count * PLAIN / 1e6),
            format!("{:.2}", count * GZIP / 1e6),
            format!("{:.1}", count * JSON / 1e6 / POLL.as_secs_f64()),
            format!("{:.1} %", count * POLLED / POLL.as_secs_f64() * 100.0),
            format!("{memory:.1}"),
            format!("{:.0}", memory * 200.0),
        ]);
    }
    for clients in [300, 10_000] {
        let part = f64::from(clients) * UNCHANGED / POLL.as_secs_f64();
        println!("{clients} clients that have the table take {:.1} % of one processor in all", part * 100.0);
    }
    println!();
    rows
}
