//! Limits that several scenarios share, as figures of one history.

use std::ops::Range;
use std::time::Duration;

use crate::check::{self, Figure};
use crate::history::{Fault, FaultEvent, Record};
use crate::plays::set::Sizes;

/// From the death of a leader to its successor's first announcement: the Lease, a rank's delay, two calls and a Hello.
pub const FAILOVER: f64 = 3.3;

/// From a change of the upstream, or the fault after it, to its publication: a failover, and the read that follows it.
pub const PUBLISHED: f64 = 4.0;

/// From the return of the API server until a change is published: a Lease that has expired, and a failover's calls.
pub const RETURNED: f64 = 5.0;

/// From the last renewal that was sent until the guard is closed, and what a timer and a log are late by.
pub const GUARD: f64 = 2.4 + 0.1;

/// From the end of a fault until a replica that was cut off follows, current: a new connection within half a second, a
/// Hello, and what `/status` is late by.
pub const REJOINED: f64 = 1.0 + 0.1;

/// A fault's silence until a replica knows of it: the last grant, and what `/status` is late by.
pub const NOTICED: f64 = 1.2 + 0.1;

/// The whole of it: the other end of a window that nothing closes.
const EVER: Range<Duration> = Duration::ZERO..Duration::MAX;

/// A poll that is lost and Skipper's own retry right after it; the one after that is good.
const IN_A_ROW: f64 = 2.0;

/// The history without the polls of those who watch more closely than any Skipper.
fn skippers(history: &[Record]) -> Vec<Record> {
    let close = |record: &&Record| !matches!(record, Record::Poll(poll) if poll.client.starts_with("poller"));
    history.iter().filter(close).cloned().collect()
}

/// Changes are published in time, and nobody leads anew.
pub fn nothing_moves(history: &[Record]) -> Vec<Figure> {
    vec![no_change_of_leader(history), check::publication(history).at_most(PUBLISHED)]
}

/// Nobody leads anew.
pub fn no_change_of_leader(history: &[Record]) -> Figure {
    check::changes_of_leader(history, EVER).at_most(0.0)
}

/// No replica leaves the rotation while the fault lasts.
pub fn all_in_rotation(history: &[Record], what: &str, sizes: &Sizes) -> Figure {
    let all = u32::try_from(sizes.replicas).map_or(f64::MAX, f64::from);
    check::least_in_rotation(history, window(history, what)).at_least(all)
}

/// The leader is lost for good: another one announces in time, changes are published in time, and polls fail only
/// towards the dead, for three seconds, and once for each client.
pub fn leader_lost(history: &[Record]) -> Vec<Figure> {
    vec![
        check::failovers(history).at_most(FAILOVER),
        check::publication(history).at_most(PUBLISHED),
        check::failed_so_long(history).at_most(3.0),
        check::failed_share(history),
        check::failed_in_a_row(&skippers(history)).at_most(IN_A_ROW),
    ]
}

/// No poll is lost at all, not even to the dead, and no body is cut.
pub fn nothing_lost(history: &[Record]) -> Vec<Figure> {
    vec![check::allowed_failures(history).at_most(0.0), check::cut_by_faults(history).at_most(0.0)]
}

/// When the fault that is called `what` was, from its first begin to its last end.
pub fn window(history: &[Record], what: &str) -> Range<Duration> {
    let mut of = history.iter().filter_map(|record| match record {
        Record::Fault(fault) if *fault.what == *what => Some(fault),
        _ => None,
    });
    let begin = of.clone().find(|fault| fault.event != FaultEvent::Healed).map(begun);
    let end = of.rfind(|fault| fault.event == FaultEvent::Healed).map(begun);
    begin.unwrap_or_default()..end.unwrap_or(Duration::MAX)
}

const fn begun(fault: &Fault) -> Duration {
    fault.at
}

/// Each time that the fault called `what` was there.
pub fn windows(history: &[Record], what: &str) -> Vec<Range<Duration>> {
    crate::plays::fleet::rounds(history, what)
}

/// While the fault lasts all replicas serve one table, none leaves the rotation, and whoever looks can tell its age.
pub fn static_while(history: &[Record], what: &str) -> Vec<Figure> {
    let window = window(history, what);
    vec![
        check::tables_served(history, window.clone()).at_most(1.0),
        check::staleness_shown(history, window).at_most(10.0),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::History;

    #[test]
    fn a_window_reaches_from_the_first_begin_to_the_last_end() {
        let history = History::default();
        let first = history.fault("the API server is away", &[]);
        history.healed(&first);
        let second = history.fault("the API server is away", &[]);
        history.struck("kill -9", &["r0"]);
        let records = history.records();
        assert_eq!(window(&records, "kill -9").end, Duration::MAX);
        history.healed(&second);
        let (records, whole) = (history.records(), window(&history.records(), "the API server is away"));
        let Some(Record::Fault(last)) = records.last() else { panic!("{records:?}") };
        assert!(whole.start < whole.end);
        assert_eq!(whole.end, last.at);
    }
}
