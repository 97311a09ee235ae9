//! One table with its encodings, made once.

use std::io::{Read, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use super::Digest;

/// A table as it is served: plain, gzip, digest, number of routes, and when it last changed.
#[derive(Clone, Debug)]
pub struct Table {
    plain: Bytes,
    gzip: Bytes,
    digest: Digest,
    /// The SHA-256 of `gzip`.
    packed: Digest,
    routes: u64,
    modified_secs: u64,
}

/// What a second look at a table finds.
#[derive(Clone, Debug)]
pub enum Condition {
    /// Both encodings are what they were.
    Sound,
    /// One of them was not; here it is made anew from the other.
    Mended(Box<Table>),
    /// Neither is.
    Lost,
}

/// Why bytes did not become a table.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The gzip stream is broken or longer than its table was announced to be.
    #[error("the compressed table cannot be unpacked")]
    Gzip(#[source] std::io::Error),
    /// The bytes are not those that were announced.
    #[error("the table hashes to {found:?}, announced was {announced:?}")]
    Digest {
        /// What was announced.
        announced: Digest,
        /// What the bytes hash to.
        found: Digest,
    },
}

impl Table {
    /// A table of `routes` routes from the compiler's text, that changed at `modified_secs` (Unix time, as HTTP
    /// dates have it). Digests and compresses.
    pub fn new(plain: impl Into<Bytes>, routes: u64, modified_secs: u64) -> Self {
        let plain = plain.into();
        let digest = Digest::of(&plain);
        let gzip = compress(&plain);
        let packed = Digest::of(&gzip);
        Self { plain, gzip, digest, packed, routes, modified_secs }
    }

    /// A table from its compressed bytes, as they come from a leader or the disk.
    ///
    /// # Errors
    ///
    /// Where the bytes cannot be unpacked to exactly `length` bytes, or do not hash to `digest`.
    pub fn from_gzip(
        gzip: Bytes,
        length: u64,
        digest: Digest,
        routes: u64,
        modified_secs: u64,
    ) -> Result<Self, TableError> {
        let plain = decompress(&gzip, length).map_err(TableError::Gzip)?;
        let found = Digest::of(&plain);
        if found != digest {
            return Err(TableError::Digest { announced: digest, found });
        }
        let packed = Digest::of(&gzip);
        Ok(Self { plain, gzip, digest, packed, routes, modified_secs })
    }

    /// The same table, with the moment of change of another one: where the bytes are equal, nothing changed.
    pub fn modified_at(self, modified_secs: u64) -> Self {
        Self { modified_secs, ..self }
    }

    /// Hashes both encodings again.
    pub fn inspect(&self) -> Condition {
        let whole = [(&self.plain, self.digest), (&self.gzip, self.packed)]
            .map(|(bytes, digest)| Digest::of(bytes) == digest);
        let (routes, modified_secs) = (self.routes, self.modified_secs);
        match whole {
            [true, true] => Condition::Sound,
            [true, false] => {
                Condition::Mended(Box::new(Self::new(self.plain.clone(), routes, modified_secs)))
            }
            [false, true] => {
                let length = self.plain.len() as u64;
                let anew = Self::from_gzip(self.gzip.clone(), length, self.digest, routes, modified_secs);
                anew.map_or(Condition::Lost, |table| Condition::Mended(Box::new(table)))
            }
            [false, false] => Condition::Lost,
        }
    }

    /// The same table with a bit flipped in the plain or the compressed bytes, as bad memory would, for tests.
    #[doc(hidden)]
    pub fn damaged_for_tests(&self, plain: bool, gzip: bool) -> Self {
        let flip = |bytes: &Bytes, damage: bool| {
            let mut bytes = bytes.to_vec();
            if let Some(byte) = bytes.last_mut().filter(|_| damage) {
                *byte ^= 1;
            }
            Bytes::from(bytes)
        };
        Self { plain: flip(&self.plain, plain), gzip: flip(&self.gzip, gzip), ..self.clone() }
    }

    /// The canonical Eskip text.
    pub const fn plain(&self) -> &Bytes {
        &self.plain
    }

    /// The text, compressed.
    pub const fn gzip(&self) -> &Bytes {
        &self.gzip
    }

    /// The SHA-256 of the text.
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// How many routes it has: `X-Count`.
    pub const fn routes(&self) -> u64 {
        self.routes
    }

    /// When its bytes last changed, in seconds since the epoch of Unix: `Last-Modified`.
    pub const fn modified_secs(&self) -> u64 {
        self.modified_secs
    }
}

/// Gzip at level 6 without a time in its header, as Go's default writer does: equal text gives equal bytes.
fn compress(plain: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 8 + 64), Compression::new(6));
    encoder.write_all(plain).and_then(|()| encoder.finish()).expect("writing to memory does not fail").into()
}

fn decompress(gzip: &[u8], length: u64) -> std::io::Result<Bytes> {
    // One byte more than announced is enough to see that it is too long, and bounds what a liar can make us hold.
    let mut plain = Vec::with_capacity(usize::try_from(length.min(1 << 30)).unwrap_or(0));
    GzDecoder::new(gzip).take(length.saturating_add(1)).read_to_end(&mut plain)?;
    if plain.len() as u64 != length {
        return Err(std::io::Error::new(
            std::io::ErrorKind::InvalidData,
            "its length is not the announced one",
        ));
    }
    Ok(plain.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a: * -> <shunt>;\nb: Path(\"/b\") -> \"http://10.0.0.1:80\"";

    #[test]
    fn table_survives_its_own_compression() {
        let table = Table::new(TEXT, 2, 7);
        let back =
            Table::from_gzip(table.gzip().clone(), TEXT.len() as u64, table.digest(), 2, 7).expect("same");
        assert_eq!(back.plain(), TEXT);
        assert_eq!(back.digest(), Digest::of(TEXT.as_bytes()));
    }

    #[test]
    fn damage_in_memory_is_found_and_mended_from_the_other_encoding() {
        let table = Table::new(TEXT, 2, 7);
        assert!(matches!(table.inspect(), Condition::Sound));
        for (plain, gzip) in [(true, false), (false, true)] {
            let Condition::Mended(mended) = table.damaged_for_tests(plain, gzip).inspect() else {
                panic!("one encoding is sound");
            };
            assert_eq!((mended.plain(), mended.gzip()), (table.plain(), table.gzip()));
        }
        assert!(matches!(table.damaged_for_tests(true, true).inspect(), Condition::Lost));
    }

    #[test]
    fn flipped_bit_and_wrong_length_are_refused() {
        let table = Table::new(TEXT, 2, 7);
        let other = Table::new(TEXT.replace('b', "c"), 2, 7);
        let refused = Table::from_gzip(other.gzip().clone(), TEXT.len() as u64, table.digest(), 2, 7);
        assert!(matches!(refused, Err(TableError::Digest { .. })), "{refused:?}");
        let short = Table::from_gzip(table.gzip().clone(), 3, table.digest(), 2, 7);
        assert!(matches!(short, Err(TableError::Gzip(_))), "{short:?}");
        let cut = Table::from_gzip(table.gzip().slice(..9), TEXT.len() as u64, table.digest(), 2, 7);
        assert!(matches!(cut, Err(TableError::Gzip(_))), "{cut:?}");
    }
}
