//! What happens to a machine.

use super::replicas::RESTARTED;
use super::{longer, seconds, times};
use crate::catalogue::Scenario;
use crate::catalogue::limits::{self, PUBLISHED};
use crate::check::{self, Unit};
use crate::plays::set::Api;
use crate::plays::{exhausted, machine};

/// All of them, in the order in which they are played.
pub static ALL: &[Scenario] = &[
    Scenario {
        name: "leader-vanishes",
        broken: "the leader's machine is gone from the net, without a word",
        modes: &[11],
        api: Api::Real,
        peer: true,
        root: true,
        lengths: longer(times(1), times(5)),
        play: |set, extent| Box::pin(machine::vanish(set, extent)),
        limits: |history, _| {
            vec![
                check::failovers(history).at_most(limits::FAILOVER),
                check::publication(history).at_most(PUBLISHED),
                // Two probes of two seconds, each two seconds late, and the rules.
                check::failed_so_long(history).at_most(7.0),
            ]
        },
    },
    Scenario {
        name: "lossy-net",
        broken: "three of ten packets between the leader and a follower get lost",
        modes: &[],
        api: Api::Real,
        peer: false,
        root: true,
        lengths: longer(seconds(20), seconds(60)),
        play: |set, extent| Box::pin(machine::lose(set, extent)),
        limits: |history, _| {
            let end = limits::window(history, machine::LOSSY).end;
            vec![
                limits::no_change_of_leader(history),
                check::publication(history).at_most(PUBLISHED + 1.1),
                check::of_one_mind(history, end).at_most(2.0),
            ]
        },
    },
    Scenario {
        name: "wall-clocks",
        broken: "the wall clock of each replica jumps by hours, each another way",
        modes: &[5],
        api: Api::Real,
        peer: false,
        root: true,
        lengths: longer(seconds(30), seconds(60)),
        play: |set, extent| Box::pin(machine::shift_clocks(set, extent)),
        limits: |history, _| {
            let jumps = limits::window(history, machine::CLOCK);
            vec![
                check::changes_of_leader(history, jumps).at_most(0.0),
                check::publication(history).at_most(PUBLISHED),
            ]
        },
    },
    Scenario {
        name: "little-cpu",
        broken: "the leader gets a fifth of one processor",
        modes: &[22],
        api: Api::Real,
        peer: false,
        root: true,
        lengths: longer(seconds(20), seconds(60)),
        play: |set, extent| Box::pin(machine::throttle(set, extent)),
        limits: |history, _| {
            let validity = check::least(history, machine::VALIDITY, Unit::Seconds);
            vec![limits::no_change_of_leader(history), validity.at_least(0.3)]
        },
    },
    Scenario {
        name: "files-exhausted",
        broken: "clients hold connections until a replica has no file descriptor left, the leader and then a follower",
        modes: &[],
        api: Api::Real,
        peer: false,
        root: false,
        // Shorter than a connection may usually lie idle: that clients leave by themselves mends nothing.
        lengths: longer(seconds(20), seconds(40)),
        play: |set, extent| Box::pin(exhausted::files(set, extent)),
        limits: |history, _| {
            let window = limits::window(history, exhausted::NO_FILES);
            vec![
                exhausted::lost_over_open_connections(history).at_most(0.0),
                // Whoever accepts in a loop takes all of one.
                check::most(history, exhausted::BUSY, Unit::Share).at_most(0.3),
                check::publication(history).at_most(PUBLISHED + limits::FAILOVER),
                // Two probes of two seconds, each two seconds late, and the rules.
                check::failed_so_long(history).at_most(7.0),
                check::of_one_mind(history, window.end).at_most(2.0),
            ]
        },
    },
    Scenario {
        name: "memory-exhausted",
        broken: "the kernel kills the leader for want of memory, and it is started at once in its pod",
        modes: &[27],
        api: Api::Real,
        peer: false,
        root: true,
        lengths: longer(times(1), times(5)),
        play: |set, extent| Box::pin(exhausted::memory(set, extent)),
        limits: |history, _| {
            vec![check::failovers(history).at_most(RESTARTED), check::publication(history).at_most(PUBLISHED)]
        },
    },
    Scenario {
        name: "disk-full",
        broken: "the disk of a follower is full, and then can only be read",
        modes: &[24],
        api: Api::Real,
        peer: false,
        root: true,
        lengths: longer(seconds(10), seconds(30)),
        play: |set, extent| Box::pin(machine::fill_disk(set, extent)),
        limits: |history, _| {
            let unwritten = check::least(history, machine::UNWRITTEN, Unit::Count);
            vec![check::publication(history).at_most(PUBLISHED), unwritten.at_least(1.0)]
        },
    },
    Scenario {
        name: "disk-damaged",
        broken: "what a follower keeps on disk is damaged while it does not run",
        modes: &[14],
        api: Api::Real,
        peer: false,
        root: false,
        lengths: longer(times(1), times(5)),
        play: |set, extent| Box::pin(machine::damage_disk(set, extent)),
        limits: |history, _| limits::nothing_moves(history),
    },
    Scenario {
        name: "new-certificates",
        broken: "every replica has a new certificate, under load",
        modes: &[29],
        api: Api::Real,
        peer: false,
        root: true,
        lengths: longer(times(1), times(5)),
        play: |set, extent| Box::pin(machine::rotate_certificates(set, extent)),
        limits: |history, _| {
            let mut figures = limits::nothing_moves(history);
            let renewed = limits::window(history, machine::RENEWED);
            figures.push(check::out_of_step(history, renewed).at_most(1.0));
            figures
        },
    },
];
