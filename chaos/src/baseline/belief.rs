//! What candidates believed of themselves, and for how long several believed it at once. Pure.

/// From when to when one candidate believed that it leads, in nanoseconds of one clock: the first and the last time
/// that it was asked and said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Belief {
    pub(super) from: u64,
    pub(super) until: u64,
    /// What a receiver could tell this leadership by: the transitions of the Lease, or the epoch.
    pub(super) token: u64,
}

/// For how many nanoseconds two candidates or more believed it; `all` has the beliefs of each.
pub(super) fn together(all: &[Vec<Belief>]) -> u64 {
    let mut edges: Vec<(u64, i32)> =
        all.iter().flatten().flat_map(|belief| [(belief.from, 1), (belief.until, -1)]).collect();
    edges.sort_unstable();
    let (mut since, mut leaders, mut sum) = (0, 0, 0);
    for (at, change) in edges {
        if leaders > 1 {
            sum += at - since;
        }
        (since, leaders) = (at, leaders + change);
    }
    sum
}

/// Whether two candidates ever led under one token.
pub(super) fn share_a_token(all: &[Vec<Belief>]) -> bool {
    let of = |beliefs: &[Belief]| beliefs.iter().map(|belief| belief.token).collect::<Vec<_>>();
    let tokens: Vec<_> = all.iter().map(|beliefs| of(beliefs)).collect();
    tokens
        .iter()
        .enumerate()
        .any(|(index, mine)| tokens[index + 1..].iter().flatten().any(|token| mine.contains(token)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn belief(from: u64, until: u64) -> Belief {
        Belief { from, until, token: from }
    }

    #[test]
    fn one_after_the_other_is_never_together() {
        assert_eq!(together(&[vec![belief(1, 5), belief(9, 12)], vec![belief(5, 9)], vec![]]), 0);
        assert_eq!(together(&[]), 0);
    }

    #[test]
    fn what_two_or_three_share_counts_once() {
        assert_eq!(together(&[vec![belief(0, 10)], vec![belief(8, 20)]]), 2);
        assert_eq!(together(&[vec![belief(0, 10)], vec![belief(2, 6)], vec![belief(4, 8)]]), 6);
        assert_eq!(together(&[vec![belief(3, 7)], vec![belief(3, 7)]]), 4);
    }

    #[test]
    fn a_token_may_return_only_to_its_own_candidate() {
        assert!(!share_a_token(&[vec![belief(1, 2), belief(1, 2)], vec![belief(2, 3)]]));
        assert!(share_a_token(&[vec![], vec![belief(1, 2)], vec![belief(4, 5), belief(1, 3)]]));
    }
}
