//! The election as a state machine without input and output (design D2).
//!
//! In: the time and what happened ([`Input`]). Out: what to send, publish and report ([`Command`]). It has one request
//! under way at most. Nothing here can go wrong: whatever the store answers, no two cores hold a valid [`Term`] at
//! one instant. No wall clock decides anything; validity counts from the moment at which a write was *sent*.

mod follow;
mod lead;
mod retire;
#[doc(hidden)]
pub mod simulation;
#[cfg(test)]
mod tests;

use std::time::Duration;

use follow::Seen;
use lead::Lead;
use retire::Retire;

use super::epoch;
use super::identity::Identity;
use super::record::{Key, Record, Stored};
use super::store::{Change, StoreError};
use super::timing::{LONGEST, RETRY, Timing};
use super::{Leader, Role};
use crate::snapshot::{Epoch, TermId};
use crate::time::Moment;

/// Who a core is, and how it behaves.
#[derive(Clone, Debug)]
pub(in crate::election) struct Settings {
    pub(in crate::election) me: Identity,
    /// Where this replica's replication stream listens.
    pub(in crate::election) address: String,
    /// Its software, for people.
    pub(in crate::election) software: String,
    pub(in crate::election) timing: Timing,
    /// Its place in the order of candidates; 0 goes first.
    pub(in crate::election) rank: u32,
    /// A leader whose work has not moved for this long gives up.
    pub(in crate::election) stall: Duration,
}

/// Something happened.
#[derive(Clone, Debug)]
pub(in crate::election) enum Input {
    /// Time has passed.
    Tick,
    /// The request under way was answered.
    Answered(Result<Reply, StoreError>),
    /// The store told of a change.
    Told(Change),
    /// This epoch was seen on a stream or on disk.
    Saw(Epoch),
    /// A peer is bound to this epoch and refuses ours: take a higher one.
    Raise(Epoch),
    /// The work that a leader does has moved.
    Alive,
    /// How this replica's table compares with the newest.
    Fresh(Freshness),
    /// The holder's process of this term refused every connection, first at this moment: it runs no more.
    Refused(TermId, Moment),
    /// Give the Lease up for a while.
    StepDown(Loss),
    /// Give the Lease up for good; `successor` should take it.
    Release {
        /// A replica's name or its identity.
        successor: Option<String>,
    },
}

/// What a request brought.
#[derive(Clone, Debug)]
pub(in crate::election) enum Reply {
    /// A read: the Lease, and whether its holder's process is known to be gone.
    Read { stored: Stored, gone: bool },
    /// A write was committed; this is the key now.
    Written(Key),
}

/// Something to do.
#[derive(Clone, Debug)]
pub(in crate::election) enum Command {
    /// Send a request; answer it, at the latest after `timeout` by [`StoreError::Timeout`].
    Send { request: Request, timeout: Duration },
    /// This is the role now.
    Publish(Role),
    /// For logs and metrics.
    Report(Report),
    /// [`Input::Release`] has been carried out as far as it could be; `true` where the Lease is free, or never was ours.
    Released(bool),
}

/// A request to the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::election) enum Request {
    Get,
    Create(Record),
    Replace { key: Key, record: Record, purpose: Purpose },
}

/// What a replacement is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::election) enum Purpose {
    Acquire,
    Renew,
    Raise,
    Release,
}

/// What people want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// A term of ours has begun.
    Elected {
        /// Its epoch.
        epoch: Epoch,
        /// Why the Lease could be taken.
        why: Free,
    },
    /// A term of ours goes on under a higher epoch.
    Raised {
        /// The epoch before.
        from: Epoch,
        /// The epoch now.
        to: Epoch,
    },
    /// Somebody has edited the Lease of our term; the next renewal mends it.
    Repaired {
        /// The epoch of the term.
        epoch: Epoch,
    },
    /// A term of ours is over.
    Lost {
        /// Its epoch.
        epoch: Epoch,
        /// Why.
        why: Loss,
    },
    /// After that, the Lease was given up.
    GaveUp {
        /// The epoch of the last term.
        epoch: Epoch,
        /// Whether others may take it at once; else they wait until it expires.
        free: bool,
    },
}

/// Why a Lease may be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Free {
    /// Its holder was silent for its full duration.
    Expired,
    /// Its holder gave it up.
    Released,
    /// It is ours already, from a term that is over.
    Ours,
    /// Its holder's process is known to be gone.
    Gone,
    /// Its holder's address refuses connections, and `--fast-takeover` takes that for the end of its process.
    Refused,
    /// Nobody can ever have held it.
    Unused,
}

/// Why a term ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// No renewal succeeded in time.
    Expired,
    /// The Lease names somebody else, or was changed by hand.
    Taken,
    /// The Lease was deleted.
    Deleted,
    /// The leader's own work no longer moves.
    Stalled,
    /// No follower can reach the leader though there are some.
    CutOff,
    /// The replica is stopping.
    Released,
}

/// How a candidate's table compares with the newest that it knows of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Freshness {
    /// It holds the newest.
    Newest,
    /// It holds an older one.
    Lagging,
    /// It holds none.
    #[default]
    Empty,
}

/// One replica's part in the election.
#[derive(Debug)]
pub(in crate::election) struct Core {
    settings: Settings,
    phase: Phase,
    /// What was last seen of the Lease while not leading; `None` before the first read.
    seen: Option<Seen>,
    /// Read the Lease before anything else.
    look: bool,
    /// The highest epoch seen anywhere.
    highest: Epoch,
    flight: Option<Flight>,
    /// No request before this.
    not_before: Moment,
    /// A write that may have acquired the Lease; nobody has told yet.
    pending: Option<Flight>,
    /// What we created ourselves while nobody else could lead: may be taken at once.
    unused: Option<Key>,
    /// The Lease was deleted under our term, which was good until then: nobody else can lead before.
    alone_until: Moment,
    /// No campaign before this.
    cool_until: Moment,
    /// No campaign ever again; the release is awaited until then.
    stopping: Option<Moment>,
    stopped: bool,
    freed: bool,
    alive_at: Moment,
    freshness: Freshness,
    losses: Vec<Moment>,
    published: Option<Published>,
    terms: u64,
    dice: u64,
    out: Vec<Command>,
}

#[derive(Debug)]
enum Phase {
    Following,
    Leading(Lead),
    Retiring(Retire),
}

/// The request under way.
#[derive(Clone, Debug)]
struct Flight {
    sent: Moment,
    request: Request,
    why: Free,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Published {
    Leader(TermId),
    Follower(Option<Leader>),
}

/// Where a core stands, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::election) enum State {
    Observing,
    Contending,
    Leading,
    Retiring,
    Cooling,
}

impl Core {
    pub(in crate::election) fn new(settings: Settings, now: Moment) -> Self {
        let nonce = settings.me.nonce();
        Self {
            settings,
            phase: Phase::Following,
            seen: None,
            look: false,
            highest: Epoch(0),
            flight: None,
            not_before: now,
            pending: None,
            unused: None,
            alone_until: Moment::default(),
            cool_until: Moment::default(),
            stopping: None,
            stopped: false,
            freed: true,
            alive_at: now,
            freshness: Freshness::default(),
            losses: Vec::new(),
            published: None,
            terms: 0,
            dice: (nonce as u64 ^ (nonce >> 64) as u64) | 1,
            out: Vec::new(),
        }
    }

    /// Takes in what happened, and says what to do. Afterwards the core wants a [`Input::Tick`] at [`Core::wake_at`].
    pub(in crate::election) fn handle(&mut self, now: Moment, input: Input) -> Vec<Command> {
        match input {
            Input::Tick => {}
            Input::Answered(answer) => self.answered(now, answer),
            Input::Told(change) => self.told(now, change),
            Input::Saw(epoch) => self.saw(epoch, false),
            Input::Raise(epoch) => self.saw(epoch, true),
            Input::Alive => self.alive_at = now,
            Input::Fresh(freshness) => self.freshness = freshness,
            Input::Refused(term, since) => self.refused(now, term, since),
            Input::StepDown(why) => self.step_down(now, why),
            Input::Release { successor } => self.stop(now, successor),
        }
        self.lead(now);
        self.retire(now);
        self.follow(now);
        self.publish(now);
        self.settle_stop(now);
        std::mem::take(&mut self.out)
    }

    /// When time alone changes something.
    pub(in crate::election) fn wake_at(&self, now: Moment) -> Moment {
        let (due, deadline) = match &self.phase {
            Phase::Leading(lead) => {
                let stalled = self.alive_at + self.settings.stall;
                let renew = if lead.is_urgent() { now } else { lead.renew_at() };
                (renew, lead.valid_until().min(stalled))
            }
            Phase::Retiring(retire) => (now, retire.until()),
            Phase::Following => self.follow_wake(now),
        };
        let due = due.max(self.not_before);
        let due = if self.flight.is_some() { deadline } else { due.min(deadline) };
        self.stopping.filter(|_| !self.stopped).map_or(due, |until| due.min(until))
    }

    pub(in crate::election) fn state(&self, now: Moment) -> State {
        match self.phase {
            Phase::Leading(_) => State::Leading,
            Phase::Retiring(_) => State::Retiring,
            Phase::Following if now < self.cool_until => State::Cooling,
            Phase::Following if self.is_contending() => State::Contending,
            Phase::Following => State::Observing,
        }
    }

    /// For how long the current term is still valid.
    pub(in crate::election) fn valid_for(&self, now: Moment) -> Duration {
        match &self.phase {
            Phase::Leading(lead) => lead.valid_until().since(now),
            _ => Duration::ZERO,
        }
    }

    fn is_contending(&self) -> bool {
        let acquires =
            |flight: &Flight| matches!(&flight.request, Request::Replace { purpose: Purpose::Acquire, .. });
        self.flight.as_ref().is_some_and(acquires) || self.pending.is_some()
    }

    fn answered(&mut self, now: Moment, answer: Result<Reply, StoreError>) {
        let Some(flight) = self.flight.take() else { return };
        match answer {
            Ok(Reply::Read { stored, gone }) => self.looked(now, &flight, Some((stored, gone))),
            Err(StoreError::NotFound) if flight.request == Request::Get => self.looked(now, &flight, None),
            Ok(Reply::Written(key)) => self.wrote(now, flight, key),
            Err(error) => self.failed(now, flight, &error),
        }
    }

    fn looked(&mut self, now: Moment, flight: &Flight, found: Option<(Stored, bool)>) {
        match &self.phase {
            Phase::Leading(_) => self.lead_looked(now, found),
            Phase::Retiring(_) => self.retire_looked(now, found),
            Phase::Following => self.follow_looked(now, flight.sent, found),
        }
    }

    fn wrote(&mut self, now: Moment, flight: Flight, key: Key) {
        let Flight { sent, request, why } = flight;
        match request {
            Request::Get => {}
            Request::Create(record) => {
                if now < self.alone_until {
                    self.unused = Some(key.clone());
                }
                self.observe(now, now, Some(Stored { key, record }), false);
            }
            Request::Replace { record, purpose, .. } => match (&mut self.phase, purpose) {
                (Phase::Following, Purpose::Acquire) => self.acquired(now, sent, key, record, why),
                (Phase::Leading(_), _) => self.renewed(now, sent, key, record),
                (Phase::Retiring(_), Purpose::Release) => {
                    self.retired(now, Some(Stored { key, record }), true);
                }
                (Phase::Retiring(retire), _) => retire.moved_on(Stored { key, record }),
                (Phase::Following, _) => self.observe(now, now, Some(Stored { key, record }), false),
            },
        }
    }

    fn failed(&mut self, now: Moment, flight: Flight, error: &StoreError) {
        let pause = self.pause(now, error);
        self.not_before = now + pause;
        match &self.phase {
            Phase::Leading(_) => self.renewal_failed(now, flight, error),
            Phase::Retiring(_) => self.release_failed(now, error),
            Phase::Following => self.campaign_failed(now, flight, error),
        }
    }

    fn saw(&mut self, seen: Epoch, refused: bool) {
        let seen = epoch::sane(seen);
        self.highest = self.highest.max(seen);
        if let Phase::Leading(lead) = &mut self.phase {
            lead.mind(seen, refused);
        }
    }

    fn send(&mut self, now: Moment, request: Request, timeout: Duration, why: Free) {
        self.flight = Some(Flight { sent: now, request: request.clone(), why });
        self.out.push(Command::Send { request, timeout });
    }

    fn report(&mut self, report: Report) {
        self.out.push(Command::Report(report));
    }

    fn publish(&mut self, now: Moment) {
        let (published, role) = if let Phase::Leading(lead) = &self.phase {
            let term = lead.term();
            (Published::Leader(term.id()), Role::Leader(term.clone()))
        } else {
            let leader = self.leader(now);
            (Published::Follower(leader.clone()), Role::Follower(leader))
        };
        if self.published.as_ref() != Some(&published) {
            self.published = Some(published);
            self.out.push(Command::Publish(role));
        }
    }

    /// How long to leave the store in peace after `error`.
    fn pause(&mut self, now: Moment, error: &StoreError) -> Duration {
        let following = matches!(self.phase, Phase::Following);
        let (least, most) = match error {
            StoreError::Conflict | StoreError::NotFound if following => (10, 30),
            StoreError::Conflict | StoreError::NotFound => return Duration::ZERO,
            StoreError::Timeout | StoreError::Other(_) if following => (250, 500),
            StoreError::Timeout | StoreError::Other(_) => return self.between(RETRY / 2, RETRY),
            StoreError::Throttled { .. } if !following => (350, 450),
            StoreError::Forbidden(_) | StoreError::Throttled { .. } => (500, 1000),
        };
        let usual = self.between(Duration::from_millis(least), Duration::from_millis(most));
        let StoreError::Throttled { retry_after: Some(asked) } = error else { return usual };
        match &self.phase {
            // A leader that would wait past its validity has nothing to lose by asking earlier.
            Phase::Leading(lead) if now + *asked >= lead.valid_until() => usual,
            _ => usual.max(*asked).min(self.settings.timing.lease()),
        }
    }

    /// A length between the two, so that replicas do not keep step with each other.
    fn between(&mut self, least: Duration, most: Duration) -> Duration {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        least + (most - least).mul_f64((self.dice >> 11) as f64 / (1_u64 << 53) as f64)
    }

    /// Every term of this process has another name, and so has every process.
    fn new_term(&mut self) -> TermId {
        self.terms += 1;
        TermId(self.settings.me.nonce().wrapping_add(u128::from(self.terms)))
    }

    fn is_me(&self, holder: &str) -> bool {
        self.settings.me.to_string() == holder
    }

    /// How long others must wait for the holder of `record`: a fleet has one timing, but a roll-out may change it.
    fn wait_for(&self, record: &Record) -> Duration {
        record.duration.max(self.settings.timing.lease()).min(LONGEST)
    }
}
