//! `basicAuth`: users and bcrypt hashes in a file, as `htpasswd -B` writes them.
//!
//! In: the head of a request. Out: whether it shows a user and the password. A password that was right is known for as
//! long as the file says the same; others cost a check, of which only a few go on at once, away from the threads that
//! serve. What can go wrong: a file that cannot be read, at the start an error, and later a warning: the users stay.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use crate::time::Moment;

/// How long the file is not looked at again.
const LOOK: Duration = Duration::from_secs(1);

/// How many passwords are checked at once.
const CHECKS: usize = 2;

/// How many right passwords are known at most.
const MOST_KNOWN: usize = 10_000;

/// Why there are no users.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PasswordsError {
    /// The file.
    #[error("-route-server-filters: basicAuth: {} cannot be read: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        reason: String,
    },
    /// A line of it.
    #[error("-route-server-filters: basicAuth: {}:{line} is not USER:HASH with a bcrypt hash; use htpasswd -B", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
    },
    /// All of it.
    #[error("-route-server-filters: basicAuth: {} names no user, so nobody would be let in", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// Who is let in.
#[derive(Debug)]
pub(super) struct Passwords {
    path: PathBuf,
    state: Mutex<State>,
    checks: Semaphore,
}

#[derive(Debug, Default)]
struct State {
    /// Users and their hashes.
    users: HashMap<String, String>,
    modified: Option<SystemTime>,
    looked: Option<Moment>,
    /// Keys of users, hashes and right passwords.
    known: HashSet<[u8; 32]>,
}

/// What a request shows.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Credentials {
    user: String,
    password: Vec<u8>,
}

impl Passwords {
    pub(super) fn load(path: PathBuf) -> Result<Self, PasswordsError> {
        let modified = modified(&path);
        let state = State { users: read(&path)?, modified, ..State::default() };
        Ok(Self { path, state: Mutex::new(state), checks: Semaphore::new(CHECKS) })
    }

    /// Whether a request with these headers is let in.
    pub(super) async fn admit(this: &Arc<Self>, headers: &HeaderMap, now: Moment) -> bool {
        let Some(credentials) = Credentials::of(headers) else { return false };
        if this.knows(&credentials, now) {
            return true;
        }
        let Ok(_check) = this.checks.acquire().await else { return false };
        let this = Arc::clone(this);
        let check = tokio::task::spawn_blocking(move || this.check(&credentials, now));
        check.await.unwrap_or(false)
    }

    /// Whether it was right before, and the file was looked at a moment ago.
    fn knows(&self, credentials: &Credentials, now: Moment) -> bool {
        let state = self.state.lock();
        let is_fresh = state.looked.is_some_and(|looked| now.since(looked) < LOOK);
        let key = state.users.get(&credentials.user).map(|hash| credentials.key(hash));
        is_fresh && key.is_some_and(|key| state.known.contains(&key))
    }

    fn check(&self, credentials: &Credentials, now: Moment) -> bool {
        self.look(now);
        let Some(hash) = self.state.lock().users.get(&credentials.user).cloned() else { return false };
        let key = credentials.key(&hash);
        if self.state.lock().known.contains(&key) {
            return true;
        }
        let is_right = bcrypt::verify(&credentials.password, &hash).unwrap_or(false);
        if is_right {
            let mut state = self.state.lock();
            if state.known.len() >= MOST_KNOWN {
                state.known.clear();
            }
            state.known.insert(key);
        }
        is_right
    }

    /// Takes the file up, if it has changed.
    fn look(&self, now: Moment) {
        let modified = modified(&self.path);
        let has_changed = {
            let mut state = self.state.lock();
            state.looked = Some(now);
            std::mem::replace(&mut state.modified, modified) != modified
        };
        if !has_changed {
            return;
        }
        match read(&self.path) {
            Ok(users) => {
                let mut state = self.state.lock();
                state.users = users;
                state.known.clear();
                tracing::info!(path = %self.path.display(), "the passwords are renewed");
            }
            Err(error) => tracing::warn!(%error, "the old passwords stay"),
        }
    }
}

impl Credentials {
    /// Those of the first `Authorization`, read as strictly as by the peer.
    fn of(headers: &HeaderMap) -> Option<Self> {
        let encoded = headers.get(AUTHORIZATION)?.as_bytes().strip_prefix(b"Basic ")?;
        let decoded = STANDARD.decode(encoded).ok()?;
        let colon = decoded.iter().position(|byte| *byte == b':')?;
        let user = String::from_utf8(decoded[..colon].to_vec()).ok().filter(|user| !user.is_empty())?;
        Some(Self { user, password: decoded[colon + 1..].to_vec() })
    }

    /// What tells that this password was right for this hash.
    fn key(&self, hash: &str) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update((hash.len() as u64).to_be_bytes());
        digest.update(hash);
        digest.update(&self.password);
        digest.finalize().into()
    }
}

fn modified(path: &PathBuf) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

fn read(path: &PathBuf) -> Result<HashMap<String, String>, PasswordsError> {
    let text = fs::read_to_string(path)
        .map_err(|error| PasswordsError::Unreadable { path: path.clone(), reason: error.to_string() })?;
    let lines = text.lines().map(str::trim).enumerate();
    let users = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).map(|(at, line)| {
        let entry = line.split_once(':').map(|(user, rest)| (user, rest.split(':').next().unwrap_or(rest)));
        let entry = entry.filter(|(user, hash)| !user.is_empty() && is_bcrypt(hash));
        let (user, hash) = entry.ok_or_else(|| PasswordsError::Line { path: path.clone(), line: at + 1 })?;
        Ok((user.to_owned(), hash.to_owned()))
    });
    let users: HashMap<_, _> = users.collect::<Result<_, _>>()?;
    if users.is_empty() {
        return Err(PasswordsError::Empty { path: path.clone() });
    }
    Ok(users)
}

fn is_bcrypt(hash: &str) -> bool {
    ["$2a$", "$2b$", "$2x$", "$2y$"].iter().any(|prefix| hash.starts_with(prefix)) && hash.len() == 60
}

#[cfg(test)]
mod tests;
