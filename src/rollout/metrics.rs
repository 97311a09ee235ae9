//! What the comparison counts, on the leader; a follower shows none of it.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::report::{Report, Verdict};

/// The metrics of the comparison; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    verdict: Family<Named, Gauge>,
    routes: Family<Of, Gauge>,
    clean: Family<About, Gauge<f64, AtomicU64>>,
    changes: Family<About, Gauge>,
    looks: Family<Of, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Named {
    verdict: &'static str,
}

/// A peer, and which of its numbers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    peer: String,
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct About {
    peer: String,
}

impl Metrics {
    /// The metrics, registered.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "rollout_verdict",
            "1 for what the comparison has come to: safe, not-yet, different or unknown",
            metrics.verdict.clone(),
        );
        registry.register(
            "rollout_routes",
            "Routes that are not what the peer has, by state: different, or unsettled",
            metrics.routes.clone(),
        );
        registry.register_with_unit(
            "rollout_clean",
            "How long there has been no route of either state",
            Unit::Seconds,
            metrics.clean.clone(),
        );
        registry.register(
            "rollout_clean_changes",
            "Over how many changes of our table",
            metrics.changes.clone(),
        );
        registry.register(
            "rollout_looks",
            "Looks at the peer, by state: changed, same, or failed",
            metrics.looks.clone(),
        );
        metrics
    }

    pub(super) fn looked(&self, peer: &str, state: &'static str) {
        self.looks.get_or_create_owned(&Of { peer: peer.to_owned(), state }).inc();
    }

    pub(super) fn show(&self, report: &Report) {
        for verdict in [Verdict::Safe, Verdict::NotYet, Verdict::Different, Verdict::Unknown] {
            let named = Named { verdict: verdict.name() };
            self.verdict.get_or_create_owned(&named).set((verdict == report.verdict).into());
        }
        for peer in &report.peers {
            let of = |state| Of { peer: peer.url.clone(), state };
            let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
            self.routes.get_or_create_owned(&of("different")).set(count(peer.different));
            self.routes.get_or_create_owned(&of("unsettled")).set(count(peer.unsettled));
            let about = About { peer: peer.url.clone() };
            self.clean.get_or_create_owned(&about).set(peer.clean_seconds.unwrap_or_default());
            self.changes.get_or_create_owned(&about).set(i64::try_from(peer.changes).unwrap_or(i64::MAX));
        }
    }

    /// Somebody else leads and compares.
    pub(super) fn clear(&self) {
        self.verdict.clear();
        self.routes.clear();
        self.clean.clear();
        self.changes.clear();
    }
}

impl Verdict {
    /// As in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::NotYet => "not-yet",
            Self::Different => "different",
            Self::Unknown => "unknown",
        }
    }
}
