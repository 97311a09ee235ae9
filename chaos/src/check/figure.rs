//! A figure: a number that a run comes to, and the limit that it must keep.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A number with its limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What it is, for people.
    pub name: String,
    /// `None`: it never came to it, as with a leader that nobody followed.
    pub value: Option<f64>,
    /// Of what.
    pub unit: Unit,
    /// What it may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    /// How many observations it comes from, where it is the worst or a share of many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<usize>,
    /// Whether the limit is kept.
    pub kept: bool,
}

/// What a value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Things.
    Count,
    /// Seconds; short times are shown as milliseconds.
    Seconds,
    /// A share of one, shown in percent.
    Share,
    /// A ratio of two values.
    Ratio,
    /// MiB.
    Mib,
    /// MiB per hour.
    MibPerHour,
    /// Bytes.
    Bytes,
}

/// What a value may be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Not more.
    Most(f64),
    /// Not less.
    Least(f64),
}

impl Figure {
    /// One without a limit.
    pub fn new(name: impl Into<String>, value: Option<f64>, unit: Unit) -> Self {
        Self { name: name.into(), value, unit, limit: None, samples: None, kept: true }
    }

    /// How many there were.
    #[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub fn count(name: impl Into<String>, count: usize) -> Self {
        Self::new(name, Some(count as f64), Unit::Count)
    }

    /// How long it took; `None` where it never ended.
    pub fn time(name: impl Into<String>, time: Option<Duration>) -> Self {
        Self::new(name, time.map(|time| time.as_secs_f64()), Unit::Seconds)
    }

    /// The longest of `times`; without a value where there is none.
    pub fn worst(name: impl Into<String>, times: &[Duration]) -> Self {
        Self::time(name, times.iter().max().copied()).of(times.len())
    }

    /// The time that `share` of `times` do not exceed: 0.99 for p99 (nearest rank).
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub fn quantile(name: impl Into<String>, times: &[Duration], share: f64) -> Self {
        let mut sorted = times.to_vec();
        sorted.sort_unstable();
        let rank = (share * sorted.len() as f64).ceil() as usize;
        Self::time(name, sorted.get(rank.saturating_sub(1)).copied()).of(times.len())
    }

    /// The same, known to come from so many observations.
    #[must_use]
    pub fn of(self, samples: usize) -> Self {
        Self { samples: Some(samples), ..self }
    }

    /// The same with a limit from above. A figure without a value does not keep it.
    #[must_use]
    pub fn at_most(self, limit: f64) -> Self {
        let kept = self.value.is_some_and(|value| value <= limit);
        Self { limit: Some(Limit::Most(limit)), kept, ..self }
    }

    /// The same with a limit from below. A figure without a value does not keep it.
    #[must_use]
    pub fn at_least(self, limit: f64) -> Self {
        let kept = self.value.is_some_and(|value| value >= limit);
        Self { limit: Some(Limit::Least(limit)), kept, ..self }
    }

    /// The same under another name.
    #[must_use]
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// The value with its unit, for people; a dash where there is none.
    pub fn shown(&self) -> String {
        self.value.map_or_else(|| "–".to_owned(), |value| self.unit.show(value))
    }

    /// The limit, as `≤ 4 s`; empty where there is none.
    pub fn limit_shown(&self) -> String {
        match self.limit {
            Some(Limit::Most(limit)) => format!("≤ {}", self.unit.show(limit)),
            Some(Limit::Least(limit)) => format!("≥ {}", self.unit.show(limit)),
            None => String::new(),
        }
    }
}

impl Unit {
    /// `value` of this unit, for people.
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Count => grouped(value),
            Self::Seconds if value != 0.0 && value.abs() < 0.01 => format!("{} ms", short(value * 1e3, 2)),
            Self::Seconds if value.abs() < 1.0 => format!("{:.0} ms", value * 1e3),
            Self::Seconds => format!("{} s", short(value, 2)),
            // 99.999 % must not read as 100 %.
            Self::Share => format!("{} %", short((value * 1e6).floor() / 1e4, 4)),
            Self::Ratio => short(value, 3),
            Self::Mib => format!("{} MiB", short(value, 1)),
            Self::MibPerHour => format!("{} MiB/h", short(value, 2)),
            Self::Bytes => format!("{} B", grouped(value)),
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.shown())?;
        match self.limit {
            Some(_) => write!(f, " ({}{})", self.limit_shown(), if self.kept { "" } else { ", NOT kept" }),
            None => Ok(()),
        }
    }
}

/// With so many decimals at most, and none that are zero.
fn short(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A whole number in groups of three digits.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_kept_or_not_and_never_without_a_value() {
        assert!(Figure::count("x", 0).at_most(0.0).kept);
        assert!(!Figure::count("x", 1).at_most(0.0).kept);
        assert!(Figure::count("x", 1).at_least(1.0).kept);
        assert!(!Figure::count("x", 0).at_least(1.0).kept);
        assert!(!Figure::time("x", None).at_most(4.0).kept);
        assert!(!Figure::time("x", None).at_least(4.0).kept);
        assert!(Figure::time("x", None).kept, "nothing is asked of it");
    }

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let times: Vec<_> = (1..=100).map(Duration::from_secs).collect();
        assert_eq!(Figure::quantile("p99", &times, 0.99).value, Some(99.0));
        assert_eq!(Figure::quantile("all", &times, 1.0).value, Some(100.0));
        assert_eq!(Figure::quantile("one", &times[..1], 0.5).value, Some(1.0));
        assert_eq!(Figure::quantile("none", &[], 0.5).value, None);
    }

    #[test]
    fn values_read_well() {
        let shown = |unit: Unit, value| unit.show(value);
        assert_eq!(shown(Unit::Count, 1_234_567.0), "1,234,567");
        assert_eq!(shown(Unit::Count, 12.0), "12");
        assert_eq!(shown(Unit::Seconds, 0.0), "0 ms");
        assert_eq!(shown(Unit::Seconds, 0.0056), "5.6 ms");
        assert_eq!(shown(Unit::Seconds, 0.25), "250 ms");
        assert_eq!(shown(Unit::Seconds, 3.3), "3.3 s");
        assert_eq!(shown(Unit::Share, 0.999_999_9), "99.9999 %");
        assert_eq!(shown(Unit::Share, 1.0), "100 %");
        assert_eq!(shown(Unit::Ratio, 1.03), "1.03");
        assert_eq!(
            Figure::time("took", Some(Duration::from_secs(5))).at_most(4.0).to_string(),
            "took: 5 s (≤ 4 s, NOT kept)"
        );
    }
}
