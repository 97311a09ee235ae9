//! Definitions from the table of another route server: a routesrv, or a Bellwether, whose replicas it so stands behind.
//!
//! In: a URL. Out: with each poll its table, asked for by the tag of the last one, verified and taken apart; unchanged, it is what
//! was read before. What can go wrong: no whole answer in time, another status, a table that is not what its ETag says, or is
//! older than the last one: a replica of the upstream that is behind is not believed. Then nothing published changes.

mod address;
mod answer;
mod error;
mod exchange;
mod look;
mod tls;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::versions::{Floor, Verdict};
use super::{ObjectSource, Reading, SourceError};
use crate::net::Net;
use crate::object::{Definition, Objects};
use crate::time::Clock;
use answer::Answer;
use tls::Tls;

pub use address::{Address, AddressError};
pub use error::{FileError, RemoteError};
pub use look::{Look, LookError, look};
pub use tls::ClientFiles;

/// How long an exchange may take, its body included.
const DEADLINE: Duration = Duration::from_secs(20);

/// Where the table is, and how it is reached.
#[derive(Clone, Debug)]
pub struct RemoteConfig {
    /// Its URL.
    pub address: Address,
    /// The files of TLS, for `https://`.
    pub files: ClientFiles,
    /// The network.
    pub net: Net,
}

/// The table of another route server.
pub struct Remote {
    address: Address,
    net: Net,
    tls: Option<Tls>,
    clock: Arc<dyn Clock>,
    deadline: Duration,
    floor: Floor,
    last: Option<Last>,
}

/// What was read last.
struct Last {
    /// None where the next answer shall be a whole one.
    tag: Option<String>,
    reading: Reading,
}

impl Remote {
    /// The table that `config` describes. Nothing is asked yet.
    ///
    /// # Errors
    ///
    /// Where the files of TLS cannot be used.
    pub fn new(config: RemoteConfig, clock: Arc<dyn Clock>) -> Result<Self, FileError> {
        let RemoteConfig { address, files, net } = config;
        let tls = address.tls.then(|| Tls::load(files)).transpose()?;
        Ok(Self { address, net, tls, clock, deadline: DEADLINE, floor: Floor::default(), last: None })
    }

    async fn look(&mut self) -> Result<Reading, RemoteError> {
        let tls = self.tls.as_mut().map(Tls::current);
        let tag = self.last.as_ref().and_then(|last| last.tag.clone());
        let asked = exchange::get(&self.net, &self.address, tls, tag.as_deref());
        let answer = tokio::time::timeout(self.deadline, asked).await;
        let answer = answer.unwrap_or(Err(RemoteError::Deadline(self.deadline)))?;
        let known = self.last.as_ref().map(|last| last.reading.clone()).unwrap_or_default();
        let (address, before) = (self.address.clone(), known.objects.definitions.clone());
        // A large table is a second's work.
        let read = tokio::task::spawn_blocking(move || take_in(answer, tag.is_some(), &address, &before));
        let read = read.await.map_err(|error| RemoteError::Panic(error.to_string()))?;
        let Some((tag, mut reading)) = read? else { return Ok(known) };
        match self.floor.check(&reading.objects.resource_versions, self.clock.now()) {
            Verdict::Newer => {}
            Verdict::Older { read, seen, .. } => return Err(RemoteError::Older { read, seen }),
            Verdict::Restored => reading.restored_store = true,
        }
        // That is said once.
        let lasting = Reading { restored_store: false, ..reading.clone() };
        self.last = Some(Last { tag, reading: lasting });
        Ok(reading)
    }
}

/// The reading that an answer gives, and its tag. None where it is the one before.
fn take_in(
    answer: Answer,
    asked_by_tag: bool,
    address: &Address,
    before: &[Arc<Definition>],
) -> Result<Option<(Option<String>, Reading)>, RemoteError> {
    let Some(table) = answer.table(asked_by_tag)? else { return Ok(None) };
    let (definitions, diagnostics) = Definition::of_document(&address.name(), &table.text, before)?;
    // The versions of one upstream say nothing of another's.
    let version = table.version.map(|version| (address.to_string(), version.to_string()));
    let resource_versions = version.into_iter().collect();
    let objects = Objects { definitions, resource_versions, ..Objects::default() };
    Ok(Some((table.tag, Reading { objects, diagnostics, restored_store: false })))
}

impl ObjectSource for Remote {
    async fn read(&mut self) -> Result<Reading, SourceError> {
        self.look().await.map_err(|error| SourceError {
            what: format!("read the table at {}", self.address),
            code: error.code(),
            retry_after: error.retry_after(),
            cause: error.to_string(),
        })
    }

    fn raise_floor(&mut self, versions: &BTreeMap<String, String>) {
        self.floor.raise(versions);
    }

    fn doubt(&mut self) {
        if let Some(last) = &mut self.last {
            last.tag = None;
        }
    }

    fn forget(&mut self) {
        self.last = None;
    }
}

#[cfg(test)]
mod tests;
