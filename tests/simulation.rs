//! Three whole replicas on a simulated network and clock (turmoil): partitions, holds, latency, crashes, all from a seed.
//!
//! `BELLWETHER_SEED=N` plays one seed and prints what happened in it; `BELLWETHER_SEEDS=A..B` plays many.

#[path = "simulation/api.rs"]
mod api;
#[path = "simulation/client.rs"]
mod client;
#[path = "simulation/dice.rs"]
mod dice;
#[path = "simulation/faults.rs"]
mod faults;
#[path = "simulation/net.rs"]
mod net;
#[path = "simulation/replica.rs"]
mod replica;
#[path = "simulation/witness.rs"]
mod witness;
#[path = "simulation/world.rs"]
mod world;

use std::time::Duration;

use tokio::time::Instant;

use faults::{Outcome, run};
use world::{Broken, World};

/// Seeds that are always played, first.
const STORED: &str = include_str!("simulation/seeds.txt");

/// Those that the short form plays beside the stored ones.
const SHORT: std::ops::Range<u64> = 100..103;

fn stored() -> impl Iterator<Item = u64> {
    let lines = STORED.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    lines.filter(|line| !line.is_empty()).map(|line| line.parse().expect("a seed"))
}

fn asked(variable: &str) -> Option<String> {
    std::env::var(variable).ok()
}

/// What the log of product and simulation is wanted for: `BELLWETHER_LOG=debug`.
fn log() {
    if let Some(filter) = asked("BELLWETHER_LOG") {
        let filter = tracing_subscriber::EnvFilter::new(filter);
        let _ = tracing_subscriber::fmt().with_env_filter(filter).without_time().try_init();
    }
}

fn tell(outcome: &Outcome) -> String {
    let Outcome { seed, witness, in_step_after, .. } = outcome;
    let (polls, tables) = (witness.polls, witness.tables);
    format!("seed {seed}: {polls} polls, {tables} tables, in step {in_step_after:?} after the last fault")
}

#[test]
fn whatever_the_network_does_no_client_steps_back_and_all_come_into_step() {
    log();
    let seeds: Vec<u64> = match (asked("BELLWETHER_SEED"), asked("BELLWETHER_SEEDS")) {
        (Some(seed), _) => vec![seed.parse().expect("BELLWETHER_SEED=N")],
        (None, Some(range)) => {
            let (from, to) = range.split_once("..").expect("BELLWETHER_SEEDS=A..B");
            let range = from.parse().expect("a seed")..to.parse().expect("a seed");
            stored().chain(range).collect()
        }
        (None, None) => stored().chain(SHORT).collect(),
    };
    let (count, started) = (seeds.len(), Instant::now());
    let (mut polls, mut tables, mut longest, mut failed) = (0, 0, Duration::ZERO, Vec::new());
    for seed in seeds {
        let outcome = run(seed, Broken::Nothing);
        if asked("BELLWETHER_SEED").is_some() || outcome.verdict.is_err() {
            outcome.witness.log.iter().for_each(|line| println!("{line}"));
        }
        println!("{}", tell(&outcome));
        polls += outcome.witness.polls;
        tables += outcome.witness.tables;
        longest = longest.max(outcome.in_step_after);
        if let Err(violation) = outcome.verdict {
            println!("FAILED: {violation}");
            println!("replay: BELLWETHER_SEED={seed} cargo test --test simulation whatever -- --nocapture");
            failed.push((seed, violation));
        }
    }
    println!(
        "{count} seeds, {} failed: {polls} polls, {tables} tables, in step {longest:?} after the last fault at most, {:?}",
        failed.len(),
        started.elapsed()
    );
    assert!(failed.is_empty(), "{failed:?}; add the seeds to tests/simulation/seeds.txt");
}

#[test]
fn one_seed_is_one_run() {
    let (first, second) = (run(7, Broken::Nothing).witness.log, run(7, Broken::Nothing).witness.log);
    for (number, (first, second)) in first.iter().zip(&second).enumerate() {
        assert_eq!(first, second, "line {number}");
    }
    assert_eq!(first.len(), second.len());
}

#[test]
fn a_lease_without_compare_and_swap_is_noticed() {
    assert_eq!(two_that_take_the_lease_at_once(Broken::Nothing), Ok(()));
    let found = two_that_take_the_lease_at_once(Broken::Store).expect_err("two that lead");
    assert!(found.contains("fork") || found.contains("two guards"), "{found}");
}

/// The leader dies, and what the first candidate writes is still on its way when the second one writes.
fn two_that_take_the_lease_at_once(broken: Broken) -> Result<(), String> {
    let mut world = World::new(1, broken);
    assert!(world.until(Duration::from_secs(10), World::converged)?);
    let leader = world.leader().expect("they are in step");
    world.crash(leader);
    world.pass(Duration::from_secs(2))?;
    for candidate in world::REPLICAS {
        world.slow("api", candidate, Duration::from_millis(150));
    }
    world.pass(Duration::from_secs(6))
}

#[test]
fn a_replica_whose_grants_do_not_end_is_noticed() {
    let mut world = World::new(1, Broken::Nothing);
    assert!(world.until(Duration::from_secs(10), World::converged).expect("all is well"));
    let follower = (world.leader().expect("they are in step") + 1) % 3;
    let name = world::REPLICAS[follower];
    world.stick_clock(follower);
    for other in ["api", "r0", "r1", "r2"].into_iter().filter(|other| *other != name) {
        world.cut(name, other);
        world.cut(other, name);
    }
    world.change();
    let violation = world.pass(Duration::from_secs(10)).expect_err("it serves what was before");
    assert!(violation.contains("step back"), "{violation}");
}
