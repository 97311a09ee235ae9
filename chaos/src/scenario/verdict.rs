//! What a run comes to, on the terminal: its figures, and every violation up to a limit.

use crate::check::{self, Figure, Violation};
use crate::history::{Answer, Record};
use crate::table::render;

/// How many violations are printed in full.
const SHOWN: usize = 20;

/// Prints what every run is asked for; whether all is well. A run in which nobody asked anything proves nothing, and is
/// not.
pub fn print(history: &[Record], least: usize) -> bool {
    print_with(history, least, Vec::new())
}

/// The same with `limits` of the run's own, which take the place of figures of their name.
pub fn print_with(history: &[Record], least: usize, limits: Vec<Figure>) -> bool {
    let (mut figures, violations) = (check::figures(history, least), check::all(history, least));
    figures.retain(|figure| limits.iter().all(|limit| limit.name != figure.name));
    figures.extend(limits);
    let answers = history.iter().filter_map(|record| match record {
        Record::Poll(poll) => Some(&poll.answer),
        _ => None,
    });
    let (mut tables, mut kept, mut lost) = (0, 0, 0);
    for answer in answers {
        match answer {
            Answer::Table(_) => tables += 1,
            Answer::Kept => kept += 1,
            Answer::Status(_) | Answer::Failed(_) | Answer::Cut(_) => lost += 1,
        }
    }
    let requests = history.iter().filter(|record| matches!(record, Record::Request(_))).count();
    println!();
    print_figures(&figures);
    println!(
        "polls: {tables} × 200, {kept} × 304, {lost} without an answer; requests through Skipper: {requests}"
    );
    print_violations(&violations);
    let asked = requests > 0 && tables > 0 && kept > 0;
    let good = asked && violations.is_empty() && figures.iter().all(|figure| figure.kept);
    println!("{}", if good { "all is well" } else { "NOT well" });
    good
}

/// Prints `figures` with their limits.
pub fn print_figures(figures: &[Figure]) {
    let row = |figure: &Figure| {
        let verdict = if figure.kept { "" } else { "NOT kept" };
        vec![figure.name.clone(), figure.shown(), figure.limit_shown(), verdict.to_owned()]
    };
    print!("{}", render(&figures.iter().map(row).collect::<Vec<_>>()));
}

/// Prints the first of `violations`, and how many there are more.
pub fn print_violations(violations: &[Violation]) {
    for violation in violations.iter().take(SHOWN) {
        println!("  {violation}");
    }
    if violations.len() > SHOWN {
        println!("  and {} more", violations.len() - SHOWN);
    }
}
