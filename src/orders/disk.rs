//! Orders on disk, so that what was ordered outlives every restart: magic, SHA-256 of the rest, the protocol's `Orders`.
//! Written to a temporary file, synced, renamed, and the folder synced, as the last known good is.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;

use prost::Message;
use sha2::{Digest as _, Sha256};

use super::Orders;
use crate::wire;

const MAGIC: &[u8; 8] = b"BWORDR\r\n";
const NAME: &str = "orders";
const TEMPORARY: &str = "orders.new";

/// The file in the state folder.
#[derive(Clone, Debug)]
pub struct OrdersFile {
    folder: PathBuf,
}

/// Why orders could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum OrdersError {
    /// The system refused.
    #[error("{}: {cause}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// It is damaged, or not one of ours.
    #[error("{} is damaged, or no file of Bellwether; give the orders anew where no other replica has them", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

impl OrdersFile {
    /// The file in `folder`, which must be there before it is written.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// What was ordered when this was written last; nothing where it never was.
    ///
    /// # Errors
    ///
    /// Where there is a file that cannot be read, or is not what was written.
    pub fn read(&self) -> Result<Orders, OrdersError> {
        let path = self.folder.join(NAME);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Orders::default()),
            Err(cause) => return Err(OrdersError::Io { path, cause }),
        };
        decode(&bytes).ok_or(OrdersError::Damaged { path })
    }

    /// Keeps `orders`.
    ///
    /// # Errors
    ///
    /// Where any step fails; what was on disk before is still there.
    pub fn write(&self, orders: &Orders) -> Result<(), OrdersError> {
        let path = self.folder.join(TEMPORARY);
        self.replace(&path, orders).map_err(|cause| OrdersError::Io { path, cause })
    }

    fn replace(&self, temporary: &PathBuf, orders: &Orders) -> io::Result<()> {
        let body = wire::Orders::from(orders).encode_to_vec();
        let mut file = File::create(temporary)?;
        file.write_all(MAGIC)?;
        file.write_all(&Sha256::digest(&body))?;
        file.write_all(&body)?;
        file.sync_all()?;
        fs::rename(temporary, self.folder.join(NAME))?;
        File::open(&self.folder)?.sync_all()
    }
}

fn decode(bytes: &[u8]) -> Option<Orders> {
    let (checksum, body) = bytes.strip_prefix(MAGIC)?.split_at_checked(32)?;
    (Sha256::digest(body)[..] == *checksum).then_some(())?;
    Some(wire::Orders::decode(body).ok()?.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::orders::{Act, Target};
    use crate::snapshot::{Digest, Version};

    #[test]
    fn what_was_ordered_is_there_after_a_restart() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = OrdersFile::new(folder.path());
        assert_eq!(file.read().expect("nothing is no fault"), Orders::default());
        let mut orders = Orders::default();
        let target =
            Target { version: Version::new(7, 3), origin: Version::new(6, 9), digest: Digest::of(b"a") };
        orders.give(Act::Rollback(target), "ann".to_owned(), "bad change".to_owned(), 5);
        orders.give(Act::GuardRelease, "bob".to_owned(), String::new(), 6);
        file.write(&orders).expect("written");
        assert_eq!(file.read().expect("there"), orders);
    }

    #[test]
    fn damage_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = OrdersFile::new(folder.path());
        let mut orders = Orders::default();
        orders.give(Act::Freeze, "ann".to_owned(), "calm".to_owned(), 5);
        file.write(&orders).expect("written");
        let path = folder.path().join(NAME);
        let good = fs::read(&path).expect("there");
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, &bad).expect("written");
            assert!(file.read().expect_err("damaged").to_string().contains("is damaged"));
            fs::write(&path, &good[..at]).expect("written");
            assert!(file.read().is_err(), "cut at {at}");
        }
    }

    #[test]
    fn folder_that_is_not_there_is_named() {
        let file = OrdersFile::new("/nonexistent");
        assert!(file.write(&Orders::default()).expect_err("no folder").to_string().contains("/nonexistent/"));
    }
}
