//! What a run comes to: a short table, and every violation up to a limit.

use std::time::Duration;

use crate::check::{Invariant, Violation};
use crate::history::{Answer, Record};
use crate::table::render;

/// How many violations are printed in full.
const SHOWN: usize = 20;

/// Prints the verdict; whether all is well. A run in which nobody asked anything proves nothing, and is not.
pub fn print(history: &[Record], violations: &[Violation]) -> bool {
    let answers = || {
        history.iter().filter_map(|record| match record {
            Record::Poll(poll) => Some(&poll.answer),
            _ => None,
        })
    };
    let count = |wanted: fn(&Answer) -> bool| answers().filter(|answer| wanted(answer)).count();
    let requests = history.iter().filter(|record| matches!(record, Record::Request(_))).count();
    let (polls, tables) = (answers().count(), count(|answer| matches!(answer, Answer::Table(_))));
    let kept = count(|answer| matches!(answer, Answer::Kept));
    let of = |invariant| violations.iter().filter(|violation| violation.invariant == invariant).count();
    let row = |what: &str, asked: usize, invariant| {
        vec![what.to_owned(), asked.to_string(), of(invariant).to_string()]
    };
    println!();
    let rows = [
        vec!["".to_owned(), "seen".to_owned(), "violations".to_owned()],
        row("requests through Skipper", requests, Invariant::RequestsAnswered),
        row("polls that a live replica owes an answer", polls, Invariant::PollsAnswered),
        row("tables: a step back", tables, Invariant::NoStepBack),
        row("tables: a fork", tables, Invariant::NoFork),
        row("tables: a wipe", tables, Invariant::NoWipe),
        row("tables: another digest than the ETag's", tables, Invariant::NoLie),
    ];
    print!("{}", render(&rows));
    println!("polls: {tables} × 200, {kept} × 304, {} without an answer", polls - tables - kept);
    if let Some(longest) = longest_silence(history) {
        println!("longest time without an answered poll: {:.3} s", longest.as_secs_f64());
    }
    for violation in violations.iter().take(SHOWN) {
        println!("  {violation}");
    }
    if violations.len() > SHOWN {
        println!("  and {} more", violations.len() - SHOWN);
    }
    let asked = requests > 0 && tables > 0 && kept > 0;
    let good = asked && violations.is_empty();
    println!("{}", if good { "all is well" } else { "NOT well" });
    good
}

/// Between two polls that were answered, by anybody.
fn longest_silence(history: &[Record]) -> Option<Duration> {
    let answered = history.iter().filter_map(|record| match record {
        Record::Poll(poll) if matches!(poll.answer, Answer::Table(_) | Answer::Kept) => Some(poll.end),
        _ => None,
    });
    let ends: Vec<Duration> = answered.collect();
    ends.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).max()
}
