//! The stage: everything that a scenario plays on. Each part is one process or one listener on loopback.

mod accept;
pub mod apiserver;
pub mod backend;
pub mod badges;
pub mod cluster;
pub mod etcd;
pub mod fleet;
pub mod line;
pub mod link;
pub mod manifests;
pub mod pki;
pub mod program;
pub mod replica;
pub mod rights;
pub mod skipper;
pub mod switch;
pub mod vip;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::time::Instant;

/// The folder of one run: state, keys and logs. Goes away with it.
pub struct Folder(tempfile::TempDir);

impl Folder {
    /// A new one in the system's folder for temporary files.
    ///
    /// # Errors
    ///
    /// Where it cannot be made.
    pub fn new() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("bellwether-chaos-").tempdir();
        Ok(Self(folder.context("make a temporary folder")?))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The folder `name` in it, made where it is missing.
    ///
    /// # Errors
    ///
    /// Where it cannot be made.
    pub fn sub(&self, name: &str) -> Result<PathBuf> {
        let path = self.path().join(name);
        std::fs::create_dir_all(&path).with_context(|| format!("make {}", path.display()))?;
        Ok(path)
    }

    /// Keeps it for people to look at, and says where it is.
    pub fn keep(&mut self) -> &Path {
        self.0.disable_cleanup(true);
        self.path()
    }
}

/// Asks `done` each `every` until it gives a value.
///
/// # Errors
///
/// Where it gave none within `deadline`; the message names `what` was awaited.
pub async fn until<T>(
    what: &str,
    deadline: Duration,
    every: Duration,
    mut done: impl AsyncFnMut() -> Option<T>,
) -> Result<T> {
    let end = Instant::now() + deadline;
    loop {
        if let Some(value) = done().await {
            return Ok(value);
        }
        if Instant::now() >= end {
            bail!("{what}: not within {deadline:?}");
        }
        tokio::time::sleep(every).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn until_gives_the_value_or_names_what_did_not_come() {
        let mut left = 3;
        let second = Duration::from_secs(1);
        let value = until("three", second * 10, second, async || {
            left -= 1;
            (left == 0).then_some("here")
        });
        assert_eq!(value.await.unwrap(), "here");
        let never = until("the moon", second, second / 10, async || None::<()>).await;
        assert!(never.unwrap_err().to_string().contains("the moon"));
    }

    #[test]
    fn a_folder_goes_unless_it_is_kept() {
        let folder = Folder::new().unwrap();
        let path = folder.sub("logs").unwrap();
        drop(folder);
        assert!(!path.exists());
    }
}
