//! Who holds a Lease: `<name>_<uid>_<nonce>`, one for each process that ever ran.

use std::fmt;

use crate::snapshot::TermId;

/// The identity of one process.
///
/// A pod that is deleted by force may run on beside the one that replaces it under its name, so the name alone proves
/// nothing. A container that is restarted keeps its pod's UID and draws a new nonce: the kubelet starts it only after
/// it has reaped the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    name: String,
    uid: String,
    nonce: u128,
}

impl Identity {
    /// The process that runs as `name` in the pod with this UID, with a nonce of its own.
    ///
    /// # Errors
    ///
    /// Where the operating system gives no random bytes.
    pub fn of_pod(name: &str, uid: &str) -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        Ok(Self::new(name, uid, u128::from_ne_bytes(bytes)))
    }

    /// The process that runs as `name` in the pod with this UID, and has drawn this nonce.
    pub fn new(name: &str, uid: &str, nonce: u128) -> Self {
        Self { name: name.to_owned(), uid: uid.replace('_', "-"), nonce }
    }

    /// The replica's name: the pod's name, or what `--id` says.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What tells two that bear the same name apart: the pod's UID, or a description of the process.
    pub(in crate::election) fn uid(&self) -> &str {
        &self.uid
    }

    pub(in crate::election) const fn nonce(&self) -> u128 {
        self.nonce
    }

    /// What a Lease's holder says, where a replica wrote it.
    pub(in crate::election) fn parse(holder: &str) -> Option<Self> {
        let mut parts = holder.rsplitn(3, '_');
        let nonce = parts.next()?.parse::<TermId>().ok()?.0;
        let uid = parts.next()?;
        Some(Self { name: parts.next()?.to_owned(), uid: uid.to_owned(), nonce })
    }

    /// Whether `earlier` ran in the same pod before this process, so that it can no longer run.
    pub(in crate::election) fn succeeds(&self, earlier: &Self) -> bool {
        !self.uid.is_empty()
            && self.name == earlier.name
            && self.uid == earlier.uid
            && self.nonce != earlier.nonce
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}_{:032x}", self.name, self.uid, self.nonce)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes_whatever_the_name() {
        for (name, uid) in [("r0", "abc"), ("a_b_c", ""), ("", "x")] {
            let identity = Identity::new(name, uid, 7);
            assert_eq!(Identity::parse(&identity.to_string()), Some(identity));
        }
        assert_eq!(Identity::parse("somebody-else"), None);
        assert_eq!(Identity::parse("kube-controller_f00"), None);
    }

    #[test]
    fn only_the_same_pod_restarted_succeeds_itself() {
        let me = Identity::new("r0", "u1", 1);
        assert!(me.succeeds(&Identity::new("r0", "u1", 2)), "the container was restarted");
        assert!(!me.succeeds(&Identity::new("r0", "u2", 2)), "another pod of the same name");
        assert!(!me.succeeds(&me), "itself");
        assert!(!Identity::new("r0", "", 1).succeeds(&Identity::new("r0", "", 2)), "no uid proves nothing");
    }
}
