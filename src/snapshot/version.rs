//! The numbers that travel: epoch, sequence, version, and the name of a term.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

/// The fencing token of one term of leadership. Grows with every acquisition of the Lease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// The number of a publication within its epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub u64);

/// `(epoch, sequence)`, totally ordered; written `EPOCH.SEQUENCE`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// The term that published.
    pub epoch: Epoch,
    /// Which of its publications.
    pub sequence: Sequence,
}

/// The nonce of one acquisition of the Lease: tells two terms apart that came to the same epoch.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TermId(pub u128);

/// A text that is not a version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a version; write EPOCH.SEQUENCE, as 12.3")]
pub struct VersionError(String);

impl Version {
    /// The version `(epoch, sequence)`.
    pub const fn new(epoch: u64, sequence: u64) -> Self {
        Self { epoch: Epoch(epoch), sequence: Sequence(sequence) }
    }

    /// The next publication of the same epoch.
    pub const fn next(self) -> Self {
        Self { epoch: self.epoch, sequence: Sequence(self.sequence.0 + 1) }
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.sequence)
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let numbers = text.split_once('.').and_then(|(e, s)| Some((e.parse().ok()?, s.parse().ok()?)));
        let (epoch, sequence) = numbers.ok_or_else(|| VersionError(text.to_owned()))?;
        Ok(Self::new(epoch, sequence))
    }
}

impl TermId {
    /// As it travels: 16 bytes, the most significant first.
    pub fn to_wire(self) -> Bytes {
        Bytes::copy_from_slice(&self.0.to_be_bytes())
    }

    /// The term that `bytes` from the wire name; `None` where they are not 16.
    pub fn from_wire(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|bytes| Self(u128::from_be_bytes(bytes)))
    }
}

impl fmt::Display for TermId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for TermId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for TermId {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        u128::from_str_radix(text, 16).map(Self).map_err(|_| VersionError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epoch_outranks_sequence() {
        assert!(Version::new(2, 0) > Version::new(1, 99));
        assert!(Version::new(2, 1) > Version::new(2, 0));
    }

    #[test]
    fn version_reads_what_it_writes() {
        let version = Version::new(12, 3);
        assert_eq!(version.to_string().parse(), Ok(version));
        assert!("12".parse::<Version>().is_err());
        assert!("a.b".parse::<Version>().is_err());
    }
}
