//! What happens to replicas and between them, and to their Lease.

use std::time::Duration;

use super::{longer, seconds, times};
use crate::catalogue::Scenario;
use crate::catalogue::limits::{self, PUBLISHED};
use crate::check::{self, Unit};
use crate::plays::set::Api;
use crate::plays::{followers, lease, soak};

/// From the death of a leader until it leads again, where it is started at once: the start of a process, two calls and
/// a Hello.
pub(super) const RESTARTED: f64 = 1.0;

/// All of them, in the order in which they are played.
pub static ALL: &[Scenario] = &[
    Scenario {
        name: "kill-follower",
        broken: "a follower is killed, and started again",
        modes: &[],
        api: Api::Real,
        peer: true,
        root: false,
        lengths: longer(times(2), times(10)),
        play: |set, extent| Box::pin(followers::kill(set, extent)),
        limits: |history, _| limits::nothing_moves(history),
    },
    Scenario {
        name: "crash-while-publishing",
        broken: "the leader is killed at some moment of a publication",
        // A temporary file has one name, which the next write takes: none is ever left over.
        modes: &[10],
        api: Api::Real,
        peer: true,
        root: false,
        lengths: longer(times(3), times(20)),
        play: |set, extent| Box::pin(followers::crash_while_publishing(set, extent)),
        limits: |history, _| {
            vec![
                check::failovers(history).at_most(limits::FAILOVER),
                check::publication(history).at_most(PUBLISHED),
            ]
        },
    },
    Scenario {
        name: "restart-container",
        broken: "the leader is killed, and started at once in its pod",
        modes: &[27],
        api: Api::Real,
        peer: true,
        root: false,
        lengths: longer(times(3), times(20)),
        play: |set, extent| Box::pin(followers::restart_container(set, extent)),
        limits: |history, _| {
            vec![check::failovers(history).at_most(RESTARTED), check::publication(history).at_most(PUBLISHED)]
        },
    },
    Scenario {
        name: "pod-replaced",
        broken: "the leader is killed, and another pod of its name is started at once",
        modes: &[26],
        api: Api::Real,
        peer: true,
        root: false,
        lengths: longer(times(3), times(20)),
        play: |set, extent| Box::pin(followers::replace_pod(set, extent)),
        limits: |history, _| {
            vec![
                check::failovers(history).at_most(limits::FAILOVER),
                // It is somebody else: what is left of a Lease that was renewed at most 0.9 s before has to pass.
                check::soonest_failover(history, "kill -9").at_least(2.1),
                check::publication(history).at_most(PUBLISHED),
            ]
        },
    },
    Scenario {
        name: "power-cut",
        broken: "all replicas are killed at once, and started again",
        modes: &[],
        api: Api::Real,
        peer: false,
        root: false,
        lengths: longer(times(2), times(10)),
        play: |set, extent| Box::pin(followers::power_cut(set, extent)),
        limits: |history, _| vec![check::publication(history).at_most(PUBLISHED + 1.0)],
    },
    Scenario {
        name: "deaf-leader",
        broken: "the leader reaches the API server, and nobody reaches the leader",
        modes: &[8],
        api: Api::Real,
        peer: false,
        root: false,
        lengths: longer(times(1), times(5)),
        play: |set, extent| Box::pin(followers::deaf(set, extent)),
        limits: |history, _| {
            let lost = check::allowed_failures(history).at_most(0.0);
            // Nobody hears the leader for two Leases; then it gives the Lease up, and stands aside for three.
            let relapses = check::relapses(history, followers::DEAF, Duration::from_secs(9));
            let fresh = check::most(history, followers::FRESH, Unit::Seconds);
            vec![fresh.at_most(2.0 * 3.0 + limits::FAILOVER), relapses.at_most(0.0), lost]
        },
    },
    Scenario {
        name: "follower-cut-off",
        broken: "nothing passes between a follower and the others, and nobody is told",
        modes: &[9, 11],
        api: Api::Real,
        peer: false,
        root: true,
        lengths: longer(times(1), times(5)),
        play: |set, extent| Box::pin(followers::cut_off(set, extent)),
        limits: |history, _| {
            let end = limits::window(history, followers::ALONE).end;
            vec![
                limits::no_change_of_leader(history),
                check::publication(history).at_most(PUBLISHED + 1.1),
                check::allowed_failures(history).at_most(0.0),
                check::of_one_mind(history, end).at_most(2.0),
                check::noticed(history, followers::ALONE).at_most(limits::NOTICED),
                check::back_in_step(history, followers::ALONE).at_most(limits::REJOINED),
            ]
        },
    },
    Scenario {
        name: "lease-deleted",
        broken: "the Lease is deleted",
        modes: &[16],
        api: Api::Real,
        peer: false,
        root: false,
        lengths: longer(times(1), times(5)),
        play: |set, extent| Box::pin(lease::delete(set, extent)),
        limits: |history, _| {
            vec![
                check::publication(history).at_most(PUBLISHED + limits::FAILOVER),
                check::allowed_failures(history).at_most(0.0),
                check::leaderless(history).at_most(limits::FAILOVER),
                check::epochs_that_do_not_grow(history).at_most(0.0),
            ]
        },
    },
    Scenario {
        name: "lease-edited",
        broken: "the Lease is edited: its holder, its epoch, its times",
        modes: &[5, 17],
        api: Api::Fake,
        peer: false,
        root: false,
        lengths: longer(times(1), times(3)),
        play: |set, extent| Box::pin(lease::edit(set, extent)),
        limits: |history, _| {
            vec![
                check::publication(history).at_most(PUBLISHED + limits::FAILOVER),
                check::allowed_failures(history).at_most(0.0),
                check::leaderless(history).at_most(limits::FAILOVER),
                check::epochs_that_do_not_grow(history).at_most(0.0),
            ]
        },
    },
    Scenario {
        name: "soak",
        broken: "whatever a seed says, every twenty seconds",
        modes: &[],
        api: Api::Real,
        peer: false,
        root: false,
        lengths: longer(seconds(300), seconds(1200)),
        play: |set, extent| Box::pin(soak::play(set, extent)),
        limits: |history, _| {
            let mut figures = soak::memory(history, &limits::window(history, soak::SOAK));
            figures.push(check::failovers(history).at_most(limits::FAILOVER));
            // Some are stopped in their tracks: two probes of two seconds, each two seconds late, and the rules.
            figures.push(check::failed_so_long(history).at_most(7.0));
            figures
        },
    },
];
