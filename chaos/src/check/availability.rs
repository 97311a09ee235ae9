//! Who should have answered, and did not.
//!
//! A Service cannot hide a replica that is killed: until the VIP takes it out, its share of new connections fails. Those
//! failures are allowed, and counted for themselves; every other one is a violation.

use std::collections::HashMap;
use std::time::Duration;

use super::lives::Lives;
use super::{Figure, Invariant, Unit, Violation, found};
use crate::history::{Answer, Poll, Record};

/// Polls that failed although the replica that got them could answer all the while; and polls that no replica is known
/// to have got, although none in the rotation was dead.
pub fn no_failed_poll(history: &[Record]) -> Vec<Violation> {
    let lives = Lives::of(history);
    let blamed = failed(history).filter(|(poll, _)| !allowed(&lives, poll));
    blamed.map(|(poll, cause)| found(Invariant::PollsAnswered, poll, cause)).collect()
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

/// The share of polls that were answered, allowed failures counted as failures.
pub fn answered(history: &[Record]) -> Figure {
    let (all, good) =
        polls(history).fold((0, 0), |(all, good), poll| (all + 1, good + usize::from(poll.answer.is_good())));
    Figure::new("polls that were answered", share(good, all), Unit::Share).of(all)
}

/// The share of requests through Skipper that succeeded.
pub fn failed_requests(history: &[Record]) -> Figure {
    let requests = history.iter().filter(|record| matches!(record, Record::Request(_))).count();
    Figure::count(Invariant::RequestsAnswered.violated(), no_failed_request(history).len()).of(requests)
}

/// How many polls failed towards a replica that was dead while the VIP still pointed at it.
pub fn allowed_failures(history: &[Record]) -> Figure {
    let lives = Lives::of(history);
    let count = failed(history).filter(|(poll, _)| allowed(&lives, poll)).count();
    Figure::count("polls lost to a dead replica in the rotation", count)
}

/// The longest time after a death at which a poll was still sent to the dead, and lost. Zero where none was.
pub fn failed_so_long(history: &[Record]) -> Figure {
    let lives = Lives::of(history);
    let late = |poll: &Poll| {
        let deaths = blamable(&lives, poll).flat_map(|name| lives.deaths(name));
        let overlapping = deaths.filter(|death| death.from <= poll.end && poll.at < death.to);
        overlapping.map(|death| poll.at.saturating_sub(death.from)).min()
    };
    let all: Vec<_> = failed(history)
        .filter(|(poll, _)| allowed(&lives, poll))
        .filter_map(|(poll, _)| late(poll))
        .collect();
    let longest = all.iter().max().copied().unwrap_or_default();
    Figure::time("polls are lost to a dead replica for", Some(longest)).of(all.len())
}

/// The share of polls that are lost from each death until the VIP takes the dead out. The VIP spreads by chance, so
/// the second value, the limit, is one replica's share and three standard deviations.
#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub fn failed_share(history: &[Record]) -> Figure {
    let lives = Lives::of(history);
    let mut windows = Vec::new();
    for name in lives.names() {
        for death in lives.deaths(name) {
            if lives.rotating(name, death.from, death.from) {
                windows.push((death.from, death.to.min(lives.taken_out(name, death.from))));
            }
        }
    }
    let within = |poll: &Poll| windows.iter().any(|(from, to)| *from <= poll.at && poll.at < *to);
    let all = polls(history).filter(|poll| within(poll)).count();
    let lost = failed(history).filter(|(poll, _)| within(poll) && allowed(&lives, poll)).count();
    let replicas = windows.iter().map(|(from, _)| lives.in_rotation(*from).max(1)).min().unwrap_or(1);
    let one = 1.0 / replicas as f64;
    let chance = 3.0 * (one * (1.0 - one) / all.max(1) as f64).sqrt();
    let figure =
        Figure::new("share of polls lost meanwhile", Some(share(lost, all).unwrap_or(0.0)), Unit::Share);
    figure.of(all).at_most((one + chance).min(1.0))
}

/// The most polls of one client that were lost one after the other, allowed or not.
pub fn failed_in_a_row(history: &[Record]) -> Figure {
    let mut running: HashMap<&str, usize> = HashMap::new();
    let mut most = 0;
    for poll in polls(history) {
        let row = running.entry(&poll.client).or_default();
        *row = if poll.answer.is_good() { 0 } else { *row + 1 };
        most = most.max(*row);
    }
    Figure::count("polls of one client lost in a row", most).of(running.len())
}

/// The longest time between two answered polls, of any clients.
pub fn silence(history: &[Record]) -> Figure {
    let mut ends: Vec<Duration> =
        polls(history).filter(|poll| poll.answer.is_good()).map(|poll| poll.end).collect();
    ends.sort_unstable();
    let longest = ends.windows(2).map(|pair| pair[1] - pair[0]).max();
    Figure::time("longest time without an answered poll", longest)
}

fn polls(history: &[Record]) -> impl Iterator<Item = &Poll> {
    history.iter().filter_map(|record| match record {
        Record::Poll(poll) => Some(poll),
        _ => None,
    })
}

/// Polls without an answer, and why.
fn failed(history: &[Record]) -> impl Iterator<Item = (&Poll, String)> {
    polls(history).filter_map(|poll| {
        let cause = match &poll.answer {
            Answer::Status(status) => format!("status {status}"),
            Answer::Failed(cause) => cause.to_string(),
            Answer::Cut(cut) => format!("cut: {}", cut.cause),
            Answer::Table(_) | Answer::Kept => return None,
        };
        Some((poll, cause))
    })
}

/// Whether the failure of `poll` is one that nobody could have prevented.
pub(super) fn allowed(lives: &Lives<'_>, poll: &Poll) -> bool {
    let mut dead = blamable(lives, poll).filter(|name| lives.dead(name, poll.at, poll.end));
    dead.next().is_some() || (poll.replica.is_none() && lives.in_rotation(poll.at) == 0)
}

/// The replica that got the poll; where none is known, all that it may have gone to.
fn blamable<'a>(lives: &'a Lives<'a>, poll: &'a Poll) -> impl Iterator<Item = &'a str> {
    let rotating = move |name: &&str| poll.replica.is_none() && lives.rotating(name, poll.at, poll.end);
    poll.replica.as_deref().into_iter().chain(lives.names().filter(rotating))
}

#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn share(part: usize, all: usize) -> Option<f64> {
    (all > 0).then(|| part as f64 / all as f64)
}
