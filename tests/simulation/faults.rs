//! A run of random faults, then none; and what must be true in the end.

use std::collections::BTreeMap;
use std::time::Duration;

use super::dice::Dice;
use super::witness::Witness;
use super::world::{Broken, REPLICAS, World};

/// How long faults come.
const FAULTS: Duration = Duration::from_secs(25);
/// How long after the last one everyone may take to be in step again: a Lease that was given up is not taken by whoever
/// did so for three of its durations, and a read of the upstream on a dead connection waits for five seconds.
const BOUND: Duration = Duration::from_secs(30);
/// How long a change may take to be everywhere when all is well.
const FLIP: Duration = Duration::from_secs(5);

/// Everything that a link may be cut between.
const HOSTS: [&str; 6] = ["r0", "r1", "r2", "api", "c0", "c1"];

/// What came of a run.
pub struct Outcome {
    pub verdict: Result<(), String>,
    pub witness: Witness,
    /// How long after the last fault everyone was in step.
    pub in_step_after: Duration,
}

type Link = (&'static str, &'static str);

struct Faults<'a> {
    world: World<'a>,
    dice: Dice,
    /// Links that something is wrong with, and until when.
    bad: BTreeMap<Link, Duration>,
    /// When replicas that are down start again.
    starts: BTreeMap<usize, Duration>,
}

/// Runs the seed.
pub fn run(seed: u64) -> Outcome {
    let world = World::new(seed, Broken::Nothing);
    world.note(format!("seed {seed}"));
    let mut faults =
        Faults { world, dice: Dice::new(seed, 2), bad: BTreeMap::new(), starts: BTreeMap::new() };
    let verdict = faults.play();
    let Faults { world, .. } = faults;
    let witness = std::mem::take(&mut *world.witness.lock());
    let (verdict, in_step_after) = match verdict {
        Ok(length) => (Ok(()), length),
        Err(violation) => (Err(violation), Duration::ZERO),
    };
    Outcome { verdict, witness, in_step_after }
}

impl Faults<'_> {
    fn play(&mut self) -> Result<Duration, String> {
        if !self.world.until(Duration::from_secs(10), World::converged)? {
            return Err("the replicas did not come up".to_owned());
        }
        let end = self.world.sim.elapsed() + FAULTS;
        while self.world.sim.elapsed() < end {
            let pause = self.dice.within(0..800);
            let next = self.world.sim.elapsed() + Duration::from_millis(pause);
            while self.world.sim.elapsed() < next {
                self.world.step()?;
                self.end_what_is_due();
            }
            self.act();
        }
        self.heal();
        let since = self.world.sim.elapsed();
        if !self.world.until(BOUND, World::converged)? {
            return Err(format!("not in step {BOUND:?} after the last fault"));
        }
        let in_step_after = self.world.sim.elapsed() - since;
        self.world.change(false);
        if !self.world.until(FLIP, World::converged)? {
            return Err(format!("a change was not everywhere after {FLIP:?}"));
        }
        Ok(in_step_after)
    }

    fn act(&mut self) {
        let number = self.dice.within(0..3) as usize;
        match self.dice.within(0..100) {
            0..25 => {
                let back = self.dice.within(0..4) == 0;
                self.world.change(back);
            }
            25..37 => self.spoil(|world, _, a, b| {
                world.cut(a, b);
                world.cut(b, a);
            }),
            37..47 => self.spoil(|world, dice, a, b| match dice.within(0..2) {
                0 => world.cut(a, b),
                _ => world.cut(b, a),
            }),
            47..55 => self.spoil(|world, _, a, b| world.hold(a, b)),
            55..63 => self.spoil(|world, dice, a, b| {
                let latency = Duration::from_millis(dice.within(20..600));
                world.slow(a, b, latency);
            }),
            63..70 => self.isolate(number),
            70..84 => self.crash(number),
            84..90 if !self.starts.contains_key(&number) => self.world.start(number),
            90..96 if !self.starts.contains_key(&number) => {
                self.world.stop(number);
                let up = self.world.sim.elapsed() + Duration::from_millis(self.dice.within(500..6_000));
                self.starts.insert(number, up);
            }
            96..98 => {
                self.world.note("the Lease is deleted".to_owned());
                self.world.api.delete_lease();
            }
            _ => {}
        }
    }

    /// Does something to a link that is well.
    fn spoil(&mut self, act: impl FnOnce(&mut World<'_>, &mut Dice, &'static str, &'static str)) {
        let a = *self.dice.of(&HOSTS[..4]);
        let b = *self.dice.of(if a == "api" { &HOSTS[..4] } else { &HOSTS });
        let until = self.until();
        if let Some((a, b)) = self.well(a, b, until) {
            act(&mut self.world, &mut self.dice, a, b);
        }
    }

    /// When what begins now ends.
    fn until(&mut self) -> Duration {
        let most = *self.dice.of(&[400, 1_500, 5_000, 10_000]);
        self.world.sim.elapsed() + Duration::from_millis(self.dice.within(100..most))
    }

    /// The link between two hosts, if it is well; from here on it is not.
    fn well(&mut self, a: &'static str, b: &'static str, until: Duration) -> Option<Link> {
        let link = if a < b { (a, b) } else { (b, a) };
        if a == b || self.bad.contains_key(&link) {
            return None;
        }
        self.bad.insert(link, until);
        Some(link)
    }

    /// Cuts a replica off from its peers and the API; clients still reach it.
    fn isolate(&mut self, number: usize) {
        let until = self.until();
        for other in &HOSTS[..4] {
            if let Some((a, b)) = self.well(REPLICAS[number], other, until) {
                self.world.cut(a, b);
                self.world.cut(b, a);
            }
        }
    }

    fn crash(&mut self, number: usize) {
        if self.starts.contains_key(&number) {
            return;
        }
        // A machine that is lost says no farewell.
        if self.dice.within(0..2) == 0 {
            self.isolate(number);
        }
        self.world.crash(number);
        let up = self.world.sim.elapsed() + Duration::from_millis(self.dice.within(100..6_000));
        self.starts.insert(number, up);
    }

    fn end_what_is_due(&mut self) {
        let now = self.world.sim.elapsed();
        let ended: Vec<Link> =
            self.bad.iter().filter(|(_, until)| **until <= now).map(|(link, _)| *link).collect();
        for (a, b) in ended {
            self.bad.remove(&(a, b));
            self.world.mend(a, b);
        }
        for number in 0..REPLICAS.len() {
            if self.starts.get(&number).is_some_and(|at| *at <= now) {
                self.starts.remove(&number);
                self.world.start(number);
            }
        }
    }

    /// No fault from here on.
    fn heal(&mut self) {
        self.world.note("all faults end".to_owned());
        for (a, b) in std::mem::take(&mut self.bad).into_keys() {
            self.world.mend(a, b);
        }
        for number in std::mem::take(&mut self.starts).into_keys() {
            self.world.start(number);
        }
    }
}
