//! One table: its packed text, which is all that is held of it, and what answers say of it.

use bytes::Bytes;

use super::{Delta, Digest, Packed};

/// A table as it is served: packed text, digests, number of routes, and when it last changed.
#[derive(Clone, Debug)]
pub struct Table {
    packed: Packed,
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
    /// It is what it was.
    Sound,
    /// A bit of it was flipped; here it is as it was.
    Mended(Box<Table>),
    /// More is damaged.
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
    /// A table of `routes` routes with that text, that changed at `modified_secs` (Unix time, as HTTP dates have it). A
    /// text that is not packed yet is.
    pub fn new(text: impl Into<Packed>, routes: u64, modified_secs: u64) -> Self {
        let packed = text.into();
        Self { tags: Tags::of(packed.digest()), packed, routes, modified_secs }
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
        let packed = Packed::from_gzip(gzip, length).map_err(TableError::Gzip)?;
        verify(&packed, digest)?;
        Ok(Self::new(packed, routes, modified_secs))
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
        let packed = delta.apply(&base.packed, length).map_err(TableError::Delta)?;
        verify(&packed, digest)?;
        if packed.gzip_digest() != delta.gzip {
            return Err(TableError::Encoding);
        }
        Ok(Self::new(packed, routes, modified_secs))
    }

    /// The same table, with the moment of change of another one: where the bytes are equal, nothing changed.
    pub fn modified_at(self, modified_secs: u64) -> Self {
        Self { modified_secs, ..self }
    }

    /// Hashes what is held again.
    pub fn inspect(&self) -> Condition {
        if self.packed.is_sound() {
            return Condition::Sound;
        }
        let mended = self.packed.mended();
        mended.map_or(Condition::Lost, |packed| Condition::Mended(Box::new(Self { packed, ..self.clone() })))
    }

    /// The same table with so many bits flipped, as bad memory would, for tests.
    #[doc(hidden)]
    pub fn damaged_for_tests(&self, bits: usize) -> Self {
        Self { packed: self.packed.damaged_for_tests(bits), ..self.clone() }
    }

    /// The canonical Eskip text, packed.
    pub const fn packed(&self) -> &Packed {
        &self.packed
    }

    /// The text itself, unpacked for the caller; empty where memory has damaged it. Long for a large table: answers take it
    /// piece by piece.
    pub fn plain(&self) -> Bytes {
        self.packed.text().unwrap_or_default()
    }

    /// How many bytes the text has.
    pub fn length(&self) -> u64 {
        self.packed.len() as u64
    }

    /// The text, compressed.
    pub fn gzip(&self) -> &Bytes {
        self.packed.gzip()
    }

    /// The SHA-256 of the compressed text: equal on all replicas.
    pub fn gzip_digest(&self) -> Digest {
        self.packed.gzip_digest()
    }

    /// The SHA-256 of the text.
    pub fn digest(&self) -> Digest {
        self.packed.digest()
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

fn verify(packed: &Packed, announced: Digest) -> Result<(), TableError> {
    let found = packed.digest();
    if found == announced { Ok(()) } else { Err(TableError::Digest { announced, found }) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::snapshot::Copied;

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
    fn damage_in_memory_is_found_and_a_flipped_bit_mended() {
        let table = Table::new(TEXT, 2, 7);
        assert!(matches!(table.inspect(), Condition::Sound));
        let Condition::Mended(mended) = table.damaged_for_tests(1).inspect() else {
            panic!("it is one bit");
        };
        assert_eq!((mended.plain(), mended.gzip(), mended.routes()), (table.plain(), table.gzip(), 2));
        assert!(matches!(table.damaged_for_tests(2).inspect(), Condition::Lost));
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
    fn copies_that_are_not_in_the_base_or_not_in_its_order_are_refused() {
        let text = |odd: usize| -> String {
            let hash = |n: usize| Digest::of(&n.to_le_bytes());
            (0..9_000)
                .map(|n| {
                    format!("r{n}: Path(\"/{}\") -> <shunt>;\n", hash(n + odd * usize::from(n == 4_500)))
                })
                .collect()
        };
        let (old, new) = (Table::new(text(0), 1, 1), Table::new(text(7), 1, 1));
        let good = Delta::between(&old, &new).expect("it is smaller");
        let [first, last] = good.copies[..] else {
            panic!("before the change and behind it: {:?}", good.copies)
        };
        let apply = |copies: &[Copied]| {
            let delta = Delta { copies: copies.to_vec(), ..good.clone() };
            Table::from_delta(&old, &delta, new.length(), new.digest(), 1, 1).map(|table| table.plain())
        };
        assert_eq!(apply(&good.copies).expect("right"), new.plain());
        let wrong = [
            vec![],
            vec![first],
            vec![last, first],
            vec![first, first],
            vec![first, Copied { from: last.from - 1, ..last }],
            vec![first, Copied { from: u64::MAX, ..last }],
            vec![first, Copied { length: u64::MAX, ..last }],
            vec![first, Copied { from: old.length(), ..last }],
            vec![first, Copied { after: last.after + 1, ..last }],
            vec![first, Copied { after: u64::MAX, ..last }],
            vec![Copied { after: 1, ..first }, last],
        ];
        for copies in wrong {
            assert!(apply(&copies).is_err(), "{copies:?}");
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
    }
}
