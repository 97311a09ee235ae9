//! Stopping in order: not ready, release, follow the successor, drain, finish (design D8).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::election::Handle;
use crate::phase::Phase;
use crate::protection::Protection;
use crate::replication::hub::Hub;
use crate::serve::{Drain, DrainReport};

/// How long it takes to tell other replicas who was cut.
const TELL: Duration = Duration::from_millis(200);

/// What is needed to stop.
pub(super) struct Stopping<'a> {
    pub(super) phase: &'a watch::Sender<Phase>,
    pub(super) drain: &'a Drain,
    pub(super) hub: &'a Hub,
    pub(super) election: &'a Arc<Handle>,
    pub(super) linger: Duration,
    pub(super) asked: BoxFuture<'static, ()>,
}

/// Waits for SIGTERM or SIGINT. Where they cannot be caught, for ever: the process then ends by them at once.
pub(super) async fn signalled() {
    match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(mut terminate), Ok(mut interrupt)) => tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        },
        _ => std::future::pending().await,
    }
}

impl Stopping<'_> {
    /// Goes on serving while the Service forgets this replica, then finishes what was begun. A second signal ends
    /// the waiting, not the answers that are under way.
    pub(super) async fn drain(self, served: JoinHandle<io::Result<DrainReport>>) {
        if Protection::Drain.is_off() {
            return;
        }
        tracing::info!(seconds = self.linger.as_secs_f64(), "draining");
        self.phase.send_replace(Phase::Draining);
        self.drain.begin.cancel();
        let successor = self.hub.read(|core| core.successor());
        self.hub.update(|core, _| core.retire());
        if self.election.release(successor.clone()).await {
            tracing::info!(successor, "released the lease");
        }
        tokio::select! {
            () = tokio::time::sleep(self.linger) => {}
            () = self.asked => tracing::warn!("asked again: not waiting for the Service any longer"),
        }
        self.drain.close.cancel();
        match served.await.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(DrainReport { open, cut: 0 }) => tracing::info!(open, "drained"),
            Ok(DrainReport { open, cut }) => {
                tracing::warn!(open, cut, "drained; responses were cut at the deadline");
                // The others owe those clients their table, and must hear of it.
                tokio::time::sleep(TELL).await;
            }
            Err(error) => tracing::error!(%error, "the main listener broke off"),
        }
    }
}
