//! Objects to a table: pure, deterministic, no clock, no network.
//!
//! In: everything that one poll read, and the settings. Out: the tables, the main one and those of zones that differ from
//! it. What can go wrong is wrong with single objects: they, or single routes of theirs, are left out; diagnostics and the
//! quarantine say which and why. The peer's table is met to the byte wherever its clients can parse it.

mod addresses;
mod algorithm;
mod annotations;
mod assembly;
mod cluster;
mod context;
mod counts;
mod definitions;
mod diagnostics;
mod document;
mod hosts;
mod incremental;
mod ingress;
#[cfg(any(test, fuzzing))]
pub(crate) mod laws;
mod merge;
mod names;
mod parts;
mod past;
mod postprocess;
mod quarantine;
mod redirect;
mod report;
mod roster;
mod routegroup;
mod settings;
mod side_by_side;
mod sourced;
mod splice;
mod synthetic;
mod traffic;
mod whole;
mod zones;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::object::Objects;
use crate::snapshot::Packed;

use assembly::Knots;
use context::Context;
use definitions::Words;
use document::Document;
use incremental::Outcome;
use past::Uids;
use zones::Narrowed;

pub use addresses::ServiceName;
pub use counts::{Counts, Measure};
pub use diagnostics::{Diagnostic, Diagnostics, ObjectRef};
pub use ingress::accepted as accepted_ingresses;
pub use past::{Ledger, Past};
pub use report::{LeftOut, Remark, Report};
pub use settings::{
    AnnotationFilters, AnnotationPredicates, Limits, PathMode, Rewrite, Settings, TrafficAlgorithm,
};
pub use sourced::SourcedRoute;
pub use whole::compile_in_groups;

/// What a compilation gives.
#[derive(Clone, Debug, Default)]
pub struct Compiled {
    /// The main table.
    pub table: Text,
    /// The tables of the zones that differ from the main one.
    pub zones: BTreeMap<String, Text>,
    /// What was wrong with the input, in the order of the objects.
    pub diagnostics: Vec<Diagnostic>,
    /// Routes that would not survive printing and parsing, and so are left out.
    pub quarantined: Vec<Quarantined>,
    /// Who made which definition of the main table: what the next compilation wants of this one.
    pub ledger: Ledger,
    /// What it was made of.
    pub counts: Counts,
    /// How many objects were looked at for it: all, or those that a change reaches.
    pub looked_at: usize,
}

/// A printed table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// The canonical Eskip document, without a newline at its end.
    pub packed: Packed,
    /// How many routes it has.
    pub count: usize,
}

/// A route that is left out of the table, because no Skipper could parse the table with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quarantined {
    /// The id of the route; empty where the whole object is left out.
    pub route: String,
    /// The object that it comes from.
    pub object: ObjectRef,
    /// Why it would break the table.
    pub reason: String,
    /// How to mend it, and what is served until then.
    pub hint: String,
    /// The UID of the object, where it has one: another object of its name has no part in what follows.
    pub uid: String,
    /// The ids of the object's routes when it was last good, which stay in the table. With several routes of one
    /// object left out, the first of them has it.
    pub last_good: Vec<String>,
}

impl Text {
    /// The document itself, unpacked.
    pub fn eskip(&self) -> String {
        let text = self.packed.text().map(|text| String::from_utf8_lossy(&text).into_owned());
        text.unwrap_or_default()
    }
}

impl Compiled {
    /// The table that clients in `zone` get: their own, or the main one. Without a zone it is the main one.
    pub fn table_for(&self, zone: Option<&str>) -> &Text {
        zone.and_then(|zone| self.zones.get(zone)).unwrap_or(&self.table)
    }
}

/// What came of some objects, before it goes into a table.
struct Made {
    document: Document,
    zones: BTreeMap<String, Narrowed>,
    /// The object of each definition; none for those that the settings alone ask for.
    owners: Vec<Option<Arc<ObjectRef>>>,
    uids: Uids,
    knots: Knots,
    diagnostics: Vec<Diagnostic>,
    quarantined: Vec<Quarantined>,
}

/// Compiles `objects` under `settings`, all of them. What is bad now has the routes that it had in the `past`, if it had
/// any.
pub fn compile(objects: &Objects, settings: &Settings, past: &Past) -> Compiled {
    compile_in_groups(objects, settings, past, whole::GROUP)
}

/// The same, sooner: only what has changed since the `past`, and whatever is tied to it. None where nothing has.
pub fn recompile(objects: &Objects, settings: &Settings, past: &Past) -> Option<Compiled> {
    match incremental::compile(objects, settings, past) {
        Outcome::Same => None,
        Outcome::Changed(compiled) => Some(*compiled),
        Outcome::Unknown => Some(compile(objects, settings, past)),
    }
}

fn make(objects: &Objects, settings: &Settings, past: &Past) -> Made {
    let mut diagnostics = Diagnostics::default();
    let mut quarantined = Vec::new();
    let context = Context::new(objects, settings, &mut diagnostics);
    quarantine::misshapen(objects, &context, &mut quarantined);
    let (routes, knots) = assembly::routes(objects, &context, &mut quarantined, &mut diagnostics);
    let mut routes = postprocess::process(routes, settings, &mut diagnostics);
    let words = Words::of(&objects.definitions);
    let document =
        quarantine::sift(&mut routes, &words, &mut quarantined, &mut diagnostics, &settings.limits);
    let uids = past::uids(objects);
    let document = quarantine::restore(past, &uids, &mut routes, document, &mut quarantined);
    quarantined.sort_by(|a, b| a.object.cmp(&b.object));
    let zones = zones::narrowed(&routes, &document);
    let owners = routes.into_iter().map(|sourced| sourced.object).collect();
    Made { document, zones, owners, uids, knots, diagnostics: diagnostics.sorted(), quarantined }
}

#[cfg(test)]
mod tests;
