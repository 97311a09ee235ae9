//! One table with its encodings, made once.

use bytes::Bytes;

use super::gzip::{self, Packed};
use super::{Delta, Digest};

/// A table as it is served: plain, gzip, digest, number of routes, and when it last changed.
#[derive(Clone, Debug)]
pub struct Table {
    plain: Bytes,
    packed: Packed,
    digest: Digest,
    tags: Tags,
    routes: u64,
    modified_secs: u64,
}

/// The entity tags of both encodings, written once: each poll is held against them.
#[derive(Clone, Debug)]
struct Tags {
    plain: Bytes,
    gzip: Bytes,
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
    /// The delta is broken, or made for another table, or longer than its table was announced to be.
    #[error("the delta cannot be applied")]
    Delta(#[source] std::io::Error),
    /// The table that a delta starts from is not here (any more).
    #[error("the delta starts from {0:?}, which is not held")]
    Base(Digest),
    /// The text is right, but its compressed form is not that of the other replicas.
    #[error("its gzip bytes are not the sender's: another release made those")]
    Encoding,
}

impl Table {
    /// A table of `routes` routes from the compiler's text, that changed at `modified_secs` (Unix time, as HTTP
    /// dates have it). Digests and compresses.
    pub fn new(plain: impl Into<Bytes>, routes: u64, modified_secs: u64) -> Self {
        let plain = plain.into();
        let packed = Packed::of(&plain, None).expect("without a table before, nothing is taken from it");
        Self::made(plain, packed, routes, modified_secs)
    }

    /// The same, sooner: only what is not in `before` is compressed, and nothing at all where the text is equal. None where
    /// memory has damaged what would be taken over: a text that was made of that one may be damaged likewise.
    pub fn after(before: &Self, plain: impl Into<Bytes>, routes: u64, modified_secs: u64) -> Option<Self> {
        let plain = plain.into();
        if plain == before.plain {
            return Some(Self { routes, modified_secs, ..before.clone() });
        }
        if !before.packed.is_sound() {
            return None;
        }
        let packed = Packed::of(&plain, Some((&before.plain, &before.packed)))?;
        Some(Self::made(plain, packed, routes, modified_secs))
    }

    fn made(plain: Bytes, packed: Packed, routes: u64, modified_secs: u64) -> Self {
        let digest = Digest::of(&plain);
        Self { plain, packed, digest, tags: Tags::of(digest), routes, modified_secs }
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
        let plain = gzip::unpack(&gzip, length).map_err(TableError::Gzip)?;
        verify(&plain, digest)?;
        let (packed, tags) = (Packed::foreign(gzip), Tags::of(digest));
        Ok(Self { plain, packed, digest, tags, routes, modified_secs })
    }

    /// A table from what it differs in from `base`, compressed to the bytes that all replicas have.
    ///
    /// # Errors
    ///
    /// Where the delta does not lead to exactly `length` bytes that hash to `digest`, or these are compressed to others
    /// than the sender has. The whole table is to be asked for then.
    pub fn from_delta(
        base: &Self,
        delta: &Delta,
        length: u64,
        digest: Digest,
        routes: u64,
        modified_secs: u64,
    ) -> Result<Self, TableError> {
        let plain = delta.apply(&base.plain, length).map_err(TableError::Delta)?;
        verify(&plain, digest)?;
        let packed = Packed::of(&plain, Some((&base.plain, &base.packed)));
        let Some(packed) = packed.filter(|packed| packed.digest == delta.gzip) else {
            return Err(TableError::Encoding);
        };
        Ok(Self { plain, packed, digest, tags: Tags::of(digest), routes, modified_secs })
    }

    /// The same table, with the moment of change of another one: where the bytes are equal, nothing changed.
    pub fn modified_at(self, modified_secs: u64) -> Self {
        Self { modified_secs, ..self }
    }

    /// Hashes both encodings again.
    pub fn inspect(&self) -> Condition {
        let whole = [Digest::of(&self.plain) == self.digest, self.packed.is_sound()];
        let (routes, modified_secs) = (self.routes, self.modified_secs);
        match whole {
            [true, true] => Condition::Sound,
            [true, false] => {
                Condition::Mended(Box::new(Self::new(self.plain.clone(), routes, modified_secs)))
            }
            [false, true] => {
                let length = self.plain.len() as u64;
                let anew =
                    Self::from_gzip(self.packed.bytes.clone(), length, self.digest, routes, modified_secs);
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
        let mut packed = self.packed.clone();
        packed.bytes = flip(&packed.bytes, gzip);
        Self { plain: flip(&self.plain, plain), packed, ..self.clone() }
    }

    /// The canonical Eskip text.
    pub const fn plain(&self) -> &Bytes {
        &self.plain
    }

    /// The text, compressed.
    pub const fn gzip(&self) -> &Bytes {
        &self.packed.bytes
    }

    /// The SHA-256 of the compressed text: equal on all replicas.
    pub const fn gzip_digest(&self) -> Digest {
        self.packed.digest
    }

    /// The SHA-256 of the text.
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// The entity tag of its text, or of that compressed, quotes included: `ETag`.
    pub const fn tag(&self, gzip: bool) -> &Bytes {
        if gzip { &self.tags.gzip } else { &self.tags.plain }
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

impl Tags {
    fn of(digest: Digest) -> Self {
        Self { plain: format!("\"{digest}\"").into(), gzip: format!("\"{digest}+gzip\"").into() }
    }
}

fn verify(plain: &[u8], announced: Digest) -> Result<(), TableError> {
    let found = Digest::of(plain);
    if found == announced { Ok(()) } else { Err(TableError::Digest { announced, found }) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    /// The table of `text`, from the delta that leads there from `base`.
    fn by_delta(base: &Table, text: &str) -> Option<Result<Table, TableError>> {
        let target = Table::new(text.to_owned(), 2, 7);
        let delta = Delta::between(base, &target)?;
        assert!(delta.frame.len() < target.gzip().len());
        Some(Table::from_delta(base, &delta, text.len() as u64, target.digest(), 2, 7))
    }

    #[test]
    fn a_delta_of_one_route_is_small_and_leads_to_the_same_bytes() {
        let routes = |odd: usize| -> Vec<String> {
            let hash = |n: usize| Digest::of(&n.to_le_bytes()).to_string();
            (0..20_000)
                .map(|n| format!("r{n}: Path(\"/{}\") -> <shunt>;", hash(n + odd * usize::from(n == 9_999))))
                .collect()
        };
        let (old, new) = (Table::new(routes(0).join("\n"), 1, 1), Table::new(routes(7).join("\n"), 1, 1));
        let delta = Delta::between(&old, &new).expect("it is smaller");
        assert!(delta.frame.len() < 1024, "{} bytes", delta.frame.len());
        let back =
            Table::from_delta(&old, &delta, new.plain().len() as u64, new.digest(), 1, 1).expect("whole");
        assert_eq!((back.plain(), back.gzip()), (new.plain(), new.gzip()));
    }

    #[test]
    fn what_is_not_the_announced_table_is_refused() {
        let (old, new) = (Table::new(TEXT.repeat(9), 2, 7), Table::new(TEXT.repeat(10), 2, 7));
        let good = Delta::between(&old, &new).expect("it is smaller");
        let length = new.plain().len() as u64;
        let apply = |base: &Table, delta: &Delta, length| {
            Table::from_delta(base, delta, length, new.digest(), 2, 7).map(|table| table.plain().clone())
        };
        assert_eq!(apply(&old, &good, length).expect("right"), new.plain());
        for length in [0, length - 1, length + 1, u64::MAX] {
            let other = apply(&old, &good, length);
            assert!(matches!(other, Err(TableError::Delta(_))), "{other:?}");
        }
        let elsewhere = Table::new(TEXT.replace('b', "c").repeat(9), 2, 7);
        assert!(apply(&elsewhere, &good, length).is_err());
        let encoded = apply(&old, &Delta { gzip: old.digest(), ..good.clone() }, length);
        assert!(matches!(encoded, Err(TableError::Encoding)), "{encoded:?}");
        for at in 0..good.frame.len() {
            let mut frame = good.frame.to_vec();
            frame[at] ^= 0x10;
            let flipped = apply(&old, &Delta { frame: frame.into(), ..good.clone() }, length);
            assert!(flipped.is_err() || flipped.is_ok_and(|text| text == new.plain()));
            let cut = Delta { frame: good.frame.slice(..at), ..good.clone() };
            assert!(apply(&old, &cut, length).is_err());
        }
    }

    #[test]
    fn what_memory_has_damaged_does_not_get_into_the_next_table() {
        let text = |n: usize| format!("{}\nb{n}: * -> <shunt>;", "a: * -> <shunt>;\n".repeat(40_000));
        let (before, fresh) = (Table::new(text(1), 1, 1), Table::new(text(2), 1, 1));
        let flipped = |bytes: &Bytes| -> Bytes {
            let mut bytes = bytes.to_vec();
            bytes[20] ^= 1;
            bytes.into()
        };
        let (mut plain, mut packed) = (before.clone(), before);
        plain.plain = flipped(&plain.plain);
        packed.packed.bytes = flipped(&packed.packed.bytes);
        for damaged in [plain, packed] {
            if let Some(after) = Table::after(&damaged, text(2), 1, 1) {
                assert_eq!((after.plain(), after.gzip()), (fresh.plain(), fresh.gzip()));
            }
            // As who makes a text of the one before would.
            let taken_over =
                String::from_utf8(damaged.plain().to_vec()).expect("it is text") + "\nc: * -> <shunt>;";
            assert!(Table::after(&damaged, taken_over, 1, 1).is_none());
        }
    }

    proptest! {
        #[test]
        fn a_delta_between_any_two_tables_leads_there_or_is_not_made(
            old in "(.|\n){0,200}",
            new in "(.|\n){0,200}",
            copies in 0usize..40,
        ) {
            let base = Table::new(old.repeat(copies), 2, 7);
            for text in [new.clone(), old.repeat(copies + 1), format!("{}{new}", old.repeat(copies)), String::new()] {
                if let Some(built) = by_delta(&base, &text) {
                    let (built, fresh) = (built.expect("it was made for this base"), Table::new(text, 2, 7));
                    prop_assert_eq!((built.plain(), built.gzip()), (fresh.plain(), fresh.gzip()));
                }
            }
        }

        #[test]
        fn a_table_after_another_is_as_if_it_were_the_first(old in "([a-z\n]{0,9}){0,9}", new in "([a-z\n]{0,9}){0,9}") {
            let after = Table::after(&Table::new(old, 1, 1), new.clone(), 2, 7).expect("nothing is damaged");
            let first = Table::new(new, 2, 7);
            prop_assert_eq!((after.plain(), after.gzip()), (first.plain(), first.gzip()));
            prop_assert_eq!((after.digest(), after.routes(), after.modified_secs()), (first.digest(), 2, 7));
        }
    }
}
