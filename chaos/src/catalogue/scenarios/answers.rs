//! What an API server can answer instead of what it should.

use std::time::Duration;

use super::{longer, seconds, times};
use crate::catalogue::Scenario;
use crate::catalogue::limits;
use crate::check::{self, Figure, Unit};
use crate::history::Record;
use crate::plays::set::Api;
use crate::plays::{answers, store};

/// Nobody can renew: the guard closes, everybody serves on, few calls are made, few lines are written, and a change is
/// published soon after the end.
fn limits_of_refusals(history: &[Record], calls: f64, recovers: f64) -> Vec<Figure> {
    let refused = limits::window(history, answers::REFUSED);
    // The upstream is read as ever until the guard closes.
    let unread = (refused.start + Duration::from_secs_f64(limits::GUARD))..refused.end;
    let mut figures = limits::nothing_lost(history);
    figures.extend([
        check::tables_served(history, refused.clone()).at_most(1.0),
        check::staleness_shown(history, unread).at_most(10.0),
        check::ceased(history, answers::REFUSED).at_most(limits::GUARD),
        check::most(history, answers::CALLS, Unit::Count).at_most(calls),
        check::warnings(history, refused, "cannot reach the lease").at_most(1.0),
        check::publication(history).at_most(recovers),
    ]);
    figures
}

/// All of them, in the order in which they are played.
pub static ALL: &[Scenario] = &[
    Scenario {
        name: "api-slow",
        broken: "each call of the API server takes 0.6 s",
        modes: &[6],
        api: Api::Fake,
        peer: true,
        root: false,
        lengths: longer(seconds(30), seconds(60)),
        play: |set, extent| Box::pin(answers::late(set, extent)),
        limits: |history, _| {
            let mut figures = limits::nothing_lost(history);
            figures.push(limits::no_change_of_leader(history));
            figures
        },
    },
    Scenario {
        name: "api-stalled",
        broken: "each call of the API server takes 10 s",
        modes: &[6],
        api: Api::Fake,
        peer: true,
        root: false,
        lengths: longer(seconds(25), seconds(60)),
        play: |set, extent| Box::pin(answers::very_late(set, extent)),
        limits: |history, _| {
            let mut figures = limits::static_while(history, answers::LATE);
            figures.push(check::ceased(history, answers::LATE).at_most(limits::GUARD));
            figures.extend(limits::nothing_lost(history));
            figures
        },
    },
    Scenario {
        name: "api-throttles-lists",
        broken: "every list is answered with 429",
        modes: &[15],
        api: Api::Fake,
        peer: true,
        root: false,
        lengths: longer(seconds(20), seconds(60)),
        play: |set, extent| Box::pin(answers::throttled(set, extent)),
        limits: |history, _| {
            let mut figures = limits::static_while(history, answers::THROTTLED);
            figures.extend(limits::nothing_lost(history));
            figures.push(limits::no_change_of_leader(history));
            figures
        },
    },
    Scenario {
        name: "api-throttles-lease",
        broken: "every call for the Lease is answered with 429",
        modes: &[15],
        api: Api::Fake,
        peer: false,
        root: false,
        lengths: longer(seconds(20), seconds(60)),
        play: |set, extent| Box::pin(answers::refused(set, extent, 429)),
        limits: |history, _| limits_of_refusals(history, 3.0, 4.0),
    },
    Scenario {
        name: "rights-lost",
        broken: "every call for the Lease is answered with 403",
        modes: &[18],
        api: Api::Fake,
        peer: false,
        root: false,
        lengths: longer(seconds(20), seconds(60)),
        play: |set, extent| Box::pin(answers::refused(set, extent, 403)),
        limits: |history, _| limits_of_refusals(history, 2.0, 5.0),
    },
    Scenario {
        name: "wrong-answers",
        broken: "one list after the other is null, empty, cut, stalled, 404 or 500",
        modes: &[],
        api: Api::Fake,
        peer: true,
        root: false,
        lengths: longer(times(4), times(12)),
        play: |set, extent| Box::pin(answers::wrong(set, extent)),
        limits: |history, _| {
            let window = limits::window(history, answers::WRONG);
            let mut figures = limits::nothing_lost(history);
            figures.push(check::tables_served(history, window).at_most(1.0));
            figures.push(limits::no_change_of_leader(history));
            figures
        },
    },
    // Of our own API server: two real ones on one etcd do not lag, and one on an older etcd would have other Leases too.
    Scenario {
        name: "old-lists",
        broken: "lists are older than the table, and the leader is killed",
        modes: &[19],
        api: Api::Fake,
        peer: true,
        root: false,
        lengths: longer(seconds(15), seconds(40)),
        play: |set, extent| Box::pin(answers::old(set, extent)),
        limits: |history, sizes| {
            let window = limits::window(history, answers::LATE_LISTS);
            let fresh = check::published_since(history, window.end);
            vec![
                // It was tried: who has refused nothing has shown nothing.
                check::said(history, "older than").at_least(1.0),
                check::older_announced(history).at_most(0.0),
                check::tables_served(history, window).at_most(1.0),
                fresh.at_most(0.5 + sizes.poll.as_secs_f64()),
            ]
        },
    },
    Scenario {
        name: "store-restored",
        broken: "etcd is restored from a backup: objects, versions and the Lease go back",
        modes: &[28],
        api: Api::Real,
        peer: false,
        root: false,
        lengths: longer(times(1), times(1)),
        play: |set, extent| Box::pin(store::restored(set, extent)),
        limits: |history, sizes| {
            let window = limits::window(history, store::RESTORED);
            let mut figures = limits::nothing_lost(history);
            figures.extend([
                check::said(history, store::SAID).at_least(1.0),
                check::epoch_gain(history, window.start, window.end).at_least(1.0),
                // The doubt, a new leader after the API server's return, and the poll that ends the doubt.
                check::publication(history).at_most(65.0 + sizes.poll.as_secs_f64()),
            ]);
            figures
        },
    },
];
