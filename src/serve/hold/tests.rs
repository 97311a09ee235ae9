//! What ends a wait, with the clock standing still.

use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::Errno;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::snapshot::{Snapshot, Standing, View};
use crate::time::{ManualClock, Moment};

const LONG: Duration = Duration::from_secs(60);

struct Lab {
    hold: Arc<Hold>,
    cell: Arc<Cell>,
    clock: ManualClock,
    changed: watch::Sender<u64>,
    drain: Drain,
    /// Whether there is something to send.
    changes: Arc<AtomicBool>,
    metrics: Metrics,
}

impl Lab {
    /// A follower that is in touch for ten seconds.
    async fn start() -> Self {
        let token = CancellationToken::new;
        let metrics = Metrics::default();
        let lab = Self {
            hold: Arc::new(Hold::new(LONG, metrics.clone())),
            cell: Arc::default(),
            clock: ManualClock::default(),
            changed: watch::Sender::default(),
            drain: Drain { begin: token(), close: token(), deadline: LONG },
            changes: Arc::default(),
            metrics,
        };
        lab.active(1);
        let (hold, cell, clock) = (lab.hold.clone(), lab.cell.clone(), lab.clock.clone());
        let (changed, drain) = (lab.changed.subscribe(), lab.drain.clone());
        tokio::spawn(async move { hold.watch(&cell, &clock, changed, &drain).await });
        sleep(Duration::from_millis(1)).await;
        assert!(lab.hold.is_open());
        lab
    }

    fn active(&self, sequence: u64) {
        let version = crate::snapshot::Version::new(1, sequence);
        let active = Some(Arc::new(Snapshot::for_tests(version, "a: * -> <shunt>")));
        let until = Moment::default() + Duration::from_secs(10);
        let standing = Standing::InTouch { until, leader_current: true };
        self.cell.store(View { active, known: version, standing, ..View::default() });
        self.changed.send_modify(|generation| *generation += 1);
    }

    /// Somebody who waits for half a minute.
    async fn waiting(&self) -> JoinHandle<Ended> {
        let (hold, changes) = (self.hold.clone(), self.changes.clone());
        let waiting =
            tokio::spawn(async move { hold.wait(LONG / 2, None, || !changes.load(Ordering::Relaxed)).await });
        sleep(Duration::from_millis(1)).await;
        assert_eq!(self.metrics.polls_held.get(), 1);
        waiting
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_with_its_time() {
    let lab = Lab::start().await;
    let started = Instant::now();
    assert_eq!(lab.waiting().await.await.expect("joined"), Ended::Over);
    assert_eq!(started.elapsed().as_secs(), 30);
    assert_eq!((lab.metrics.polls_held.get(), lab.metrics.holds(Ended::Over)), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn another_table_wakes_and_the_same_under_another_version_does_not_end_it() {
    let lab = Lab::start().await;
    let (started, waiting) = (Instant::now(), lab.waiting().await);
    lab.active(2);
    sleep(Duration::from_millis(1)).await;
    assert!(!waiting.is_finished(), "a new leader has announced it again");
    lab.changes.store(true, Ordering::Relaxed);
    lab.active(3);
    assert_eq!(waiting.await.expect("joined"), Ended::Changed);
    assert!(started.elapsed() < Duration::from_millis(10));
}

#[tokio::test(start_paused = true)]
async fn a_grant_that_runs_out_is_seen_within_a_second() {
    let lab = Lab::start().await;
    let (started, waiting) = (Instant::now(), lab.waiting().await);
    lab.clock.advance(Duration::from_secs(10));
    assert_eq!(waiting.await.expect("joined"), Ended::Behind);
    assert!(started.elapsed() <= LOOK + Duration::from_millis(10));
    assert!(!lab.hold.is_open());
}

#[tokio::test(start_paused = true)]
async fn each_stage_of_a_stop_ends_it_at_once() {
    for close in [false, true] {
        let lab = Lab::start().await;
        let (started, waiting) = (Instant::now(), lab.waiting().await);
        if close {
            lab.drain.close.cancel()
        } else {
            lab.drain.begin.cancel()
        }
        assert_eq!(waiting.await.expect("joined"), Ended::Drain);
        assert!(started.elapsed() < Duration::from_millis(10) && !lab.hold.is_open());
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_without_descriptors_lets_all_go_and_lets_nobody_wait_for_a_minute() {
    let lab = Lab::start().await;
    let (started, waiting) = (Instant::now(), lab.waiting().await);
    lab.hold.crowd().failed(&Errno::MFILE.into(), 100);
    assert_eq!(waiting.await.expect("joined"), Ended::Crowded);
    assert!(started.elapsed() < Duration::from_millis(10) && !lab.hold.is_open());
    sleep(Duration::from_secs(62)).await;
    assert!(lab.hold.is_open());
}

#[tokio::test(start_paused = true)]
async fn whoever_is_dropped_is_counted_as_gone() {
    let lab = Lab::start().await;
    let waiting = lab.waiting().await;
    waiting.abort();
    assert!(waiting.await.is_err());
    assert_eq!((lab.metrics.polls_held.get(), lab.metrics.holds(Ended::Client)), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_where_it_is_off() {
    let hold = Hold::new(Duration::ZERO, Metrics::default());
    assert!(!hold.is_open());
}
