//! What a Lease says, apart from how a store keeps it.

use std::time::Duration;

use super::Leader;
use crate::snapshot::{Epoch, TermId};

/// What a write is conditional on: this object, at this version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The object's UID: another one was created since where it differs.
    pub uid: String,
    /// Its resourceVersion. Grows with each write to the store, over all objects that ever had the Lease's name.
    pub version: u64,
}

/// The contents of a Lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The identity of the process that holds it; empty where nobody does.
    pub holder: String,
    /// The epoch of the last term.
    pub epoch: Epoch,
    /// The nonce of the last term.
    pub term: TermId,
    /// The number of the write within its term: a reader tells by it which of several writes was committed.
    pub beat: u64,
    /// Whether the last term's leader itself gave the Lease up. A holder that anybody else removed may still lead.
    pub released: bool,
    /// Where the holder's replication stream listens.
    pub address: String,
    /// The software of the holder, for people.
    pub software: String,
    /// Who should take the released Lease: a replica's name or its identity.
    pub successor: Option<String>,
    /// How long the holder may be silent before others take the Lease.
    pub duration: Duration,
    /// How often the Lease changed hands, in client-go's sense. Not a fencing token.
    pub transitions: u32,
    /// When the holder took it, in microseconds since the epoch of Unix. For people; decides nothing.
    pub acquired_micros: i64,
    /// When the holder wrote it last, likewise.
    pub renewed_micros: i64,
}

/// A record as a store holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// What a write that replaces it is conditional on.
    pub key: Key,
    /// What it says.
    pub record: Record,
}

impl Record {
    /// Whether nobody ever held it.
    pub(in crate::election) fn is_bare(&self) -> bool {
        self.holder.is_empty() && self.term == TermId::default()
    }

    /// The leader that it names, where it names one that can be followed.
    pub(in crate::election) fn leader(&self) -> Option<Leader> {
        if self.holder.is_empty() || self.address.is_empty() || self.term == TermId::default() {
            return None;
        }
        Some(Leader {
            identity: self.holder.clone(),
            epoch: self.epoch,
            term: self.term,
            address: self.address.clone(),
        })
    }
}
