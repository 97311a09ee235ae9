//! Explores the real cores of replication: every state of small worlds, and random schedules of larger ones. In: a
//! plan, or nothing. Out: how many states there are, and whether an invariant of the design breaks in one of them. With
//! `--teeth` each rule of docs/protocol.md is broken once, and the exploration must find out.

mod rule;
mod search;
mod world;

use clap::{Args, ValueEnum};

pub use rule::Rule;
use search::{Counterexample, Found};
use world::{Plan, Spent, World};

/// What to explore.
#[derive(Args, Debug, Default)]
pub struct ExploreArgs {
    /// A tenth of the states and schedules.
    #[arg(long)]
    short: bool,
    /// Break each rule once, and fail where nobody notices.
    #[arg(long)]
    teeth: bool,
    /// Break this one rule, and show how it goes wrong.
    #[arg(long, value_name = "RULE")]
    without: Option<Rule>,
    /// Where the dice start.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// At most so many states of one world.
const STATES: usize = 5_000_000;

/// The states of one small world.
struct Space {
    name: &'static str,
    plan: Plan,
    states: usize,
}

fn spaces(share: usize) -> Vec<Space> {
    let one = Spent { terms: 1, ..Spent::default() };
    let two = Spent { terms: 2, ..Spent::default() };
    let space = |name, replicas, contents, limits| Space {
        name,
        plan: Plan::new(replicas, 1, contents, limits),
        states: STATES / share,
    };
    vec![
        space("2 replicas, 1 term, A to B", 2, "AB", one),
        space("2 replicas, 1 term, A to B, a crash", 2, "AB", Spent { crashes: 1, ..one }),
        space("2 replicas, 1 term, A to B, two freezes", 2, "AB", Spent { freezes: 2, ..one }),
        space("2 replicas, 1 term, A to B to A", 2, "ABA", one),
        space("2 replicas, 2 terms, A to B", 2, "AB", two),
        space("2 replicas, 2 terms, A to B, a release", 2, "AB", Spent { releases: 1, ..two }),
        space("3 replicas, 1 term, A to B", 3, "AB", one),
        space("3 replicas, 2 terms, A to B to A, a release", 3, "ABA", Spent { releases: 1, ..two }),
        space("3 replicas, 2 terms, A to B to A, a crash", 3, "ABA", Spent { crashes: 1, ..two }),
    ]
}

/// Everything that may go wrong, several times over.
fn wild() -> Plan {
    let limits = Spent { terms: 5, crashes: 3, releases: 2, deletions: 1, forgets: 1, breaks: 3, freezes: 3 };
    Plan::new(3, 2, "ABACAB", limits)
}

impl ExploreArgs {
    /// Explores, and prints what was found. Whether all is well.
    ///
    /// # Errors
    ///
    /// None so far; the harness's commands share this form.
    pub async fn run(self) -> anyhow::Result<bool> {
        let share = if self.short { 10 } else { 1 };
        Ok(match self.without {
            Some(rule) => !self.shows(rule),
            None if self.teeth => self.teeth(),
            None => self.explore(share),
        })
    }

    fn explore(&self, share: usize) -> bool {
        let mut well = true;
        for Space { name, plan, states } in spaces(share) {
            let found = search::exhaust(&plan, states, usize::MAX);
            let all = if found.complete { "all" } else { "the first" };
            println!(
                "{name}: {all} {} states, {} steps deep: {}",
                found.states,
                found.depth,
                verdict(&found)
            );
            well &= tell(&plan, &found);
        }
        let plan = wild();
        let found = search::wander(&plan, 200_000 / share, 400, self.seed, true);
        let Found { schedules, states, rounds, .. } = &found;
        println!(
            "3 replicas, 2 clients, 5 terms, all faults: {schedules} random schedules from seed {}, {states} states, \
             well again after {rounds} rounds at most: {}",
            self.seed,
            verdict(&found)
        );
        tell(&plan, &found) && well
    }

    fn teeth(&self) -> bool {
        let mut well = true;
        for rule in Rule::value_variants() {
            let name = rule.to_possible_value().map(|it| it.get_name().to_owned()).unwrap_or_default();
            let found = self.break_rule(*rule);
            let noticed = found.counterexample.is_some();
            well &= noticed;
            let what = found.counterexample.map_or("NOBODY NOTICED".to_owned(), |it| {
                format!("{} steps to: {}", it.schedule.len(), it.violation)
            });
            println!("without {name}: {what} ({} schedules)", found.schedules);
        }
        well
    }

    /// Whether the world goes wrong without `rule`.
    fn shows(&self, rule: Rule) -> bool {
        let found = self.break_rule(rule);
        println!("without {rule:?}: {}", verdict(&found));
        !tell(&stage(rule).without(rule), &found)
    }

    /// However short the rest: a rule that is noticed ends it, and some take seventy thousand schedules.
    fn break_rule(&self, rule: Rule) -> Found {
        let plan = stage(rule).without(rule);
        match rule {
            // A long way without a choice, which dice seldom find.
            Rule::Disk => search::exhaust(&plan, usize::MAX, 14),
            _ => search::wander(&plan, 1_000_000, 400, self.seed, false),
        }
    }
}

/// The world in which the want of `rule` shows soonest.
fn stage(rule: Rule) -> Plan {
    let one = Spent { terms: 1, crashes: 1, forgets: 1, ..Spent::default() };
    let released = Spent { terms: 3, releases: 2, ..Spent::default() };
    match rule {
        Rule::Disk => Plan::new(3, 1, "AB", one),
        Rule::Inherited => Plan::new(3, 1, "AB", released),
        _ => wild(),
    }
}

fn verdict(found: &Found) -> String {
    found
        .counterexample
        .as_ref()
        .map_or("no violation".to_owned(), |it| format!("VIOLATION: {}", it.violation))
}

/// Prints how it went wrong, step by step; whether it did not.
fn tell(plan: &Plan, found: &Found) -> bool {
    let Some(Counterexample { schedule, .. }) = &found.counterexample else { return true };
    let mut world = World::established(plan);
    for action in schedule {
        let _ = world.step(plan, *action);
        println!(
            "  {:11} {} {}: {}",
            format!("{:?}", action.kind),
            action.at,
            action.to,
            world.describe(plan)
        );
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_worlds_have_no_violation() {
        for Space { name, plan, .. } in spaces(1) {
            let found = search::exhaust(&plan, 4_000, usize::MAX);
            assert!(tell(&plan, &found), "{name}");
        }
    }

    #[test]
    fn random_schedules_end_well() {
        let plan = wild();
        assert!(tell(&plan, &search::wander(&plan, 100, 300, 1, true)));
    }

    #[test]
    fn broken_rules_are_noticed() {
        // Those that dice find soon, in a build without optimisation; `chaos explore --teeth` has them all.
        let soon =
            [Rule::GrantKnows, Rule::FreshRead, Rule::Origin, Rule::KnowsNewer, Rule::Answer, Rule::Epoch];
        let args = ExploreArgs { seed: 1, ..ExploreArgs::default() };
        for rule in soon {
            assert!(args.break_rule(rule).counterexample.is_some(), "nobody notices that {rule:?} is broken");
        }
    }
}
