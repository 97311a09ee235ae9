//! The verdict: pure functions from a history to what was violated in it.
//!
//! The names are those of the invariants. A checker that cannot fail proves nothing: each has tests with histories
//! that are bad.

mod availability;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

pub use availability::{no_failed_poll, no_failed_request};

use crate::history::{Answer, Poll, Record, Request, Table};

/// What must never happen, as far as it shows from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// No client is handed an empty or partial table.
    NoWipe,
    /// No client is handed a table older than one that it has.
    NoStepBack,
    /// One version is one table, whoever serves it.
    NoFork,
    /// A body hashes to its ETag.
    NoLie,
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

/// Every violation in `history`. A table with fewer than `least` routes is a partial one.
pub fn all(history: &[Record], least: usize) -> Vec<Violation> {
    let mut all = no_wipe(history, least);
    all.extend(no_step_back(history));
    all.extend(no_fork(history));
    all.extend(no_lie(history));
    all.extend(no_failed_poll(history));
    all.extend(no_failed_request(history));
    all.sort_by_key(|violation| (violation.invariant, violation.at));
    all
}

/// Tables with fewer than `least` routes, or with others than their `X-Count` says.
pub fn no_wipe(history: &[Record], least: usize) -> Vec<Violation> {
    tables(history)
        .filter(|(_, table)| table.routes < least || table.count.is_some_and(|count| count != table.routes))
        .map(|(poll, table)| {
            let count = table.count.map_or("no X-Count".to_owned(), |count| format!("X-Count {count}"));
            found(Invariant::NoWipe, poll, format!("{} routes, {count}, expected {least}", table.routes))
        })
        .collect()
}

/// Tables with a version below that of an earlier one to the same client and another digest, or with a generation
/// below an earlier one; and answers through Skipper with a generation below an earlier one.
pub fn no_step_back(history: &[Record]) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut versions: HashMap<&str, (u64, u64)> = HashMap::new();
    let mut digests: HashMap<&str, &str> = HashMap::new();
    let mut generations: HashMap<&str, u64> = HashMap::new();
    for record in history {
        match record {
            Record::Poll(poll @ Poll { answer: Answer::Table(table), client, .. }) => {
                let same = digests.insert(client, &table.digest) == Some(&table.digest);
                let version = table.version.unwrap_or_default();
                let newest = versions.entry(client).or_default();
                if version < *newest && !same {
                    let what = format!("version {version:?} after {newest:?}");
                    violations.push(found(Invariant::NoStepBack, poll, what));
                }
                *newest = version.max(*newest);
                let newest = generations.entry(client).or_default();
                if let Some(generation) = table.generation {
                    if generation < *newest {
                        let what = format!("generation {generation} after {newest}");
                        violations.push(found(Invariant::NoStepBack, poll, what));
                    }
                    *newest = generation.max(*newest);
                }
            }
            Record::Request(Request { client, end, outcome: Ok(Some(generation)), .. }) => {
                let newest = generations.entry(client).or_default();
                if generation < newest {
                    let what = format!("{client}: generation {generation} after {newest} through Skipper");
                    violations.push(Violation { invariant: Invariant::NoStepBack, at: *end, what });
                }
                *newest = *generation.max(newest);
            }
            _ => {}
        }
    }
    violations
}

/// Tables of one version with two digests.
pub fn no_fork(history: &[Record]) -> Vec<Violation> {
    let mut digests: HashMap<(u64, u64), &str> = HashMap::new();
    let mut violations = Vec::new();
    for (poll, table) in tables(history) {
        let Some(version) = table.version else { continue };
        let first = *digests.entry(version).or_insert(&table.digest);
        if first != table.digest {
            let what = format!("version {version:?} is {} here and {first} elsewhere", table.digest);
            violations.push(found(Invariant::NoFork, poll, what));
        }
    }
    violations
}

/// Bodies that do not hash to what their ETag promises.
pub fn no_lie(history: &[Record]) -> Vec<Violation> {
    tables(history)
        .filter(|(_, table)| table.promised != table.digest)
        .map(|(poll, table)| {
            let what = format!("the ETag says {:?}, the body hashes to {}", table.promised, table.digest);
            found(Invariant::NoLie, poll, what)
        })
        .collect()
}

fn tables(history: &[Record]) -> impl Iterator<Item = (&Poll, &Table)> {
    history.iter().filter_map(|record| match record {
        Record::Poll(poll @ Poll { answer: Answer::Table(table), .. }) => Some((poll, table)),
        _ => None,
    })
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
