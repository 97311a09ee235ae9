//! Whether this replica is ready, and whether it is alive: pure rules (design D8) and the two small records that
//! they read.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::phase::Phase;
use crate::snapshot::View;
use crate::time::Moment;

/// How long a follower may be behind before it steps out of the Service.
pub const BEHIND: Duration = Duration::from_secs(10);

/// What readiness depends on.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// Where the replica is in its life.
    pub phase: Phase,
    /// Whether it only stands by.
    pub stands_by: bool,
    /// Whether it has a verified table.
    pub has_table: bool,
    /// Whether it leads.
    pub leads: bool,
    /// Whether the Lease shows a live leader.
    pub live_leader: bool,
    /// How long it has not been current.
    pub behind_for: Duration,
    /// Whether it sees another replica that is ready: never do all step out.
    pub another_ready: bool,
}

/// Why a replica is not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unready {
    /// It is told to serve nothing.
    #[error("standing by, as --rollout=off says")]
    StandsBy,
    /// It has nothing to serve.
    #[error("no verified table yet")]
    NoTable,
    /// It is on its way out.
    #[error("draining")]
    Draining,
    /// Others serve what it does not have.
    #[error("not current for {}s while a leader lives; another replica serves", .0.as_secs())]
    Behind(Duration),
}

/// The rule.
///
/// # Errors
///
/// The reason why the replica is not ready.
pub fn ready(facts: &Facts) -> Result<(), Unready> {
    if facts.phase >= Phase::Draining {
        return Err(Unready::Draining);
    }
    if facts.stands_by {
        return Err(Unready::StandsBy);
    }
    if !facts.has_table {
        return Err(Unready::NoTable);
    }
    let behind = !facts.leads && facts.live_leader && facts.behind_for >= BEHIND;
    if behind && facts.another_ready { Err(Unready::Behind(facts.behind_for)) } else { Ok(()) }
}

/// When this replica was last seen to be current.
#[derive(Debug)]
pub struct LastCurrent(Mutex<Moment>);

impl LastCurrent {
    /// Starts at `now`: a replica that was never current is behind since it began to look.
    pub const fn starting(now: Moment) -> Self {
        Self(Mutex::new(now))
    }

    /// Looks at `view`, and says for how long the replica has not been current.
    pub fn look(&self, view: &View, now: Moment) -> Duration {
        let mut last = self.0.lock();
        if view.is_current(now) {
            *last = (*last).max(now);
        }
        now.since(*last)
    }
}

/// The tasks and threads that must move for the process to be worth keeping.
#[derive(Clone, Debug, Default)]
pub struct Heartbeats(Arc<Mutex<Vec<Arc<Beat>>>>);

/// One of them: whoever holds it beats it.
#[derive(Debug)]
pub struct Heartbeat(Arc<Beat>);

/// One that did not beat in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overdue {
    /// Its name.
    pub name: &'static str,
    /// How long it has been silent.
    pub silent: Duration,
    /// How long it may be.
    pub allowed: Duration,
}

#[derive(Debug)]
struct Beat {
    name: &'static str,
    allowed: Duration,
    last: Mutex<Moment>,
}

impl Heartbeats {
    /// A heartbeat that may be silent for `allowed`, from `now` on. It stays on the list when its holder is gone: a
    /// task that ended does not move.
    pub fn register(&self, name: &'static str, allowed: Duration, now: Moment) -> Heartbeat {
        let beat = Arc::new(Beat { name, allowed, last: Mutex::new(now) });
        self.0.lock().push(Arc::clone(&beat));
        Heartbeat(beat)
    }

    /// Those that have been silent for too long.
    pub fn overdue(&self, now: Moment) -> Vec<Overdue> {
        let silence = |beat: &Arc<Beat>| {
            let silent = now.since(*beat.last.lock());
            (silent > beat.allowed).then_some(Overdue { name: beat.name, silent, allowed: beat.allowed })
        };
        self.0.lock().iter().filter_map(silence).collect()
    }
}

impl Heartbeat {
    /// It moved.
    pub fn beat(&self, now: Moment) {
        *self.0.last.lock() = now;
    }
}

impl fmt::Display for Overdue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, silent, allowed } = self;
        write!(f, "{name}: silent for {:.1}s, allowed {:.1}s", silent.as_secs_f64(), allowed.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINE: Facts = Facts {
        phase: Phase::Serving,
        stands_by: false,
        has_table: true,
        leads: false,
        live_leader: true,
        behind_for: Duration::ZERO,
        another_ready: true,
    };

    #[test]
    fn ready_with_a_table_until_the_drain() {
        assert_eq!(ready(&FINE), Ok(()));
        assert_eq!(ready(&Facts { has_table: false, ..FINE }), Err(Unready::NoTable));
        assert_eq!(ready(&Facts { stands_by: true, ..FINE }), Err(Unready::StandsBy));
        assert_eq!(ready(&Facts { phase: Phase::Draining, ..FINE }), Err(Unready::Draining));
        assert_eq!(ready(&Facts { phase: Phase::Stopped, ..FINE }), Err(Unready::Draining));
        assert_eq!(ready(&Facts { phase: Phase::Starting, ..FINE }), Ok(()), "served from disk");
    }

    #[test]
    fn steps_out_only_where_it_is_provably_behind_and_not_alone() {
        let behind = Facts { behind_for: BEHIND, ..FINE };
        assert_eq!(ready(&behind), Err(Unready::Behind(BEHIND)));
        assert_eq!(ready(&Facts { another_ready: false, ..behind }), Ok(()));
        assert_eq!(ready(&Facts { live_leader: false, ..behind }), Ok(()));
        assert_eq!(ready(&Facts { leads: true, ..behind }), Ok(()));
        assert_eq!(ready(&Facts { behind_for: BEHIND - Duration::from_nanos(1), ..FINE }), Ok(()));
    }

    #[test]
    fn behind_counts_from_the_last_look_that_found_it_current() {
        let start = Moment::from_nanos(5);
        let last = LastCurrent::starting(start);
        assert_eq!(last.look(&View::default(), start + BEHIND), BEHIND);
    }

    #[test]
    fn silent_heartbeats_are_named() {
        let (beats, start) = (Heartbeats::default(), Moment::from_nanos(0));
        let second = Duration::from_secs(1);
        let (poll, lease) = (beats.register("poll", second, start), beats.register("lease", second, start));
        assert_eq!(beats.overdue(start + second), []);
        lease.beat(start + second);
        drop(poll);
        let overdue = beats.overdue(start + 2 * second);
        assert_eq!(overdue.len(), 1);
        assert_eq!(overdue[0].to_string(), "poll: silent for 2.0s, allowed 1.0s");
    }
}
