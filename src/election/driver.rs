//! Drives the core: its requests, its timer, its watch, on a thread and a runtime of its own.
//!
//! In: a store, a clock, who we are. Out: a [`Handle`]. A compiler that takes two seconds, or a runtime whose
//! workers are throttled, delays nothing here; and the timer that ends a term waits for no request.

mod handle;
mod idle;
mod log;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};

pub use handle::Handle;
pub use idle::stay_out;
pub(in crate::election) use log::aim;

use self::handle::Wishes;
use self::log::Log;
use super::core::{Command, Core, Input, Purpose, Reply, Report, Request, Settings};
use super::identity::Identity;
use super::metrics::Metrics;
use super::record::{Record, Stored};
use super::sightings::Sightings;
use super::store::{Change, LeaseStore, StoreError};
use super::timing::Timing;
use super::{Freshness, Role};
use crate::time::{Clock, Moment};

/// How many reports wait for whoever passes them on; what comes then is lost to them, not to log and metrics.
const REPORTS: usize = 64;

/// No timer sleeps longer: tokio's clock stands still while the machine does, ours does not.
const NAP: Duration = Duration::from_millis(200);

/// What an election needs to know of this replica.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who we are.
    pub identity: Identity,
    /// Where our replication stream listens, as others reach it: `10.0.0.7:9912`.
    pub address: String,
    /// Our software and its version, for people.
    pub software: String,
    /// L, D, R and A.
    pub timing: Timing,
    /// Our place in the order of candidates; 0 goes first. A StatefulSet's ordinal does.
    pub rank: u32,
    /// A leader whose work has not moved for this long ([`Handle::alive`]) gives the Lease up: three poll intervals,
    /// at least 10 s.
    pub stall: Duration,
}

/// A report, and the Lease that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// What happened.
    pub report: Report,
    /// The UID of the Lease as it was last seen.
    pub lease_uid: String,
}

/// Starts the election. It ends when the last clone of the handle is dropped; [`Handle::release`] first.
///
/// # Errors
///
/// Where the thread or its runtime cannot be made.
pub fn start<S: LeaseStore>(
    store: S,
    config: Config,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
) -> std::io::Result<Handle> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (driver, wiring) = Driver::new(store, config, Arc::clone(&clock), metrics);
    let thread = std::thread::Builder::new().name("election".to_owned()).spawn(move || {
        runtime.block_on(driver.run());
        // A request that still hangs in the store must not hold up the end of the process.
        runtime.shutdown_background();
    })?;
    Ok(Handle::new(wiring, clock, Some(thread)))
}

/// Starts the election as a task of this runtime, which must have nothing to do that takes long. It ends as the other.
pub fn start_here<S: LeaseStore>(
    store: S,
    config: Config,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
) -> Handle {
    let (driver, wiring) = Driver::new(store, config, Arc::clone(&clock), metrics);
    tokio::spawn(driver.run());
    Handle::new(wiring, clock, None)
}

type Answer = Pin<Box<dyn Future<Output = Result<Reply, StoreError>> + Send>>;

/// What a [`Handle`] holds of its driver.
struct Wiring {
    wishes: watch::Sender<Wishes>,
    role: watch::Receiver<Role>,
    released: watch::Receiver<Option<bool>>,
    moved: Arc<AtomicU64>,
    identity: Identity,
    budget: Duration,
    happenings: Mutex<Option<mpsc::Receiver<Happening>>>,
}

struct Driver<S> {
    core: Core,
    store: Arc<S>,
    me: Identity,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    log: Log,
    wishes: watch::Receiver<Wishes>,
    role: watch::Sender<Role>,
    released: watch::Sender<Option<bool>>,
    moved: Arc<AtomicU64>,
    done: Wishes,
    /// When the term that our writes carry was acquired, for people.
    acquired_micros: i64,
    flight: Option<(Moment, Request, Answer)>,
    sightings: Sightings,
    lease_uid: String,
    happenings: mpsc::Sender<Happening>,
}

impl<S: LeaseStore> Driver<S> {
    fn new(store: S, config: Config, clock: Arc<dyn Clock>, metrics: Arc<Metrics>) -> (Self, Wiring) {
        let Config { identity, address, software, timing, rank, stall } = config;
        let me = identity.clone();
        let settings = Settings { me: identity.clone(), address, software, timing, rank, stall };
        let (wishes, wished) = watch::channel(Wishes::default());
        let (role_sender, role) = watch::channel(Role::Follower(None));
        let (released_sender, released) = watch::channel(None);
        let (happenings, told) = mpsc::channel(REPORTS);
        let moved = Arc::new(AtomicU64::new(clock.now().as_nanos()));
        let driver = Self {
            moved: Arc::clone(&moved),
            core: Core::new(settings, clock.now()),
            log: Log::new(store.name()),
            store: Arc::new(store),
            me,
            clock,
            metrics,
            wishes: wished,
            role: role_sender,
            released: released_sender,
            done: Wishes::default(),
            acquired_micros: 0,
            flight: None,
            sightings: Sightings::default(),
            lease_uid: String::new(),
            happenings,
        };
        let budget = timing.attempt() + Duration::from_millis(100);
        let happenings = Mutex::new(Some(told));
        (driver, Wiring { wishes, role, released, moved, identity, budget, happenings })
    }

    async fn run(mut self) {
        let (changes, mut told) = mpsc::channel(16);
        let store = Arc::clone(&self.store);
        let watch = store.watch(changes);
        tokio::pin!(watch);
        self.handle(Input::Tick);
        loop {
            let now = self.clock.now();
            self.moved.store(now.as_nanos(), Ordering::Relaxed);
            let nap = self.core.wake_at(now).since(now).min(NAP);
            tokio::select! {
                // The timer first: a term that is over ends before anything else is looked at.
                biased;
                () = tokio::time::sleep(nap) => self.handle(Input::Tick),
                wished = self.wishes.changed() => {
                    if wished.is_err() || self.carry_out_wishes() {
                        return;
                    }
                }
                answer = answer_of(&mut self.flight) => self.answered(answer),
                Some(change) = told.recv() => self.handle(Input::Told(change)),
                () = &mut watch => {}
            }
        }
    }

    fn answered(&mut self, answer: Result<Reply, StoreError>) {
        let Some((sent, request, _)) = self.flight.take() else { return };
        self.metrics.answered(&request, self.clock.now().since(sent), answer.as_ref().err());
        self.log.answered(&request, answer.as_ref().err(), self.clock.now());
        if let Ok(Reply::Read { stored: Stored { key, .. }, .. } | Reply::Written(key)) = &answer {
            key.uid.clone_into(&mut self.lease_uid);
        }
        self.handle(Input::Answered(answer));
    }

    fn handle(&mut self, input: Input) {
        let now = self.clock.now();
        if let Input::Answered(Ok(Reply::Read { stored, .. })) = &input {
            self.sightings.saw(stored, now);
        }
        if let Input::Told(Change::Written(stored)) = &input {
            self.sightings.saw(stored, now);
        }
        for command in self.core.handle(now, input) {
            match command {
                Command::Send { request, timeout } => self.send(now, request, timeout),
                Command::Publish(role) => {
                    self.role.send_replace(role);
                }
                Command::Report(report) => {
                    self.log.report(&report);
                    self.metrics.reported(&report);
                    let lease_uid = self.lease_uid.clone();
                    let _ = self.happenings.try_send(Happening { report, lease_uid });
                }
                Command::Released(free) => {
                    self.released.send_replace(Some(free));
                }
            }
        }
        self.metrics.stands(self.core.state(now), &self.role.borrow(), self.core.valid_for(now));
    }

    fn send(&mut self, now: Moment, request: Request, timeout: Duration) {
        let stamped = self.stamped(request.clone());
        let answer = ask(Arc::clone(&self.store), self.me.clone(), stamped);
        let bounded =
            async move { tokio::time::timeout(timeout, answer).await.unwrap_or(Err(StoreError::Timeout)) };
        self.flight = Some((now, request, Box::pin(bounded)));
    }

    /// The request with the times that people read on the Lease; the core knows no wall clock.
    fn stamped(&mut self, request: Request) -> Request {
        let Request::Replace { key, record, purpose } = request else { return request };
        let renewed_micros = jiff::Timestamp::now().as_microsecond();
        if matches!(purpose, Purpose::Acquire | Purpose::Raise) {
            self.acquired_micros = renewed_micros;
        }
        let record = Record { acquired_micros: self.acquired_micros, renewed_micros, ..record };
        Request::Replace { key, record, purpose }
    }

    /// Passes on what was wished since the last time; `true` where the end was.
    fn carry_out_wishes(&mut self) -> bool {
        let wishes = self.wishes.borrow_and_update().clone();
        let done = std::mem::replace(&mut self.done, wishes.clone());
        if wishes.alive > done.alive {
            self.handle(Input::Alive);
        }
        if wishes.saw > done.saw {
            self.handle(Input::Saw(wishes.saw));
        }
        if wishes.announced > done.announced
            && let (epoch, at) = wishes.announced
            && let Some(length) = self.sightings.announced(epoch, at)
            && !matches!(*self.role.borrow(), Role::Leader(_))
        {
            self.metrics.failed_over(length);
        }
        if wishes.refused != done.refused {
            self.handle(Input::Raise(wishes.refused));
        }
        if wishes.freshness != done.freshness {
            self.handle(Input::Fresh(wishes.freshness));
        }
        if let Some((term, since)) = wishes.gone.filter(|_| wishes.gone != done.gone) {
            self.handle(Input::Refused(term, since));
        }
        if let Some((number, why)) = wishes.step_down
            && done.step_down.is_none_or(|(last, _)| last < number)
        {
            self.handle(Input::StepDown(why));
        }
        if let Some(successor) = wishes.release.filter(|_| done.release.is_none()) {
            self.handle(Input::Release { successor });
        }
        wishes.stop
    }
}

async fn answer_of(flight: &mut Option<(Moment, Request, Answer)>) -> Result<Reply, StoreError> {
    match flight {
        Some((_, _, answer)) => answer.await,
        None => std::future::pending().await,
    }
}

async fn ask<S: LeaseStore>(store: Arc<S>, me: Identity, request: Request) -> Result<Reply, StoreError> {
    match request {
        Request::Get => {
            let stored = store.get().await?;
            let holder = Identity::parse(&stored.record.holder);
            let gone = holder.is_some_and(|holder| store.is_gone(&holder, &me));
            Ok(Reply::Read { stored, gone })
        }
        Request::Create(record) => Ok(Reply::Written(store.create(&record).await?)),
        Request::Replace { key, record, .. } => Ok(Reply::Written(store.replace(&key, &record).await?)),
    }
}
