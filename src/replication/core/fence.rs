//! The fence: the newest epoch that a replica has seen, and the one term that it belongs to.

use crate::protection::Protection;
use crate::snapshot::{Epoch, TermId, Version};

/// The highest epoch seen, bound to the first term seen for it.
#[derive(Clone, Copy, Debug, Default, Hash)]
pub struct Fence {
    epoch: Epoch,
    term: Option<TermId>,
}

/// Why something was not accepted. The replica keeps what it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// From a term that is over.
    #[error("its epoch is over: epoch {0} was seen")]
    StaleEpoch(Epoch),
    /// Two terms came to the same epoch; the first one seen counts.
    #[error("epoch {0} belongs to another term")]
    OtherTerm(Epoch),
    /// Not newer than what is active.
    #[error("version {0} is active already")]
    NotNewer(Version),
    /// Read from the upstream before what is active.
    #[error("its table is older than the active one, which was read under {0}")]
    OlderOrigin(Version),
    /// Not what was staged.
    #[error("that version is not staged")]
    NotStaged,
    /// This replica does not lead.
    #[error("not the leader")]
    NotLeader,
    /// There is a leader to follow: tables come from it alone.
    #[error("there is a leader")]
    Led,
    /// An operator has frozen what this replica serves.
    #[error("frozen by an operator's order")]
    Frozen,
    /// An acknowledgement from a stream that has been replaced.
    #[error("the stream has been replaced")]
    OldStream,
}

impl Refusal {
    /// Every word that [`Refusal::code`] may give.
    pub const CODES: [&'static str; 9] = [
        "stale-epoch",
        "other-term",
        "not-newer",
        "older-origin",
        "not-staged",
        "not-leader",
        "led",
        "frozen",
        "old-stream",
    ];

    /// A short word for the label of a metric.
    pub const fn code(self) -> &'static str {
        match self {
            Self::StaleEpoch(_) => "stale-epoch",
            Self::OtherTerm(_) => "other-term",
            Self::NotNewer(_) => "not-newer",
            Self::OlderOrigin(_) => "older-origin",
            Self::NotStaged => "not-staged",
            Self::NotLeader => "not-leader",
            Self::Led => "led",
            Self::Frozen => "frozen",
            Self::OldStream => "old-stream",
        }
    }
}

impl Fence {
    /// The highest epoch seen.
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Admits `epoch` of `term`, where the term is known; tells whether that raised the fence.
    ///
    /// # Errors
    ///
    /// Where a newer epoch, or another term of the same one, was seen before.
    pub fn admit(&mut self, epoch: Epoch, term: Option<TermId>) -> Result<bool, Refusal> {
        if epoch < self.epoch {
            if Protection::Fence.is_off() {
                return Ok(false);
            }
            return Err(Refusal::StaleEpoch(self.epoch));
        }
        if epoch > self.epoch {
            *self = Self { epoch, term };
            return Ok(true);
        }
        match (self.term, term) {
            (Some(bound), Some(other)) if bound != other => Err(Refusal::OtherTerm(epoch)),
            (None, Some(first)) => {
                self.term = Some(first);
                Ok(false)
            }
            _ => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_only_grow_and_bind_their_first_term() {
        let (a, b) = (Some(TermId(1)), Some(TermId(2)));
        let mut fence = Fence::default();
        assert_eq!(fence.admit(Epoch(3), None), Ok(true));
        assert_eq!(fence.admit(Epoch(3), a), Ok(false), "the first term seen is bound");
        assert_eq!(fence.admit(Epoch(3), b), Err(Refusal::OtherTerm(Epoch(3))));
        assert_eq!(fence.admit(Epoch(2), a), Err(Refusal::StaleEpoch(Epoch(3))));
        assert_eq!(fence.admit(Epoch(4), b), Ok(true));
        assert_eq!(fence.admit(Epoch(4), a), Err(Refusal::OtherTerm(Epoch(4))));
    }
}
