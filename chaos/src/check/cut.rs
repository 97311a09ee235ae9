//! Bodies that were begun and not finished: whose fault it was, and how their clients got over it.

use std::collections::HashMap;

use super::availability::allowed;
use super::lives::Lives;
use super::{Figure, Invariant, Violation, found};
use crate::history::{Answer, Poll, Record};

/// Bodies that a replica did not finish although nobody killed it or cut it off.
pub fn no_cut(history: &[Record]) -> Vec<Violation> {
    let lives = Lives::of(history);
    let blamed = cuts(history).filter(|(poll, _)| !allowed(&lives, poll));
    blamed.map(|(poll, cause)| found(Invariant::NoCut, poll, cause.to_owned())).collect()
}

/// How many bodies were cut by a fault.
pub fn cut_by_faults(history: &[Record]) -> Figure {
    let lives = Lives::of(history);
    let count = cuts(history).filter(|(poll, _)| allowed(&lives, poll)).count();
    Figure::count("bodies cut by a fault", count)
}

/// How many polls it takes at most until a client whose download was cut has a whole table. Without a value where one
/// never got it. Zero where none was cut.
pub fn healed_within(history: &[Record]) -> Figure {
    let name = "polls until a cut client has its table";
    let mut waiting: HashMap<&str, usize> = HashMap::new();
    let (mut worst, mut cut) = (0, 0);
    for record in history {
        let Record::Poll(poll) = record else { continue };
        match (&poll.answer, waiting.get_mut(&*poll.client)) {
            (Answer::Table(_), Some(polls)) => {
                worst = worst.max(*polls + 1);
                waiting.remove(&*poll.client);
            }
            (_, Some(polls)) => *polls += 1,
            (Answer::Cut(_), None) => {
                cut += 1;
                waiting.insert(&poll.client, 0);
            }
            (_, None) => {}
        }
    }
    if waiting.is_empty() { Figure::count(name, worst) } else { Figure::new(name, None, super::Unit::Count) }
        .of(cut)
}

fn cuts(history: &[Record]) -> impl Iterator<Item = (&Poll, &str)> {
    history.iter().filter_map(|record| match record {
        Record::Poll(poll @ Poll { answer: Answer::Cut(cut), .. }) => Some((poll, &*cut.cause)),
        _ => None,
    })
}
