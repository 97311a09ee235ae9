//! Three whole replicas on a simulated network and clock (turmoil): partitions, holds, latency, crashes, all from a seed.
//!
//! `BELLWETHER_SEED=N cargo test --test simulation` plays one seed and tells what happened in it, with `BELLWETHER_LOG=debug`
//! also what the replicas log; `BELLWETHER_SEEDS=A..B` plays many.

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
#[path = "simulation/pki.rs"]
mod pki;
#[path = "simulation/replica.rs"]
mod replica;
#[path = "simulation/witness.rs"]
mod witness;
#[path = "simulation/world.rs"]
mod world;

use std::process::Command;
use std::time::Duration;

use bellwether::replication::core::Refusal;
use rand::SeedableRng;
use rand::rngs::StdRng;

use world::{Broken, World};

/// Seeds that are always played, first.
const STORED: &str = include_str!("simulation/seeds.txt");

/// Those that the short form plays beside the stored ones.
const SHORT: std::ops::Range<u64> = 100..103;

fn stored() -> impl Iterator<Item = u64> {
    let lines = STORED.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    lines.filter(|line| !line.is_empty()).map(|line| line.parse().expect("a seed"))
}

fn seeds() -> Vec<u64> {
    let Ok(range) = std::env::var("BELLWETHER_SEEDS") else { return stored().chain(SHORT).collect() };
    let (from, to) = range.split_once("..").expect("BELLWETHER_SEEDS=A..B");
    stored().chain(from.parse().expect("a seed")..to.parse().expect("a seed")).collect()
}

/// What a run was, as it told it.
#[derive(Debug, Default, PartialEq)]
struct Run {
    held: bool,
    log: Vec<String>,
    polls: u64,
    tables: u64,
    in_step_after_millis: u64,
}

/// Plays a seed in a process of its own: what tokio and maps draw at random there comes from the seed too.
fn play(seed: u64, environment: &[(&str, &str)]) -> Run {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.env("BELLWETHER_SEED", seed.to_string());
    let output = command.envs(environment.iter().copied()).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let log: Vec<String> =
        text.lines().filter_map(|line| line.strip_prefix("| ")).map(str::to_owned).collect();
    let mut figures =
        text.lines().filter_map(|line| line.strip_prefix("figures ")).flat_map(str::split_whitespace);
    let mut figure = || figures.next().and_then(|figure| figure.parse().ok()).unwrap_or_default();
    let (polls, tables, in_step_after_millis) = (figure(), figure(), figure());
    Run { held: output.status.success(), log, polls, tables, in_step_after_millis }
}

/// All of it, or what has one of the arguments in its name; with `BELLWETHER_SEED` that run alone, in this process.
fn main() {
    if let Ok(seed) = std::env::var("BELLWETHER_SEED") {
        return one_seed(seed.parse().expect("BELLWETHER_SEED=N"));
    }
    let checks: &[(&str, fn())] = &[
        (
            "a_leader_whose_clock_stands_still_is_refused_by_everybody",
            a_leader_whose_clock_stands_still_is_refused_by_everybody,
        ),
        ("a_lease_without_compare_and_swap_is_noticed", a_lease_without_compare_and_swap_is_noticed),
        ("a_replica_whose_grants_do_not_end_is_noticed", a_replica_whose_grants_do_not_end_is_noticed),
        #[cfg(feature = "mutations")]
        ("a_protection_that_is_left_out_is_missed", a_protection_that_is_left_out_is_missed),
        ("one_seed_is_one_run", one_seed_is_one_run),
        ("whatever_the_network_does", whatever_the_network_does),
    ];
    let wanted: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with('-')).collect();
    let list = std::env::args().any(|argument| argument == "--list");
    for (name, check) in checks {
        if list {
            println!("{name}: test");
        } else if wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str())) {
            check();
            println!("test {name} ... ok");
        }
    }
}

/// Plays a seed, and tells what happened in it.
fn one_seed(seed: u64) {
    if let Ok(filter) = std::env::var("BELLWETHER_LOG") {
        let filter = tracing_subscriber::EnvFilter::new(filter);
        let _ = tracing_subscriber::fmt().with_env_filter(filter).without_time().try_init();
    }
    mad_turmoil::rand::set_rng(StdRng::seed_from_u64(seed));
    // The random state of this thread's maps may be older.
    let outcome = std::thread::spawn(move || faults::run(seed)).join().expect("it comes to an end");
    outcome.witness.log.iter().for_each(|line| println!("| {line}"));
    let (polls, tables) = (outcome.witness.polls, outcome.witness.tables);
    println!("figures {polls} {tables} {}", outcome.in_step_after.as_millis());
    assert_eq!(outcome.verdict, Ok(()), "seed {seed}");
}

/// No client steps back, nothing forks or lies, one guard is open at most; and in the end all come into step.
fn whatever_the_network_does() {
    let (mut all, mut failed, seeds) = (Run::default(), Vec::new(), seeds());
    for seed in &seeds {
        let run = play(*seed, &[]);
        println!(
            "seed {seed}: {} polls, {} tables, in step after {} ms",
            run.polls, run.tables, run.in_step_after_millis
        );
        all.polls += run.polls;
        all.tables += run.tables;
        all.in_step_after_millis = all.in_step_after_millis.max(run.in_step_after_millis);
        if !run.held {
            run.log.iter().for_each(|line| println!("{line}"));
            println!("replay: BELLWETHER_SEED={seed} cargo test --test simulation");
            failed.push(seed);
        }
    }
    let (count, Run { polls, tables, in_step_after_millis, .. }) = (seeds.len(), all);
    println!(
        "{count} seeds: {polls} polls, {tables} tables, in step {in_step_after_millis} ms after the faults at most"
    );
    assert!(failed.is_empty(), "{failed:?}; add them to tests/simulation/seeds.txt");
}

/// Builds with the feature `mutations` can leave a protection out.
#[cfg(feature = "mutations")]
fn a_protection_that_is_left_out_is_missed() {
    use bellwether::protection::{Protection, VARIABLE};
    for protection in [Protection::Fence, Protection::Grants] {
        let missed = |seed: &u64| !play(*seed, &[(VARIABLE, protection.name())]).held;
        let found = (0..100).find(missed);
        println!("without {}: missed by seed {found:?}", protection.name());
        assert!(found.is_some(), "nobody misses {protection:?}");
    }
}

/// Without mutual TLS, and with it.
fn one_seed_is_one_run() {
    for seed in [6, 7] {
        assert_eq!(replica::has_mutual_tls(seed), seed == 7);
        let (first, second) = (play(seed, &[]), play(seed, &[]));
        assert!(first.held && second.held, "{first:?}");
        for (number, (first, second)) in first.log.iter().zip(&second.log).enumerate() {
            assert_eq!(first, second, "line {number} of seed {seed}");
        }
        assert_eq!(first, second);
    }
}

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
    world.change(false);
    let violation = world.pass(Duration::from_secs(10)).expect_err("it serves what was before");
    assert!(violation.contains("step back"), "{violation}");
}

/// As in a machine that is suspended: by its own clock its term goes on, and it still reads and announces. Whoever would hear
/// it refuses, by epoch: the one that leads since the Lease has expired, and the one that knows of that only from there.
fn a_leader_whose_clock_stands_still_is_refused_by_everybody() {
    let mut world = World::new(1, Broken::Nothing);
    assert!(world.until(Duration::from_secs(10), World::converged).expect("all is well"));
    let old = world.leader().expect("they are in step");
    let (third, next) = ((old + 1) % 3, (old + 2) % 3);
    let epoch = world.epoch_of(old).expect("it leads");
    world.stick_clock(old);
    world.hide_lease(old);
    world.cut(world::REPLICAS[third], "api");
    world.cut("api", world::REPLICAS[third]);
    // Whoever asks it gets no answer.
    for other in [world::REPLICAS[next], world::CLIENTS[0], world::CLIENTS[1]] {
        world.cut(other, world::REPLICAS[old]);
        world.cut(world::REPLICAS[old], other);
    }
    let led = world.until(Duration::from_secs(6), |world| world.epoch_of(next).is_some());
    assert_eq!(led, Ok(true), "nobody follows on it");
    assert!(world.epoch_of(next) > Some(epoch));
    let begun = world.witness.lock().log.len();
    let before = world.hub(old).read(|core| core.known());
    for _ in 0..6 {
        world.change(false);
        world.pass(Duration::from_millis(700)).expect("nobody steps back, and nothing forks");
    }
    assert_eq!(world.epoch_of(old), Some(epoch), "its guard is open by its own clock");
    let known = world.hub(old).read(|core| core.known());
    assert!(known > before && known.epoch.0 == epoch, "it announces nothing more: {known} after {before}");
    let table = world.hub(old).read(|core| core.active().cloned()).expect("it serves");
    assert_eq!(table.version.epoch.0, epoch);
    let seen = world.witness.lock().log[begun..].join("\n");
    for other in [third, next] {
        let name = world::REPLICAS[other];
        let taken = world.hub(other).update(|core, _| core.stage((*table).clone()));
        assert!(matches!(taken, Err(Refusal::StaleEpoch(_))), "{name}: {taken:?}");
        assert!(!seen.contains(&format!("{name} activates {epoch}.")), "{seen}");
        let current = format!("{name} activates {}.", world.epoch_of(next).unwrap_or_default());
        assert!(seen.contains(&current), "it does not follow the new one:\n{seen}");
    }
}
