//! How several backends of one path share its traffic.
//!
//! The order of the floating-point operations is the peer's: other orders give other last digits, and so other bytes.

use std::collections::{HashMap, HashSet};

use crate::eskip::{Predicate, Route};

use super::TrafficAlgorithm;

/// One backend's share of the traffic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Share {
    /// `Traffic(portion)` of what the backends before left over, and so many `True()` that this route is tried before
    /// those of the backends behind.
    Portion {
        /// 1 for all.
        portion: f64,
        /// How many `True()`.
        precedence: usize,
    },
    /// `TrafficSegment(from, to)`.
    Segment {
        /// 0 is the beginning.
        from: f64,
        /// 1 is the end.
        to: f64,
    },
}

impl Share {
    /// Whether any traffic goes there.
    pub(super) fn is_any(&self) -> bool {
        match self {
            Self::Portion { portion, .. } => *portion > 0.0,
            Self::Segment { from, to } => from != to,
        }
    }

    /// Lets `route` match its share; without any predicate where that is everything.
    pub(super) fn apply(&self, route: &mut Route) {
        match *self {
            Self::Portion { portion: 1.0, .. } | Self::Segment { from: 0.0, to: 1.0 } => {}
            Self::Portion { portion, precedence } => {
                route.predicates.push(Predicate::new("Traffic", [portion.into()]));
                let precedence = std::iter::repeat_n(Predicate::new("True", []), precedence);
                route.predicates.extend(precedence);
            }
            Self::Segment { from, to } => {
                route.predicates.push(Predicate::new("TrafficSegment", [from.into(), to.into()]));
            }
        }
    }
}

/// The share of each of `weights`, in their order.
pub(super) fn shares(algorithm: TrafficAlgorithm, weights: &[f64]) -> Vec<Share> {
    match algorithm {
        TrafficAlgorithm::TrafficPredicate => portions(weights),
        TrafficAlgorithm::TrafficSegment => segments(weights),
    }
}

/// The share of each name, where a name may appear several times: of its portions the last one counts; segments are
/// made for its first appearance, unless nothing has a weight: then for each, and the last one counts.
pub(super) fn shares_by_name<'a>(
    algorithm: TrafficAlgorithm,
    weighted: &[(&'a str, f64)],
) -> HashMap<&'a str, Share> {
    let by_name = |weighted: &[(&'a str, f64)]| {
        let weights: Vec<_> = weighted.iter().map(|(_, weight)| *weight).collect();
        weighted.iter().map(|(name, _)| *name).zip(shares(algorithm, &weights)).collect()
    };
    if algorithm == TrafficAlgorithm::TrafficPredicate {
        return by_name(weighted);
    }
    let mut known = HashSet::new();
    let unique: Vec<_> = weighted.iter().copied().filter(|(name, _)| known.insert(*name)).collect();
    if sum(unique.iter().map(|(_, weight)| *weight)) == 0.0 { by_name(weighted) } else { by_name(&unique) }
}

/// Each portion is of what is left over by those before; without any weight all are equal.
fn portions(weights: &[f64]) -> Vec<Share> {
    let given = sum(weights.iter().copied());
    let (weights, mut left) = if given == 0.0 {
        (vec![1.0; weights.len()], weights.len() as f64)
    } else {
        (weights.to_vec(), given)
    };
    let last = weights.iter().rposition(|weight| *weight > 0.0).unwrap_or(0);
    let portion = |(i, weight): (usize, &f64)| {
        let portion = match *weight {
            _ if i == last => 1.0,
            0.0 => 0.0,
            weight => weight / left,
        };
        left -= weight;
        Share::Portion { portion, precedence: weights.len().saturating_sub(i + 2) }
    };
    weights.iter().enumerate().map(portion).collect()
}

/// Segments follow each other from 0 to 1; without any weight all are equal.
fn segments(weights: &[f64]) -> Vec<Share> {
    let given = sum(weights.iter().copied());
    let (weights, all) = if given == 0.0 {
        (vec![1.0; weights.len()], weights.len() as f64)
    } else {
        (weights.to_vec(), given)
    };
    let mut end = 0.0;
    let segment = |weight: &f64| {
        let start = end;
        end += weight;
        Share::Segment { from: start / all, to: end / all }
    };
    weights.iter().map(segment).collect()
}

/// From the front, beginning with a positive zero; `Iterator::sum` begins with a negative one.
fn sum(weights: impl Iterator<Item = f64>) -> f64 {
    weights.fold(0.0, |sum, weight| sum + weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn portions_of(weights: &[f64]) -> Vec<(f64, usize)> {
        let pair = |share: &Share| match *share {
            Share::Portion { portion, precedence } => (portion, precedence),
            Share::Segment { .. } => panic!("a segment"),
        };
        shares(TrafficAlgorithm::TrafficPredicate, weights).iter().map(pair).collect()
    }

    fn segments_of(weights: &[f64]) -> Vec<(f64, f64)> {
        shares(TrafficAlgorithm::TrafficSegment, weights).iter().map(ends).collect()
    }

    fn ends(share: &Share) -> (f64, f64) {
        match *share {
            Share::Segment { from, to } => (from, to),
            Share::Portion { .. } => panic!("a portion"),
        }
    }

    #[test]
    fn a_portion_is_of_what_is_left() {
        assert_eq!(portions_of(&[1.0, 1.0, 2.0]), [(0.25, 1), (1.0 / 3.0, 0), (1.0, 0)]);
        assert_eq!(portions_of(&[]), []);
    }

    #[test]
    fn without_weights_all_are_equal() {
        assert_eq!(portions_of(&[0.0, 0.0]), [(0.5, 0), (1.0, 0)]);
        assert_eq!(segments_of(&[0.0, 0.0]), [(0.0, 0.5), (0.5, 1.0)]);
    }

    #[test]
    fn the_last_with_a_weight_gets_the_rest() {
        assert_eq!(portions_of(&[1.0, 3.0, 0.0]), [(0.25, 1), (1.0, 0), (0.0, 0)]);
    }

    #[test]
    fn what_is_left_is_found_by_subtraction_in_order() {
        assert_eq!(portions_of(&[0.1, 0.2, 0.3])[1].0, 0.2 / (0.1 + 0.2 + 0.3 - 0.1));
    }

    #[test]
    fn segments_follow_each_other() {
        assert_eq!(segments_of(&[1.0, 0.0, 3.0]), [(0.0, 0.25), (0.25, 0.25), (0.25, 1.0)]);
        assert!(!Share::Segment { from: 0.25, to: 0.25 }.is_any());
    }

    #[test]
    fn a_name_that_appears_twice_has_one_share() {
        let portions = shares_by_name(TrafficAlgorithm::TrafficPredicate, &[("a", 1.0), ("a", 1.0)]);
        assert_eq!(portions["a"], Share::Portion { portion: 1.0, precedence: 0 });
        let weighted =
            shares_by_name(TrafficAlgorithm::TrafficSegment, &[("a", 1.0), ("b", 1.0), ("a", 2.0)]);
        assert_eq!((ends(&weighted["a"]), ends(&weighted["b"])), ((0.0, 0.5), (0.5, 1.0)));
        let equal = shares_by_name(TrafficAlgorithm::TrafficSegment, &[("a", 0.0), ("b", 0.0), ("a", 0.0)]);
        assert_eq!(ends(&equal["a"]), (2.0 / 3.0, 1.0));
    }

    #[test]
    fn everything_needs_no_predicate() {
        let predicates = |share: Share| {
            let mut route = Route::default();
            share.apply(&mut route);
            route.predicates.into_iter().map(|predicate| predicate.name).collect::<Vec<_>>()
        };
        assert_eq!(predicates(Share::Portion { portion: 1.0, precedence: 2 }), [""; 0]);
        assert_eq!(predicates(Share::Segment { from: 0.0, to: 1.0 }), [""; 0]);
        assert_eq!(predicates(Share::Portion { portion: 0.5, precedence: 2 }), ["Traffic", "True", "True"]);
    }
}
