//! One number: its samples, its limit, and whether the worst of them keeps it, or 99 of 100.

use std::time::Duration;

use serde::Serialize;

use crate::table::render;

/// A measured duration, in milliseconds, with or without a limit.
#[derive(Clone, Debug, Serialize)]
pub struct Series {
    name: &'static str,
    limit_ms: Option<f64>,
    /// The part of the samples, from the least up, that must keep the limit.
    part: f64,
    samples_ms: Vec<f64>,
}

impl Series {
    /// One without samples.
    pub fn new(name: &'static str, limit: Option<Duration>) -> Self {
        let limit_ms = limit.map(|limit| limit.as_secs_f64() * 1e3);
        Self { name, limit_ms, part: 1.0, samples_ms: Vec::new() }
    }

    /// The same, where 99 of 100 samples must keep the limit.
    pub fn p99(self) -> Self {
        Self { part: 0.99, ..self }
    }

    /// The same, where half of the samples must keep the limit.
    pub fn p50(self) -> Self {
        Self { part: 0.5, ..self }
    }

    /// Adds a sample.
    pub fn push(&mut self, sample: Duration) {
        self.samples_ms.push(sample.as_secs_f64() * 1e3);
    }

    /// Whether the worst sample, or the one at 99 %, keeps the limit. Without a sample nothing is kept.
    pub fn kept(&self) -> bool {
        let limit = self.limit_ms.unwrap_or(f64::INFINITY);
        self.at(self.part).is_some_and(|decides| decides <= limit)
    }

    /// The sample that `part` of them do not exceed.
    fn at(&self, part: f64) -> Option<f64> {
        let mut sorted = self.samples_ms.clone();
        sorted.sort_by(f64::total_cmp);
        let rank = (sorted.len() as f64 * part).ceil() as usize;
        sorted.get(rank.max(1) - 1).copied()
    }

    fn row(&self) -> Vec<String> {
        let at = |part| self.at(part).map_or("-".to_owned(), |sample| format!("{sample:.1}"));
        let limit = self.limit_ms.map_or("-".to_owned(), |limit| format!("{limit:.0}"));
        let kept = match (self.kept(), self.limit_ms) {
            (true, None) => "",
            (true, Some(_)) => "kept",
            (false, _) => "MISSED",
        };
        vec![
            self.name.to_owned(),
            self.samples_ms.len().to_string(),
            at(0.0),
            at(0.5),
            at(0.99),
            at(1.0),
            limit,
            kept.to_owned(),
        ]
    }
}

/// All of them, for people.
pub fn table(all: &[Series]) -> String {
    let head =
        ["milliseconds", "rounds", "min", "median", "p99", "max", "limit", ""].map(str::to_owned).to_vec();
    let rows: Vec<_> = std::iter::once(head).chain(all.iter().map(Series::row)).collect();
    render(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(samples: &[u64]) -> Series {
        let mut series = Series::new("something", Some(Duration::from_millis(20)));
        samples.iter().for_each(|sample| series.push(Duration::from_millis(*sample)));
        series
    }

    #[test]
    fn the_worst_sample_decides() {
        assert!(series(&[3, 20, 5]).kept());
        assert!(!series(&[3, 21, 5]).kept());
        assert!(!series(&[]).kept());
    }

    #[test]
    fn of_a_hundred_one_may_miss_where_99_decide() {
        let mut samples = vec![20; 99];
        samples.push(21);
        assert!(!series(&samples).kept());
        assert!(series(&samples).p99().kept());
        samples[0] = 21;
        assert!(!series(&samples).p99().kept());
    }

    #[test]
    fn a_row_has_min_median_p99_and_max() {
        assert_eq!(series(&[30, 1, 2]).row()[1..], ["3", "1.0", "2.0", "30.0", "30.0", "20", "MISSED"]);
    }
}
