//! What replication and election tell each other: epochs seen, epochs that outrank, how fresh the own table is; and
//! from both of them: the phase, and that they move.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::election::{Freshness, Handle};
use crate::phase::Phase;
use crate::replication::hub::Hub;
use crate::serve::{Gauges, Heartbeats};

/// How often the watchdogs are fed.
const BEAT: Duration = Duration::from_millis(500);

/// How long a part may be silent before `/livez` says so.
const ALLOWED: Duration = Duration::from_secs(10);

/// Runs for the life of the process; ends where the election's thread has.
pub(super) async fn run(
    hub: Arc<Hub>,
    election: Arc<Handle>,
    phase: watch::Sender<Phase>,
    heartbeats: Heartbeats,
    gauges: Gauges,
) {
    let (mut changed, mut outranked) = (hub.changed(), hub.outranked());
    let (runtime, elects) = (
        heartbeats.register("runtime", ALLOWED, hub.now()),
        heartbeats.register("election", ALLOWED, hub.now()),
    );
    let mut beats = tokio::time::interval(BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tell(&hub, &election, &phase, &gauges);
        tokio::select! {
            _ = changed.changed() => {}
            Ok(()) = outranked.changed() => election.raise(*outranked.borrow_and_update()),
            _ = beats.tick() => {
                if !election.is_running() {
                    return;
                }
                runtime.beat(hub.now());
                elects.beat(election.moved_at());
            }
        }
    }
}

fn tell(hub: &Hub, election: &Handle, phase: &watch::Sender<Phase>, gauges: &Gauges) {
    let (fence, active, known) =
        hub.read(|core| (core.fence(), core.active().map(|it| it.version), core.known()));
    election.saw(fence);
    election.announced(known.epoch);
    election.freshness(match active {
        None => Freshness::Empty,
        Some(version) if version < known => Freshness::Lagging,
        Some(_) => Freshness::Newest,
    });
    if active.is_some() {
        phase.send_if_modified(|phase| {
            let first = *phase == Phase::Starting;
            if first {
                *phase = Phase::Serving;
                let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                gauges.initialized(now.as_secs_f64());
            }
            first
        });
    }
}
