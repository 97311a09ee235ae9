//! Giving the Lease up: the term is over already, now the others hear of it.

use super::{Core, Free, Phase, Purpose, Report, Request};
use crate::election::record::{Record, Stored};
use crate::election::store::StoreError;
use crate::time::Moment;

/// A release under way.
#[derive(Debug)]
pub(super) struct Retire {
    lease: Stored,
    until: Moment,
    successor: Option<String>,
    doubtful: bool,
}

impl Retire {
    pub(super) const fn new(lease: Stored, until: Moment, successor: Option<String>) -> Self {
        Self { lease, until, successor, doubtful: false }
    }

    pub(super) const fn until(&self) -> Moment {
        self.until
    }

    /// A renewal that was under way when the release began has been committed.
    pub(super) fn moved_on(&mut self, lease: Stored) {
        self.lease = lease;
    }

    /// Conditional on the key that we know, never on one read just now: that could be a successor's.
    fn release(&self) -> Request {
        let record = Record {
            holder: String::new(),
            address: String::new(),
            released: true,
            successor: self.successor.clone(),
            beat: self.lease.record.beat + 1,
            ..self.lease.record.clone()
        };
        Request::Replace { key: self.lease.key.clone(), record, purpose: Purpose::Release }
    }
}

impl Core {
    /// Retiring: send what is due, or give up when the time for it is over.
    pub(super) fn retire(&mut self, now: Moment) {
        let Phase::Retiring(retire) = &self.phase else { return };
        if now >= retire.until {
            let lease = retire.lease.clone();
            return self.retired(now, Some(lease), false);
        }
        if self.flight.is_some() || now < self.not_before {
            return;
        }
        let timeout = retire.until.since(now);
        let request = if retire.doubtful { Request::Get } else { retire.release() };
        self.send(now, request, timeout, Free::Ours);
    }

    pub(super) fn retire_looked(&mut self, now: Moment, found: Option<(Stored, bool)>) {
        let Phase::Retiring(retire) = &mut self.phase else { return };
        retire.doubtful = false;
        let Some((stored, _)) = found else { return self.retired(now, None, true) };
        let holder = stored.record.holder.clone();
        let released = stored.record.released && stored.record.term == retire.lease.record.term;
        if self.is_me(&holder) {
            if let Phase::Retiring(retire) = &mut self.phase {
                retire.moved_on(stored);
            }
        } else {
            // Ours no more, by our own release whose answer was lost or by somebody else's act.
            self.retired(now, Some(stored), released);
        }
    }

    pub(super) fn release_failed(&mut self, now: Moment, error: &StoreError) {
        let Phase::Retiring(retire) = &mut self.phase else { return };
        match error {
            StoreError::NotFound => self.retired(now, None, true),
            StoreError::Conflict => retire.doubtful = true,
            _ => {}
        }
    }

    pub(super) fn retired(&mut self, now: Moment, lease: Option<Stored>, free: bool) {
        let Phase::Retiring(retire) = std::mem::replace(&mut self.phase, Phase::Following) else { return };
        self.freed = free;
        self.seen = None;
        self.observe(now, now, lease, false);
        self.report(Report::GaveUp { epoch: retire.lease.record.epoch, free });
    }
}
