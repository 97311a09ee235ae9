//! Random clusters, compiled by us and by the peer, compared to the byte; and, with `--serve`, served by both.
//!
//! In: how many, and the seed of the first. Out: how many were equal, how often each known deviation occurred, and for every
//! other difference the smallest cluster that shows it, as a case that can be kept. What can go wrong: no oracle; build
//! it with `cargo run -p chaos -- peers`.

mod compiler;
mod less;
mod live;
mod oracle;
mod shrink;
mod tables;
mod verdict;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::{Context, Result, ensure};
use clap::Args;
use parking_lot::Mutex;
use serde_json::json;
use tokio::time::Instant;

use crate::generate::{self, Cluster};
use crate::peers::ORACLE;
use oracle::Oracle;
use verdict::{Deviation, Verdict};

/// The options of `differential`.
#[derive(Args, Debug)]
pub struct DifferentialArgs {
    /// How many clusters.
    #[arg(long, default_value_t = 500)]
    clusters: u64,
    /// The seed of the first; the next ones follow.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many are compared at once.
    #[arg(long, default_value_t = 2)]
    jobs: u64,
    /// Stop after so many differences.
    #[arg(long, default_value_t = 5)]
    differences: u64,
    /// Compare what a running Bellwether and a running routesrv serve, while each cluster changes. Needs routesrv.
    #[arg(long)]
    serve: bool,
    /// With --serve: begin no other cluster after so many seconds.
    #[arg(long, requires = "serve")]
    seconds: Option<u64>,
    /// With --serve: the binary of Bellwether; by default the one that Cargo builds.
    #[arg(long, requires = "serve")]
    bellwether: Option<PathBuf>,
    /// With --serve: keep state and logs.
    #[arg(long, requires = "serve")]
    keep: bool,
}

/// Ends the jobs, which run on threads of their own, with the command.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What all jobs found together.
#[derive(Default)]
struct Tally {
    equal: u64,
    deviating: u64,
    deviations: BTreeMap<Deviation, u64>,
    routes: u64,
}

impl DifferentialArgs {
    /// Compares them. Returns whether there is no difference beside the known deviations.
    ///
    /// # Errors
    ///
    /// Where the oracle, or a server, cannot be started.
    pub async fn run(self) -> Result<bool> {
        if self.serve {
            return live::run(&self).await;
        }
        let stop = Arc::new(AtomicBool::new(false));
        let _when_interrupted = StopOnDrop(Arc::clone(&stop));
        tokio::task::spawn_blocking(move || self.compare(&stop)).await.context("compare")?
    }

    fn compare(&self, stop: &AtomicBool) -> Result<bool> {
        let binary = ORACLE.binary()?;
        let (next, found, tally) = (AtomicU64::new(0), AtomicU64::new(0), Mutex::new(Tally::default()));
        let work = || -> Result<()> {
            let mut oracle = Oracle::start(&binary)?;
            while found.load(Ordering::Relaxed) < self.differences && !stop.load(Ordering::Relaxed) {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= self.clusters {
                    break;
                }
                let seed = self.seed + number;
                let cluster = generate::cluster(seed);
                match verdict::judge(&cluster, &mut oracle)?.verdict {
                    Verdict::Same(routes) => tally.lock().count(&[], routes),
                    Verdict::Deviates(deviations, routes) => tally.lock().count(&deviations, routes),
                    Verdict::Differs(_) => {
                        found.fetch_add(1, Ordering::Relaxed);
                        report(seed, &cluster, &mut oracle, stop)?;
                    }
                }
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let jobs: Vec<_> = (0..self.jobs.max(1)).map(|_| scope.spawn(work)).collect();
            jobs.into_iter().try_for_each(|job| job.join().expect("a job only returns errors"))
        })?;
        let differences = found.into_inner();
        tally.into_inner().print("clusters", differences);
        Ok(differences == 0)
    }
}

impl Tally {
    fn count(&mut self, deviations: &[Deviation], routes: usize) {
        self.routes += routes as u64;
        if deviations.is_empty() {
            self.equal += 1;
        } else {
            self.deviating += 1;
        }
        for deviation in deviations {
            *self.deviations.entry(*deviation).or_default() += 1;
        }
    }

    fn print(&self, what: &str, differences: u64) {
        let number = self.equal + self.deviating + differences;
        println!(
            "{number} {what}, {} routes: {} equal to the byte, {} but for known deviations, {differences} different",
            self.routes, self.equal, self.deviating
        );
        for (deviation, number) in &self.deviations {
            println!("{number:>8}  {}", deviation.row());
        }
    }
}

/// Prints the smallest cluster that shows a difference, as a case, and what differs.
fn report(seed: u64, cluster: &Cluster, oracle: &mut Oracle, stop: &AtomicBool) -> Result<()> {
    let start = Instant::now();
    let smallest = shrink::smallest(cluster, |candidate| {
        ensure!(!stop.load(Ordering::Relaxed), "interrupted");
        Ok(matches!(verdict::judge(candidate, oracle)?.verdict, Verdict::Differs(_)))
    })?;
    let difference = match verdict::judge(&smallest, oracle)?.verdict {
        Verdict::Differs(difference) => difference,
        _ => "not the same on each run\n".to_owned(),
    };
    let case = json!({
        "name": format!("seed-{seed}"),
        "flags": smallest.flags,
        "objects": smallest.objects,
        "defaultFilters": smallest.default_filters,
    });
    println!("{case}");
    eprintln!("seed {seed}, shrunk in {:.1} s:\n{difference}", start.elapsed().as_secs_f64());
    Ok(())
}
