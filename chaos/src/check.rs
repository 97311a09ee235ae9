//! The verdict: pure functions from a history to what was violated in it, and to figures with their limits.
//!
//! The names are those of the invariants. A checker that cannot fail proves nothing: each has tests with histories
//! that are bad.

mod after;
mod availability;
mod cut;
mod figure;
mod freshness;
mod latency;
mod lives;
mod measured;
mod memory;
mod tables;
mod terms;

#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use after::{
    back_in_step, ceased, disagreement, epochs_that_do_not_grow, failovers_of, leaderless, noticed,
    out_of_step, raised, relapses, resumed_leads_no_more, soonest_failover, starts_ready, stops, warnings,
};
pub use availability::{
    allowed_failures, answered, failed_in_a_row, failed_requests, failed_share, failed_so_long,
    no_failed_poll, no_failed_request, silence,
};
pub use cut::{cut_by_faults, healed_within, no_cut};
pub use figure::{Figure, Limit, Unit};
pub use freshness::{
    arrival, least_in_rotation, of_one_mind, older_announced, oldest_shown, publication, published_since,
    skew, staleness_shown, table_changes, tables_served,
};
pub use latency::{kept_latency, slowest_table};
pub use measured::{least, most};
pub use memory::{growth, more_than_before, slope};
pub use tables::{no_fork, no_lie, no_step_back, no_wipe};
pub use terms::{
    changes_of_leader, epoch_gain, epochs, failover_after, failovers, handovers, no_epoch_twice,
    no_replica_back, said,
};

use crate::history::{Poll, Record};

/// What must never happen, as far as it shows from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Invariant {
    /// No client is handed an empty or partial table.
    NoWipe,
    /// No client is handed a table older than one that it has.
    NoStepBack,
    /// One version is one table, whoever serves it.
    NoFork,
    /// A body hashes to its ETag.
    NoLie,
    /// A body that was begun is finished, unless its replica was killed or cut off meanwhile.
    NoCut,
    /// An epoch belongs to one replica.
    NoEpochTwice,
    /// The version that a process serves never goes down.
    NoReplicaBack,
    /// A live replica answers.
    PollsAnswered,
    /// Requests through Skipper succeed.
    RequestsAnswered,
}

/// One violation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Of what.
    pub invariant: Invariant,
    /// When it ended.
    pub at: Duration,
    /// What was seen, and by whom.
    pub what: String,
}

impl Invariant {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::NoWipe,
        Self::NoStepBack,
        Self::NoFork,
        Self::NoLie,
        Self::NoCut,
        Self::NoEpochTwice,
        Self::NoReplicaBack,
        Self::PollsAnswered,
        Self::RequestsAnswered,
    ];

    /// What a violation of it is called, for people.
    pub const fn violated(self) -> &'static str {
        match self {
            Self::NoWipe => "wipes: an empty or partial table",
            Self::NoStepBack => "steps back: a table older than the client's",
            Self::NoFork => "forks: one version, two tables",
            Self::NoLie => "lies: a body that is not what its ETag says",
            Self::NoCut => "cuts: a body that a live replica did not finish",
            Self::NoEpochTwice => "epochs with two leaders",
            Self::NoReplicaBack => "replicas whose version went down",
            Self::PollsAnswered => "polls that a live replica did not answer",
            Self::RequestsAnswered => "requests through Skipper that failed",
        }
    }
}

/// Every violation in `history`. A table with fewer than `least` routes is a partial one.
pub fn all(history: &[Record], least: usize) -> Vec<Violation> {
    let mut all = no_wipe(history, least);
    all.extend(no_step_back(history));
    all.extend(no_fork(history));
    all.extend(no_lie(history));
    all.extend(no_cut(history));
    all.extend(no_epoch_twice(history));
    all.extend(no_replica_back(history));
    all.extend(no_failed_poll(history));
    all.extend(no_failed_request(history));
    all.sort_by_key(|violation| (violation.invariant, violation.at));
    all
}

/// What every run is asked for, whatever it breaks: one count for each invariant, and what there is to tell of
/// availability, leaders and times. A play adds its own limits.
pub fn figures(history: &[Record], least: usize) -> Vec<Figure> {
    let violations = all(history, least);
    let count = |invariant| violations.iter().filter(|violation| violation.invariant == invariant).count();
    let mut figures: Vec<Figure> = Invariant::ALL
        .into_iter()
        .map(|invariant| Figure::count(invariant.violated(), count(invariant)).at_most(0.0))
        .collect();
    let told = [
        answered(history),
        allowed_failures(history),
        silence(history),
        cut_by_faults(history),
        failovers(history),
        handovers(history),
        changes_of_leader(history, Duration::ZERO..Duration::MAX),
        publication(history),
        arrival(history),
        skew(history, 0.99),
        oldest_shown(history),
    ];
    // What there was nothing of says nothing; what was awaited and never came does.
    let tells = |figure: &Figure| figure.value.is_some() || figure.samples.is_some_and(|samples| samples > 0);
    figures.extend(told.into_iter().filter(tells));
    figures
}

fn found(invariant: Invariant, poll: &Poll, what: String) -> Violation {
    let replica = poll.replica.as_deref().unwrap_or("nobody");
    Violation { invariant, at: poll.end, what: format!("{} from {replica}: {what}", poll.client) }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {:.3} s: {}", self.invariant, self.at.as_secs_f64(), self.what)
    }
}
