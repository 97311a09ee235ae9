//! What is wrong with the tables that clients were handed.

use std::collections::HashMap;

use super::{Invariant, Violation, found};
use crate::history::{Answer, Poll, Record, Request, State, Table, Version};

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
    let mut versions: HashMap<&str, Version> = HashMap::new();
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

/// Tables of one version with two digests, at clients or in `/status`.
pub fn no_fork(history: &[Record]) -> Vec<Violation> {
    let mut digests: HashMap<Version, &str> = HashMap::new();
    let mut violations = Vec::new();
    for record in history {
        let (version, digest, at, who) = match record {
            Record::Poll(Poll { answer: Answer::Table(table), client, end, .. }) => {
                let Some(version) = table.version else { continue };
                (version, &*table.digest, *end, client)
            }
            Record::State(State { seen: Some(seen), replica, at }) => {
                let Some((version, digest)) = seen.version.zip(seen.digest.as_deref()) else { continue };
                (version, digest, *at, replica)
            }
            _ => continue,
        };
        let first = *digests.entry(version).or_insert(digest);
        if first != digest {
            let what = format!("{who}: version {version:?} is {digest} here and {first} elsewhere");
            violations.push(Violation { invariant: Invariant::NoFork, at, what });
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
        Record::Poll(poll @ Poll { answer: Answer::Table(table), .. }) => Some((poll, &**table)),
        _ => None,
    })
}
