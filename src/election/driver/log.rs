//! The election's lines in the log: each change of role, and what keeps us from the Lease at most once a minute.

use std::time::Duration;

use crate::election::core::{Purpose, Report, Request};
use crate::election::store::StoreError;
use crate::time::Moment;

const EVERY: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Log {
    store: String,
    last: Option<Moment>,
    failed: bool,
}

impl Log {
    pub(super) const fn new(store: String) -> Self {
        Self { store, last: None, failed: false }
    }

    pub(super) fn report(&self, report: &Report) {
        let lease = &self.store;
        match report {
            Report::Elected { epoch, why } => tracing::info!(%epoch, ?why, lease, "leading"),
            Report::Raised { from, to } => {
                tracing::info!(%from, epoch = %to, lease, "leading under a higher epoch: a peer knew ours already");
            }
            Report::Repaired { epoch } => {
                tracing::warn!(%epoch, lease, "somebody edited the lease of this term; it is written as it was");
            }
            Report::Lost { epoch, why } => tracing::info!(%epoch, ?why, lease, "leading no more"),
            Report::GaveUp { epoch, free: true } => tracing::info!(%epoch, lease, "gave the lease up"),
            Report::GaveUp { epoch, free: false } => {
                tracing::warn!(%epoch, lease, "could not give the lease up in time: the others wait until it expires");
            }
        }
    }

    pub(super) fn answered(&mut self, request: &Request, error: Option<&StoreError>, now: Moment) {
        let Some(error) = error else {
            if std::mem::take(&mut self.failed) {
                self.last = None;
                tracing::info!(lease = self.store, "the lease can be reached again");
            }
            return;
        };
        if matches!(error, StoreError::Conflict | StoreError::NotFound) {
            return;
        }
        tracing::debug!(lease = self.store, verb = verb(request), %error, "a request for the lease failed");
        // One lost answer is the network's daily life; the second in a row is worth a line.
        let again = std::mem::replace(&mut self.failed, true);
        let due = self.last.is_none_or(|last| now.since(last) >= EVERY);
        if due && (again || matches!(error, StoreError::Forbidden(_))) {
            self.last = Some(now);
            let (lease, verb, hint) = (&self.store, verb(request), hint(error));
            tracing::warn!(lease, verb, %error, hint, "cannot reach the lease; serving goes on, nobody can be elected here");
        }
    }
}

/// The verb as RBAC has it.
pub(in crate::election) const fn verb(request: &Request) -> &'static str {
    match request {
        Request::Get => "get",
        Request::Create(_) => "create",
        Request::Replace { .. } => "update",
    }
}

/// What a request is for, as a label.
pub(in crate::election) const fn aim(request: &Request) -> &'static str {
    match request {
        Request::Get => "get",
        Request::Create(_) => "create",
        Request::Replace { purpose: Purpose::Acquire, .. } => "acquire",
        Request::Replace { purpose: Purpose::Renew, .. } => "renew",
        Request::Replace { purpose: Purpose::Raise, .. } => "raise",
        Request::Replace { purpose: Purpose::Release, .. } => "release",
    }
}

const fn hint(error: &StoreError) -> &'static str {
    match error {
        StoreError::Forbidden(_) => "allow get, create, update, watch and list on it to this identity",
        StoreError::Throttled { .. } => "give its requests a flow schema of their own",
        _ => "see that its address is right and can be reached from here",
    }
}
