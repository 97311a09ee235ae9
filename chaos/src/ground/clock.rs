//! A wall clock that is wrong for one process, by libfaketime. Its monotonic clocks are left alone: they do not jump on
//! any machine.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use jiff::SignedDuration;

use super::Lacking;

/// Where the library is: Debian's package, Fedora's, one's own.
const FOLDERS: [&str; 5] = [
    "/usr/lib/x86_64-linux-gnu/faketime",
    "/usr/lib/aarch64-linux-gnu/faketime",
    "/usr/lib64/faketime",
    "/usr/lib/faketime",
    "/usr/local/lib/faketime",
];

/// The build of it for programs with threads.
const LIBRARY: &str = "libfaketimeMT.so.1";

/// The wall clock of whoever is started with its [`WallClock::env`]. Programs that do not ask libc for the time, like those
/// in Go, do not see it.
#[derive(Clone, Debug)]
pub struct WallClock {
    library: PathBuf,
    file: PathBuf,
}

impl WallClock {
    /// One that is right, kept in `folder`.
    ///
    /// # Errors
    ///
    /// Where libfaketime is not installed.
    pub fn new(folder: &Path) -> Result<Self> {
        let library =
            FOLDERS.map(|folder| Path::new(folder).join(LIBRARY)).into_iter().find(|path| path.exists());
        let library = library.ok_or_else(|| Lacking::new("libfaketime (Debian package libfaketime)"))?;
        let clock = Self { library, file: folder.join("wall-clock") };
        clock.shift(SignedDuration::ZERO)?;
        Ok(clock)
    }

    /// What a process is started with that is to have it.
    pub fn env(&self) -> [(String, String); 5] {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        [
            pair("LD_PRELOAD", &self.library.display().to_string()),
            pair("FAKETIME_TIMESTAMP_FILE", &self.file.display().to_string()),
            pair("FAKETIME_NO_CACHE", "1"),
            pair("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            pair("NO_FAKE_STAT", "1"),
        ]
    }

    /// From now on it is so far ahead, or behind.
    ///
    /// # Errors
    ///
    /// Where that cannot be written.
    pub fn shift(&self, ahead: SignedDuration) -> Result<()> {
        let new = self.file.with_extension("new");
        let text = format!("{:+.3}\n", ahead.as_secs_f64());
        fs::write(&new, text).with_context(|| format!("write {}", new.display()))?;
        // In one step: half a number is another time.
        fs::rename(&new, &self.file).with_context(|| format!("write {}", self.file.display()))
    }
}
