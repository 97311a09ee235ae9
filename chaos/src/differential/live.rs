//! A running Bellwether beside a running routesrv: random clusters, and what becomes of them.
//!
//! In: how many clusters, the seed of the first. Both servers read one fake API server, which lets their polls through one by
//! one: after each change both have read the same objects, and what they serve is compared. Out: how many states
//! were the same to the byte, how many but for known deviations; each other difference. What can go wrong: a binary is
//! missing; a server does not start, or does not poll.

mod expected;
mod pair;
mod served;

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::Instant;

use super::oracle::Oracle;
use super::verdict::{self, Deviation, Judged, Verdict};
use super::{DifferentialArgs, Tally, compiler};
use crate::generate::{self, Cluster};
use crate::peers::{ORACLE, ROUTESRV};
use crate::stage::Folder;
use crate::stage::program::bellwether;
use expected::Expected;
use pair::{Binaries, Pair};
use served::Served;

/// How many clusters in a row have the flags of the first of them, and so the same two processes.
const GROUP: u64 = 10;

/// How often a cluster changes.
const CHANGES: u64 = 5;

/// Changes have seeds of their own, far from those of clusters.
const SEEDS_OF_CHANGES: u64 = 1 << 40;

/// How long ours may take to serve what its last poll read.
const PATIENCE: Duration = Duration::from_secs(5);

/// A zone that no endpoint is in: it has the main table.
const NOWHERE: &str = "no where";

/// Compares them. Returns whether there is no difference beside the known deviations.
pub(super) async fn run(args: &DifferentialArgs) -> Result<bool> {
    let mut folder = Folder::new()?;
    let outcome = all(args, &folder).await;
    if args.keep {
        println!("state and logs are in {}", folder.keep().display());
    }
    outcome
}

async fn all(args: &DifferentialArgs, folder: &Folder) -> Result<bool> {
    let binaries = Binaries { ours: bellwether(args.bellwether.clone()).await?, peer: ROUTESRV.binary()? };
    let mut live = Live {
        folder,
        binaries,
        oracle: Oracle::start(&ORACLE.binary()?)?,
        pairs: 0,
        tally: Tally::default(),
    };
    let end = args.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let (mut clusters, mut differences) = (0, 0);
    let (mut pair, mut flags) = (None, Vec::new());
    for number in 0..args.clusters {
        if differences >= args.differences || end.is_some_and(|end| Instant::now() >= end) {
            break;
        }
        let seed = args.seed + number;
        if number % GROUP == 0 {
            flags = generate::cluster(seed).flags;
            pair = None;
        }
        let first = Cluster { flags: flags.clone(), ..generate::cluster(seed) };
        let compared = live.cluster(seed, &first, pair.take()).await;
        match compared.with_context(|| format!("seed {seed}"))? {
            Ok(survivors) => pair = survivors,
            Err(difference) => {
                differences += 1;
                let begin = seed - number % GROUP;
                eprintln!("seed {seed} (--seed {begin} --clusters {}), {difference}", number % GROUP + 1);
            }
        }
        clusters += 1;
    }
    println!("{clusters} clusters, each with {CHANGES} changes, read by {} pairs of processes", live.pairs);
    live.tally.print("states", differences);
    Ok(differences == 0)
}

struct Live<'a> {
    folder: &'a Folder,
    binaries: Binaries,
    oracle: Oracle,
    pairs: usize,
    tally: Tally,
}

impl Live<'_> {
    /// One cluster with all its changes. Gives back the processes, where they are still good for another one; or the
    /// difference, in a few lines.
    async fn cluster(
        &mut self,
        seed: u64,
        first: &Cluster,
        pair: Option<Pair>,
    ) -> Result<Result<Option<Pair>, String>> {
        let mut pair = match pair {
            Some(pair) => pair,
            None => {
                self.pairs += 1;
                Pair::start(&self.binaries, &first.flags, self.folder, self.pairs).await?
            }
        };
        let mut now = first.clone();
        for step in 0..=CHANGES {
            if step > 0 {
                generate::change(&mut now, first, SEEDS_OF_CHANGES + seed * (CHANGES + 1) + step);
            }
            let compared = self.state(&now, &mut pair).await;
            let (deviations, routes) = match compared.with_context(|| format!("after change {step}"))? {
                Verdict::Same(routes) => (Vec::new(), routes),
                Verdict::Deviates(deviations, routes) => (deviations, routes),
                Verdict::Differs(difference) => {
                    return Ok(Err(format!(
                        "after change {step}, with {:?}:\n{difference}\n{}",
                        first.flags,
                        serde_json::to_string(&now.objects)?
                    )));
                }
            };
            self.tally.count(&deviations, routes);
            if deviations.contains(&Deviation::Crash) {
                return Ok(Ok(None));
            }
        }
        Ok(Ok(Some(pair)))
    }

    /// One state of a cluster: whether each serves what it makes of it, and that is the same.
    async fn state(&mut self, cluster: &Cluster, pair: &mut Pair) -> Result<Verdict> {
        let cluster = pair.show(cluster)?;
        let judged = tokio::task::block_in_place(|| verdict::judge(&cluster, &mut self.oracle))?;
        let Judged { verdict, answers } = judged;
        let crash = matches!(&verdict, Verdict::Deviates(known, _) if known.contains(&Deviation::Crash));
        if matches!(verdict, Verdict::Differs(_)) {
            return Ok(verdict);
        }
        match tokio::task::block_in_place(|| compiler::compile(&cluster, &pair.past)) {
            Ok(ours) => pair.expects(ours.compiled, answers),
            Err(error) => return Ok(Verdict::Differs(error)),
        }
        let survived = pair.poll().await?;
        if survived == crash {
            let (oracle, routesrv) = if crash { ("ends", "does not") } else { ("does not end", "does") };
            return Ok(Verdict::Differs(format!("  the oracle {oracle}, routesrv {routesrv}")));
        }
        let zones = pair.ours.expected.zones().chain(pair.peer.expected.zones());
        let mut zones: Vec<_> = zones.map(|zone| Some(zone.to_owned())).chain([None]).collect();
        zones.push(Some(NOWHERE.to_owned()));
        zones.sort();
        zones.dedup();
        for zone in &zones {
            let zone = zone.as_deref();
            let ours = pair.ours.comes_to_serve(zone, PATIENCE).await?;
            let mut out = ours.differs_from(&pair.ours.expected, zone);
            if !crash {
                let theirs = pair.peer.serves(zone).await?;
                out += &theirs.differs_from(&pair.peer.expected, zone);
                if let Verdict::Same(1..) = verdict {
                    out += &ours.differs(&theirs);
                }
            }
            if !out.is_empty() {
                let table = zone.map_or("/routes".to_owned(), |zone| format!("/routes/{zone}"));
                return Ok(Verdict::Differs(format!("  {table}:\n{out}")));
            }
        }
        Ok(verdict)
    }
}
