//! `-tls-key-log-file`: the secrets of sessions, for who reads a dump of their packets.
//!
//! In: what the TLS library tells of each session. Out: a line each in the format of NSS
//! (<https://firefox-source-docs.mozilla.org/security/nss/legacy/key_log_format/index.html>), appended to a file that only
//! its owner reads. What can go wrong: a file that cannot be written, at the start an error, and later lost lines.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use parking_lot::Mutex;
use rustls::KeyLog;

/// The file, open.
#[derive(Debug)]
pub(super) struct KeyLogFile(Mutex<File>);

impl KeyLogFile {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        Ok(Self(Mutex::new(file)))
    }
}

impl KeyLog for KeyLogFile {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let line = format!("{label} {} {}\n", hex::encode(client_random), hex::encode(secret));
        // A session is worth more than its dump.
        let _ = self.0.lock().write_all(line.as_bytes());
    }
}
