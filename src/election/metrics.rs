//! What the election tells Prometheus.

use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::Role;
use super::core::{Free, Loss, Report, Request, State};
use super::driver::aim;
use super::store::StoreError;

/// The election's metrics. One of it feeds one registry.
#[derive(Debug)]
pub struct Metrics {
    role: Family<RoleLabel, Gauge>,
    state: Family<StateLabel, Gauge>,
    epoch: Gauge<i64, AtomicI64>,
    transitions: Family<ReasonLabel, Counter>,
    renewals: Histogram,
    failures: Family<FailureLabel, Counter>,
    validity: Gauge<f64, AtomicU64>,
    failover: Histogram,
    master: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RoleLabel {
    role: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailureLabel {
    request: &'static str,
    code: &'static str,
}

impl Metrics {
    /// Registers them as `bellwether_election_*`, and `leader_election_master_status`, client-go's name, for the
    /// dashboards that there are.
    pub fn register(registry: &mut Registry) -> Self {
        let bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.7, 1.0, 1.5, 2.5];
        let metrics = Self {
            role: Family::default(),
            state: Family::default(),
            epoch: Gauge::default(),
            transitions: Family::default(),
            renewals: Histogram::new(bounds),
            failures: Family::default(),
            validity: Gauge::default(),
            failover: Histogram::new([0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 5.0, 10.0, 30.0]),
            master: Gauge::default(),
        };
        let ours = registry.sub_registry_with_prefix("bellwether_election");
        ours.register("role", "1 for the role of this replica", metrics.role.clone());
        ours.register("state", "1 for the state of the election here", metrics.state.clone());
        ours.register("epoch", "The epoch of the leader as known here, 0 without one", metrics.epoch.clone());
        let help = "Terms won and lost here, by reason";
        ours.register("transitions", help, metrics.transitions.clone());
        ours.register("renew_seconds", "How long renewals took", metrics.renewals.clone());
        let help = "Requests for the Lease that failed";
        ours.register("request_failures", help, metrics.failures.clone());
        let help = "For how long this leader still trusts its Lease, 0 on followers";
        ours.register("validity_seconds", help, metrics.validity.clone());
        let help = "From the last that was heard of a leader to the first announcement of the next, as followed here";
        ours.register("failover_seconds", help, metrics.failover.clone());
        let help = "1 where this replica leads";
        registry.register("leader_election_master_status", help, metrics.master.clone());
        metrics
    }

    pub(in crate::election) fn answered(
        &self,
        request: &Request,
        took: Duration,
        error: Option<&StoreError>,
    ) {
        let request = aim(request);
        if let Some(error) = error {
            let code = match error {
                StoreError::Conflict => "conflict",
                StoreError::NotFound => "not-found",
                StoreError::Forbidden(_) => "forbidden",
                StoreError::Throttled { .. } => "throttled",
                StoreError::Timeout => "timeout",
                StoreError::Other(_) => "other",
            };
            self.failures.get_or_create(&FailureLabel { request, code }).inc();
        } else if request == "renew" {
            self.renewals.observe(took.as_secs_f64());
        }
    }

    /// Another replica's term has followed on another's within this time.
    pub(in crate::election) fn failed_over(&self, within: Duration) {
        self.failover.observe(within.as_secs_f64());
    }

    pub(in crate::election) fn reported(&self, report: &Report) {
        let reason = match report {
            Report::Elected { why: Free::Expired, .. } => "elected-expired",
            Report::Elected { why: Free::Released, .. } => "elected-released",
            Report::Elected { why: Free::Ours, .. } => "elected-again",
            Report::Elected { why: Free::Gone, .. } => "elected-restarted",
            Report::Elected { why: Free::Refused, .. } => "elected-refused",
            Report::Elected { why: Free::Unused, .. } => "elected-first",
            Report::Raised { .. } => "raised",
            Report::Lost { why: Loss::Expired, .. } => "lost-expired",
            Report::Lost { why: Loss::Taken, .. } => "lost-taken",
            Report::Lost { why: Loss::Deleted, .. } => "lost-deleted",
            Report::Lost { why: Loss::Stalled, .. } => "lost-stalled",
            Report::Lost { why: Loss::CutOff, .. } => "lost-cut-off",
            Report::Lost { why: Loss::Released, .. } => "lost-released",
            Report::GaveUp { .. } | Report::Repaired { .. } => return,
        };
        self.transitions.get_or_create(&ReasonLabel { reason }).inc();
    }

    pub(in crate::election) fn stands(&self, state: State, role: &Role, valid: Duration) {
        let (leads, epoch) = match role {
            Role::Leader(term) => (true, term.epoch().0),
            Role::Follower(leader) => (false, leader.as_ref().map_or(0, |leader| leader.epoch.0)),
        };
        for (role, is) in [("leader", leads), ("follower", !leads)] {
            self.role.get_or_create(&RoleLabel { role }).set(i64::from(is));
        }
        let states = [
            ("observing", State::Observing),
            ("contending", State::Contending),
            ("leading", State::Leading),
            ("retiring", State::Retiring),
            ("cooling", State::Cooling),
        ];
        for (name, one) in states {
            self.state.get_or_create(&StateLabel { state: name }).set(i64::from(one == state));
        }
        self.epoch.set(i64::try_from(epoch).unwrap_or(i64::MAX));
        self.validity.set(valid.as_secs_f64());
        self.master.set(i64::from(leads));
    }
}
