//! Whom a command is given to, and what lets it in.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use http::StatusCode;

use super::client::Client;
use super::{CliError, block_on};

/// How long a replica may take: it waits for the leader for two seconds.
const DEADLINE: Duration = Duration::from_secs(8);

/// A replica, as it is named on the command line.
#[derive(Args, Debug)]
pub(super) struct Whom {
    /// The support listener of any replica
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9911")]
    pub(super) server: String,
    /// A file with the token of --admin-token-file; not needed on the replica's own machine
    #[arg(long, value_name = "PATH")]
    pub(super) token_file: Option<PathBuf>,
}

/// The token in a file.
///
/// # Errors
///
/// Where it cannot be read.
pub(super) fn token(path: Option<&Path>) -> Result<Option<String>, CliError> {
    let read = |path: &Path| match std::fs::read_to_string(path) {
        Ok(token) => Ok(token.trim().to_owned()),
        Err(error) => Err(CliError::Usage(format!("--token-file: {}: {error}", path.display()))),
    };
    path.map(read).transpose()
}

impl Whom {
    /// Gives the command at `path`, and says what was answered.
    ///
    /// # Errors
    ///
    /// Where it was not taken, or the token cannot be read.
    pub(super) fn post(&self, path: &str) -> Result<Bytes, CliError> {
        let token = token(self.token_file.as_deref())?;
        let client = Client::new(DEADLINE);
        let answer = block_on(client.post(&self.server, path, token.as_deref()))?;
        let (status, body) = answer.map_err(|error| CliError::Failed(error.to_string()))?;
        if status != StatusCode::OK {
            let reason = String::from_utf8_lossy(&body);
            return Err(CliError::Failed(format!("{} answers {status}: {}", self.server, reason.trim())));
        }
        Ok(body)
    }
}
