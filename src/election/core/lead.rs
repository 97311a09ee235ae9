//! Leading: renewing the Lease, and knowing when to stop.

use std::time::Duration;

use super::{Core, Flight, Free, Loss, Phase, Purpose, Report, Request};
use crate::election::record::{Key, Record, Stored};
use crate::election::store::StoreError;
use crate::election::{Term, epoch};
use crate::snapshot::Epoch;
use crate::time::Moment;

/// Three losses within this time, and the others go first for one lease.
const FLAPPING: Duration = Duration::from_secs(60);

/// A term of ours.
#[derive(Debug)]
pub(super) struct Lead {
    term: Term,
    lease: Stored,
    valid_until: Moment,
    renew_at: Moment,
    /// Writes since `lease` that may have been committed: when they were sent, and what they said.
    unsettled: Vec<(Moment, Record)>,
    /// The Lease may have moved on without us: read it before the next write.
    doubtful: bool,
    /// Somebody knows this epoch: ours must be higher.
    exceed: Option<Epoch>,
}

impl Lead {
    pub(super) fn new(term: Term, lease: Stored, valid_until: Moment, renew_at: Moment) -> Self {
        term.extend(valid_until);
        Self { term, lease, valid_until, renew_at, unsettled: Vec::new(), doubtful: false, exceed: None }
    }

    pub(super) const fn term(&self) -> &Term {
        &self.term
    }

    pub(super) const fn valid_until(&self) -> Moment {
        self.valid_until
    }

    pub(super) const fn renew_at(&self) -> Moment {
        self.renew_at
    }

    /// Whether a request is due whatever the time.
    pub(super) const fn is_urgent(&self) -> bool {
        self.doubtful || self.exceed.is_some()
    }

    pub(super) const fn doubt(&mut self) {
        self.doubtful = true;
    }

    /// The watch tells of a write. Our own are no news, and neither is what is older than our last.
    pub(super) fn heard_of(&mut self, stored: &Stored) {
        let ours = self.is_ours(&stored.record);
        let old = stored.key.uid == self.lease.key.uid && stored.key.version <= self.lease.key.version;
        if !ours && !old {
            self.doubtful = true;
        }
    }

    /// Somebody knows epoch `seen`; `refused` where it is bound to it and to another term.
    pub(super) fn mind(&mut self, seen: Epoch, refused: bool) {
        if seen > self.term.epoch() || (refused && seen == self.term.epoch()) {
            self.exceed = self.exceed.max(Some(seen));
        }
    }

    fn is_ours(&self, record: &Record) -> bool {
        let known = record.term == self.lease.record.term
            || self.unsettled.iter().any(|(_, written)| written.term == record.term);
        known && record.holder == self.lease.record.holder
    }

    /// A write that was sent at `sent` is committed, and the Lease is `lease` now.
    fn committed(&mut self, sent: Moment, lease: Stored, valid: Duration) {
        let until = sent + valid;
        if lease.record.term == self.term.id() {
            self.valid_until = self.valid_until.max(until);
            self.term.extend(self.valid_until);
        } else {
            self.term.end();
            let record = &lease.record;
            self.term = Term::new(record.epoch, record.term, sent, false);
            self.valid_until = until;
            self.term.extend(until);
            self.exceed = self.exceed.filter(|seen| *seen >= record.epoch);
        }
        self.settled(lease);
    }

    /// The Lease is `lease` now; no write on an older version can be committed any more.
    fn settled(&mut self, lease: Stored) {
        self.lease = lease;
        self.unsettled.clear();
    }

    fn renewal(&self) -> Request {
        let record = Record { beat: self.next_beat(), ..self.lease.record.clone() };
        Request::Replace { key: self.lease.key.clone(), record, purpose: Purpose::Renew }
    }

    fn next_beat(&self) -> u64 {
        self.unsettled.iter().map(|(_, record)| record.beat).max().unwrap_or(0).max(self.lease.record.beat)
            + 1
    }
}

impl Core {
    /// Leading: stop if it is time, else send what is due.
    pub(super) fn lead(&mut self, now: Moment) {
        let Phase::Leading(lead) = &self.phase else { return };
        if now >= lead.valid_until {
            let lease = lead.lease.clone();
            return self.lose(now, Loss::Expired, Some(lease), false);
        }
        if now.since(self.alive_at) >= self.settings.stall {
            return self.step_down(now, Loss::Stalled);
        }
        if self.flight.is_some() || now < self.not_before {
            return;
        }
        let attempt = self.settings.timing.attempt();
        let left = lead.valid_until.since(now);
        // Where no full attempt would fit after this one, this one gets all that is left: a store that changes its own
        // leader answers late, and cutting the request short would waste the wait.
        let timeout = if left < 2 * attempt { left } else { attempt };
        let request = if lead.doubtful {
            Request::Get
        } else if let Some(seen) = lead.exceed {
            let (lease, beat) = (lead.lease.clone(), lead.next_beat());
            let seen = self.highest.max(seen);
            let record = Record {
                epoch: epoch::next(lease.record.epoch, seen, lease.key.version),
                term: self.new_term(),
                beat,
                ..lease.record
            };
            Request::Replace { key: lease.key, record, purpose: Purpose::Raise }
        } else if now >= lead.renew_at {
            lead.renewal()
        } else {
            return;
        };
        self.send(now, request, timeout, Free::Ours);
    }

    pub(super) fn renewed(&mut self, now: Moment, sent: Moment, key: Key, record: Record) {
        let Phase::Leading(lead) = &mut self.phase else { return };
        let before = lead.term.epoch();
        let renew_at = sent + self.settings.timing.renew();
        self.highest = self.highest.max(record.epoch);
        lead.committed(sent, Stored { key, record }, self.settings.timing.valid());
        lead.renew_at = renew_at;
        let after = lead.term.epoch();
        if after != before {
            self.report(Report::Raised { from: before, to: after });
        }
        self.lead(now);
    }

    pub(super) fn lead_looked(&mut self, now: Moment, found: Option<(Stored, bool)>) {
        let Phase::Leading(lead) = &mut self.phase else { return };
        lead.doubtful = false;
        match found {
            None => self.lose(now, Loss::Deleted, None, false),
            Some((stored, _)) if stored.key.uid == lead.lease.key.uid && lead.is_ours(&stored.record) => {
                // By its beat we know which write was committed, and so from when its validity counts. A change by
                // somebody else alone extends nothing.
                let same = |(_, written): &&(Moment, Record)| {
                    written.term == stored.record.term && written.beat == stored.record.beat
                };
                // Either way we keep what we wrote: the next renewal mends what somebody changed.
                match lead.unsettled.iter().find(same).cloned() {
                    Some((sent, written)) => self.renewed(now, sent, stored.key, written),
                    None if stored.key != lead.lease.key => {
                        let record = lead.lease.record.clone();
                        let says = |it: &Record| (it.epoch, it.released, it.address.clone());
                        let edited = says(&stored.record) != says(&record);
                        lead.settled(Stored { key: stored.key, record });
                        if edited {
                            let epoch = lead.term.epoch();
                            self.report(Report::Repaired { epoch });
                        }
                    }
                    None => {}
                }
            }
            Some((stored, gone)) => self.lose(now, Loss::Taken, Some(stored), gone),
        }
    }

    pub(super) fn renewal_failed(&mut self, now: Moment, flight: Flight, error: &StoreError) {
        let Phase::Leading(lead) = &mut self.phase else { return };
        let Request::Replace { record, .. } = flight.request else { return };
        match error {
            StoreError::NotFound => self.lose(now, Loss::Deleted, None, false),
            StoreError::Conflict => lead.doubtful = true,
            error if error.is_ambiguous() => lead.unsettled.push((flight.sent, record)),
            _ => {}
        }
    }

    /// The term is over. `lease` is what is there now; the store's answer is known already.
    fn lose(&mut self, now: Moment, why: Loss, lease: Option<Stored>, gone: bool) {
        let Phase::Leading(lead) = std::mem::replace(&mut self.phase, Phase::Following) else { return };
        lead.term.end();
        self.alone_until = if why == Loss::Deleted { lead.valid_until } else { Moment::default() };
        self.not_before = self.not_before.min(now + self.settings.timing.attempt());
        self.seen = None;
        self.look = false;
        self.observe(now, now, lease, gone);
        self.losses.retain(|at| now.since(*at) < FLAPPING);
        self.losses.push(now);
        if self.losses.len() >= 3 {
            self.losses.clear();
            self.cool_until = self.cool_until.max(now + self.settings.timing.lease());
        }
        self.report(Report::Lost { epoch: lead.term.epoch(), why });
    }

    /// Gives the Lease up, and leaves it to others for three leases.
    pub(super) fn step_down(&mut self, now: Moment, why: Loss) {
        if matches!(self.phase, Phase::Leading(_)) {
            self.cool_until = now + 3 * self.settings.timing.lease();
            self.retire_from_lead(now, why, None);
        }
    }

    /// Ends the term here before anybody else hears of it.
    pub(super) fn retire_from_lead(&mut self, now: Moment, why: Loss, successor: Option<String>) {
        let Phase::Leading(lead) = std::mem::replace(&mut self.phase, Phase::Following) else { return };
        lead.term.end();
        self.alone_until = Moment::default();
        self.seen = None;
        self.not_before = now;
        self.report(Report::Lost { epoch: lead.term.epoch(), why });
        let until = lead.valid_until.min(now + self.settings.timing.attempt());
        self.phase = Phase::Retiring(super::Retire::new(lead.lease, until, successor));
    }
}
