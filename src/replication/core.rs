//! What one replica knows and may do, as a pure state machine: every rule of publication is here (design D3, D4).
//!
//! In: what was heard, acknowledged, pinged, granted and read, each with the moment. Out: what to answer, what to
//! send, what became active, and the [`View`] that requests read. Nothing here waits or fails; what must not be
//! accepted is refused with a reason.

mod fence;
mod follow;
mod hold;
mod lead;
mod mend;
mod state;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

pub use fence::{Fence, Refusal};
pub use hold::Hold;
pub use lead::{Draft, Outlook, Pong, Progress, Published, StreamId};

use crate::protection::Protection;
use crate::snapshot::{Announcement, Epoch, Snapshot, Standing, TermId, Version, View};
use crate::time::Moment;

/// The longest grant. Whoever stops answering is waited for this long, once.
pub const GRANT: Duration = Duration::from_secs(1);

/// How long an announcement is given to be staged everywhere before acknowledged announcements are enough.
pub const STAGE_WAIT: Duration = Duration::from_millis(250);

/// One replica's state.
#[derive(Debug, Default)]
pub struct Replica {
    fence: Fence,
    active: Option<Arc<Snapshot>>,
    staged: Option<Arc<Snapshot>>,
    announced: Option<Announcement>,
    touch: Option<Touch>,
    leading: Option<lead::Leading>,
    confirmed: Confirmed,
    hold: Hold,
    /// The leader's word to activate this version, which waits for the end of a freeze.
    word: Option<Version>,
}

/// The last poll that found the upstream unchanged, and the origin of the table that it confirmed: a change of
/// leader re-announces a table under another version, and must not make it look old.
#[derive(Clone, Copy, Debug, Default)]
struct Confirmed {
    origin: Version,
    at_millis: u64,
}

/// The last grant of the leader that this replica follows.
#[derive(Clone, Copy, Debug)]
struct Touch {
    until: Moment,
    leader_current: bool,
}

impl Replica {
    /// A replica that starts from what its disk holds.
    pub fn new(last_known_good: Option<Snapshot>) -> Self {
        let mut replica = Self::default();
        if let Some(snapshot) = last_known_good {
            // A fresh fence admits anything.
            let _ = replica.fence.admit(snapshot.version.epoch, Some(snapshot.term));
            replica.active = Some(Arc::new(snapshot));
        }
        replica
    }

    /// What is served.
    pub const fn active(&self) -> Option<&Arc<Snapshot>> {
        self.active.as_ref()
    }

    /// What this leader has published last, or taken over, whether it is active yet or not; what is served otherwise.
    pub fn newest(&self) -> Option<&Arc<Snapshot>> {
        self.leading.as_ref().and_then(|leading| leading.under_way()).or(self.active.as_ref())
    }

    /// The highest epoch that this replica has seen.
    pub const fn fence(&self) -> Epoch {
        self.fence.epoch()
    }

    /// The newest version that this process knows of: active, staged, announced, or being published by itself.
    pub fn known(&self) -> Version {
        let published = self.leading.as_ref().and_then(|leading| leading.under_way());
        let versions = [
            self.active.as_ref().map(|it| it.version),
            self.staged.as_ref().map(|it| it.version),
            self.announced.as_ref().map(|it| it.version),
            published.map(|it| it.version),
        ];
        versions.into_iter().flatten().max().unwrap_or_default()
    }

    /// The state that requests read.
    pub fn view(&self) -> View {
        let standing = match (&self.leading, self.touch) {
            (Some(leading), _) => leading.standing(),
            (None, Some(Touch { until, leader_current })) => Standing::InTouch { until, leader_current },
            (None, None) => Standing::Alone,
        };
        let confirmed_at_millis = self.active.as_ref().map_or(0, |active| self.confirmed(active));
        View { active: self.active.clone(), known: self.known(), standing, confirmed_at_millis }
    }

    /// When `snapshot` was last found to be what the upstream holds, in Unix milliseconds; zero where it was not.
    fn confirmed(&self, snapshot: &Snapshot) -> u64 {
        if snapshot.origin == self.confirmed.origin { self.confirmed.at_millis } else { 0 }
    }

    /// A poll at `at_millis` found the upstream to be as the table of `origin` has it.
    fn confirm(&mut self, origin: Version, at_millis: u64) {
        if origin > self.confirmed.origin {
            self.confirmed = Confirmed { origin, at_millis };
        } else if origin == self.confirmed.origin {
            self.confirmed.at_millis = self.confirmed.at_millis.max(at_millis);
        }
    }

    /// An epoch was seen: on the Lease, in a greeting, in a question. A newer one raises the fence, ends what was
    /// granted under an older one, and ends an own older term.
    ///
    /// # Errors
    ///
    /// Where a newer epoch, or another term of this epoch, was seen before.
    pub fn see(&mut self, epoch: Epoch, term: Option<TermId>) -> Result<(), Refusal> {
        if self.fence.admit(epoch, term)? && !Protection::Fence.is_off() {
            self.touch = None;
            if self.leading.as_ref().is_some_and(|leading| leading.epoch() < epoch) {
                self.leading = None;
            }
        }
        Ok(())
    }

    fn activate_now(&mut self, snapshot: Arc<Snapshot>) {
        let version = snapshot.version;
        self.active = Some(snapshot);
        self.staged.take_if(|staged| staged.version <= version);
        self.announced.take_if(|announced| announced.version <= version);
        self.word.take_if(|word| *word <= version);
    }
}
