//! What is played: each scenario with what it breaks, what it needs, how long it takes, and what it must keep.
//!
//! The numbers of modes are those of the failure-mode table that the election was designed by. Some of its modes are shown by
//! another command, as [`ELSEWHERE`] says; what nothing shows yet, [`Scenario::missing`] does.

mod limits;
mod scenarios;

use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;
use futures::future::LocalBoxFuture;

use crate::check::Figure;
use crate::history::Record;
use crate::plays::set::{Api, Set, Sizes};

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
    /// What is broken.
    pub broken: &'static str,
    /// What shows it.
    pub shown_by: &'static str,
}

/// How many failure modes the table has.
pub const MODES: u8 = 30;

/// The failure modes that no scenario plays, and what shows them.
pub const ELSEWHERE: [Elsewhere; 2] = [
    Elsewhere {
        mode: 7,
        broken: "candidates race for a Lease that has expired",
        shown_by: "chaos baseline (on a real API server, beside kube-leader-election)",
    },
    Elsewhere {
        mode: 25,
        broken: "a follower reaches a stranger at the leader's address",
        shown_by: "cargo test --test identity (strangers and impostors are refused by either side)",
    },
];

impl Scenario {
    /// All of them, in the order in which they are played.
    pub fn all() -> impl Iterator<Item = &'static Self> + Clone {
        scenarios::FAMILIES.into_iter().flatten()
    }

    /// The failure modes that neither a scenario nor anything in [`ELSEWHERE`] shows.
    pub fn missing() -> Vec<u8> {
        let elsewhere = |mode: &u8| ELSEWHERE.iter().any(|it| it.mode == *mode);
        let played = |mode: &u8| Self::all().any(|it| it.modes.contains(mode));
        (1..=MODES).filter(|mode| !played(mode) && !elsewhere(mode)).collect()
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
