//! A histogram of durations that is counted without a lock: each answer is counted, by threads that wait for nobody.
//!
//! What is read while others count may be short by those: a scrape a moment later has them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::{MetricType, TypedMetric};

/// Durations by their upper bounds. Clones share their numbers.
#[derive(Clone, Debug)]
pub(super) struct Durations(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    bounds: &'static [f64],
    /// One for each bound, and one for what is above them.
    counts: Box<[AtomicU64]>,
    nanos: AtomicU64,
}

impl Durations {
    /// Buckets up to these `bounds`, in seconds, in their order.
    pub(super) fn new(bounds: &'static [f64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::default()).collect();
        Self(Arc::new(Inner { bounds, counts, nanos: AtomicU64::default() }))
    }

    /// Counts one that took so long.
    pub(super) fn observe(&self, took: Duration) {
        let Inner { bounds, counts, nanos } = &*self.0;
        let seconds = took.as_secs_f64();
        // Nearly all are in the first.
        let bucket = bounds.iter().position(|bound| seconds <= *bound).unwrap_or(bounds.len());
        counts[bucket].fetch_add(1, Ordering::Relaxed);
        nanos.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl TypedMetric for Durations {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Durations {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        let Inner { bounds, counts, nanos } = &*self.0;
        let bounds = bounds.iter().copied().chain([f64::INFINITY]);
        let buckets: Vec<_> =
            bounds.zip(counts).map(|(bound, count)| (bound, count.load(Ordering::Relaxed))).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = Duration::from_nanos(nanos.load(Ordering::Relaxed)).as_secs_f64();
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::metrics::histogram::Histogram;
    use prometheus_client::registry::{Metric, Registry};

    use super::*;

    fn text(metric: impl Metric) -> String {
        let (mut registry, mut text) = (Registry::default(), String::new());
        registry.register("took", "How long", metric);
        encode(&mut text, &registry).expect("it fits into memory");
        text
    }

    #[test]
    fn it_says_what_the_librarys_histogram_says() {
        const BOUNDS: [f64; 3] = [0.25, 0.5, 2.0];
        let (ours, theirs) = (Durations::new(&BOUNDS), Histogram::new(BOUNDS));
        assert_eq!(text(ours.clone()), text(theirs.clone()));
        for millis in [0, 250, 251, 500, 1750, 2000, 2250, 64_000] {
            ours.observe(Duration::from_millis(millis));
            theirs.observe(Duration::from_millis(millis).as_secs_f64());
        }
        assert_eq!(text(ours), text(theirs));
    }
}
