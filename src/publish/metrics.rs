//! What the leader's loop counts.

use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::serve;
use crate::snapshot::Contents;

/// The metrics of polling and compiling; cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    poll: Histogram,
    making: Histogram,
    errors: Family<Code, Counter>,
    last_success: Gauge<f64, AtomicU64>,
    quarantined: Gauge,
    diagnostics: Gauge,
    answers: serve::Metrics,
    state: serve::Gauges,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Code {
    code: String,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            poll: Histogram::new(exponential_buckets(0.01, 2.0, 12)),
            making: Histogram::new(exponential_buckets(0.001, 2.0, 14)),
            errors: Family::default(),
            last_success: Gauge::default(),
            quarantined: Gauge::default(),
            diagnostics: Gauge::default(),
            answers: serve::Metrics::default(),
            state: serve::Gauges::default(),
        }
    }
}

impl Metrics {
    /// The metrics, registered. What the peer counts of its polls stands in its own series, among its counts of
    /// answers and its gauges of the state.
    pub fn register(registry: &mut Registry, answers: serve::Metrics, state: serve::Gauges) -> Self {
        let metrics = Self { answers, state, ..Self::default() };
        // Those that do not come from the source, whose words are its own.
        for code in ["compiler", "empty", "too-large"] {
            drop(metrics.errors.get_or_create(&Code { code: code.to_owned() }));
        }
        registry.register_with_unit(
            "poll_duration",
            "A whole poll: reading the upstream, compiling, announcing",
            Unit::Seconds,
            metrics.poll.clone(),
        );
        registry.register_with_unit(
            "making_duration",
            "From the objects, decoded, to another table announced: compiling, hashing, compressing",
            Unit::Seconds,
            metrics.making.clone(),
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
            "compiled_diagnostics",
            "Problems found by the last compilation",
            metrics.diagnostics.clone(),
        );
        metrics
    }

    pub(super) fn started(&self) {
        self.state.polling_started(unix_secs());
    }

    pub(super) fn polled(&self, length: Duration) {
        self.poll.observe(length.as_secs_f64());
        self.last_success.set(unix_secs());
    }

    pub(super) fn made(&self, length: Duration) {
        self.making.observe(length.as_secs_f64());
    }

    pub(super) fn failed(&self, code: &str) {
        self.errors.get_or_create(&Code { code: code.to_owned() }).inc();
        match code {
            "empty" => self.answers.fetched_nothing(),
            _ => self.answers.fetch_failed(),
        }
    }

    pub(super) fn compiled(&self, contents: &Contents) {
        self.quarantined.set(contents.quarantined.len() as i64);
        self.diagnostics.set(contents.diagnostics.len() as i64);
    }
}

fn unix_secs() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polls_are_counted_in_the_peers_series_too() {
        let mut registry = Registry::default();
        let (answers, state) = (serve::Metrics::default(), serve::Gauges::default());
        answers.register(&mut registry);
        state.register(&mut registry);
        let metrics = Metrics::register(&mut registry, answers, state);
        metrics.started();
        metrics.failed("timeout");
        metrics.failed("timeout");
        metrics.failed("empty");
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("a string takes any text");
        for line in [
            "poll_errors_total{code=\"timeout\"} 2",
            "routesrv_custom_total{key=\"routes.fetch_errors\"} 2",
            "routesrv_custom_total{key=\"routes.empty\"} 1",
            "routesrv_custom_gauges{key=\"polling_started_timestamp\"} 1",
        ] {
            assert!(text.lines().any(|found| found.starts_with(line)), "{line} is missing in\n{text}");
        }
    }
}
