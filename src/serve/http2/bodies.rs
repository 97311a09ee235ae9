//! The bodies of one connection: those under way, and those of which the kernel has the last byte.
//!
//! In: what the streams begin, and what the wire sees go by. Out: what the ledger and the metrics are told. All of it belongs
//! to one task; nobody waits for the lock.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::replication::ledger::Outcome;
use crate::serve::admission::{BodyLimits, Place};
use crate::serve::metrics::{Metrics, Unfinished};
use crate::serve::sending::{Needs, Receipt};

/// See above.
pub(super) struct Bodies {
    inner: Mutex<Inner>,
    metrics: Metrics,
}

#[derive(Default)]
struct Inner {
    under_way: HashMap<u32, Delivery>,
    /// Tables that the kernel has, until the client shows that it has them.
    handed: Vec<Handed>,
}

/// A body under way.
struct Delivery {
    since: Instant,
    bytes: u64,
    /// When the kernel last took some of it, or could have taken the first.
    moved: Instant,
    place: Option<Place>,
    receipt: Option<Receipt>,
    /// Told when the kernel has all of it.
    gone: Arc<Notify>,
}

/// A table that the kernel has.
struct Handed {
    stream: u32,
    receipt: Receipt,
    at: Instant,
    /// The client was asked for a sign of life after it.
    asked: bool,
}

impl Bodies {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self { inner: Mutex::default(), metrics }
    }

    /// The body of a request that came at `since` begins. What comes back is told when the kernel has all of it.
    pub(super) fn begin(&self, stream: u32, since: Instant, needs: Option<Needs>) -> Arc<Notify> {
        let (place, receipt) = needs.unzip();
        let (receipt, gone) = (receipt.flatten(), Arc::<Notify>::default());
        let delivery =
            Delivery { since, bytes: 0, moved: Instant::now(), place, receipt, gone: Arc::clone(&gone) };
        self.inner.lock().under_way.insert(stream, delivery);
        gone
    }

    /// So much more of it is on its way.
    pub(super) fn add(&self, stream: u32, bytes: usize) {
        if let Some(delivery) = self.inner.lock().under_way.get_mut(&stream) {
            delivery.bytes += bytes as u64;
        }
    }

    /// The kernel took some of it.
    pub(super) fn moved(&self, stream: u32) {
        if let Some(delivery) = self.inner.lock().under_way.get_mut(&stream) {
            delivery.moved = Instant::now();
        }
    }

    /// The kernel has all of it.
    pub(super) fn gone(&self, stream: u32) {
        let mut inner = self.inner.lock();
        let Some(Delivery { since, bytes, place, receipt, gone, .. }) = inner.under_way.remove(&stream)
        else {
            return;
        };
        if let Some(mut place) = place {
            place.through();
        }
        if let Some(receipt) = receipt {
            inner.handed.push(Handed { stream, receipt, at: Instant::now(), asked: false });
        }
        gone.notify_one();
        self.metrics.delivered(bytes, since.elapsed());
    }

    /// It will not be finished.
    pub(super) fn give_up(&self, stream: u32, cause: Unfinished) {
        let delivery = self.inner.lock().under_way.remove(&stream);
        delivery.into_iter().for_each(|delivery| self.cut(&delivery, cause));
    }

    fn cut(&self, delivery: &Delivery, cause: Unfinished) {
        if let Some(receipt) = &delivery.receipt {
            receipt.write(Outcome::Cut);
        }
        self.metrics.unfinished(cause);
    }

    /// How long it may stay as it is; none where it has been so for too long. One that is slow leaves its place to others.
    pub(super) fn patience(&self, stream: u32, limits: &BodyLimits) -> Option<Instant> {
        let mut inner = self.inner.lock();
        let Some(delivery) = inner.under_way.get_mut(&stream) else { return Some(Instant::now()) };
        let (now, stalled_at) = (Instant::now(), delivery.moved + limits.stalled_after);
        if now >= stalled_at {
            return None;
        }
        let slow = |place: &mut Place| {
            let at = place.slow_at()?;
            if now < at {
                return Some(at);
            }
            place.give_way();
            None
        };
        let slow_at = delivery.place.as_mut().and_then(slow);
        Some(slow_at.map_or(stalled_at, |at| at.min(stalled_at)))
    }

    /// Since when the oldest table waits for a sign that nobody has asked for.
    pub(super) fn waits_since(&self) -> Option<Instant> {
        self.inner.lock().handed.iter().find(|handed| !handed.asked).map(|handed| handed.at)
    }

    /// The client is asked for a sign: when it comes, it has everything that the kernel has now.
    pub(super) fn asking(&self) {
        self.inner.lock().handed.iter_mut().for_each(|handed| handed.asked = true);
    }

    /// The sign came.
    pub(super) fn answered(&self) {
        let arrived: Vec<_> = self.inner.lock().handed.extract_if(.., |handed| handed.asked).collect();
        arrived.iter().for_each(|handed| handed.receipt.write(Outcome::Completed));
    }

    /// The client wants no more of a stream.
    pub(super) fn reset(&self, stream: u32) {
        let broken: Vec<_> =
            self.inner.lock().handed.extract_if(.., |handed| handed.stream == stream).collect();
        self.lost(&broken);
    }

    /// Nothing can be read any more: in order, or because the connection `broke`.
    pub(super) fn settle(&self, broke: bool) {
        let handed = std::mem::take(&mut self.inner.lock().handed);
        if broke {
            self.lost(&handed);
        } else {
            handed.iter().for_each(|handed| handed.receipt.write(Outcome::Completed));
        }
    }

    fn lost(&self, handed: &[Handed]) {
        for handed in handed {
            handed.receipt.write(Outcome::Cut);
            self.metrics.unfinished(Unfinished::Reset);
        }
    }

    /// Whether the kernel has tables of which it is not known yet whether they have arrived.
    pub(super) fn are_unsettled(&self) -> bool {
        !self.inner.lock().handed.is_empty()
    }

    /// The connection is over; how many bodies were not finished. Of a client that was asked for a sign and gave none, nothing is
    /// known.
    pub(super) fn end(&self, cause: Unfinished) -> u64 {
        self.inner.lock().handed.retain(|handed| !handed.asked);
        self.settle(false);
        let unfinished = std::mem::take(&mut self.inner.lock().under_way);
        unfinished.values().for_each(|delivery| self.cut(delivery, cause));
        unfinished.len() as u64
    }
}
