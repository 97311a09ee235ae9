//! What a run in a real cluster must keep beside the invariants. Times are generous: one machine carries all nodes, and whoever
//! else works on it delays them; what is strict is what nobody may lose.

use crate::catalogue;
use crate::check::{self, Figure, Unit};
use crate::history::{Fault, FaultEvent, Record};

use super::follow::BY_ITSELF;

/// The leader's pod is deleted.
pub const DELETED: &str = "the leader's pod is deleted";

/// The leader's process is killed.
pub const KILLED: &str = "the leader's process is killed";

/// A follower's process does nothing.
pub const PAUSED: &str = "a follower stands still";

/// A node has no power.
pub const NODE: &str = "the leader's node is without power";

/// A node is emptied.
pub const DRAIN: &str = "a node is drained";

/// Every pod is replaced.
pub const ROLLING: &str = "a rolling update";

/// The set has another size.
pub const SCALE: &str = "the set is scaled";

/// From the command that installs the chart.
pub const FIRST_TABLE: &str = "from helm install to the first served table";

/// The same, as the second command has it.
pub const INSTALLED: &str = "from helm install to three pods that have been ready for 5 s";

/// From SIGSTOP.
pub const UNREADY: &str = "from a replica that stands still to EndpointSlices without it";

/// From the power cut.
pub const NODE_OUT: &str = "from the end of a node to EndpointSlices without its pods";

/// Evictions of a second pod while one is away that were let pass.
pub const SECOND_EVICTION: &str = "second evictions that the budget let pass";

/// The figures of `history`, in which the leader's pod was to be deleted so often.
#[allow(clippy::cast_precision_loss, reason = "some deletions")]
pub fn figures(history: &[Record], deletions: usize) -> Vec<Figure> {
    let rolling = catalogue::window(history, ROLLING);
    vec![
        times(history, DELETED).at_least(deletions as f64),
        // The issue's own limit: two commands, 15 s.
        check::most(history, FIRST_TABLE, Unit::Seconds).at_most(15.0),
        check::most(history, INSTALLED, Unit::Seconds).at_most(60.0),
        // A Lease of 3 s and what scenarios allow for it, three times.
        check::failovers(history).at_most(10.0),
        // 200 ms, and the way of a deletion to the kubelet and from there to the process.
        check::handovers(history).at_most(5.0),
        // One poll of 3 s after a failover, and the same again.
        check::publication(history).at_most(15.0),
        check::arrival(history).at_most(20.0),
        // Two probes of 2 s, the second of which times out after 2 s.
        check::most(history, UNREADY, Unit::Seconds).at_most(12.0),
        // A silent node is not ready after 12 s.
        check::most(history, NODE_OUT, Unit::Seconds).at_most(30.0),
        check::failed_so_long(history).at_most(30.0),
        check::most(history, SECOND_EVICTION, Unit::Count).at_most(0.0),
        check::changes_of_leader(history, rolling)
            .named("changes of leader in the rolling update")
            .at_most(3.0),
        check::most(history, BY_ITSELF, Unit::Count).at_most(0.0),
    ]
}

/// How often `what` was done.
fn times(history: &[Record], what: &str) -> Figure {
    let done = |record: &&Record| matches!(record, Record::Fault(Fault { what: done, event, .. }) if **done == *what && *event != FaultEvent::Healed);
    Figure::count(what, history.iter().filter(done).count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::History;

    #[test]
    fn a_run_that_did_not_come_to_all_of_it_is_not_well() {
        let history = History::default();
        let kept = |name: &str, records: &[Record]| {
            figures(records, 2).into_iter().find(|figure| figure.name == name).unwrap().kept
        };
        for name in [DELETED, FIRST_TABLE, INSTALLED, UNREADY, NODE_OUT, SECOND_EVICTION, BY_ITSELF] {
            assert!(!kept(name, &[]), "{name}");
        }
        history.struck(DELETED, &["bellwether-0"]);
        assert!(!kept(DELETED, &history.records()));
        history.struck(DELETED, &["bellwether-1"]);
        assert!(kept(DELETED, &history.records()));
        for (name, good, bad) in
            [(FIRST_TABLE, 14.0, 16.0), (SECOND_EVICTION, 0.0, 1.0), (BY_ITSELF, 0.0, 1.0)]
        {
            history.measured(name, "", good);
            assert!(kept(name, &history.records()), "{name}");
            history.measured(name, "", bad);
            assert!(!kept(name, &history.records()), "{name}");
        }
    }
}
