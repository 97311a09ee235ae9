//! What happens around a replica: other versions, strangers, narrow lines, many followers; and nothing left at all.

use super::{longer, seconds, times};
use crate::catalogue::Scenario;
use crate::catalogue::limits::{self, PUBLISHED};
use crate::check::{self, Unit};
use crate::plays::set::Api;
use crate::plays::{answers, skew, slow, stranger, twenty, upstream};

/// How long replicas may differ in a rollout: what `/status` is late by, as it is asked ten times a second.
const DIFFER: f64 = 0.5;

/// Writes of the Lease that one failover may take, whoever tries.
const WRITES: f64 = 3.0;

/// All of them, in the order in which they are played.
pub static ALL: &[Scenario] = &[
    Scenario {
        name: "version-skew",
        broken: "replicas become an older version and this one again, and lead one another",
        modes: &[13],
        api: Api::Real,
        peer: false,
        root: false,
        lengths: longer(times(1), times(3)),
        play: |set, extent| Box::pin(skew::play(set, extent)),
        limits: |history, _| {
            let mut figures = limits::nothing_lost(history);
            figures.extend([
                skew::changes_of_table(history).at_most(1.0),
                skew::disagreement(history).at_most(DIFFER),
                check::most(history, skew::OLD_LEADS, Unit::Seconds).at_most(PUBLISHED),
                check::most(history, skew::NEW_LEADS, Unit::Seconds).at_most(PUBLISHED),
                check::publication(history).at_most(PUBLISHED),
            ]);
            figures
        },
    },
    Scenario {
        name: "address-reused",
        broken: "a replica of another cluster is at a dead replica's address, under its name",
        modes: &[25],
        api: Api::Fake,
        peer: false,
        root: true,
        lengths: longer(times(1), times(5)),
        play: |set, extent| Box::pin(stranger::reuse(set, extent)),
        limits: |history, _| {
            // Nothing changes upstream meanwhile: whatever else a replica serves would be the stranger's.
            let tables = limits::windows(history, stranger::REUSED).into_iter();
            let tables = tables.map(|window| check::tables_served(history, window));
            let most =
                tables.max_by(|a, b| a.value.unwrap_or_default().total_cmp(&b.value.unwrap_or_default()));
            let most = most.unwrap_or_else(|| check::Figure::time("tables served", None));
            vec![
                most.named("tables served while the stranger is there").at_most(1.0),
                // It leads under epochs above ours, and nobody hears of them.
                check::raised(history, limits::window(history, stranger::REUSED)).at_most(0.0),
                check::failovers(history).at_most(limits::FAILOVER),
                check::publication(history).at_most(PUBLISHED),
            ]
        },
    },
    Scenario {
        name: "nothing-left",
        broken: "the API server is away, and all replicas are killed and lose their disks",
        modes: &[14],
        api: Api::Real,
        peer: false,
        root: false,
        lengths: longer(seconds(15), seconds(60)),
        play: |set, extent| Box::pin(upstream::nothing_left(set, extent)),
        limits: |history, _| {
            vec![
                check::most(history, upstream::ANSWER, Unit::Count).at_most(503.0),
                check::least(history, upstream::ANSWER, Unit::Count).at_least(503.0),
                check::most(history, upstream::READY, Unit::Count).at_most(0.0),
                check::publication(history).at_most(limits::RETURNED),
            ]
        },
    },
    Scenario {
        name: "answers-lost",
        broken: "for a second no answer of the API server reaches the leader, and what it writes is written",
        modes: &[6],
        api: Api::Fake,
        peer: false,
        root: false,
        lengths: longer(times(3), times(20)),
        play: |set, extent| Box::pin(answers::unheard(set, extent)),
        limits: |history, _| {
            // The same term goes on, under its own epoch.
            let mut figures = limits::nothing_lost(history);
            figures.push(limits::no_change_of_leader(history));
            figures
        },
    },
    Scenario {
        name: "slow-follower",
        broken: "a follower reads ten kilobytes a second, and the table changes again and again",
        modes: &[23],
        api: Api::Fake,
        peer: false,
        root: true,
        lengths: longer(times(10), times(50)),
        play: |set, extent| Box::pin(slow::read_slowly(set, extent)),
        limits: |history, _| {
            let end = limits::window(history, slow::SLOW).end;
            vec![
                slow::memory(history),
                check::of_one_mind(history, end).at_most(PUBLISHED),
                check::publication(history).at_most(PUBLISHED + 1.1),
                limits::no_change_of_leader(history),
            ]
        },
    },
    Scenario {
        name: "leader-of-twenty",
        broken: "the leader of twenty followers is killed, and one of them lags behind",
        modes: &[30],
        api: Api::Fake,
        peer: false,
        root: false,
        lengths: longer(times(1), times(5)),
        play: |set, extent| Box::pin(twenty::leader_dies(set, extent)),
        limits: |history, _| {
            vec![
                check::most(history, twenty::WRITES, Unit::Count).at_most(WRITES),
                check::most(history, twenty::TRANSFERS, Unit::Ratio).at_most(1.0),
                check::failovers(history).at_most(limits::FAILOVER),
                check::publication(history).at_most(PUBLISHED),
            ]
        },
    },
];
