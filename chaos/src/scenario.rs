//! The plays: what is staged, when what breaks, and the verdict.

pub mod cluster;
pub mod cut;
pub mod e2e;
pub mod rollout;
pub mod verdict;

use crate::history::History;

/// Says what happens, with the time since the run began; and writes it down.
pub fn say(history: &History, what: impl AsRef<str>) {
    history.say(what.as_ref());
    println!("{:>8.3} s  {}", history.now().as_secs_f64(), what.as_ref());
}
