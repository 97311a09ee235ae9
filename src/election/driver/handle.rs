//! What the rest of the program holds of its election.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::{Freshness, Happening, Identity, Role, Wiring};
use crate::election::Loss;
use crate::snapshot::{Epoch, TermId};
use crate::time::{Clock, Moment};

/// An election that runs. Dropping it ends the thread, without a release.
pub struct Handle {
    wiring: Wiring,
    clock: Arc<dyn Clock>,
    thread: Option<JoinHandle<()>>,
}

/// Everything that was ever wished, in its newest state: no queue that could fill.
#[derive(Clone, Debug, Default)]
pub(super) struct Wishes {
    pub(super) alive: Moment,
    pub(super) saw: Epoch,
    pub(super) refused: Epoch,
    pub(super) announced: (Epoch, Moment),
    pub(super) freshness: Freshness,
    pub(super) gone: Option<(TermId, Moment)>,
    pub(super) step_down: Option<(u64, Loss)>,
    pub(super) release: Option<Option<String>>,
    pub(super) stop: bool,
}

impl Handle {
    pub(super) fn new(wiring: Wiring, clock: Arc<dyn Clock>, thread: Option<JoinHandle<()>>) -> Self {
        Self { wiring, clock, thread }
    }

    /// The role, now and from now on.
    pub fn role(&self) -> watch::Receiver<Role> {
        self.wiring.role.clone()
    }

    /// What happens to this replica's part in the election, for whoever asks first.
    pub fn happenings(&self) -> Option<mpsc::Receiver<Happening>> {
        self.wiring.happenings.lock().take()
    }

    /// Who we are.
    pub const fn identity(&self) -> &Identity {
        &self.wiring.identity
    }

    /// `epoch` was seen on a stream or on disk: ours will be higher. A leader takes a new one at once.
    pub fn saw(&self, epoch: Epoch) {
        self.wiring.wishes.send_if_modified(|wishes| {
            let news = epoch > wishes.saw;
            wishes.saw = wishes.saw.max(epoch);
            news
        });
    }

    /// Something is announced under `epoch` now: where another replica leads it, its failover is complete.
    pub fn announced(&self, epoch: Epoch) {
        let now = self.clock.now();
        self.wiring.wishes.send_if_modified(|wishes| {
            let news = epoch > wishes.announced.0;
            if news {
                wishes.announced = (epoch, now);
            }
            news
        });
    }

    /// A peer is bound to `epoch` and to another term than ours: a leader takes a higher epoch, as a new [`Term`].
    ///
    /// [`Term`]: crate::election::Term
    pub fn raise(&self, epoch: Epoch) {
        self.wiring.wishes.send_if_modified(|wishes| {
            let news = epoch > wishes.refused;
            wishes.refused = wishes.refused.max(epoch);
            news
        });
    }

    /// The work of a leader has moved: its poll loop went round, whatever the poll brought. A leader that does not say
    /// so for [`Config::stall`] gives the Lease up.
    ///
    /// [`Config::stall`]: super::Config::stall
    pub fn alive(&self) {
        let now = self.clock.now();
        self.wiring.wishes.send_modify(|wishes| wishes.alive = now);
    }

    /// How our table compares with the newest: replicas that lag let others go first.
    pub fn freshness(&self, freshness: Freshness) {
        self.wiring
            .wishes
            .send_if_modified(|wishes| std::mem::replace(&mut wishes.freshness, freshness) != freshness);
    }

    /// Whoever holds the Lease under `term` refused every connection, first at `since`: the Lease is taken before it
    /// expires, unless it has moved after that moment. Wrong where the leader lives all the same, see docs/protocol.md.
    pub fn gone(&self, term: TermId, since: Moment) {
        self.wiring.wishes.send_modify(|wishes| wishes.gone = Some((term, since)));
    }

    /// Gives the Lease up and does not campaign for three lease durations. Does nothing on a follower.
    pub fn step_down(&self, why: Loss) {
        self.wiring.wishes.send_modify(|wishes| {
            let number = wishes.step_down.map_or(0, |(number, _)| number + 1);
            wishes.step_down = Some((number, why));
        });
    }

    /// Gives the Lease up for good: the term ends at once, then `successor` (a replica's name or its identity) is told to
    /// take over. Tells whether the Lease is free now; takes no longer than one attempt. The role is watched further.
    pub fn release(&self, successor: Option<String>) -> impl Future<Output = bool> + Send + use<> {
        self.wiring.wishes.send_modify(|wishes| wishes.release = Some(successor));
        let (mut released, budget) = (self.wiring.released.clone(), self.wiring.budget);
        async move {
            let told = tokio::time::timeout(budget, released.wait_for(Option::is_some)).await;
            matches!(told, Ok(Ok(free)) if *free == Some(true))
        }
    }

    /// How long [`Handle::release`] takes at most.
    pub const fn release_budget(&self) -> Duration {
        self.wiring.budget
    }

    /// When the election's thread last went round. It does at least each 200 ms: where this stands still, it hangs.
    pub fn moved_at(&self) -> Moment {
        Moment::from_nanos(self.wiring.moved.load(Ordering::Relaxed))
    }

    /// Whether the election's thread still runs.
    pub fn is_running(&self) -> bool {
        self.wiring.role.has_changed().is_ok()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.wiring.wishes.send_modify(|wishes| wishes.stop = true);
        if let Some(thread) = self.thread.take() {
            // A panic there was printed there; whoever watches the role sees the end of its channel.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("identity", &self.wiring.identity).finish_non_exhaustive()
    }
}
