//! What is remembered of a publication, for people: when, why, what it changed, and how long each step took. The leader
//! that made it writes it down; the same words travel to every replica.

use std::time::Duration;

use super::announcement::{decode_object, encode_object};
use super::{Change, Contents, Difference, Digest, NAMED, Snapshot, Version, What};
use crate::wire;

/// The longest id or word that is taken from another replica.
const MOST_BYTES: usize = 512;

/// One publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// The version that it was published under.
    pub version: Version,
    /// The version that its table was read under.
    pub origin: Version,
    /// The digest of its main table.
    pub digest: Digest,
    /// Why there was one; a later release may have other reasons than [`cause`] gives.
    pub cause: String,
    /// The replica that led.
    pub by: String,
    /// How many routes the main table has.
    pub routes: u64,
    /// What has changed in it; none where the table before is not known.
    pub difference: Option<Difference>,
    /// When the leader activated it, in Unix milliseconds.
    pub activated_at_millis: u64,
    /// How long it took.
    pub lengths: Lengths,
    /// How many replicas had said that they serve it when this was written down, the leader among them.
    pub replicas: u32,
}

/// How long the steps of a publication took; zero where there was none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lengths {
    /// Reading the upstream.
    pub poll: Duration,
    /// From the objects to a table: compiling, hashing, compressing.
    pub compile: Duration,
    /// From the announcement until it may be active: every replica in touch has it.
    pub stage: Duration,
    /// From the leader's activation to the last replica's.
    pub activate: Duration,
}

impl Lengths {
    /// As they travel: every replica says the same.
    pub fn in_micros(self) -> Self {
        let micros =
            |length: Duration| length - Duration::from_nanos(u64::from(length.subsec_nanos() % 1_000));
        Self {
            poll: micros(self.poll),
            compile: micros(self.compile),
            stage: micros(self.stage),
            activate: micros(self.activate),
        }
    }
}

/// Why `now` was published in the place of `before`: one word.
pub fn cause(before: Option<&Snapshot>, now: &Snapshot) -> &'static str {
    let before = before.map(|before| &*before.contents);
    let same = |of: fn(&Contents, &Contents) -> bool| before.is_some_and(|before| of(before, &now.contents));
    match () {
        // A new term announces what it finds.
        () if now.version.sequence.0 == 0 => "new-term",
        // An order took back what was announced, and the active table was announced again.
        () if now.origin != now.version => "taken-back",
        () if now.contents.order != 0 => "order",
        () if !same(Contents::same_tables) => "change",
        () if !same(Contents::same_findings) => "findings",
        () => "first-read",
    }
}

impl Publication {
    /// As it travels.
    pub fn encode(&self) -> wire::Publication {
        let micros = |length: Duration| u64::try_from(length.as_micros()).unwrap_or(u64::MAX);
        wire::Publication {
            version: Some(self.version.into()),
            origin: Some(self.origin.into()),
            digest: self.digest.to_wire(),
            cause: self.cause.clone(),
            by: self.by.clone(),
            routes: self.routes,
            difference: self.difference.as_ref().map(|it| wire::Difference {
                added: it.added,
                removed: it.removed,
                changed: it.changed,
                named: it.named.iter().map(Change::encode).collect(),
            }),
            activated_at_millis: self.activated_at_millis,
            poll_micros: micros(self.lengths.poll),
            compile_micros: micros(self.lengths.compile),
            stage_micros: micros(self.lengths.stage),
            activate_micros: micros(self.lengths.activate),
            replicas: self.replicas,
        }
    }

    /// From what has travelled. None where it names no version or table, or is longer than any that is made.
    pub fn decode(it: wire::Publication) -> Option<Self> {
        let short = |text: &str| text.len() <= MOST_BYTES;
        let difference = it.difference.map(|it| Difference {
            added: it.added,
            removed: it.removed,
            changed: it.changed,
            named: it.named.into_iter().filter_map(Change::decode).take(3 * NAMED).collect(),
        });
        let decoded = Self {
            version: it.version?.into(),
            origin: it.origin?.into(),
            digest: Digest::from_wire(&it.digest)?,
            cause: it.cause,
            by: it.by,
            routes: it.routes,
            difference,
            activated_at_millis: it.activated_at_millis,
            lengths: Lengths {
                poll: Duration::from_micros(it.poll_micros),
                compile: Duration::from_micros(it.compile_micros),
                stage: Duration::from_micros(it.stage_micros),
                activate: Duration::from_micros(it.activate_micros),
            },
            replicas: it.replicas,
        };
        (short(&decoded.cause) && short(&decoded.by)).then_some(decoded)
    }
}

impl Change {
    fn encode(&self) -> wire::RouteChange {
        let mut route = self.route.clone();
        route.truncate(route.floor_char_boundary(MOST_BYTES));
        wire::RouteChange {
            route,
            what: self.what.name().to_owned(),
            object: self.object.as_ref().map(encode_object),
        }
    }

    fn decode(it: wire::RouteChange) -> Option<Self> {
        let what = What::named(&it.what)?;
        let object = it.object.map(|object| decode_object(Some(object)));
        let object =
            object.filter(|it| it.name.len().max(it.namespace.len()).max(it.kind.len()) <= MOST_BYTES);
        (it.route.len() <= MOST_BYTES).then_some(Self { route: it.route, what, object })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::compile::{Diagnostic, ObjectRef};

    fn publication() -> Publication {
        let object = ObjectRef { kind: "Ingress".into(), namespace: "shop".into(), name: "cart".into() };
        let named = [What::Added, What::Removed, What::Changed].map(|what| Change {
            route: format!("kube_{}", what.name()),
            what,
            object: (what != What::Removed).then(|| object.clone()),
        });
        Publication {
            version: Version::new(7, 3),
            origin: Version::new(7, 2),
            digest: Digest::of(b"a"),
            cause: "change".to_owned(),
            by: "r0".to_owned(),
            routes: 12,
            difference: Some(Difference { added: 1, removed: 1, changed: 900, named: named.to_vec() }),
            activated_at_millis: 1_800_000_000_000,
            lengths: Lengths {
                poll: Duration::from_millis(1),
                compile: Duration::from_millis(2),
                stage: Duration::from_millis(3),
                activate: Duration::from_micros(4),
            },
            replicas: 3,
        }
    }

    #[test]
    fn a_publication_survives_the_wire() {
        let it = publication();
        assert_eq!(Publication::decode(it.encode()), Some(it.clone()));
        let nothing = wire::Publication { digest: Default::default(), ..it.encode() };
        assert_eq!(Publication::decode(nothing), None);
    }

    #[test]
    fn what_another_replica_says_is_bounded() {
        let mut long = publication();
        long.cause = "x".repeat(MOST_BYTES + 1);
        assert_eq!(Publication::decode(long.encode()), None);
        let mut many = publication();
        let difference = many.difference.as_mut().expect("it has one");
        difference.named = vec![difference.named[0].clone(); 1000];
        difference.named[0].route = "é".repeat(MOST_BYTES);
        let named = Publication::decode(many.encode()).and_then(|it| it.difference).expect("bounded").named;
        assert_eq!((named.len(), named[0].route.len()), (3 * NAMED, MOST_BYTES));
    }

    #[test]
    fn the_cause_is_what_is_new_about_it() {
        let of = |version, eskip| Snapshot::for_tests(version, eskip);
        let before = of(Version::new(7, 1), "a: * -> <shunt>;");
        let other = of(Version::new(7, 2), "b: * -> <shunt>;");
        let with = |change: fn(&mut Contents)| {
            let mut snapshot = of(Version::new(7, 2), "a: * -> <shunt>;");
            change(Arc::make_mut(&mut snapshot.contents));
            snapshot
        };
        let diagnostic = |it: &mut Contents| {
            it.diagnostics.push(Diagnostic { object: None, reason: String::new(), hint: String::new() })
        };
        let adopted = |version: Version| before.adopted(version, before.term);
        let cases = [
            (other, "change"),
            (with(|_| ()), "first-read"),
            (with(diagnostic), "findings"),
            (with(|it| it.order = 4), "order"),
            (adopted(Version::new(8, 0)), "new-term"),
            (adopted(Version::new(7, 4)), "taken-back"),
        ];
        for (now, expected) in cases {
            assert_eq!(cause(Some(&before), &now), expected);
        }
        assert_eq!(cause(None, &before), "change");
    }
}
