//! The plays: each sets nothing up and judges nothing. It breaks one thing on a set where all is well, and mends it.
//!
//! In: a [`Set`], and how long or how often. Out: what was seen, in the set's history, from which the verdict comes. What
//! can go wrong: what must come for the play to go on does not come; the play is then broken off, which is a failure too.

pub mod answers;
pub mod clients;
pub mod content;
pub mod crowd;
mod excerpt;
pub mod exhausted;
pub mod fleet;
pub mod followers;
pub mod leader;
pub mod lease;
pub mod machine;
pub mod matrix;
pub mod run;
pub mod session;
pub mod set;
pub mod skew;
pub mod slow;
pub mod soak;
pub mod store;
pub mod stranger;
pub mod twenty;
pub mod upstream;
