//! What earlier compilations leave to the next one: the last good routes of an object that is bad now.
//!
//! In: the table before, who made which of its definitions as far as that is known, and what was quarantined. Out: the
//! last good routes of one object. A process that compiled the table before knows whose each definition is; one that
//! took it over finds them by their ids: those that the quarantine names, or else those that the object asks for now, or
//! all that have its name in them where nobody can tell what it asks for.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::eskip::{self, Route};
use crate::object::{Definition, Metadata, Objects};

use super::incremental::Origin;
use super::{ObjectRef, Quarantined, names, routegroup, splice};
use crate::snapshot::{Digest, Packed, Reader};

/// The compilation before. Empty where there was none, and for commands that know no past.
#[derive(Clone, Debug, Default)]
pub struct Past {
    pub(super) table: Packed,
    pub(super) zones: BTreeMap<String, Packed>,
    pub(super) ledger: Option<Ledger>,
    pub(super) quarantined: Vec<Quarantined>,
}

/// Who made which definition of a table, and what else the next compilation need not find again.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Where each definition ends.
    pub(super) ends: Vec<usize>,
    /// The same for the tables of the zones.
    pub(super) zones: BTreeMap<String, Vec<usize>>,
    /// The object of each definition.
    pub(super) owners: Vec<Option<Arc<ObjectRef>>>,
    /// Tells an object from its predecessor of the same name.
    pub(super) uids: Arc<Uids>,
    /// What it was all made of; none where the next compilation starts from nothing.
    pub(super) origin: Option<Origin>,
}

/// The UIDs of objects that have one.
pub(super) type Uids = HashMap<ObjectRef, String>;

/// A route of an object that was good, as it was published: to the byte, for a text that is parsed may be printed in
/// another way.
#[derive(Clone, Debug)]
pub(super) struct Good {
    pub(super) route: Route,
    pub(super) text: String,
}

/// An object that is bad now.
#[derive(Clone, Debug, Default)]
pub(super) struct Bad {
    pub(super) uid: String,
    /// The routes that it asks for now; an empty id for all of them, where it cannot be told which.
    pub(super) ids: BTreeSet<String>,
}

/// How many lines a definition may have to be found by its id.
const MOST_LINES: usize = 16;

impl Past {
    /// What a compilation of this process leaves: its printed tables, its ledger, what it quarantined.
    pub fn compiled(
        table: Packed,
        zones: BTreeMap<String, Packed>,
        ledger: Ledger,
        quarantined: Vec<Quarantined>,
    ) -> Self {
        Self { table, zones, ledger: Some(ledger), quarantined }
    }

    /// What is known of tables that others compiled.
    pub fn inherited(table: Packed, zones: BTreeMap<String, Packed>, quarantined: Vec<Quarantined>) -> Self {
        Self { table, zones, ledger: None, quarantined }
    }

    /// The table that was made for `zone`: its own, or the main one.
    pub(super) fn for_zone(&self, zone: &str) -> &Packed {
        self.zones.get(zone).unwrap_or(&self.table)
    }

    /// Whether this is the past of `table`, and knows whose each of its definitions is.
    pub fn knows(&self, table: &Packed) -> bool {
        self.ledger.is_some() && self.table == *table
    }

    /// The digest of its table.
    pub fn digest(&self) -> Digest {
        self.table.digest()
    }

    /// Whether the object of that name and UID was there and had nothing left out.
    pub fn is_well(&self, object: &ObjectRef, uid: &str) -> bool {
        let there =
            self.ledger.as_ref().is_some_and(|ledger| ledger.uids.get(object).is_some_and(|it| it == uid));
        there && !self.quarantined.iter().any(|it| it.object == *object)
    }

    /// The object that the route of that id comes from; none where there is no such route, the settings ask for it, or
    /// nobody here knows.
    pub fn owner(&self, id: &str) -> Option<&ObjectRef> {
        let ledger = self.ledger.as_ref()?;
        let mut table = Reader::new(&self.table);
        let mut compared = |index: usize| {
            let definition = table.read(splice::place(&ledger.ends, index));
            (!table.is_damaged()).then(|| splice::id_of(&definition).cmp(id.as_bytes()))
        };
        let at = splice::partition_point(ledger.ends.len(), |index| Some(compared(index)?.is_lt()))?;
        let is_there = at < ledger.ends.len() && compared(at)?.is_eq();
        ledger.owners.get(at).filter(|_| is_there)?.as_deref()
    }

    /// The routes of the `bad` objects when they were last good, as far as they ever were; not those of others that had
    /// their names before.
    pub(super) fn last_good<'b>(
        &'b self,
        bad: &'b BTreeMap<ObjectRef, Bad>,
    ) -> BTreeMap<ObjectRef, Vec<Good>> {
        let wanted = bad.iter().filter_map(|(object, bad)| Some((object, self.ids(object, bad)?)));
        let mut found: BTreeMap<ObjectRef, Vec<Good>> = BTreeMap::new();
        match &self.ledger {
            Some(ledger) => {
                let wanted: BTreeSet<_> = wanted.map(|(object, _)| object).collect();
                let mut table = Reader::new(&self.table);
                for (index, owner) in ledger.owners.iter().enumerate() {
                    let Some(owner) = owner.as_deref().filter(|owner| wanted.contains(owner)) else {
                        continue;
                    };
                    let definition = table.read(splice::place(&ledger.ends, index));
                    found.entry(owner.clone()).or_default().extend(Good::of(&definition));
                }
            }
            None => {
                let wanted: Vec<_> = wanted.collect();
                let ids = |(object, ids): &(&'b ObjectRef, BTreeSet<&'b String>)| {
                    let object = *object;
                    ids.clone().into_iter().map(move |id| (id.as_str(), object))
                };
                let objects: HashMap<_, _> = wanted.iter().flat_map(ids).collect();
                let whole: Vec<_> =
                    wanted.iter().filter(|(_, ids)| ids.iter().any(|id| id.is_empty())).collect();
                let owner = |id: &str| {
                    let by_name = || whole.iter().map(|(object, _)| *object).find(|object| is_of(id, object));
                    objects.get(id).copied().or_else(by_name)
                };
                for (object, good) in named(&self.table.text().unwrap_or_default(), owner) {
                    found.entry(object.clone()).or_default().push(good);
                }
            }
        }
        found
    }

    /// The ids of the routes of an object when it was last good, as far as it can be told; none where it never was, or was
    /// another one of that name.
    fn ids<'a>(&'a self, object: &ObjectRef, bad: &'a Bad) -> Option<BTreeSet<&'a String>> {
        let mut before = self.quarantined.iter().filter(|it| it.object == *object).peekable();
        if before.peek().is_some() {
            let ids: BTreeSet<_> =
                before.filter(|it| it.uid == bad.uid).flat_map(|it| &it.last_good).collect();
            return (!ids.is_empty()).then_some(ids);
        }
        let same = self.ledger.as_ref().is_none_or(|ledger| ledger.uid(object) == bad.uid);
        same.then(|| bad.ids.iter().collect())
    }
}

/// Whether a route of that id may be one of `object`, by its form.
fn is_of(id: &str, object: &ObjectRef) -> bool {
    let id = id.trim_start_matches("clone_");
    match object.kind.as_str() {
        "Ingress" => names::is_of(id, &object.namespace, &object.name),
        "RouteGroup" => routegroup::is_of(id, &object.namespace, &object.name),
        Definition::KIND => id == object.name,
        _ => false,
    }
}

/// The definitions in `table` of routes whose ids have an owner.
fn named<T>(table: &[u8], owner: impl Fn(&str) -> Option<T>) -> Vec<(T, Good)> {
    let table = std::str::from_utf8(table).unwrap_or_default();
    let mut found = Vec::new();
    let mut start = 0;
    for line in table.split_inclusive('\n') {
        if let Some(owner) = line.split_once(':').and_then(|(id, _)| owner(id)) {
            // A definition ends with its line, but for those with a line break in a regular expression.
            let ends = table[start..].match_indices('\n').map(|(at, _)| start + at).chain([table.len()]);
            let good = ends.take(MOST_LINES).find_map(|end| Good::of(&table.as_bytes()[start..end]));
            found.extend(good.map(|good| (owner, good)));
        }
        start += line.len();
    }
    found
}

impl Good {
    /// What was published once can be parsed; should it not, it is no good route.
    fn of(definition: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(definition).ok()?;
        let [route] = eskip::parse(text).ok()?.try_into().ok()?;
        Some(Self { route, text: text.to_owned() })
    }
}

impl Ledger {
    fn uid(&self, object: &ObjectRef) -> &str {
        self.uids.get(object).map_or("", String::as_str)
    }
}

/// The UIDs of all objects that routes are made of, where they have one: a manifest need not.
pub(super) fn uids(objects: &Objects) -> Uids {
    let uid = |kind: &str, metadata: &Metadata| {
        (!metadata.uid.is_empty()).then(|| (ObjectRef::new(kind, metadata), metadata.uid.clone()))
    };
    let ingresses = objects.ingresses.iter().filter_map(|it| uid("Ingress", &it.metadata));
    let groups = objects.route_groups.iter().filter_map(|it| uid("RouteGroup", &it.metadata));
    let misshapen = objects.misshapen.iter().filter_map(|it| uid(it.kind.name(), &it.metadata));
    ingresses.chain(groups).chain(misshapen).collect()
}

#[cfg(test)]
mod tests;
