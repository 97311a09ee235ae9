//! The protections that the harness can leave out, one at a time, to show that each of them is missed.
//!
//! Only a build with the feature `mutations` can do so, where the environment says it; in every other build
//! [`Protection::is_off`] is a constant, and nothing can switch anything off (decision 5).

/// Something that keeps clients from harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// A term that is over, or was never the newest, is not obeyed: R1 and R8 of the protocol.
    Fence,
    /// Whoever is not in touch moves nobody, and is waited for until it is not: R5 and R11.
    Grants,
    /// A table that is doubtfully smaller is held back.
    Guard,
    /// A route that no client could parse is left out.
    Quarantine,
    /// What was begun is finished after SIGTERM, and the Service has time to forget the replica.
    Drain,
    /// Who did not get all of a table is sent it again.
    Ledger,
}

impl Protection {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Fence, Self::Grants, Self::Guard, Self::Quarantine, Self::Drain, Self::Ledger];

    /// Its name in [`VARIABLE`].
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fence => "fence",
            Self::Grants => "grants",
            Self::Guard => "guard",
            Self::Quarantine => "quarantine",
            Self::Drain => "drain",
            Self::Ledger => "ledger",
        }
    }

    /// Whether this process does without it.
    #[cfg(not(feature = "mutations"))]
    #[inline]
    pub const fn is_off(self) -> bool {
        false
    }

    /// Whether this process does without it.
    #[cfg(feature = "mutations")]
    pub fn is_off(self) -> bool {
        static OFF: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
        OFF.get_or_init(|| std::env::var(VARIABLE).ok()).as_deref() == Some(self.name())
    }
}

/// The environment variable that names the protection to do without.
pub const VARIABLE: &str = "BELLWETHER_WITHOUT";

#[cfg(all(test, not(feature = "mutations")))]
mod tests {
    use super::*;

    #[test]
    fn this_build_does_without_nothing() {
        assert!(Protection::ALL.iter().all(|protection| !protection.is_off()));
    }
}
