//! The scenarios, by what they break.

mod always;
mod answers;
mod crowds;
mod fleets;
mod machines;
mod replicas;

use std::time::Duration;

use super::{Extent, Lengths, Scenario};

/// All of them, family by family, in the order in which they are played.
pub static FAMILIES: [&[Scenario]; 6] =
    [always::ALL, replicas::ALL, answers::ALL, machines::ALL, crowds::ALL, fleets::ALL];

const fn seconds(seconds: u64) -> Extent {
    Extent::For(Duration::from_secs(seconds))
}

const fn times(times: u32) -> Extent {
    Extent::Times(times)
}

const fn always(short: Extent, all: Extent, full: Extent) -> Lengths {
    Lengths { short: Some(short), all, full }
}

const fn longer(all: Extent, full: Extent) -> Lengths {
    Lengths { short: None, all, full }
}
