//! A snapshot without its bytes: what a leader announces, and the header of the last known good on disk.
//!
//! In: a decoded header and the compressed bytes of the tables that it lacks. Out: a whole snapshot, every table
//! of it verified, or none.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::{Contents, Delta, Digest, Snapshot, Table, TableError, TermId, Version};
use crate::compile::{Counts, Diagnostic, Measure, ObjectRef, Quarantined};
use crate::object::Kind;
use crate::wire;

/// Everything of a snapshot but the bytes of its tables.
#[derive(Clone, Debug, PartialEq)]
pub struct Announcement {
    /// The version that it is published under.
    pub version: Version,
    /// The version under which it was read from the upstream.
    pub origin: Version,
    /// The term that published it.
    pub term: TermId,
    /// When it was read, in Unix milliseconds.
    pub read_at_millis: u64,
    /// The main table first, then the zones in their order.
    pub tables: Vec<TableInfo>,
    /// The resource version of each list, by kind.
    pub resource_versions: BTreeMap<String, String>,
    /// What was left out.
    pub quarantined: Vec<Quarantined>,
    /// What was wrong with the input.
    pub diagnostics: Vec<Diagnostic>,
    /// What the table was made of.
    pub counts: Counts,
    /// The operator's order that it was published by; zero where there is none.
    pub order: u64,
    /// The ready addresses of single Services, by `namespace/name`.
    pub addresses: BTreeMap<String, Vec<String>>,
}

/// One table of an announcement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableInfo {
    /// Empty for the main table.
    pub zone: String,
    /// SHA-256 of the plain bytes.
    pub digest: Digest,
    /// The length of the plain bytes.
    pub plain_bytes: u64,
    /// The length of the compressed bytes.
    pub gzip_bytes: u64,
    /// How many routes it has.
    pub routes: u64,
    /// Unix time of its last change.
    pub modified_secs: u64,
}

/// The bytes of a table, as they came.
#[derive(Clone, Debug)]
pub enum Received {
    /// The whole table, compressed.
    Gzip(Bytes),
    /// What it differs in from a table that is held.
    Delta(Delta),
}

/// A header that makes no sense. The sender is of another kind, or broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the header of a snapshot has no valid {0}")]
pub struct HeaderError(pub &'static str);

impl Announcement {
    /// What announces `snapshot`.
    pub fn of(snapshot: &Snapshot) -> Self {
        let contents = &snapshot.contents;
        let info = |zone: &str, table: &Table| TableInfo {
            zone: zone.to_owned(),
            digest: table.digest(),
            plain_bytes: table.length(),
            gzip_bytes: table.gzip().len() as u64,
            routes: table.routes(),
            modified_secs: table.modified_secs(),
        };
        let zones = contents.zones.iter().map(|(zone, table)| info(zone, table));
        Self {
            version: snapshot.version,
            origin: snapshot.origin,
            term: snapshot.term,
            read_at_millis: snapshot.read_at_millis,
            tables: std::iter::once(info("", &contents.table)).chain(zones).collect(),
            resource_versions: contents.resource_versions.clone(),
            quarantined: contents.quarantined.clone(),
            diagnostics: contents.diagnostics.clone(),
            counts: contents.counts.clone(),
            order: contents.order,
            addresses: contents.addresses.clone(),
        }
    }

    /// The digest of the main table.
    pub fn digest(&self) -> Digest {
        self.tables[0].digest
    }

    /// The tables whose bytes none of `held` has, by their place in [`Announcement::tables`].
    pub fn lacking(&self, held: &[&Snapshot]) -> Vec<usize> {
        (0..self.tables.len()).filter(|&at| find(held, self.tables[at].digest).is_none()).collect()
    }

    /// Puts the snapshot together from what is `held` and what was `received`.
    ///
    /// # Errors
    ///
    /// Where bytes are missing, broken, or hash to something else than was announced; where a delta starts from a
    /// table that is not held.
    pub fn assemble(
        &self,
        held: &[&Snapshot],
        received: &BTreeMap<usize, Received>,
    ) -> Result<Snapshot, TableError> {
        let table = |at: usize| -> Result<Arc<Table>, TableError> {
            let info = &self.tables[at];
            if let Some(table) = find(held, info.digest) {
                let same = table.modified_secs() == info.modified_secs;
                return Ok(if same {
                    table.clone()
                } else {
                    Arc::new(table.as_ref().clone().modified_at(info.modified_secs))
                });
            }
            let TableInfo { plain_bytes: length, digest, routes, modified_secs, .. } = *info;
            let table = match received.get(&at) {
                Some(Received::Delta(delta)) => {
                    let base = find(held, delta.base).ok_or(TableError::Base(delta.base))?;
                    Table::from_delta(base, delta, length, digest, routes, modified_secs)
                }
                Some(Received::Gzip(gzip)) => {
                    Table::from_gzip(gzip.clone(), length, digest, routes, modified_secs)
                }
                None => Table::from_gzip(Bytes::new(), length, digest, routes, modified_secs),
            };
            table.map(Arc::new)
        };
        let mut zones = BTreeMap::new();
        for (at, info) in self.tables.iter().enumerate().skip(1) {
            zones.insert(info.zone.clone(), table(at)?);
        }
        let contents = Contents {
            table: table(0)?,
            zones,
            resource_versions: self.resource_versions.clone(),
            quarantined: self.quarantined.clone(),
            diagnostics: self.diagnostics.clone(),
            counts: self.counts.clone(),
            order: self.order,
            addresses: self.addresses.clone(),
        };
        Ok(Snapshot {
            version: self.version,
            origin: self.origin,
            term: self.term,
            read_at_millis: self.read_at_millis,
            contents: Arc::new(contents),
        })
    }

    /// As it travels.
    pub fn encode(&self) -> wire::Header {
        wire::Header {
            version: Some(self.version.into()),
            origin: Some(self.origin.into()),
            term: self.term.to_wire(),
            read_at_millis: self.read_at_millis,
            tables: self.tables.iter().map(TableInfo::encode).collect(),
            resource_versions: self.resource_versions.clone().into_iter().collect(),
            quarantined: self
                .quarantined
                .iter()
                .map(|it| wire::Quarantined {
                    route: it.route.clone(),
                    object: Some(encode_object(&it.object)),
                    reason: it.reason.clone(),
                    hint: it.hint.clone(),
                    uid: it.uid.clone(),
                    last_good: it.last_good.clone(),
                })
                .collect(),
            diagnostics: self
                .diagnostics
                .iter()
                .map(|it| wire::Diagnostic {
                    object: it.object.as_ref().map(encode_object),
                    reason: it.reason.clone(),
                    hint: it.hint.clone(),
                })
                .collect(),
            counts: encode_counts(&self.counts),
            order: self.order,
            services: self
                .addresses
                .iter()
                .map(|(name, addresses)| wire::Service { name: name.clone(), addresses: addresses.clone() })
                .collect(),
        }
    }

    /// From what has travelled.
    ///
    /// # Errors
    ///
    /// Where a part that everything rests on is missing: versions, term, or a main table in front.
    pub fn decode(header: wire::Header) -> Result<Self, HeaderError> {
        let tables: Vec<_> = header.tables.into_iter().map(TableInfo::decode).collect::<Result<_, _>>()?;
        if tables.first().is_none_or(|main| !main.zone.is_empty()) {
            return Err(HeaderError("main table"));
        }
        Ok(Self {
            version: header.version.ok_or(HeaderError("version"))?.into(),
            origin: header.origin.ok_or(HeaderError("origin"))?.into(),
            term: TermId::from_wire(&header.term).ok_or(HeaderError("term"))?,
            read_at_millis: header.read_at_millis,
            tables,
            resource_versions: header.resource_versions.into_iter().collect(),
            quarantined: header
                .quarantined
                .into_iter()
                .map(|it| Quarantined {
                    route: it.route,
                    object: decode_object(it.object),
                    reason: it.reason,
                    hint: it.hint,
                    uid: it.uid,
                    last_good: it.last_good,
                })
                .collect(),
            diagnostics: header
                .diagnostics
                .into_iter()
                .map(|it| Diagnostic {
                    object: it.object.map(|object| decode_object(Some(object))),
                    reason: it.reason,
                    hint: it.hint,
                })
                .collect(),
            counts: decode_counts(header.counts),
            order: header.order,
            addresses: header.services.into_iter().map(|it| (it.name, it.addresses)).collect(),
        })
    }
}

impl TableInfo {
    fn encode(&self) -> wire::Table {
        wire::Table {
            zone: self.zone.clone(),
            digest: self.digest.to_wire(),
            plain_bytes: self.plain_bytes,
            gzip_bytes: self.gzip_bytes,
            routes: self.routes,
            modified_secs: self.modified_secs,
        }
    }

    fn decode(table: wire::Table) -> Result<Self, HeaderError> {
        Ok(Self {
            zone: table.zone,
            digest: Digest::from_wire(&table.digest).ok_or(HeaderError("digest"))?,
            plain_bytes: table.plain_bytes,
            gzip_bytes: table.gzip_bytes,
            routes: table.routes,
            modified_secs: table.modified_secs,
        })
    }
}

impl From<Version> for wire::Version {
    fn from(version: Version) -> Self {
        Self { epoch: version.epoch.0, sequence: version.sequence.0 }
    }
}

impl From<wire::Version> for Version {
    fn from(version: wire::Version) -> Self {
        Self::new(version.epoch, version.sequence)
    }
}

fn find<'a>(held: &[&'a Snapshot], digest: Digest) -> Option<&'a Arc<Table>> {
    let mut tables =
        held.iter().flat_map(|it| std::iter::once(&it.contents.table).chain(it.contents.zones.values()));
    tables.find(|table| table.digest() == digest)
}

fn encode_counts(counts: &Counts) -> Vec<wire::Count> {
    let encode = |(measure, number): (&Measure, &u64)| wire::Count {
        measure: measure.name().to_owned(),
        kind: measure.kind().map(Kind::name).unwrap_or_default().to_owned(),
        number: *number,
    };
    counts.0.iter().map(encode).collect()
}

fn decode_counts(counts: Vec<wire::Count>) -> Counts {
    let decode = |it: wire::Count| {
        let kind = Kind::named(&it.kind);
        let measure = Measure::all().find(|known| known.name() == it.measure && known.kind() == kind)?;
        Some((measure, it.number))
    };
    Counts(counts.into_iter().filter_map(decode).collect())
}

pub(super) fn encode_object(object: &ObjectRef) -> wire::ObjectRef {
    wire::ObjectRef {
        kind: object.kind.clone(),
        namespace: object.namespace.clone(),
        name: object.name.clone(),
    }
}

pub(super) fn decode_object(object: Option<wire::ObjectRef>) -> ObjectRef {
    let object = object.unwrap_or_default();
    ObjectRef { kind: object.kind, namespace: object.namespace, name: object.name }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(main: &str, zone: &str) -> Snapshot {
        let mut snapshot = Snapshot::for_tests(Version::new(2, 3), main);
        let mut contents = snapshot.contents.as_ref().clone();
        contents.zones.insert("a".to_owned(), Arc::new(Table::new(zone.to_owned(), 1, 9)));
        contents.resource_versions.insert("Ingress".to_owned(), "77".to_owned());
        contents.quarantined.push(Quarantined {
            route: "r".to_owned(),
            object: ObjectRef { name: "i".to_owned(), ..ObjectRef::default() },
            reason: "odd".to_owned(),
            hint: "mend it".to_owned(),
            uid: "uid".to_owned(),
            last_good: vec!["r".to_owned()],
        });
        contents.counts = Counts(Measure::all().zip(5..).collect());
        contents.diagnostics.push(Diagnostic { object: None, reason: "odd".to_owned(), hint: String::new() });
        snapshot.contents = Arc::new(contents);
        snapshot
    }

    #[test]
    fn header_survives_the_wire() {
        let announcement = Announcement::of(&snapshot("a: * -> <shunt>", "b: * -> <shunt>"));
        assert_eq!(Announcement::decode(announcement.encode()), Ok(announcement.clone()));
        let headless = wire::Header { tables: Vec::new(), ..announcement.encode() };
        assert_eq!(Announcement::decode(headless), Err(HeaderError("main table")));
        let termless = wire::Header { term: Bytes::new(), ..announcement.encode() };
        assert_eq!(Announcement::decode(termless), Err(HeaderError("term")));
    }

    #[test]
    fn only_what_is_not_held_is_asked_for() {
        let old = snapshot("a: * -> <shunt>", "b: * -> <shunt>");
        let new = snapshot("a: * -> <shunt>", "c: * -> <shunt>");
        let announcement = Announcement::of(&new);
        assert_eq!(announcement.lacking(&[]), [0, 1]);
        assert_eq!(announcement.lacking(&[&old]), [1]);
        let received = BTreeMap::from([(1, Received::Gzip(new.contents.zones["a"].gzip().clone()))]);
        let built = announcement.assemble(&[&old], &received).expect("all parts are there");
        assert_eq!(Announcement::of(&built), announcement);
        assert!(announcement.assemble(&[&old], &BTreeMap::new()).is_err(), "a part is missing");
        // Longer, so that a delta pays.
        let (old, new) =
            (snapshot("a: * -> <shunt>", &"b\n".repeat(99)), snapshot("a: * -> <shunt>", &"b\n".repeat(98)));
        let (announcement, delta) =
            (Announcement::of(&new), Delta::between(&old.contents.zones["a"], &new.contents.zones["a"]));
        let received = BTreeMap::from([(1, Received::Delta(delta.expect("it is smaller")))]);
        let built = announcement.assemble(&[&old], &received).expect("its base is held");
        assert_eq!(Announcement::of(&built), announcement);
        let baseless = announcement.assemble(&[], &received);
        assert!(matches!(baseless, Err(TableError::Base(_) | TableError::Gzip(_))), "{baseless:?}");
    }
}
