//! How many tables are sent at once: a budget of bytes, and an orderly wait for it.
//!
//! A Skipper gives a poll three seconds, wait and body together, and remembers the ETag of a body that it did not get
//! whole. Many bodies side by side on one link are all late; a few at a time all arrive. So what is above the budget
//! waits, for at most a third of the three seconds, before its first byte: a client that gives up then remembers
//! nothing. After that it gets 503: a Skipper that has a table keeps it, asks again at once and then with its next poll.
//! One that starts has no table and would exit: it names no ETag, waits longer, and has a reserve of its own.
//! Answers without a table never come here. Whoever reads slowly gives its place up after a while and is sent the rest.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::metrics::Metrics;

/// How bodies are limited.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Bytes of bodies under way at once. No more than a body's bytes can lie in the kernel for it, so this also bounds
    /// the memory of the sockets; and a link of 1 Gbit/s takes two seconds for the default.
    pub bytes: u64,
    /// How long a client that holds a table waits for its turn; one that starts waits twice as long.
    pub patience: Duration,
    /// How long a body keeps its place.
    pub slow_after: Duration,
    /// How long a client may take no byte of a body before its connection is closed.
    pub stalled_after: Duration,
}

/// What one place is counted in: smaller bodies cost as much, so their number is bounded too.
const UNIT: u64 = 64 * 1024;

/// However large they are, so many bodies have room side by side.
const AT_LEAST: usize = 8;

/// Requests that may wait at once.
const QUEUE: usize = 4096;

/// Slow bodies beside the budget. The kernel holds at most 4 MiB for each (`tcp_wmem`, tcp(7)).
const SLOW: usize = 64;

/// The places of one listener.
#[derive(Clone, Debug)]
pub(super) struct Admission {
    places: Arc<Semaphore>,
    reserve: Arc<Semaphore>,
    slow: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    limits: BodyLimits,
    largest: u32,
    metrics: Metrics,
}

/// The right to send one body. Ends with it.
#[derive(Debug)]
pub(super) struct Place {
    permit: OwnedSemaphorePermit,
    slow: Option<Arc<Semaphore>>,
    slow_at: Instant,
    metrics: Metrics,
}

/// There was no place in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Busy;

impl Default for BodyLimits {
    fn default() -> Self {
        Self {
            bytes: 256 << 20,
            patience: Duration::from_secs(1),
            slow_after: Duration::from_secs(2),
            stalled_after: Duration::from_secs(10),
        }
    }
}

impl Admission {
    pub(super) fn new(limits: BodyLimits, metrics: Metrics) -> Self {
        let units = usize::try_from(limits.bytes / UNIT).unwrap_or(usize::MAX);
        let units = units.clamp(AT_LEAST, Semaphore::MAX_PERMITS / 2);
        let largest = u32::try_from(units / AT_LEAST).unwrap_or(u32::MAX);
        let reserve = (units / 4).max(largest as usize);
        Self {
            places: Arc::new(Semaphore::new(units)),
            reserve: Arc::new(Semaphore::new(reserve)),
            slow: Arc::new(Semaphore::new(SLOW)),
            queue: Arc::new(Semaphore::new(QUEUE)),
            limits,
            largest,
            metrics,
        }
    }

    /// A place for a body of `bytes`, if there is one now and nobody waits.
    pub(super) fn enter(&self, bytes: u64) -> Option<Place> {
        let permit = Arc::clone(&self.places).try_acquire_many_owned(self.cost(bytes));
        permit.ok().map(|permit| self.place(permit))
    }

    /// A place for a body of `bytes`, after a wait; `starting` is a client without a table.
    ///
    /// # Errors
    ///
    /// Where too many wait already, or the wait was too long.
    pub(super) async fn wait(&self, bytes: u64, starting: bool) -> Result<Place, Busy> {
        let Ok(_seat) = self.queue.try_acquire() else { return Err(self.refused()) };
        let _waiting = Waiting::new(&self.metrics);
        let cost = self.cost(bytes);
        let place = Arc::clone(&self.places).acquire_many_owned(cost);
        let patience = self.limits.patience;
        let permit = if starting {
            let reserved = Arc::clone(&self.reserve).acquire_many_owned(cost);
            let either = async {
                tokio::select! { permit = place => permit, permit = reserved => permit }
            };
            timeout(2 * patience, either).await
        } else {
            timeout(patience, place).await
        };
        let permit = permit.map_err(|_| self.refused())?;
        Ok(self.place(permit.expect("the semaphores are never closed")))
    }

    fn refused(&self) -> Busy {
        self.metrics.bodies_refused.inc();
        Busy
    }

    fn cost(&self, bytes: u64) -> u32 {
        u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).clamp(1, self.largest)
    }

    fn place(&self, permit: OwnedSemaphorePermit) -> Place {
        self.metrics.bodies_under_way.inc();
        Place {
            permit,
            slow: Some(Arc::clone(&self.slow)),
            slow_at: Instant::now() + self.limits.slow_after,
            metrics: self.metrics.clone(),
        }
    }
}

impl Place {
    /// When the place is to be given up; `None` where it has been.
    pub(super) fn slow_at(&self) -> Option<Instant> {
        self.slow.as_ref().map(|_| self.slow_at)
    }

    /// Leaves the place to others and goes on beside the budget, unless too many do.
    pub(super) fn give_way(&mut self) {
        if let Some(Ok(permit)) = self.slow.take().map(Semaphore::try_acquire_owned) {
            self.permit = permit;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.metrics.bodies_under_way.dec();
    }
}

/// Counts who waits, however the waiting ends.
struct Waiting<'a>(&'a Metrics);

impl<'a> Waiting<'a> {
    fn new(metrics: &'a Metrics) -> Self {
        metrics.bodies_waiting.inc();
        metrics.bodies_waited.inc();
        Self(metrics)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.bodies_waiting.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn admission(bytes: u64) -> (Admission, Metrics) {
        let metrics = Metrics::default();
        (Admission::new(BodyLimits { bytes, ..BodyLimits::default() }, metrics.clone()), metrics)
    }

    fn fill(admission: &Admission, bytes: u64) -> Vec<Place> {
        std::iter::from_fn(|| admission.enter(bytes)).collect()
    }

    #[test]
    fn budget_is_in_bytes_and_has_room_for_some_bodies_of_any_size() {
        let (admission, metrics) = admission(64 * MIB);
        let places = fill(&admission, 4 * MIB);
        assert_eq!((places.len(), metrics.bodies_under_way.get()), (16, 16));
        drop(places);
        assert_eq!(metrics.bodies_under_way.get(), 0);
        assert_eq!(fill(&admission, 1).len(), 1024, "small ones count as 64 KiB");
        assert_eq!(fill(&admission, u64::MAX).len(), AT_LEAST);
        assert_eq!(fill(&self::admission(0).0, MIB).len(), AT_LEAST);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_served_in_turn_or_refused_in_time() {
        let (admission, metrics) = admission(8 * MIB);
        let mut places = fill(&admission, MIB);
        let (waiter, started) = (admission.clone(), Instant::now());
        let first = tokio::spawn(async move { waiter.wait(MIB, false).await.map(drop) });
        let waiter = admission.clone();
        let second = tokio::spawn(async move { waiter.wait(MIB, false).await.map(drop) });
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert_eq!(metrics.bodies_waiting.get(), 2);
        // The first leaves its place at once to the second.
        places.pop();
        assert_eq!((first.await.expect("joined"), second.await.expect("joined")), (Ok(()), Ok(())));
        assert_eq!(started.elapsed().as_millis(), 400);

        let _last = admission.enter(MIB).expect("the place is free again");
        assert_eq!(admission.wait(MIB, false).await.err(), Some(Busy));
        assert_eq!(started.elapsed().as_millis(), 1400);
        assert_eq!((metrics.bodies_waiting.get(), metrics.bodies_waited.get()), (0, 3));
        assert_eq!(metrics.bodies_refused.get(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn starting_client_has_a_reserve_and_waits_longer() {
        let (admission, _) = admission(8 * MIB);
        let _places = fill(&admission, MIB);
        let started = Instant::now();
        let _reserve = [admission.wait(MIB, true).await, admission.wait(MIB, true).await];
        assert_eq!(started.elapsed(), Duration::ZERO);
        assert_eq!(admission.wait(MIB, true).await.err(), Some(Busy));
        assert_eq!(started.elapsed().as_secs(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn queue_is_bounded() {
        let (admission, metrics) = admission(8 * MIB);
        let _places = fill(&admission, MIB);
        let waits = (0..=QUEUE).map(|_| admission.wait(MIB, false));
        let started = Instant::now();
        let refused = futures::future::join_all(waits).await.into_iter().filter(Result::is_err).count();
        assert_eq!((refused, started.elapsed().as_secs()), (QUEUE + 1, 1));
        assert_eq!(metrics.bodies_waited.get(), QUEUE as u64, "one was not even let wait");
    }

    #[test]
    fn slow_body_leaves_its_place_while_there_is_room_beside_the_budget() {
        let (admission, _) = admission(8 * MIB);
        let mut slow = Vec::new();
        for _ in 0..SLOW {
            let mut place = admission.enter(8 * MIB).expect("the ones before have left");
            place.give_way();
            assert_eq!(place.slow_at(), None);
            slow.push(place);
        }
        let mut places = fill(&admission, MIB);
        places[0].give_way();
        assert!(admission.enter(MIB).is_none(), "too many are slow: this one keeps its place");
        slow.pop();
        places[1].give_way();
        assert!(admission.enter(MIB).is_some());
    }
}
