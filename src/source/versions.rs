//! Whether what was read is at least as new as what was read before (design D6).
//!
//! An API server that lags behind its store answers with an older list. Lists that *stay* older mean another
//! thing: the store was restored from a backup, and then waiting for the old versions would last for ever. The same holds for the
//! table of another route server, one of whose replicas may be behind.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::time::Duration;

use crate::time::Moment;

/// How long versions must stay below the last ones before they are believed.
pub const RESTORED_AFTER: Duration = Duration::from_secs(60);

/// The newest resource versions seen, by kind; nothing older counts.
#[derive(Clone, Debug, Default)]
pub struct Floor {
    versions: BTreeMap<String, String>,
    below_since: Option<Moment>,
}

/// What [`Floor::check`] says about a poll.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not older than the last one: the floor has moved to it.
    Newer,
    /// Older; the poll does not count.
    Older {
        /// The first kind whose list is older.
        kind: String,
        /// What that list had.
        read: String,
        /// What was seen before.
        seen: String,
    },
    /// Older for so long that the store must have been restored: the floor has moved down to it.
    Restored,
}

impl Floor {
    /// Nothing older than `versions` counts from now on; what is newer already stays.
    pub fn raise(&mut self, versions: &BTreeMap<String, String>) {
        for (kind, version) in versions {
            if self.versions.get(kind).is_none_or(|seen| order(version, seen) == Some(Ordering::Greater)) {
                self.versions.insert(kind.clone(), version.clone());
            }
        }
    }

    /// Judges the versions of a whole poll that was read at `now`.
    pub fn check(&mut self, versions: &BTreeMap<String, String>, now: Moment) -> Verdict {
        let older = versions.iter().find_map(|(kind, read)| {
            let seen = self.versions.get(kind)?;
            (order(read, seen) == Some(Ordering::Less)).then_some((kind, read, seen))
        });
        let Some((kind, read, seen)) = older else {
            self.below_since = None;
            self.versions.extend(versions.clone());
            return Verdict::Newer;
        };
        let since = *self.below_since.get_or_insert(now);
        if now.since(since) < RESTORED_AFTER {
            return Verdict::Older { kind: kind.clone(), read: read.clone(), seen: seen.clone() };
        }
        self.below_since = None;
        self.versions.extend(versions.clone());
        Verdict::Restored
    }
}

/// Resource versions compare as decimal numbers of any length (KEP-5504), those of tables (`EPOCH.SEQUENCE`) as two such; `None`
/// where one is nothing of the kind.
pub(super) fn order(a: &str, b: &str) -> Option<Ordering> {
    if let (Some((epoch_a, a)), Some((epoch_b, b))) = (a.split_once('.'), b.split_once('.')) {
        return Some(number_order(epoch_a, epoch_b)?.then(number_order(a, b)?));
    }
    number_order(a, b)
}

fn number_order(a: &str, b: &str) -> Option<Ordering> {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !number(a) || !number(b) {
        return None;
    }
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    Some(a.len().cmp(&b.len()).then_with(|| a.cmp(b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|&(kind, version)| (kind.to_owned(), version.to_owned())).collect()
    }

    fn at(seconds: u64) -> Moment {
        Moment::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn versions_compare_as_numbers_of_any_length() {
        assert_eq!(order("9", "10"), Some(Ordering::Less));
        assert_eq!(
            order("99999999999999999999999999999999999999999", "100000000000000000000000000000000000000000"),
            Some(Ordering::Less)
        );
        assert_eq!(order("007", "7"), Some(Ordering::Equal));
        assert_eq!(order("abc", "7"), None);
        assert_eq!(order("", "7"), None);
    }

    #[test]
    fn versions_of_tables_compare_by_their_epoch_first() {
        for (a, b, expected) in [
            ("9.10", "10.1", Some(Ordering::Less)),
            ("9.10", "9.9", Some(Ordering::Greater)),
            ("9.9", "9.9", Some(Ordering::Equal)),
            ("9.9", "9", None),
            ("9.9.1", "9.9.2", None),
        ] {
            assert_eq!(order(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn an_older_list_of_one_kind_refuses_the_poll() {
        let mut floor = Floor::default();
        assert_eq!(floor.check(&versions(&[("Ingress", "10"), ("Service", "10")]), at(0)), Verdict::Newer);
        assert_eq!(
            floor.check(&versions(&[("Ingress", "12"), ("Service", "9")]), at(3)),
            Verdict::Older { kind: "Service".into(), read: "9".into(), seen: "10".into() }
        );
        assert_eq!(floor.check(&versions(&[("Ingress", "11"), ("Service", "10")]), at(6)), Verdict::Newer);
        assert_eq!(floor.check(&versions(&[("Ingress", "11"), ("Service", "10")]), at(9)), Verdict::Newer);
    }

    #[test]
    fn versions_that_stay_below_are_a_restored_store() {
        let (mut floor, low) = (Floor::default(), versions(&[("Ingress", "5")]));
        floor.check(&versions(&[("Ingress", "10")]), at(0));
        assert!(matches!(floor.check(&low, at(100)), Verdict::Older { .. }));
        assert!(matches!(floor.check(&low, at(159)), Verdict::Older { .. }));
        assert_eq!(floor.check(&low, at(160)), Verdict::Restored);
        assert_eq!(floor.check(&low, at(163)), Verdict::Newer);
    }

    #[test]
    fn a_poll_in_between_starts_the_wait_again() {
        let (mut floor, low) = (Floor::default(), versions(&[("Ingress", "5")]));
        floor.check(&versions(&[("Ingress", "10")]), at(0));
        floor.check(&low, at(100));
        assert_eq!(floor.check(&versions(&[("Ingress", "10")]), at(150)), Verdict::Newer);
        assert!(matches!(floor.check(&low, at(170)), Verdict::Older { .. }));
    }

    #[test]
    fn a_new_leader_inherits_the_floor() {
        let mut floor = Floor::default();
        floor.raise(&versions(&[("Ingress", "10")]));
        floor.raise(&versions(&[("Ingress", "7"), ("Service", "3")]));
        assert!(matches!(floor.check(&versions(&[("Ingress", "9")]), at(0)), Verdict::Older { .. }));
        assert!(matches!(
            floor.check(&versions(&[("Ingress", "10"), ("Service", "2")]), at(1)),
            Verdict::Older { .. }
        ));
    }

    #[test]
    fn versions_that_are_no_numbers_hold_nothing_up() {
        let mut floor = Floor::default();
        floor.check(&versions(&[("Ingress", "b")]), at(0));
        assert_eq!(floor.check(&versions(&[("Ingress", "a")]), at(1)), Verdict::Newer);
    }
}
