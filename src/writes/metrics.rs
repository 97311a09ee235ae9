//! What is counted of the writes.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The metrics of what is written to the Kubernetes API; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    events: Family<Outcome, Counter>,
    waiting: Gauge,
    status: Family<Outcome, Counter>,
    differing: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

impl Metrics {
    /// The metrics, registered.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        // From nothing to one is an increase only where the nothing was seen.
        for outcome in ["written", "repeated", "replaced", "retried", "refused", "dropped"] {
            drop(metrics.events.get_or_create(&Outcome { outcome }));
        }
        registry.register(
            "events",
            "Kubernetes Events: written, repeated, replaced by newer ones, retried, refused, or dropped",
            metrics.events.clone(),
        );
        registry.register(
            "events_waiting",
            "Kubernetes Events that wait to be written",
            metrics.waiting.clone(),
        );
        registry.register(
            "ingress_status_writes",
            "Writes of the status of Ingresses: written, failed, refused, or without addresses to write",
            metrics.status.clone(),
        );
        registry.register(
            "ingress_status_differing",
            "Ingresses whose status did not say what it should when this replica last looked",
            metrics.differing.clone(),
        );
        metrics
    }

    /// An Event was `written`, `repeated`, `replaced`, `retried`, `refused`, or `dropped`.
    pub(super) fn event(&self, outcome: &'static str) {
        self.events(outcome, 1);
    }

    pub(super) fn events(&self, outcome: &'static str, number: usize) {
        if number > 0 {
            self.events.get_or_create(&Outcome { outcome }).inc_by(number as u64);
        }
    }

    /// A status was `written`, `failed`, `refused`, or there were `no-addresses`.
    pub(super) fn status(&self, outcome: &'static str) {
        self.status.get_or_create(&Outcome { outcome }).inc();
    }

    pub(super) fn differing(&self, number: usize) {
        self.differing.set(i64::try_from(number).unwrap_or(i64::MAX));
    }

    pub(super) fn waiting(&self, number: usize) {
        self.waiting.set(i64::try_from(number).unwrap_or(i64::MAX));
    }
}
