//! What is played: each scenario with what it breaks, what it needs, how long it takes, and what it must keep.
//!
//! The numbers of modes are those of the failure-mode table that the election was designed by: [`MODES`]. What a scenario
//! cannot do, another command shows, as [`ELSEWHERE`] says.

mod limits;
mod scenarios;

pub use limits::window;

use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;
use futures::future::LocalBoxFuture;

use crate::check::Figure;
use crate::history::Record;
use crate::plays::set::{Api, Set, Sizes};
use crate::plays::twenty;

/// One scenario.
pub struct Scenario {
    /// What `run` knows it by.
    pub name: &'static str,
    /// What is broken, in one line.
    pub broken: &'static str,
    /// Which failure modes it shows.
    pub modes: &'static [u8],
    /// With which API server it is played.
    pub api: Api,
    /// Whether the peer has the part that is broken.
    pub peer: bool,
    /// Whether it needs namespaces, and so root.
    pub root: bool,
    /// How long it takes.
    pub lengths: Lengths,
    /// Breaks it, on a set where all is well. What it leaves broken is mended after it.
    pub play: for<'a> fn(&'a mut Set, Extent) -> LocalBoxFuture<'a, Result<()>>,
    /// What it must keep beside the invariants, from its history.
    pub limits: fn(&[Record], &Sizes) -> Vec<Figure>,
}

/// How long a scenario takes, by the set that it is played in.
#[derive(Clone, Copy, Debug)]
pub struct Lengths {
    /// In CI's short set; none where it is not part of it.
    pub short: Option<Extent>,
    /// In `all`.
    pub all: Extent,
    /// In `all --full`.
    pub full: Extent,
}

/// How long, or how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// For so long.
    For(Duration),
    /// So many times.
    Times(u32),
}

impl Extent {
    /// This one, or `most` where that is less; they are of one kind.
    #[must_use]
    pub fn at_most(self, most: Self) -> Self {
        match (self, most) {
            (Self::For(time), Self::For(most)) => Self::For(time.min(most)),
            (Self::Times(times), Self::Times(most)) => Self::Times(times.min(most)),
            (extent, _) => extent,
        }
    }
}

/// Which of its lengths a scenario is played in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Length {
    /// CI's.
    Short,
    /// Every scenario, in forty minutes.
    All,
    /// The lengths of the numbers.
    Full,
}

/// A failure mode that another command shows.
pub struct Elsewhere {
    /// Its number.
    pub mode: u8,
    /// What shows it.
    pub shown_by: &'static str,
}

/// The failure modes, the first of which is number 1: what is broken.
pub const MODES: [&str; 30] = [
    "the API server is out of reach for the leader only",
    "the API server is out of reach for all",
    "the leader is stopped for ten seconds, and runs on",
    "the leader's clock stands still, as in a machine that is suspended",
    "wall clocks are wrong, and jump",
    "the API server is slow, or what it answers is lost",
    "candidates race for a Lease that has expired",
    "the leader is cut off from its followers, not from the API server",
    "a follower is cut off from the leader",
    "the leader crashes in the middle of a transfer",
    "packets are lost, and no connection is reset",
    "a rolling update",
    "two versions side by side",
    "all replicas restart while the API server is away",
    "429 on everything",
    "somebody deletes the Lease",
    "somebody edits the Lease",
    "the rights are lost: 403",
    "lists are older than the table",
    "an object that cannot be compiled",
    "all of a kind is deleted at once",
    "the leader has little of a processor",
    "a follower is slow",
    "a disk is full or read-only",
    "a replica's address belongs to a stranger",
    "another pod of the same name comes back",
    "a container restarts in its pod",
    "the store is restored from a backup",
    "certificates are replaced",
    "the leader of twenty dies",
];

/// The mode for which an older version has to be there.
const SKEW: u8 = 13;

/// The mode for which there have to be many followers.
const HERD: u8 = 30;

/// What shows failure modes beside the scenarios, or in their place.
pub const ELSEWHERE: [Elsewhere; 3] = [
    // No process can stop its own monotonic clock, and no kernel a single one's.
    Elsewhere {
        mode: 4,
        shown_by: "cargo test --test simulation a_leader_whose_clock_stands_still_is_refused_by_everybody",
    },
    Elsewhere {
        mode: 7,
        shown_by: "chaos baseline (a barrier between read and write, beside kube-leader-election)",
    },
    Elsewhere {
        mode: 25,
        shown_by: "cargo test --test identity strangers_and_impostors_are_refused_by_either_side",
    },
];

impl Scenario {
    /// All of them, in the order in which they are played.
    pub fn all() -> impl Iterator<Item = &'static Self> + Clone {
        scenarios::FAMILIES.into_iter().flatten()
    }

    /// What shows the failure mode of that number: scenarios by their names, and commands.
    pub fn showing(mode: u8) -> Vec<&'static str> {
        let played = Self::all().filter(|it| it.modes.contains(&mode)).map(|it| it.name);
        let elsewhere = ELSEWHERE.iter().filter(|it| it.mode == mode).map(|it| it.shown_by);
        played.chain(elsewhere).collect()
    }

    /// Whether it plays an older version beside this one.
    pub fn needs_before(&self) -> bool {
        self.modes.contains(&SKEW)
    }

    /// How large the set is that it is played on, where others are played on one of these sizes.
    pub fn sized(&self, sizes: Sizes) -> Sizes {
        if self.modes.contains(&HERD) { twenty::sized(sizes) } else { sizes }
    }

    /// The one of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        Self::all().find(|scenario| scenario.name == name)
    }
}

impl Lengths {
    /// How long in that set; none where it is not part of it.
    pub const fn of(&self, length: Length) -> Option<Extent> {
        match length {
            Length::Short => self.short,
            Length::All => Some(self.all),
            Length::Full => Some(self.full),
        }
    }
}

impl Extent {
    /// How long; a time where it says how often takes no time of its own.
    pub const fn time(self) -> Duration {
        match self {
            Self::For(time) => time,
            Self::Times(_) => Duration::ZERO,
        }
    }

    /// How often; once where it says how long.
    pub const fn times(self) -> u32 {
        match self {
            Self::For(_) => 1,
            Self::Times(times) => times,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_can_be_typed() {
        let names: BTreeSet<_> = Scenario::all().map(|scenario| scenario.name).collect();
        assert_eq!(names.len(), Scenario::all().count());
        let plain =
            |name: &&str| name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        assert!(names.iter().all(plain), "{names:?}");
    }

    #[test]
    fn each_failure_mode_is_shown_by_something_and_there_are_no_others() {
        for (mode, broken) in (1..).zip(MODES) {
            assert!(!Scenario::showing(mode).is_empty(), "nothing shows mode {mode}: {broken}");
        }
        let known = |mode: &u8| (1..=MODES.len()).contains(&usize::from(*mode));
        assert!(Scenario::all().all(|scenario| scenario.modes.iter().all(known)));
    }

    #[test]
    fn what_is_shown_elsewhere_is_there() {
        for (test, source) in [
            (
                "a_leader_whose_clock_stands_still_is_refused_by_everybody",
                include_str!("../../tests/simulation.rs"),
            ),
            ("strangers_and_impostors_are_refused_by_either_side", include_str!("../../tests/identity.rs")),
        ] {
            assert!(ELSEWHERE.iter().any(|it| it.shown_by.contains(test)), "{test}");
            assert!(source.contains(&format!("fn {test}")), "{test}");
        }
    }

    #[test]
    fn the_page_for_operators_has_every_mode_and_every_scenario() {
        let page = include_str!("../../docs/failures.md");
        for (mode, broken) in (1_u8..).zip(MODES) {
            let row = page.lines().find(|line| line.starts_with(&format!("| {mode} |")));
            let row = row.unwrap_or_else(|| panic!("no row for mode {mode}: {broken}"));
            let named = |it: &&str| {
                row.contains(&format!("`{it}`")) || it.starts_with("cargo") || it.starts_with("chaos")
            };
            assert!(Scenario::showing(mode).iter().all(named), "mode {mode}: {row}");
        }
        for scenario in Scenario::all() {
            assert!(page.contains(&format!("`{}`", scenario.name)), "{}", scenario.name);
        }
    }

    #[test]
    fn only_the_leader_of_twenty_has_a_set_of_its_own_size() {
        let sizes = Sizes { replicas: 3, routes: 20_000, skippers: 3, simulated: 300, ..Sizes::default() };
        let sized = |name: &str| Scenario::named(name).unwrap().sized(sizes);
        assert_eq!(sized("kill-leader"), sizes);
        assert_eq!(sized("leader-of-twenty").replicas, 21);
    }

    #[test]
    fn the_short_set_has_what_ci_must_always_play() {
        let short = |name: &str| Scenario::named(name).is_some_and(|it| it.lengths.short.is_some());
        for name in [
            "kill-leader",
            "pause-leader",
            "partition-leader",
            "api-down",
            "rolling-restart",
            "poison-object",
            "mass-deletion",
            "cut-download",
        ] {
            assert!(short(name), "{name}");
        }
    }
}
