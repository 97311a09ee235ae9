//! A disk that can be full, read-only, or lie: a small file system in memory, mounted on a folder.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};

use super::{Lacking, inside};

/// What takes the room.
const FILLER: &str = ".filler";

/// How long a process may have a file open for writing when the disk is to be read-only.
const PATIENCE: Duration = Duration::from_secs(3);

/// A mounted disk; unmounted, with all that is on it, when this is dropped.
#[derive(Debug)]
pub struct Disk(PathBuf);

/// What happens to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// One bit in its middle turns over.
    Bit,
    /// Its second half is gone.
    Half,
    /// Nothing is left in it.
    Empty,
    /// It is gone.
    Gone,
}

impl Disk {
    /// Mounts one with room for so many `bytes` on `folder`. Nobody but the harness and its processes sees it.
    ///
    /// # Errors
    ///
    /// On loopback: it would stay when the harness is killed.
    pub fn mount(folder: &Path, bytes: u64) -> Result<Self> {
        if !inside() {
            return Err(Lacking::new("places of their own, and so root").into());
        }
        let options = std::ffi::CString::new(format!("size={bytes}"))?;
        mount("chaos", folder, "tmpfs", MountFlags::empty(), &*options)
            .with_context(|| format!("mount a disk on {}", folder.display()))?;
        Ok(Self(folder.to_owned()))
    }

    /// Leaves no room on it.
    ///
    /// # Errors
    ///
    /// Where it fails in another way than that.
    pub fn fill(&self) -> Result<()> {
        let mut filler = File::create(self.0.join(FILLER)).context("make a file that takes the room")?;
        loop {
            match filler.write(&[0; 4096]) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(()),
                Err(error) => return Err(error).context("take the room"),
            }
        }
    }

    /// Gives the room back.
    ///
    /// # Errors
    ///
    /// Where it is not full.
    pub fn free(&self) -> Result<()> {
        fs::remove_file(self.0.join(FILLER)).context("give the room back")
    }

    /// From now on nothing can be written, or everything again.
    ///
    /// # Errors
    ///
    /// Where a file stays open for writing.
    pub fn read_only(&self, read_only: bool) -> Result<()> {
        let flags = if read_only { MountFlags::RDONLY } else { MountFlags::empty() };
        let step = Duration::from_millis(5);
        for _ in 0..PATIENCE.as_millis() / step.as_millis() {
            match mount_remount(&self.0, flags, c"") {
                Err(Errno::BUSY) => std::thread::sleep(step),
                done => return done.with_context(|| format!("remount {}", self.0.display())),
            }
        }
        bail!("{}: a file stays open for writing", self.0.display())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = unmount(&self.0, UnmountFlags::DETACH);
    }
}

/// Does `damage` to every file in `folder`, which nobody is to have open; returns how many there were.
///
/// # Errors
///
/// Where one cannot be read or written.
pub fn damage(folder: &Path, damage: Damage) -> Result<usize> {
    let mut count = 0;
    for entry in fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let path = entry?.path();
        if !path.is_file() {
            continue;
        }
        let mut bytes = fs::read(&path)?;
        let middle = bytes.len() / 2;
        match damage {
            Damage::Bit => bytes.iter_mut().skip(middle).take(1).for_each(|byte| *byte ^= 1),
            Damage::Half => bytes.truncate(middle),
            Damage::Empty => bytes.clear(),
            Damage::Gone => {}
        }
        match damage {
            Damage::Gone => fs::remove_file(&path)?,
            _ => fs::write(&path, bytes)?,
        }
        count += 1;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_done_to_every_file() {
        let folder = tempfile::tempdir().unwrap();
        for (how, left) in [
            (Damage::Bit, Some(&b"abbd"[..])),
            (Damage::Half, Some(b"ab")),
            (Damage::Empty, Some(b"")),
            (Damage::Gone, None),
        ] {
            let path = folder.path().join("a");
            fs::write(&path, "abcd").unwrap();
            assert_eq!(damage(folder.path(), how).unwrap(), 1);
            assert_eq!(fs::read(&path).ok().as_deref(), left);
        }
        assert_eq!(damage(folder.path(), Damage::Bit).unwrap(), 0);
    }
}
