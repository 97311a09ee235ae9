//! Compiles what has changed, and takes the rest from the table before.
//!
//! In: the objects, and the past with its tables. Out: what the whole compilation would give, to the byte; or that nothing
//! has changed; or that only the whole compilation can tell. A cluster falls into parts that have nothing to do with each
//! other ([`super::roster`] says what ties objects together). The parts that a change reaches are compiled as a cluster of
//! their own, by the same code; their definitions take the place of the old ones. What can go wrong, costs time only: other
//! settings, a part with a route of another part's id, most of the cluster changed: then the whole is compiled.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use crate::object::Objects;

use super::assembly::Knots;
use super::document::Finished;
use super::parts::{Knot, Reached};
use super::past::Uids;
use super::roster::{Roster, Tie};
use super::splice::Plan;
use super::{
    Compiled, Counts, Diagnostic, Ledger, Made, ObjectRef, Past, Quarantined, Settings, make, zones,
};

/// What a compilation was made of.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    settings: Settings,
    default_filters: BTreeMap<String, String>,
    roster: Roster,
    knots: HashSet<Knot>,
    diagnostics: Vec<Diagnostic>,
}

/// What came of it.
pub(super) enum Outcome {
    /// Nothing has changed.
    Same,
    /// This is what the whole compilation would give.
    Changed(Box<Compiled>),
    /// Compile the whole.
    Unknown,
}

impl Origin {
    /// The origin of a whole compilation. None where a route of an object took the place of one that the settings ask for:
    /// these are in no part.
    pub(super) fn of(
        objects: &Objects,
        settings: &Settings,
        roster: Roster,
        knots: &Knots,
        diagnostics: &[Diagnostic],
    ) -> Option<Self> {
        Some(Self {
            settings: settings.clone(),
            default_filters: objects.default_filters.clone(),
            roster,
            knots: tied(knots)?,
            diagnostics: diagnostics.to_vec(),
        })
    }
}

fn tied(knots: &Knots) -> Option<HashSet<Knot>> {
    let tie = |object: &Option<Arc<ObjectRef>>| object.as_deref().map(Tie::own);
    knots.iter().map(|(one, other)| Some((tie(one)?, tie(other)?))).collect()
}

/// Compiles what has changed since the `past`.
pub(super) fn compile(objects: &Objects, settings: &Settings, past: &Past) -> Outcome {
    let Some((ledger, origin)) = past.ledger.as_ref().and_then(|it| Some((it, it.origin.as_ref()?))) else {
        return Outcome::Unknown;
    };
    let same_ground = origin.settings == *settings
        && origin.default_filters == objects.default_filters
        && ledger.zones.keys().eq(past.zones.keys());
    let Some((roster, changed)) = origin.roster.after(objects, settings).filter(|_| same_ground) else {
        return Outcome::Unknown;
    };
    if changed.is_empty() {
        return Outcome::Same;
    }
    // What is quarantined hangs on the past, and is looked at each time.
    let bad = past.quarantined.iter().filter(|it| !it.object.kind.is_empty()).map(|it| Tie::own(&it.object));
    let reached = Reached::by(&changed, bad, &roster, &origin.knots);
    if 2 * reached.places.count() > roster.count() {
        return Outcome::Unknown;
    }
    let made = make(&reached.places.among(objects), settings, past);
    let replaced = replace(&reached, &made, ledger, past).zip(tied(&made.knots));
    let Some((tables, knots)) = replaced else { return Outcome::Unknown };
    let untouched = |object: &ObjectRef| !reached.objects.contains(object);
    let is_object = |object: &ObjectRef| !object.kind.is_empty();
    let mut diagnostics = origin.diagnostics.clone();
    diagnostics.retain(|it| it.object.as_ref().is_none_or(untouched));
    diagnostics.extend(made.diagnostics.into_iter().filter(|it| it.object.is_some()));
    diagnostics.sort_by(|a, b| a.object.cmp(&b.object));
    let mut quarantined = past.quarantined.clone();
    quarantined.retain(|it| untouched(&it.object));
    quarantined.extend(made.quarantined.into_iter().filter(|it| is_object(&it.object)));
    quarantined.sort_by(|a, b| a.object.cmp(&b.object));
    let (uids, looked_at) = (uids(&reached, &ledger.uids, made.uids), reached.places.count());
    let origin = Origin {
        settings: settings.clone(),
        default_filters: objects.default_filters.clone(),
        roster,
        knots: origin.knots.union(&knots).copied().collect(),
        diagnostics: diagnostics.clone(),
    };
    let compiled = tables.finish(objects, settings, uids, Some(origin), diagnostics, quarantined);
    Outcome::Changed(Box::new(Compiled { looked_at, ..compiled }))
}

/// Tables, and whose each definition is.
pub(super) struct Tables {
    pub(super) document: Finished,
    pub(super) zones: BTreeMap<String, Finished>,
    pub(super) owners: Vec<Option<Arc<ObjectRef>>>,
}

impl Tables {
    /// All that a compilation gives.
    pub(super) fn finish(
        self,
        objects: &Objects,
        settings: &Settings,
        uids: Arc<Uids>,
        origin: Option<Origin>,
        diagnostics: Vec<Diagnostic>,
        quarantined: Vec<Quarantined>,
    ) -> Compiled {
        let looked_at = objects.count();
        let counts = Counts::of(objects, settings, self.owners.iter().map(Option::as_deref));
        let (table, ends) = self.document.into_parts();
        let (mut zones, mut zone_ends) = (BTreeMap::new(), BTreeMap::new());
        for (zone, document) in self.zones {
            let (table, ends) = document.into_parts();
            zones.insert(zone.clone(), table);
            zone_ends.insert(zone, ends);
        }
        let ledger = Ledger { ends, zones: zone_ends, owners: self.owners, uids, origin };
        Compiled { table, zones, diagnostics, quarantined, ledger, counts, looked_at }
    }
}

/// Puts what was made of the parts in the place of what was there of them. None where an id is in the way, or where no
/// route of an object is in one of the tables: with none, there are none of the settings either.
fn replace(reached: &Reached<'_>, made: &Made, ledger: &Ledger, past: &Past) -> Option<Tables> {
    let goes = of_reached(&ledger.owners, reached);
    let of_objects = made.owners.iter().enumerate().filter(|(_, owner)| owner.is_some());
    let new: Vec<_> = of_objects.map(|(place, _)| (place, made.document.id(place))).collect();
    let plan = Plan::of(&past.table, &ledger.ends, |index| goes[index], &new)?;
    let made_zones = made.zones.iter().map(|(zone, it)| (zone, zones::document(&made.document, it)));
    let made_zones: BTreeMap<_, _> = made_zones.collect();
    let names: BTreeSet<_> = ledger.zones.keys().chain(made.zones.keys()).collect();
    let zone = |name: &String| {
        let (text, ends) =
            past.zones.get(name).zip(ledger.zones.get(name)).unwrap_or((&past.table, &ledger.ends));
        plan.apply(text, ends, made_zones.get(name).unwrap_or(&made.document))
    };
    let (document, zones) = std::thread::scope(|scope| {
        let zones: Vec<_> = names.into_iter().map(|name| (name, scope.spawn(|| zone(name)))).collect();
        let document = plan.apply(&past.table, &ledger.ends, &made.document)?;
        let joined = zones.into_iter().map(|(name, zone)| Some((name.clone(), zone.join().ok()??)));
        let mut zones = joined.collect::<Option<BTreeMap<_, _>>>()?;
        zones.retain(|_, zone| zone.packed != document.packed);
        Some((document, zones))
    })?;
    let owner = |place: Result<usize, usize>| match place {
        Ok(old) => ledger.owners[old].clone(),
        Err(new) => made.owners[new].clone(),
    };
    let owners: Vec<_> = plan.places().map(owner).collect();
    let is_anyones = |owners: &[Option<_>]| owners.iter().any(Option::is_some);
    (is_anyones(&owners) && is_anyones(&ledger.owners)).then_some(Tables { document, zones, owners })
}

/// Which definitions are of objects that are reached. The definitions of one object mostly follow each other.
fn of_reached(owners: &[Option<Arc<ObjectRef>>], reached: &Reached<'_>) -> Vec<bool> {
    let mut last: Option<(&Arc<ObjectRef>, bool)> = None;
    owners
        .iter()
        .map(|owner| {
            let Some(owner) = owner else { return false };
            match last {
                Some((known, is_reached)) if Arc::ptr_eq(known, owner) => is_reached,
                _ => {
                    let is_reached = reached.objects.contains(&**owner);
                    last = Some((owner, is_reached));
                    is_reached
                }
            }
        })
        .collect()
}

/// The UIDs of all objects; those of before, where the parts have the same.
fn uids(reached: &Reached<'_>, before: &Arc<Uids>, now: Uids) -> Arc<Uids> {
    if reached.objects.iter().all(|object| before.get(*object) == now.get(*object)) {
        return Arc::clone(before);
    }
    let mut all = Uids::clone(before);
    all.retain(|object, _| !reached.objects.contains(object));
    all.extend(now);
    Arc::new(all)
}

#[cfg(test)]
mod tests;
