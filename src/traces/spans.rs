//! A publication as spans. Pure.
//!
//! In: what was written down of it, by the leader's clock. Out: a span of the whole, and one of each step within it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry::KeyValue;

use crate::snapshot::Publication;

/// From when to when something went on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What.
    pub name: &'static str,
    /// From.
    pub begin: SystemTime,
    /// To.
    pub end: SystemTime,
}

/// A publication, from the first of its steps to the end of the last.
#[derive(Clone, Debug, PartialEq)]
pub struct Spans {
    /// All of it.
    pub whole: Step,
    /// What is known of it.
    pub attributes: Vec<KeyValue>,
    /// Its steps; those that there were not are left out.
    pub steps: Vec<Step>,
}

impl Spans {
    /// Those of `publication`, whose objects had been read at that moment. `first_client` is how long after the leader's
    /// activation the first client had the table, if one has come.
    pub fn of(publication: &Publication, read_at_millis: u64, first_client: Option<Duration>) -> Self {
        let at = |millis| UNIX_EPOCH + Duration::from_millis(millis);
        let (read, active) = (at(read_at_millis), at(publication.activated_at_millis));
        let lengths = &publication.lengths;
        let step = |name, begin: SystemTime, length| Step { name, begin, end: begin + length };
        let until = |name, end: SystemTime, length| Step { name, begin: end - length, end };
        let all = [
            until("poll", read, lengths.poll),
            step("compile", read, lengths.compile),
            until("stage", active, lengths.stage),
            step("activate", active, lengths.activate),
            step("first client", active, first_client.unwrap_or_default()),
        ];
        let steps: Vec<Step> = all.into_iter().filter(|step| step.begin < step.end).collect();
        let begin = steps.iter().map(|step| step.begin).min().unwrap_or(active);
        let end = steps.iter().map(|step| step.end).max().unwrap_or(active);
        Self { whole: Step { name: "publication", begin, end }, attributes: attributes(publication), steps }
    }
}

fn attributes(publication: &Publication) -> Vec<KeyValue> {
    let number = |name, value: u64| KeyValue::new(name, i64::try_from(value).unwrap_or(i64::MAX));
    let mut all = vec![
        KeyValue::new("bellwether.version", publication.version.to_string()),
        KeyValue::new("bellwether.origin", publication.origin.to_string()),
        KeyValue::new("bellwether.digest", publication.digest.to_string()),
        KeyValue::new("bellwether.cause", publication.cause.clone()),
        number("bellwether.routes", publication.routes),
        number("bellwether.replicas", publication.replicas.into()),
    ];
    if let Some(difference) = &publication.difference {
        all.extend([
            number("bellwether.added", difference.added),
            number("bellwether.removed", difference.removed),
            number("bellwether.changed", difference.changed),
        ]);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::{Digest, Lengths, Version};

    fn publication(lengths: Lengths) -> Publication {
        Publication {
            version: Version::new(3, 7),
            origin: Version::new(3, 7),
            digest: Digest::of(b"table"),
            cause: "change".to_owned(),
            by: "r0".to_owned(),
            routes: 35,
            difference: None,
            activated_at_millis: 10_000,
            lengths,
            replicas: 3,
        }
    }

    fn shown(spans: &Spans) -> Vec<(&'static str, u128, u128)> {
        let millis = |at: SystemTime| at.duration_since(UNIX_EPOCH).unwrap().as_millis();
        let all = std::iter::once(&spans.whole).chain(&spans.steps);
        all.map(|step| (step.name, millis(step.begin), millis(step.end))).collect()
    }

    #[test]
    fn each_step_stands_where_it_was() {
        let [poll, compile, stage, activate] = [300, 50, 20, 5].map(Duration::from_millis);
        let all = Spans::of(
            &publication(Lengths { poll, compile, stage, activate }),
            9_900,
            Some(Duration::from_millis(1_200)),
        );
        let expected = [
            ("publication", 9_600, 11_200),
            ("poll", 9_600, 9_900),
            ("compile", 9_900, 9_950),
            ("stage", 9_980, 10_000),
            ("activate", 10_000, 10_005),
            ("first client", 10_000, 11_200),
        ];
        assert_eq!(shown(&all), expected);
        assert!(all.attributes.contains(&KeyValue::new("bellwether.version", "3.7")));
    }

    #[test]
    fn what_there_was_not_is_left_out() {
        let stage = Duration::from_millis(20);
        let inherited = Spans::of(&publication(Lengths { stage, ..Lengths::default() }), 1, None);
        assert_eq!(shown(&inherited), [("publication", 9_980, 10_000), ("stage", 9_980, 10_000)]);
    }
}
