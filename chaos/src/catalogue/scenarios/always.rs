//! What CI plays too: what happens most, and what hurts most.

use super::{always, longer, seconds, times};
use crate::catalogue::Scenario;
use crate::catalogue::limits::{self, PUBLISHED};
use crate::check;
use crate::plays::set::Api;
use crate::plays::{clients, content, fleet, leader, upstream};

/// From SIGTERM to the leader until the next one announces: nobody waits for a Lease to expire.
const HANDED_OVER: f64 = 0.2;

/// All of them, in the order in which they are played.
pub static ALL: &[Scenario] = &[
    Scenario {
        name: "kill-leader",
        broken: "the leader is killed with SIGKILL, every ten seconds",
        modes: &[],
        api: Api::Real,
        peer: true,
        root: false,
        lengths: always(seconds(20), seconds(120), seconds(600)),
        play: |set, extent| Box::pin(leader::kill(set, extent)),
        limits: |history, _| limits::leader_lost(history),
    },
    Scenario {
        name: "pause-leader",
        broken: "the leader is stopped for ten seconds with SIGSTOP, and runs on",
        modes: &[3],
        api: Api::Real,
        peer: true,
        root: false,
        lengths: always(times(1), times(2), times(5)),
        play: |set, extent| Box::pin(leader::pause(set, extent)),
        limits: |history, _| {
            vec![
                check::failovers(history).at_most(limits::FAILOVER),
                // One publication waits for a replica that hangs (design D3).
                check::publication(history).at_most(PUBLISHED + 1.1),
                check::resumed_leads_no_more(history).at_most(0.1),
                check::back_in_step(history, "SIGSTOP").at_most(limits::REJOINED),
            ]
        },
    },
    Scenario {
        name: "partition-leader",
        broken: "the API server is out of reach for the leader alone, without a word",
        modes: &[1],
        api: Api::Real,
        peer: true,
        root: false,
        lengths: always(times(1), times(2), times(5)),
        play: |set, extent| Box::pin(leader::partition(set, extent)),
        limits: |history, _| {
            vec![
                check::failovers_of(history, leader::UNREACHABLE).at_most(limits::FAILOVER),
                check::ceased(history, leader::UNREACHABLE).at_most(limits::GUARD),
                check::back_in_step(history, leader::UNREACHABLE).at_most(2.0),
                check::publication(history).at_most(PUBLISHED),
                check::allowed_failures(history).at_most(0.0),
            ]
        },
    },
    Scenario {
        name: "api-down",
        broken: "the API server is away for everybody",
        modes: &[2],
        api: Api::Real,
        peer: true,
        root: false,
        lengths: always(seconds(15), seconds(60), seconds(120)),
        play: |set, extent| Box::pin(upstream::down(set, extent)),
        limits: |history, sizes| {
            let mut figures = limits::static_while(history, upstream::AWAY);
            figures.extend(limits::nothing_lost(history));
            figures.push(limits::all_in_rotation(history, upstream::AWAY, sizes));
            figures.push(check::publication(history).at_most(limits::RETURNED));
            figures
        },
    },
    Scenario {
        name: "restart-without-api",
        broken: "the API server is away, and all replicas are restarted, one by one and together",
        modes: &[2, 14],
        api: Api::Real,
        peer: true,
        root: false,
        lengths: longer(seconds(120), seconds(600)),
        play: |set, extent| Box::pin(upstream::restart_without(set, extent)),
        limits: |history, _| {
            let away = limits::window(history, upstream::AWAY);
            let mut figures = limits::static_while(history, upstream::AWAY);
            figures.push(check::starts_ready(history, away).at_most(2.0));
            figures.push(check::publication(history).at_most(limits::RETURNED));
            figures
        },
    },
    Scenario {
        name: "rolling-restart",
        broken: "all replicas are asked to stop and started again, one after the other",
        modes: &[12],
        api: Api::Real,
        peer: true,
        root: false,
        lengths: always(times(1), times(10), times(100)),
        play: |set, extent| Box::pin(fleet::rolling_restart(set, extent)),
        limits: |history, _| {
            let mut figures = limits::nothing_lost(history);
            figures.extend(fleet::changes_per_round(history));
            figures.push(check::handovers(history).at_most(HANDED_OVER));
            // Half of the grace that deploy/ gives.
            figures.push(check::stops(history).at_most(15.0));
            figures.push(check::publication(history).at_most(PUBLISHED));
            figures
        },
    },
    Scenario {
        name: "poison-object",
        broken: "an Ingress prints a route that no client can read",
        modes: &[20],
        api: Api::Real,
        peer: true,
        root: false,
        lengths: always(times(1), times(3), times(10)),
        play: |set, extent| Box::pin(content::poison(set, extent)),
        limits: |history, sizes| {
            let mut figures = limits::nothing_moves(history);
            // No client is frozen by it.
            figures.push(check::arrival(history).at_most(PUBLISHED + 2.0 * sizes.poll.as_secs_f64()));
            figures
        },
    },
    Scenario {
        // All of a kind at once: by the design it waits for an operator, not for some polls only.
        name: "mass-deletion",
        broken: "all RouteGroups are deleted at once",
        modes: &[21],
        api: Api::Fake,
        peer: true,
        root: false,
        lengths: always(seconds(15), seconds(30), seconds(60)),
        play: |set, extent| Box::pin(content::mass_deletion(set, extent)),
        limits: |history, _| {
            let held = limits::window(history, content::DELETED);
            vec![check::tables_served(history, held).at_most(1.0), limits::no_change_of_leader(history)]
        },
    },
    Scenario {
        name: "cut-download",
        broken: "the replica is killed that a Skipper has half of a table from",
        modes: &[10],
        api: Api::Real,
        peer: true,
        root: false,
        lengths: always(times(1), times(3), times(10)),
        play: |set, extent| Box::pin(clients::cut_download(set, extent)),
        limits: |history, sizes| {
            vec![clients::skippers_healed(history).at_most(2.0 * sizes.poll.as_secs_f64() + 1.0)]
        },
    },
];
