//! Leader election: who may publish, and the proof of it.
//!
//! Everything else in the program sees only this face: [`Role`] to watch, [`Term`] as the proof that publishing
//! functions take and check at the act.

mod core;
mod driver;
mod epoch;
mod identity;
mod lease;
mod metrics;
mod record;
mod sightings;
pub mod store;
mod timing;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::protection::Protection;
use crate::snapshot::{Epoch, TermId};
use crate::time::Moment;

#[doc(hidden)]
pub use core::simulation;
pub use core::{Free, Freshness, Loss, Report};
pub use driver::{Config, Handle, Happening, start, start_here, stay_out};
pub use identity::Identity;
pub use metrics::Metrics;
pub use record::{Key, Record, Stored};
pub use timing::{Timing, TimingError};

/// What this replica is, and whom it follows.
#[derive(Clone, Debug)]
pub enum Role {
    /// It holds the Lease.
    Leader(Term),
    /// It does not. The leader, as the Lease names it; `None` where nobody holds it or it cannot be read.
    Follower(Option<Leader>),
}

/// The leader as its Lease describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leader {
    /// The identity of the process: `<name>_<uid>_<nonce>`.
    pub identity: String,
    /// Its epoch.
    pub epoch: Epoch,
    /// The nonce of its term.
    pub term: TermId,
    /// Where its replication stream listens, as `10.0.0.7:9912`.
    pub address: String,
}

impl Leader {
    /// The name of the replica: the part of the identity that people gave it.
    pub fn name(&self) -> &str {
        name_of(&self.identity)
    }
}

/// The name of the replica whose process has `identity`: the part that people gave it.
pub fn name_of(identity: &str) -> &str {
    identity.rsplitn(3, '_').last().unwrap_or(identity)
}

/// The proof of leadership. Only the election makes one; whoever publishes takes it and checks it at the act.
#[derive(Clone, Debug)]
pub struct Term {
    epoch: Epoch,
    id: TermId,
    acquired_at: Moment,
    after_expiry: bool,
    valid_until: Arc<AtomicU64>,
}

/// The term is over: whoever holds it must not publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the term of epoch {0} is over")]
pub struct TermOver(pub Epoch);

impl Term {
    /// A term that was acquired by a write sent at `acquired_at`; `after_expiry` where the Lease was free because
    /// its full duration had passed. It is not valid before [`Term::extend`].
    pub(in crate::election) fn new(
        epoch: Epoch,
        id: TermId,
        acquired_at: Moment,
        after_expiry: bool,
    ) -> Self {
        Self { epoch, id, acquired_at, after_expiry, valid_until: Arc::default() }
    }

    /// Its epoch: the fencing token.
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Its nonce.
    pub const fn id(&self) -> TermId {
        self.id
    }

    /// When the write that acquired it was sent.
    pub const fn acquired_at(&self) -> Moment {
        self.acquired_at
    }

    /// Whether the term before it had expired in full, so that none of its grants can still run (design D4).
    pub const fn after_expiry(&self) -> bool {
        self.after_expiry
    }

    /// How long it is still valid; zero when it is over.
    pub fn left(&self, now: Moment) -> Duration {
        Moment::from_nanos(self.valid_until.load(Ordering::Acquire)).since(now)
    }

    /// Stands at the top of every function that publishes.
    ///
    /// # Errors
    ///
    /// Where the term is over.
    pub fn check(&self, now: Moment) -> Result<(), TermOver> {
        if self.left(now).is_zero() && !Protection::Fence.is_off() {
            Err(TermOver(self.epoch))
        } else {
            Ok(())
        }
    }

    /// Valid until `until`, as counted from the moment at which a renewal was *sent*.
    pub(in crate::election) fn extend(&self, until: Moment) {
        self.valid_until.store(until.as_nanos(), Ordering::Release);
    }

    /// Over at once, for every holder of the proof.
    pub(in crate::election) fn end(&self) {
        self.valid_until.store(0, Ordering::Release);
    }

    /// A term for tests of what publishes, valid until `until_nanos`.
    #[doc(hidden)]
    pub fn for_tests(epoch: Epoch, until_nanos: u64) -> Self {
        let term = Self::new(epoch, TermId(u128::from(epoch.0)), Moment::from_nanos(0), true);
        term.extend(Moment::from_nanos(until_nanos));
        term
    }

    /// A term for tests, acquired at `acquired_at`, not valid before it is extended.
    #[doc(hidden)]
    pub fn made_for_tests(epoch: Epoch, id: TermId, acquired_at: Moment, after_expiry: bool) -> Self {
        Self::new(epoch, id, acquired_at, after_expiry)
    }

    /// The same term with a validity of its own, for whoever explores what may happen.
    #[doc(hidden)]
    pub fn fork_for_tests(&self) -> Self {
        let valid_until = self.valid_until.load(Ordering::Acquire);
        Self { valid_until: Arc::new(AtomicU64::new(valid_until)), ..self.clone() }
    }

    /// As a renewal would, for tests.
    #[doc(hidden)]
    pub fn extend_for_tests(&self, until: Moment) {
        self.extend(until);
    }
}
