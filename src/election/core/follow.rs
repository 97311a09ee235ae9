//! Not leading: watching the Lease, and taking it when it is free.

use std::time::Duration;

use super::lead::Lead;
use super::retire::Retire;
use super::{Command, Core, Flight, Free, Freshness, Phase, Purpose, Report, Request};
use crate::election::record::{Key, Record, Stored};
use crate::election::store::{Change, StoreError};
use crate::election::{Leader, Term, epoch};
use crate::snapshot::{Epoch, TermId};
use crate::time::Moment;

/// How long the other replicas leave a deleted Lease to its last holder, who need not wait for anybody.
const COURTESY: Duration = Duration::from_millis(100);

/// Between one rank of candidates and the next.
const RANK: Duration = Duration::from_millis(20);

/// The Lease as it was last seen. What others may do is counted from here.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// `None` where there is none.
    pub(super) lease: Option<Stored>,
    /// When this key was first seen: its write was committed before.
    since: Moment,
    /// When it was last seen to be still so.
    heard: Moment,
    /// It was certainly still so at this moment.
    confirmed: Moment,
    /// The holder's process is known to be gone.
    gone: bool,
    /// Since when it is known that the holder's address refuses connections.
    refused: Option<Moment>,
}

impl Seen {
    fn key(&self) -> Option<&Key> {
        self.lease.as_ref().map(|stored| &stored.key)
    }
}

impl Core {
    pub(super) fn told(&mut self, now: Moment, change: Change) {
        match (&mut self.phase, change) {
            (Phase::Leading(lead), Change::Written(stored)) => lead.heard_of(&stored),
            (Phase::Leading(lead), Change::Look) => lead.doubt(),
            (Phase::Retiring(_), _) => {}
            (Phase::Following, Change::Written(stored)) => {
                let known = self.seen.as_ref().and_then(Seen::key);
                match known {
                    Some(key) if key.uid == stored.key.uid => {
                        if stored.key.version > key.version {
                            self.observe(now, now, Some(*stored), false);
                        }
                    }
                    // It may be news from before what we know: ask.
                    _ => self.look = true,
                }
            }
            (Phase::Following, Change::Look) => self.look = true,
        }
    }

    /// A read that was sent at `sent` found this.
    pub(super) fn follow_looked(&mut self, now: Moment, sent: Moment, found: Option<(Stored, bool)>) {
        let (lease, gone) = found.map_or((None, false), |(stored, gone)| (Some(stored), gone));
        let overtaken = self.seen.as_ref().is_some_and(|seen| {
            let newer = match (&lease, seen.key()) {
                (Some(stored), Some(key)) => stored.key.version >= key.version,
                _ => false,
            };
            sent < seen.heard && !newer
        });
        if overtaken {
            self.look = true;
            return;
        }
        self.look = false;
        self.observe(now, sent, lease, gone);
        if let Some(Flight { sent, request: Request::Replace { record, .. }, why }) = self.pending.take()
            && let Some(stored) = self.seen.as_ref().and_then(|seen| seen.lease.clone())
            && (stored.record.term, &stored.record.holder) == (record.term, &record.holder)
        {
            // What we wrote counts, not what somebody has made of it since.
            self.acquired(now, sent, stored.key, record, why);
        }
    }

    /// The Lease was so at `confirmed`, as is known since `now`.
    pub(super) fn observe(&mut self, now: Moment, confirmed: Moment, lease: Option<Stored>, gone: bool) {
        if let Some(stored) = &lease {
            self.highest = self.highest.max(epoch::sane(stored.record.epoch));
        }
        match &mut self.seen {
            Some(seen) if seen.key() == lease.as_ref().map(|stored| &stored.key) => {
                seen.heard = now;
                seen.confirmed = seen.confirmed.max(confirmed);
                seen.gone = gone;
            }
            _ => {
                let refused = None;
                self.seen = Some(Seen { lease, since: now, heard: now, confirmed, gone, refused });
            }
        }
    }

    /// Nothing listens where the holder of `term` did, first at `since`. A Lease that has moved after that moment was
    /// written by somebody who lives.
    pub(super) fn refused(&mut self, now: Moment, term: TermId, since: Moment) {
        let Some(seen) = self.seen.as_mut().filter(|_| matches!(self.phase, Phase::Following)) else {
            return;
        };
        let of = |stored: &Stored| stored.record.term == term && !stored.record.holder.is_empty();
        if seen.since < since && seen.lease.as_ref().is_some_and(of) {
            seen.refused.get_or_insert(now);
        }
    }

    /// Not leading: read, create or take the Lease, whatever is due.
    pub(super) fn follow(&mut self, now: Moment) {
        if !matches!(self.phase, Phase::Following) || self.flight.is_some() || now < self.not_before {
            return;
        }
        let attempt = self.settings.timing.attempt();
        let Some(seen) = self.seen.clone().filter(|_| !self.look) else {
            return self.send(now, Request::Get, attempt, Free::Expired);
        };
        let (free_at, delay, why) = self.free(&seen);
        if self.may_campaign(now) && now >= free_at + delay {
            let request = match seen.lease {
                _ if seen.confirmed < free_at => Request::Get,
                None => Request::Create(self.bare()),
                Some(stored) => self.acquisition(stored),
            };
            self.send(now, request, attempt, why);
        } else if now >= seen.heard + self.silence() {
            self.send(now, Request::Get, attempt, Free::Expired);
        }
    }

    /// When following does something next, and when the role changes by itself.
    pub(super) fn follow_wake(&self, now: Moment) -> (Moment, Moment) {
        let never = now + Duration::from_secs(3600);
        let Some(seen) = self.seen.as_ref().filter(|_| !self.look) else { return (now, never) };
        let poll = seen.heard + self.silence();
        let (free_at, delay, _) = self.free(seen);
        let campaign = if self.stopping.is_some() { never } else { (free_at + delay).max(self.cool_until) };
        let fades = self.fades_at(seen).filter(|at| *at > now).unwrap_or(never);
        (poll.min(campaign), fades)
    }

    /// The leader as the Lease names it, for as long as it may live.
    pub(super) fn leader(&self, now: Moment) -> Option<Leader> {
        let seen = self.seen.as_ref()?;
        let leader = seen.lease.as_ref()?.record.leader()?;
        (self.fades_at(seen).is_some_and(|at| now < at) && !self.is_me(&leader.identity)).then_some(leader)
    }

    fn fades_at(&self, seen: &Seen) -> Option<Moment> {
        seen.lease.as_ref().map(|stored| seen.since + self.wait_for(&stored.record))
    }

    /// A Lease that nobody has renewed for this long is read again: the watch may be dead.
    fn silence(&self) -> Duration {
        2 * self.settings.timing.renew()
    }

    fn may_campaign(&self, now: Moment) -> bool {
        self.stopping.is_none() && now >= self.cool_until
    }

    /// From when on the Lease may be taken, or made where there is none; how much longer this replica leaves it to
    /// others; and why it is free.
    fn free(&self, seen: &Seen) -> (Moment, Duration, Free) {
        let Some(Stored { key, record }) = &seen.lease else {
            // Making it is safe at any time: what was made must still stand for its full duration. But its last holder
            // need not wait, so where there may be one it goes first.
            let others = seen.since >= self.alone_until && self.highest > Epoch(0);
            let delay = if others { COURTESY + self.rank() } else { self.rank() };
            return (seen.since, delay, Free::Unused);
        };
        let at_once = if self.is_me(&record.holder) {
            Some((Free::Ours, Duration::ZERO))
        } else if record.holder.is_empty() && record.released {
            Some((Free::Released, self.turn(record)))
        } else if self.unused.as_ref() == Some(key) {
            Some((Free::Unused, Duration::ZERO))
        } else if record.is_bare() && key.version == 1 {
            // The first write that this store has ever seen.
            Some((Free::Unused, self.rank()))
        } else if seen.gone {
            Some((Free::Gone, Duration::ZERO))
        } else {
            None
        };
        match (at_once, seen.refused) {
            (Some((why, delay)), _) => (seen.since, delay, why),
            (None, Some(at)) if at < seen.since + self.wait_for(record) => (at, self.place(), Free::Refused),
            (None, _) => (seen.since + self.wait_for(record), self.place(), Free::Expired),
        }
    }

    /// How long this replica lets better candidates go first. Saves conflicts; safety does not rest on it.
    fn place(&self) -> Duration {
        let behind = match self.freshness {
            Freshness::Newest => 0,
            Freshness::Lagging => 150,
            Freshness::Empty => 400,
        };
        self.rank() + Duration::from_millis(behind)
    }

    fn rank(&self) -> Duration {
        RANK * self.settings.rank.min(50)
    }

    fn turn(&self, record: &Record) -> Duration {
        let me = &self.settings.me;
        match &record.successor {
            Some(named) if named == me.name() || *named == me.to_string() => Duration::ZERO,
            Some(_) => RANK + self.place(),
            None => self.place(),
        }
    }

    fn bare(&self) -> Record {
        Record {
            epoch: self.highest,
            duration: self.settings.timing.lease(),
            software: self.settings.software.clone(),
            ..Record::default()
        }
    }

    fn acquisition(&mut self, stored: Stored) -> Request {
        let Stored { key, record: old } = stored;
        let record = Record {
            holder: self.settings.me.to_string(),
            epoch: epoch::next(old.epoch, self.highest, key.version),
            term: self.new_term(),
            beat: 0,
            released: false,
            address: self.settings.address.clone(),
            software: self.settings.software.clone(),
            successor: None,
            duration: self.settings.timing.lease(),
            transitions: old.transitions.saturating_add(1),
            ..old
        };
        Request::Replace { key, record, purpose: Purpose::Acquire }
    }

    /// A write of ours, sent at `sent`, took the Lease.
    pub(super) fn acquired(&mut self, now: Moment, sent: Moment, key: Key, record: Record, why: Free) {
        self.pending = None;
        self.unused = None;
        self.highest = self.highest.max(record.epoch);
        let until = sent + self.settings.timing.valid();
        if self.stopping.is_some() {
            let budget = now + self.settings.timing.attempt();
            self.phase = Phase::Retiring(Retire::new(Stored { key, record }, budget, None));
        } else if now >= until || now < self.cool_until {
            self.observe(now, now, Some(Stored { key, record }), false);
        } else {
            let term = Term::new(record.epoch, record.term, sent, why == Free::Expired);
            self.alive_at = now;
            self.alone_until = Moment::default();
            self.report(Report::Elected { epoch: record.epoch, why });
            let renew_at = sent + self.settings.timing.renew();
            self.phase = Phase::Leading(Lead::new(term, Stored { key, record }, until, renew_at));
        }
    }

    pub(super) fn campaign_failed(&mut self, now: Moment, flight: Flight, error: &StoreError) {
        match (&flight.request, error) {
            (Request::Get, _) => {}
            (Request::Replace { .. }, StoreError::NotFound) => self.observe(now, now, None, false),
            (Request::Replace { purpose: Purpose::Acquire, .. }, error) if error.is_ambiguous() => {
                self.pending = Some(flight);
                self.look = true;
            }
            _ => self.look = true,
        }
    }

    /// No campaign any more; what is still to be given up is given up first.
    pub(super) fn stop(&mut self, now: Moment, successor: Option<String>) {
        if self.stopping.is_none() {
            self.stopping = Some(now + self.settings.timing.attempt());
            self.retire_from_lead(now, super::Loss::Released, successor);
        }
    }

    /// Tells once that the release has been carried out, or that its time is over.
    pub(super) fn settle_stop(&mut self, now: Moment) {
        let Some(until) = self.stopping.filter(|_| !self.stopped) else { return };
        let holds = self.is_contending() || !matches!(self.phase, Phase::Following);
        if !holds || now >= until {
            self.stopped = true;
            self.out.push(Command::Released(self.freed && !holds));
        }
    }
}
