//! Two ways through the states: all of them, breadth first; or random schedules, each followed by a time without
//! faults in which everything must come right. A violation is told as the shortest way to it that was found.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use fastrand::Rng;

use super::world::{Action, ActionKind, Plan, Violation, World, all};

/// Rounds without faults after which everyone must be current.
const ROUNDS: u8 = 16;

/// How far a search came.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Different states that were seen.
    pub states: usize,
    /// The longest way to one of them.
    pub depth: usize,
    /// Whether these are all.
    pub complete: bool,
    /// Schedules that were tried.
    pub schedules: usize,
    /// The most rounds that a schedule needed to come right.
    pub rounds: u8,
    /// What went wrong, and how.
    pub counterexample: Option<Counterexample>,
}

/// A way to a violation.
#[derive(Clone, Debug)]
pub struct Counterexample {
    pub violation: String,
    pub schedule: Vec<Action>,
}

/// Visits every state within `depth` steps, or `states` of them, whichever is less.
pub fn exhaust(plan: &Plan, states: usize, depth: usize) -> Found {
    let actions = all(plan);
    let start = World::established(plan);
    let mut seen: HashSet<u64, BuildHasherDefault<Itself>> = HashSet::default();
    seen.insert(start.fingerprint(plan));
    // How each state was reached: the state before it, and the action.
    let mut ways: Vec<(u32, u8)> = vec![(0, 0)];
    let mut frontier = vec![(0_u32, start)];
    let mut found = Found::default();
    while !frontier.is_empty() && found.depth < depth && seen.len() < states {
        let mut next = Vec::new();
        for (way, world) in frontier {
            for (number, action) in actions.iter().enumerate().filter(|(_, it)| world.allows(plan, **it)) {
                let mut after = world.clone();
                if let Err(violation) = after.step(plan, *action) {
                    let mut schedule = trace(&ways, way, &actions);
                    schedule.push(*action);
                    found.states = seen.len();
                    found.counterexample =
                        Some(Counterexample { violation: violation.to_string(), schedule });
                    return found;
                }
                if seen.insert(after.fingerprint(plan)) {
                    ways.push((way, number as u8));
                    next.push((ways.len() as u32 - 1, after));
                }
            }
            if seen.len() >= states {
                break;
            }
        }
        found.complete = next.is_empty();
        found.depth += usize::from(!found.complete);
        frontier = next;
    }
    found.states = seen.len();
    found
}

fn trace(ways: &[(u32, u8)], mut way: u32, actions: &[Action]) -> Vec<Action> {
    let mut schedule = Vec::new();
    while way != 0 {
        let (before, number) = ways[way as usize];
        schedule.push(actions[usize::from(number)]);
        way = before;
    }
    schedule.reverse();
    schedule
}

/// Tries `schedules` random ones of `length` steps. Where the end is to be `well`, everything must come right after
/// the faults.
pub fn wander(plan: &Plan, schedules: usize, length: usize, seed: u64, well: bool) -> Found {
    let actions = all(plan);
    let mut dice = Rng::with_seed(seed);
    let mut found = Found::default();
    let mut seen: HashSet<u64, BuildHasherDefault<Itself>> = HashSet::default();
    let start = World::established(plan);
    let mut schedule = Vec::with_capacity(length);
    for _ in 0..schedules {
        found.schedules += 1;
        schedule.clear();
        let mut world = start.clone();
        for _ in 0..8 * length {
            if schedule.len() == length {
                break;
            }
            let action = actions[dice.usize(..actions.len())];
            if dice.u8(..32) >= weight(action.kind) || !world.allows(plan, action) {
                continue;
            }
            schedule.push(action);
            if world.step(plan, action).is_err() {
                found.counterexample = Some(shrink(plan, &start, schedule));
                found.states = seen.len();
                return found;
            }
            seen.insert(world.fingerprint(plan));
        }
        found.depth = found.depth.max(schedule.len());
        if !well {
            continue;
        }
        match settle(plan, &mut world) {
            Ok(rounds) => found.rounds = found.rounds.max(rounds),
            Err(violation) => {
                found.counterexample = Some(Counterexample { violation, schedule });
                break;
            }
        }
    }
    found.states = seen.len();
    found
}

/// How many rounds without faults it takes until all is well.
fn settle(plan: &Plan, world: &mut World) -> Result<u8, String> {
    let mut fair = plan.clone();
    fair.limits.terms = u8::MAX;
    for round in 0..ROUNDS {
        if world.is_settled(plan) {
            return Ok(round);
        }
        world.fair_round(&fair).map_err(|violation| violation.to_string())?;
    }
    Err(format!(
        "stuck: not everyone is current after {ROUNDS} rounds without faults: {}",
        world.describe(plan)
    ))
}

fn violation(plan: &Plan, start: &World, schedule: &[Action]) -> Option<(Violation, usize)> {
    let mut world = start.clone();
    schedule.iter().enumerate().find_map(|(at, action)| {
        let outcome = if world.allows(plan, *action) { world.step(plan, *action) } else { Ok(()) };
        outcome.err().map(|violation| (violation, at))
    })
}

/// Leaves out what is not needed to come to a violation.
fn shrink(plan: &Plan, start: &World, mut schedule: Vec<Action>) -> Counterexample {
    let mut piece = schedule.len() / 2;
    while piece > 0 {
        let mut at = 0;
        let before = schedule.len();
        while at + piece <= schedule.len() {
            let mut shorter = schedule.clone();
            shorter.drain(at..at + piece);
            match violation(plan, start, &shorter) {
                Some((_, last)) => {
                    shorter.truncate(last + 1);
                    schedule = shorter;
                }
                None => at += piece,
            }
        }
        if piece > 1 || schedule.len() == before {
            piece /= 2;
        }
    }
    let violation = violation(plan, start, &schedule).map(|(violation, _)| violation.to_string());
    Counterexample { violation: violation.unwrap_or_default(), schedule }
}

/// Of 32: messages arrive more often than replicas die, so that most schedules get somewhere.
const fn weight(kind: ActionKind) -> u8 {
    match kind {
        ActionKind::Deliver | ActionKind::Beat => 32,
        ActionKind::Acquire | ActionKind::Send | ActionKind::Poll => 22,
        ActionKind::Publish | ActionKind::Progress | ActionKind::Ping | ActionKind::Subscribe => 18,
        ActionKind::Tick | ActionKind::Read | ActionKind::Renew | ActionKind::CaughtUp => 12,
        ActionKind::Ask | ActionKind::SeeLease => 8,
        ActionKind::Upstream | ActionKind::Persist | ActionKind::Converge | ActionKind::Release => 5,
        ActionKind::Thaw
        | ActionKind::Crash
        | ActionKind::Break
        | ActionKind::Forget
        | ActionKind::StaleRead => 3,
        ActionKind::DeleteLease | ActionKind::Freeze => 2,
    }
}

/// Fingerprints are mixed already.
#[derive(Default)]
struct Itself(u64);

impl Hasher for Itself {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, word: u64) {
        self.0 = word;
    }
}
