//! Who should have answered, and did not.

use std::time::Duration;

use super::{Invariant, Violation, found};
use crate::history::{Answer, LifeEvent, Poll, Record};

/// Polls that failed although the replica that got them lived all the while; and polls that no replica got although
/// one stood in the rotation and lived all the while.
pub fn no_failed_poll(history: &[Record]) -> Vec<Violation> {
    let failed = |poll: &Poll| match &poll.answer {
        Answer::Status(status) => Some(format!("status {status}")),
        Answer::Failed(cause) => Some(cause.clone()),
        Answer::Table(_) | Answer::Kept => None,
    };
    let mut names: Vec<&str> = lives(history).map(|life| life.replica.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let mut violations = Vec::new();
    for record in history {
        let Record::Poll(poll) = record else { continue };
        let Some(cause) = failed(poll) else { continue };
        let blamed = match &poll.replica {
            Some(replica) => in_rotation(history, replica, poll.at, poll.end, Dead::Only),
            None => names.iter().any(|name| in_rotation(history, name, poll.at, poll.end, Dead::OrOut)),
        };
        if blamed {
            violations.push(found(Invariant::PollsAnswered, poll, cause));
        }
    }
    violations
}

/// Requests through Skipper that failed; nothing excuses them.
pub fn no_failed_request(history: &[Record]) -> Vec<Violation> {
    let failed = history.iter().filter_map(|record| match record {
        Record::Request(request) => Some((request, request.outcome.as_ref().err()?)),
        _ => None,
    });
    failed
        .map(|(request, cause)| Violation {
            invariant: Invariant::RequestsAnswered,
            at: request.end,
            what: format!("{} for {}: {cause}", request.client, request.host),
        })
        .collect()
}

/// What ends a replica's duty to answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dead {
    /// Its death. Out of the rotation it still finishes what it was given.
    Only,
    /// Its death, or that the VIP gives it nothing any more.
    OrOut,
}

/// Whether `replica` was in the rotation before `from`, and nothing that ends its duty happened until `to`.
fn in_rotation(history: &[Record], replica: &str, from: Duration, to: Duration, dead: Dead) -> bool {
    let mut events: Vec<_> = lives(history).filter(|life| life.replica == replica && life.at <= to).collect();
    events.sort_by_key(|life| life.at);
    let (mut up, mut died) = (false, false);
    for life in events {
        match life.event {
            // What was given a connection was in the rotation, though that may be recorded a moment later.
            LifeEvent::In => up = up || life.at <= from || (dead == Dead::Only && !died),
            LifeEvent::Killed | LifeEvent::Ended => (up, died) = (false, died || life.at >= from),
            LifeEvent::Out => up = up && dead == Dead::Only,
        }
    }
    up
}

fn lives(history: &[Record]) -> impl Iterator<Item = &crate::history::Life> {
    history.iter().filter_map(|record| match record {
        Record::Life(life) => Some(life),
        _ => None,
    })
}
