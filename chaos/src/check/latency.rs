//! How long clients wait.

use std::ops::Range;
use std::time::Duration;

use super::Figure;
use crate::history::{Answer, Poll, Record};

/// How long 304s take that are sent within `window`: the time that `share` of them do not exceed.
pub fn kept_latency(history: &[Record], window: Range<Duration>, share: f64) -> Figure {
    let times = times(history, &window, |answer| matches!(answer, Answer::Kept));
    Figure::quantile(format!("304s, p{}", share * 100.0), &times, share)
}

/// How long the slowest whole table takes that is asked for within `window`.
pub fn slowest_table(history: &[Record], window: Range<Duration>) -> Figure {
    Figure::worst("slowest table", &times(history, &window, |answer| matches!(answer, Answer::Table(_))))
}

fn times(history: &[Record], window: &Range<Duration>, wanted: impl Fn(&Answer) -> bool) -> Vec<Duration> {
    let polls = history.iter().filter_map(|record| match record {
        Record::Poll(Poll { at, end, answer, .. }) if window.contains(at) && wanted(answer) => {
            Some(*end - *at)
        }
        _ => None,
    });
    polls.collect()
}
