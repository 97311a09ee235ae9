//! One look at another route server, for people: what a leader's next poll would get there.
//!
//! In: where it is. Out: what its answer tells of it. It is asked as a source asks, without a tag; nothing is remembered of it. What
//! can go wrong is what can go wrong with a reading.

use std::time::Duration;

use tokio::time::Instant;

use super::answer::Answer;
use super::tls::Tls;
use super::{Address, DEADLINE, FileError, RemoteConfig, RemoteError, exchange};
use crate::aside::aside;
use crate::object::Definition;
use crate::snapshot::Version;

/// What stands behind the address, by a whole answer of it: status 200.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// How long the answer took, its body included.
    pub took: Duration,
    /// How many definitions it has.
    pub definitions: usize,
    /// How many of them do not parse.
    pub flawed: usize,
    /// The ETag; without one each poll fetches the whole table.
    pub tag: Option<String>,
    /// The version, if it is a Bellwether.
    pub version: Option<Version>,
    /// How long the table has been as it is, by the clock of who answers.
    pub unchanged_for: Option<Duration>,
}

/// Why nothing is seen.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// Our own files of TLS.
    #[error(transparent)]
    Files(#[from] FileError),
    /// The way there, or what it answers.
    #[error(transparent)]
    Answer(#[from] RemoteError),
}

/// Looks, by the deadline, the files and the rules of the source.
///
/// # Errors
///
/// Where a leader would read nothing there.
pub async fn look(config: RemoteConfig) -> Result<Look, LookError> {
    let RemoteConfig { address, files, net } = config;
    let tls = address.tls.then(|| Tls::load(files)).transpose()?.map(|mut tls| tls.current());
    let start = Instant::now();
    let answer = tokio::time::timeout(DEADLINE, exchange::get(&net, &address, tls, None)).await;
    let answer = answer.unwrap_or(Err(RemoteError::Deadline(DEADLINE)))?;
    let took = start.elapsed();
    let seen = aside(move || seen(answer, &address)).await;
    let seen = seen.map_err(|error| RemoteError::Panic(error.to_string()))?;
    Ok(Look { took, ..seen? })
}

fn seen(answer: Answer, address: &Address) -> Result<Look, RemoteError> {
    let unchanged_for = answer.unchanged_for();
    let Some(table) = answer.table(false)? else { return Ok(Look::default()) };
    let (definitions, _) = Definition::of_document(&address.name(), &table.text, &[])?;
    let flawed = definitions.iter().filter(|it| it.flaw.is_some()).count();
    let (tag, version) = (table.tag, table.version);
    Ok(Look { took: Duration::ZERO, definitions: definitions.len(), flawed, tag, version, unchanged_for })
}
