//! The arithmetic of epochs (design D2).

use crate::snapshot::Epoch;

/// No epoch of ours gets near this. A number beyond it was made up by hand, and is not counted on from.
const HIGHEST: u64 = 1 << 62;

/// The epoch of a term that is taken by a write on the Lease's `version` (its resourceVersion).
///
/// One write succeeds on one version, so no two terms share a version, and a Lease that was deleted and made anew has a
/// higher one than any before: `version + 1` alone is unique and grows. `on_lease` and `seen` keep it growing where
/// an epoch was raised, or the store was restored from a backup.
pub(in crate::election) fn next(on_lease: Epoch, seen: Epoch, version: u64) -> Epoch {
    let highest = sane(on_lease).max(sane(seen)).max(sane(Epoch(version)));
    Epoch(highest.0 + 1)
}

/// `epoch` where it can be one of ours, else zero.
pub(in crate::election) const fn sane(epoch: Epoch) -> Epoch {
    if epoch.0 > HIGHEST { Epoch(0) } else { epoch }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceeds_all_three() {
        assert_eq!(next(Epoch(7), Epoch(3), 5), Epoch(8));
        assert_eq!(next(Epoch(3), Epoch(7), 5), Epoch(8));
        assert_eq!(next(Epoch(3), Epoch(5), 7), Epoch(8));
    }

    #[test]
    fn a_number_made_up_by_hand_neither_overflows_nor_counts() {
        assert_eq!(next(Epoch(u64::MAX), Epoch(3), 5), Epoch(6));
        assert_eq!(next(Epoch(2), Epoch(u64::MAX), u64::MAX), Epoch(3));
    }
}
