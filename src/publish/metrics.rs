//! What the leader's loop counts.

use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::snapshot::Contents;

/// The metrics of polling and compiling; cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    poll: Histogram,
    errors: Family<Code, Counter>,
    last_success: Gauge<f64, AtomicU64>,
    quarantined: Gauge,
    diagnostics: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Code {
    code: String,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            poll: Histogram::new(exponential_buckets(0.01, 2.0, 12)),
            errors: Family::default(),
            last_success: Gauge::default(),
            quarantined: Gauge::default(),
            diagnostics: Gauge::default(),
        }
    }
}

impl Metrics {
    /// The metrics, registered.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register_with_unit(
            "poll_duration",
            "A whole poll: reading the upstream, compiling, announcing",
            Unit::Seconds,
            metrics.poll.clone(),
        );
        registry.register("poll_errors", "Polls that changed nothing, by reason", metrics.errors.clone());
        registry.register_with_unit(
            "last_successful_poll_timestamp",
            "Unix time of the last poll of this replica that could be read and compiled",
            Unit::Seconds,
            metrics.last_success.clone(),
        );
        registry.register(
            "routes_quarantined",
            "Routes left out of the last compiled table",
            metrics.quarantined.clone(),
        );
        registry.register(
            "diagnostics",
            "Problems found by the last compilation",
            metrics.diagnostics.clone(),
        );
        metrics
    }

    pub(super) fn polled(&self, length: Duration) {
        self.poll.observe(length.as_secs_f64());
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.last_success.set(now.as_secs_f64());
    }

    pub(super) fn failed(&self, code: &str) {
        self.errors.get_or_create(&Code { code: code.to_owned() }).inc();
    }

    pub(super) fn compiled(&self, contents: &Contents) {
        self.quarantined.set(contents.quarantined.len() as i64);
        self.diagnostics.set(contents.diagnostics.len() as i64);
    }
}
