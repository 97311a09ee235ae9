//! The port to whatever keeps the Lease, and its adapters.
//!
//! In: reads, creations and conditional replacements. Out: what is stored, or why not. An adapter owes: a replacement
//! succeeds only on the very key it names; a read is no older than the moment at which it was asked for; versions
//! grow over all objects that ever had the Lease's name.

mod file;
mod kubernetes;
pub mod memory;

use std::future::Future;
use std::time::Duration;

use tokio::sync::mpsc;

pub use file::{FileLease, FileLeaseError};
pub use kubernetes::KubernetesLease;

use super::identity::Identity;
use super::record::{Key, Record, Stored};

/// Where the one Lease of a fleet is kept.
pub trait LeaseStore: Send + Sync + 'static {
    /// The Lease as it is now.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] where there is none; else why it cannot be read.
    fn get(&self) -> impl Future<Output = Result<Stored, StoreError>> + Send;

    /// Creates the Lease.
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`] where there is one already; else why it cannot be written.
    fn create(&self, record: &Record) -> impl Future<Output = Result<Key, StoreError>> + Send;

    /// Replaces what `key` names, and nothing else.
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`] where the Lease has moved on; else why it cannot be written.
    fn replace(&self, key: &Key, record: &Record) -> impl Future<Output = Result<Key, StoreError>> + Send;

    /// Tells of changes as they happen, for as long as it is polled. It may miss some, tell of some twice or late; it
    /// never ends by itself.
    fn watch(&self, changes: mpsc::Sender<Change>) -> impl Future<Output = ()> + Send;

    /// Whether the process `holder` provably runs no more, as seen from `me`.
    fn is_gone(&self, holder: &Identity, me: &Identity) -> bool {
        me.succeeds(holder)
    }

    /// What the Lease is called in log lines, as `lease/bellwether in namespace default`.
    fn name(&self) -> String;
}

/// What a watch tells.
#[derive(Clone, Debug)]
pub enum Change {
    /// The Lease was written. It may have been written again since.
    Written(Box<Stored>),
    /// Something else happened, a deletion perhaps: read the Lease.
    Look,
}

/// Why a request on the Lease was not carried out, or may not have been.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another write came first. Not carried out.
    #[error("the lease has changed meanwhile")]
    Conflict,
    /// There is no Lease. Not carried out.
    #[error("there is no lease")]
    NotFound,
    /// We may not. Not carried out.
    #[error("{0}")]
    Forbidden(String),
    /// Too many requests. Not carried out.
    #[error("too many requests")]
    Throttled {
        /// When to come again, where the store said so.
        retry_after: Option<Duration>,
    },
    /// No answer in time. It may yet be carried out.
    #[error("no answer in time")]
    Timeout,
    /// Anything else. It may have been carried out.
    #[error("{0}")]
    Other(String),
}

impl StoreError {
    /// Whether a write that failed so may have been committed, or may yet be.
    pub(in crate::election) const fn is_ambiguous(&self) -> bool {
        matches!(self, Self::Timeout | Self::Other(_))
    }
}
