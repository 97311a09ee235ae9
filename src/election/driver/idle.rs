//! The election of a replica that stands by: it follows nobody, asks nobody, and never leads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::handle::{Handle, Wishes};
use super::{Identity, NAP, Role, Wiring};
use crate::time::Clock;

/// Stays out of the election, as a task of this runtime, until the handle is dropped.
pub fn stay_out(identity: Identity, clock: Arc<dyn Clock>) -> Handle {
    let (wishes, mut wished) = watch::channel(Wishes::default());
    let (role_sender, role) = watch::channel(Role::Follower(None));
    // There is nothing to release.
    let (released_sender, released) = watch::channel(Some(false));
    let moved = Arc::new(AtomicU64::new(clock.now().as_nanos()));
    let (moves, ticking) = (Arc::clone(&moved), Arc::clone(&clock));
    tokio::spawn(async move {
        let _kept = (role_sender, released_sender);
        loop {
            moves.store(ticking.now().as_nanos(), Ordering::Relaxed);
            tokio::select! {
                () = tokio::time::sleep(NAP) => {}
                changed = wished.changed() => if changed.is_err() || wished.borrow_and_update().stop { return },
            }
        }
    });
    let (budget, happenings) = (Duration::ZERO, Mutex::new(None));
    Handle::new(Wiring { wishes, role, released, moved, identity, budget, happenings }, clock, None)
}
