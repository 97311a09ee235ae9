//! What many clients at once do.

use super::{longer, seconds, times};
use crate::catalogue::Scenario;
use crate::catalogue::limits;
use crate::check::{self, Unit};
use crate::plays::crowd;
use crate::plays::set::Api;

/// A 304 while thousands fetch their first table, in seconds. Even behind everybody else for the processor, those thousands
/// run on the cores of the replicas here, and what the kernel does for them is done in anybody's time.
const WHILE_HERD: f64 = 0.25;

/// All of them, in the order in which they are played.
pub static ALL: &[Scenario] = &[
    Scenario {
        name: "flip-storm",
        broken: "a new table for every client, again and again",
        modes: &[],
        api: Api::Real,
        peer: true,
        root: false,
        lengths: longer(times(3), times(20)),
        play: |set, extent| Box::pin(crowd::storm(set, extent)),
        limits: |history, _| {
            let window = limits::window(history, crowd::STORM);
            let mut figures = limits::nothing_lost(history);
            figures.push(check::slowest_table(history, window.clone()).at_most(2.5));
            figures.push(check::kept_latency(history, window, 0.99).at_most(0.05));
            figures
        },
    },
    Scenario {
        name: "slow-readers",
        broken: "five hundred clients read a table at a thousand bytes a second",
        modes: &[],
        api: Api::Real,
        peer: true,
        root: false,
        lengths: longer(seconds(20), seconds(60)),
        play: |set, extent| Box::pin(crowd::slow_readers(set, extent)),
        limits: |history, _| {
            let window = limits::window(history, crowd::SLOW);
            let mut figures = limits::nothing_lost(history);
            figures.push(check::kept_latency(history, window, 0.99).at_most(0.05));
            figures
        },
    },
    Scenario {
        name: "herd",
        broken: "clients that have nothing come all at once",
        modes: &[],
        api: Api::Real,
        peer: true,
        root: false,
        lengths: longer(times(1000), times(5000)),
        play: |set, extent| Box::pin(crowd::herd(set, extent)),
        limits: |history, _| {
            let window = limits::window(history, crowd::HERD);
            vec![
                check::most(history, crowd::SERVED, Unit::Seconds).at_most(crowd::HERD_SERVED.as_secs_f64()),
                check::kept_latency(history, window, 0.99).at_most(WHILE_HERD),
            ]
        },
    },
];
