//! How many tables are sent at once: a budget of bytes, and an orderly wait for it.
//!
//! A Skipper gives a poll three seconds, wait and body together, and remembers the ETag of a body that it did not get
//! whole. Many bodies side by side on one link are all late; a few at a time all arrive. So what is above the budget
//! waits, for at most a third of the three seconds, before its first byte: a client that gives up then remembers
//! nothing. After that it gets 503: a Skipper that has a table keeps it, asks again at once and then with its next poll.
//! One that starts has no table and would exit: it names no ETag, waits longer, and has a reserve of its own.
//! Answers without a table never come here. Whoever reads slowly gives its place up after a while and is sent the rest. The
//! budget is for a link of 1 Gbit/s; where bodies come through too late all the same, it becomes smaller by itself
//! ([`Pace`]).

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::budget::{Budget, Share};
use super::metrics::Metrics;
use super::pace::Pace;

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
const AT_LEAST: u32 = 8;

/// What a semaphore can count, and more than any budget.
const MOST: u32 = u32::MAX >> 4;

/// Requests that may wait at once.
const QUEUE: usize = 4096;

/// Slow bodies beside the budget. The kernel holds at most 4 MiB for each (`tcp_wmem`, tcp(7)).
const SLOW: usize = 64;

/// The places of one listener.
#[derive(Clone, Debug)]
pub(super) struct Admission {
    places: Arc<Budget>,
    reserve: Arc<Budget>,
    slow: Arc<Semaphore>,
    held: Arc<Budget>,
    queue: Arc<Semaphore>,
    limits: BodyLimits,
    largest: u32,
    opened: Instant,
    pace: Arc<Mutex<Pace>>,
    metrics: Metrics,
}

/// The right to send one body. Ends with it.
#[derive(Debug)]
pub(super) struct Place {
    right: Right,
    /// Until the body is through, or has shown that it is slow.
    pending: bool,
    since: Instant,
    admission: Admission,
}

/// What a body counts against.
#[derive(Debug)]
enum Right {
    Budget {
        _share: Share,
    },
    /// It was slow, and is beside the budget.
    Slow {
        _permit: OwnedSemaphorePermit,
    },
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
        let units = u32::try_from(limits.bytes / UNIT).unwrap_or(u32::MAX);
        let units = units.clamp(AT_LEAST, MOST);
        let admission = Self {
            places: Budget::new(units),
            reserve: Budget::new(reserve(units)),
            slow: Arc::new(Semaphore::new(SLOW)),
            held: Budget::new(held(units)),
            queue: Arc::new(Semaphore::new(QUEUE)),
            limits,
            largest: units / AT_LEAST,
            opened: Instant::now(),
            pace: Arc::new(Mutex::new(Pace::new(units))),
            metrics,
        };
        admission.show(units);
        admission
    }

    /// A place for a body of `bytes`, if there is one now and nobody waits.
    pub(super) fn enter(&self, bytes: u64) -> Option<Place> {
        self.places.try_take(self.cost(bytes)).map(|share| self.place(share))
    }

    /// Room to wait for a change, for a client that is then sent a body of about `bytes`. What one change wakes has places at
    /// once, and is through in the time that is left; where bodies come through too late, fewer wait.
    pub(super) fn hold(&self, bytes: u64) -> Option<Share> {
        self.held.try_take(self.cost(bytes).min(self.held.total()))
    }

    /// Whether there is any such room.
    pub(super) fn may_hold(&self) -> bool {
        self.held.taken() < self.held.total()
    }

    /// A place for a body of `bytes`, after a wait; `starting` is a client without a table, `spent` what is gone of the time
    /// of any other: it gets a place in time for the body, or none.
    ///
    /// # Errors
    ///
    /// Where too many wait already, or the wait was too long.
    pub(super) async fn wait(&self, bytes: u64, starting: bool, spent: Duration) -> Result<Place, Busy> {
        let Ok(_seat) = self.queue.try_acquire() else { return Err(self.refused()) };
        let _waiting = Waiting::new(&self.metrics);
        let cost = self.cost(bytes);
        let place = self.places.take(cost);
        let patience = self.limits.patience;
        let share = if starting {
            let reserved = self.reserve.take(cost.min(self.reserve.total()));
            let either = async {
                tokio::select! { share = place => share, share = reserved => share }
            };
            timeout(2 * patience, either).await
        } else {
            timeout(patience.min((2 * patience).saturating_sub(spent)), place).await
        };
        let share = share.map_err(|_| self.refused())?;
        Ok(self.place(share.expect("the semaphores are never closed")))
    }

    fn refused(&self) -> Busy {
        self.metrics.bodies_refused.inc();
        Busy
    }

    /// At most what there is: one body has room, however large it is.
    fn cost(&self, bytes: u64) -> u32 {
        let most = self.largest.min(self.places.total());
        u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).clamp(1, most)
    }

    fn place(&self, share: Share) -> Place {
        self.metrics.bodies_under_way.inc();
        let right = Right::Budget { _share: share };
        Place { right, pending: true, since: Instant::now(), admission: self.clone() }
    }

    /// A body that has its place since then is through, or has shown that it is slow.
    fn took(&self, since: Instant) {
        let (since, now) = (since.duration_since(self.opened), self.opened.elapsed());
        let Some(units) = self.pace.lock().took(since, now, self.places.taken()) else { return };
        self.places.resize(units);
        self.reserve.resize(reserve(units));
        self.held.resize(held(units));
        self.show(units);
        tracing::info!(
            bytes = u64::from(units) * UNIT,
            "so much is sent at once, as bodies are late or in time again"
        );
    }

    fn show(&self, units: u32) {
        self.metrics.bodies_budget.set(i64::from(units) * i64::try_from(UNIT).unwrap_or(i64::MAX));
    }
}

/// What clients without a table have for themselves.
fn reserve(units: u32) -> u32 {
    (units / 4).max(1)
}

/// What those who wait for a change may be sent together: what a link takes in half of what a body may take.
fn held(units: u32) -> u32 {
    (units / 2).max(1)
}

impl Place {
    /// When the place is to be given up; `None` where it has been, or the body is through.
    pub(super) fn slow_at(&self) -> Option<Instant> {
        self.pending.then(|| self.since + self.admission.limits.slow_after)
    }

    /// Leaves the place to others and goes on beside the budget, unless too many do.
    pub(super) fn give_way(&mut self) {
        self.through();
        if let Ok(permit) = Arc::clone(&self.admission.slow).try_acquire_owned() {
            self.right = Right::Slow { _permit: permit };
        }
    }

    /// The body is through.
    pub(super) fn through(&mut self) {
        if std::mem::take(&mut self.pending) {
            self.admission.took(self.since);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.admission.metrics.bodies_under_way.dec();
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
        assert_eq!(fill(&admission, u64::MAX).len(), AT_LEAST as usize);
        assert_eq!(fill(&self::admission(0).0, MIB).len(), AT_LEAST as usize);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_served_in_turn_or_refused_in_time() {
        let (admission, metrics) = admission(8 * MIB);
        let mut places = fill(&admission, MIB);
        let (waiter, started) = (admission.clone(), Instant::now());
        let first = tokio::spawn(async move { waiter.wait(MIB, false, Duration::ZERO).await.map(drop) });
        let waiter = admission.clone();
        let second = tokio::spawn(async move { waiter.wait(MIB, false, Duration::ZERO).await.map(drop) });
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert_eq!(metrics.bodies_waiting.get(), 2);
        // The first leaves its place at once to the second.
        places.pop();
        assert_eq!((first.await.expect("joined"), second.await.expect("joined")), (Ok(()), Ok(())));
        assert_eq!(started.elapsed().as_millis(), 400);

        let _last = admission.enter(MIB).expect("the place is free again");
        assert_eq!(admission.wait(MIB, false, Duration::ZERO).await.err(), Some(Busy));
        assert_eq!(started.elapsed().as_millis(), 1400);
        assert_eq!((metrics.bodies_waiting.get(), metrics.bodies_waited.get()), (0, 3));
        assert_eq!(metrics.bodies_refused.get(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn starting_client_has_a_reserve_and_waits_longer() {
        let (admission, _) = admission(8 * MIB);
        let _places = fill(&admission, MIB);
        let started = Instant::now();
        let _reserve = [
            admission.wait(MIB, true, Duration::ZERO).await,
            admission.wait(MIB, true, Duration::ZERO).await,
        ];
        assert_eq!(started.elapsed(), Duration::ZERO);
        assert_eq!(admission.wait(MIB, true, Duration::ZERO).await.err(), Some(Busy));
        assert_eq!(started.elapsed().as_secs(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn queue_is_bounded() {
        let (admission, metrics) = admission(8 * MIB);
        let _places = fill(&admission, MIB);
        let waits = (0..=QUEUE).map(|_| admission.wait(MIB, false, Duration::ZERO));
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

    #[tokio::test(start_paused = true)]
    async fn where_all_bodies_are_late_fewer_are_sent_at_once_until_they_are_in_time() {
        let (admission, metrics) = admission(64 * MIB);
        let mut late = fill(&admission, MIB);
        assert_eq!((late.len(), metrics.bodies_budget.get()), (64, 64 << 20));
        tokio::time::sleep(Duration::from_secs(2)).await;
        late.iter_mut().for_each(Place::give_way);
        let less = metrics.bodies_budget.get() as u64 / MIB;
        assert!((16..=32).contains(&less), "{less} MiB");
        let mut places = fill(&admission, MIB);
        assert_eq!(places.len() as u64, less, "the slow ones go on beside them");
        tokio::time::sleep(Duration::from_millis(200)).await;
        places.iter_mut().for_each(Place::through);
        drop(places);
        assert!(fill(&admission, MIB).len() as u64 >= 2 * less, "{} bytes", metrics.bodies_budget.get());
    }

    #[tokio::test(start_paused = true)]
    async fn one_body_has_room_however_little_is_left() {
        let (admission, _) = admission(8 * MIB);
        for _ in 0..10 {
            let mut late: Vec<_> = (0..16).filter_map(|_| admission.enter(64 << 10)).collect();
            tokio::time::sleep(Duration::from_secs(2)).await;
            late.iter_mut().for_each(Place::give_way);
        }
        let place = admission.enter(u64::MAX);
        assert!(place.is_some() && admission.enter(u64::MAX).is_none());
    }
}
