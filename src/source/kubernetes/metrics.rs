//! What is counted of watches.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::object::Kind;

/// The metrics of watches; cheap to clone. Without `--watch` nothing moves them.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    active: Gauge,
    events: Family<Of, Counter>,
    ended: Family<Why, Counter>,
    audits: Counter,
    lost: Family<Of, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Why {
    reason: &'static str,
}

impl Metrics {
    /// The metrics, registered.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        for kind in Kind::ALL {
            drop(metrics.lost.get_or_create(&Of { kind: kind.name() }));
        }
        registry.register(
            "watch_active",
            "1 while this replica leads and hears of every change by watches (--watch)",
            metrics.active.clone(),
        );
        registry.register("watch_events", "Changes that watches have told, by kind", metrics.events.clone());
        registry.register(
            "watch_ended",
            "Times that watches were given up and all was read again, by reason",
            metrics.ended.clone(),
        );
        registry.register(
            "watch_audits",
            "Whole lists read beside the watches to find what these did not tell",
            metrics.audits.clone(),
        );
        registry.register(
            "watch_lost_objects",
            "Objects that an audit found to be otherwise than the watches had told, by kind",
            metrics.lost.clone(),
        );
        metrics
    }

    pub(super) fn watches(&self, active: bool) {
        self.active.set(active.into());
    }

    pub(super) fn heard(&self, kind: Kind) {
        self.events.get_or_create(&Of { kind: kind.name() }).inc();
    }

    pub(super) fn ended(&self, reason: &'static str) {
        self.ended.get_or_create(&Why { reason }).inc();
    }

    pub(super) fn audited(&self) {
        self.audits.inc();
    }

    pub(super) fn lost(&self, kind: Kind) {
        self.lost.get_or_create(&Of { kind: kind.name() }).inc();
    }
}
