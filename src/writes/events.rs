//! Where the rest of the program leaves its Events: never waits, never fails.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};

use super::event::{Event, Severity, Subject};
use super::metrics::Metrics;
use super::queue::{Came, Queue, Waiting};
use crate::election::{Happening, Term};
use crate::time::Clock;

/// Who reports, and where: what Events have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reporter {
    /// The name of the replica.
    pub replica: String,
    /// Namespace and name of the Lease of the fleet, the object that Events about the fleet itself go to; none where
    /// replicas elect through something else.
    pub lease: Option<(String, String)>,
}

/// A way to tell Events; cheap to clone. The default one tells nobody.
#[derive(Clone, Default)]
pub struct Events(Option<Arc<Shared>>);

/// What the tellers and the writer share.
pub(super) struct Shared {
    pub(super) queue: Mutex<Queue>,
    pub(super) wake: Notify,
    pub(super) reporter: Reporter,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Metrics,
    lease_uid: Mutex<String>,
}

impl Events {
    /// Events that are kept until they are written.
    pub(super) fn kept(reporter: Reporter, clock: Arc<dyn Clock>, metrics: Metrics) -> (Self, Arc<Shared>) {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            wake: Notify::new(),
            reporter,
            clock,
            metrics,
            lease_uid: Mutex::default(),
        });
        (Self(Some(shared.clone())), shared)
    }

    /// Tells of something that the leader of `term` found; once the term is over it is not written any more.
    pub fn tell(&self, term: &Term, event: Option<Event>) {
        self.take(event, Some(term.clone()));
    }

    /// Tells of something about the fleet itself, on its Lease. `is_state`: see [`Event::is_state`].
    pub fn tell_of_fleet(&self, severity: Severity, reason: &'static str, message: String, is_state: bool) {
        let about = self.lease();
        self.take(about.map(|about| Event { about, severity, reason, message, is_state }), None);
    }

    fn lease(&self) -> Option<Subject> {
        let shared = self.0.as_ref()?;
        let (namespace, name) = shared.reporter.lease.as_ref()?;
        Some(Subject::lease(namespace, name, &shared.lease_uid.lock()))
    }

    fn take(&self, event: Option<Event>, term: Option<Term>) {
        let (Some(shared), Some(event)) = (&self.0, event) else { return };
        let waiting = Waiting { event, since: shared.clock.now(), term };
        let mut queue = shared.queue.lock();
        let came = queue.push(waiting);
        shared.metrics.waiting(queue.len());
        drop(queue);
        match came {
            Came::Waits => {}
            Came::Replaced => shared.metrics.event("replaced"),
            Came::Dropped => shared.metrics.event("dropped"),
        }
        shared.wake.notify_one();
    }
}

/// Tells what the election reports, until it ends.
pub async fn elections(events: Events, mut happenings: mpsc::Receiver<Happening>) {
    while let Some(Happening { report, lease_uid }) = happenings.recv().await {
        let Some(shared) = &events.0 else { continue };
        *shared.lease_uid.lock() = lease_uid;
        let about = events.lease();
        let event = about.and_then(|about| Event::election(about, &shared.reporter.replica, &report));
        events.take(event, None);
    }
}
