//! Groups of a cluster that were made apart, brought together in the order of ids.
//!
//! In: what came of each group. Out: the tables, and whatever else there is to be said of the whole. What can go wrong: two
//! groups ask for one id, in a table or in quarantine. Only who makes all at once knows which of them gets it.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};
use std::ops::Range;

use crate::snapshot::Packer;

use super::assembly::Knots;
use super::document::Finished;
use super::incremental::Tables;
use super::past::Uids;
use super::side_by_side::side_by_side;
use super::{Diagnostic, Made, Past, Quarantined, zones};

/// All groups, and how their definitions follow each other.
pub(super) struct Merged {
    groups: Vec<Made>,
    runs: Vec<Run>,
}

/// Definitions that follow each other in a group, and in the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Run {
    group: usize,
    range: Range<usize>,
}

impl Merged {
    /// The whole of these groups. None where one asks for an id of another.
    pub(super) fn of(groups: Vec<Made>) -> Option<Self> {
        let runs = order(&groups)?;
        are_apart(&groups).then_some(Self { groups, runs })
    }

    /// The whole that was made at once.
    pub(super) fn of_all(made: Made) -> Self {
        let runs = vec![Run { group: 0, range: 0..made.document.count() }];
        Self { groups: vec![made], runs }
    }

    /// Who asked for routes of one id.
    pub(super) fn knots(&self) -> Knots {
        self.groups.iter().flat_map(|made| &made.knots).cloned().collect()
    }

    /// What is wrong, and what is left out, in the order of the objects. What each group has to say of the settings is said
    /// once.
    pub(super) fn findings(&self) -> (Vec<Diagnostic>, Vec<Quarantined>) {
        let mut diagnostics: Vec<Diagnostic> = Vec::new();
        let mut quarantined: Vec<Quarantined> = Vec::new();
        for made in &self.groups {
            let new = |it: &&Diagnostic| it.object.is_some() || !diagnostics.contains(it);
            let new: Vec<_> = made.diagnostics.iter().filter(new).cloned().collect();
            diagnostics.extend(new);
            let new = |it: &&Quarantined| !it.object.kind.is_empty() || !quarantined.contains(it);
            let new: Vec<_> = made.quarantined.iter().filter(new).cloned().collect();
            quarantined.extend(new);
        }
        diagnostics.sort_by(|a, b| a.object.cmp(&b.object));
        quarantined.sort_by(|a, b| a.object.cmp(&b.object));
        (diagnostics, quarantined)
    }

    /// Packs the main table, and side by side with it those of the zones that differ, on so many threads.
    pub(super) fn pack(self, past: &Past, threads: usize) -> (Tables, Uids) {
        let names = self.groups.iter().flat_map(|made| made.zones.keys());
        let names: BTreeSet<&str> = names.map(String::as_str).collect();
        let tables: Vec<_> = std::iter::once(None).chain(names.into_iter().map(Some)).collect();
        let mut packed = side_by_side(&tables, threads, |zone| self.table(*zone, past)).into_iter();
        let document = packed.next().expect("the main table is the first");
        let zones = tables[1..].iter().flatten().map(|zone| (*zone).to_owned()).zip(packed).collect();
        let owners = self.runs.iter().flat_map(|run| &self.groups[run.group].owners[run.range.clone()]);
        let owners = owners.cloned().collect();
        let uids = self.groups.into_iter().flat_map(|made| made.uids).collect();
        (Tables { document, zones, owners }, uids)
    }

    /// The table of a zone, or the main one.
    fn table(&self, zone: Option<&str>, past: &Past) -> Finished {
        let mut packer = Packer::new(Some(past.for_zone(zone.unwrap_or_default())));
        let mut ends = Vec::with_capacity(self.groups.iter().map(|made| made.document.count()).sum());
        for Run { group, range } in &self.runs {
            if !packer.is_empty() {
                packer.push(b"\n");
            }
            let made = &self.groups[*group];
            let narrowed = zone.and_then(|zone| made.zones.get(zone));
            let start = packer.len();
            let push = |text: &str| packer.push(text.as_bytes());
            zones::copy(&made.document, narrowed, range.clone(), start, &mut ends, push);
        }
        Finished { packed: packer.finish(), ends }
    }
}

/// How the definitions of all groups follow each other. Those that the settings alone ask for are in each group, and come
/// once. None where two groups have another one in common.
fn order(groups: &[Made]) -> Option<Vec<Run>> {
    let mut heads: BinaryHeap<_> = BinaryHeap::with_capacity(groups.len());
    let head = |group: usize, index: usize| {
        let document = &groups[group].document;
        (index < document.count()).then(|| Reverse((document.id(index), group, index)))
    };
    heads.extend((0..groups.len()).filter_map(|group| head(group, 0)));
    let mut runs: Vec<Run> = Vec::new();
    let mut last: Option<(&str, usize, usize)> = None;
    while let Some(Reverse((id, group, index))) = heads.pop() {
        heads.extend(head(group, index + 1));
        if let Some((_, other, place)) = last.filter(|(known, other, _)| *known == id && *other != group) {
            if groups[other].owners[place].is_some() || groups[group].owners[index].is_some() {
                return None;
            }
            continue;
        }
        last = Some((id, group, index));
        match runs.last_mut().filter(|run| run.group == group && run.range.end == index) {
            Some(run) => run.range.end += 1,
            None => runs.push(Run { group, range: index..index + 1 }),
        }
    }
    Some(runs)
}

/// Whether no id that was left out of one group is asked for by another.
fn are_apart(groups: &[Made]) -> bool {
    let mut left_out: HashMap<&str, usize> = HashMap::new();
    groups.iter().enumerate().all(|(group, made)| {
        let of_objects = made.quarantined.iter().filter(|it| !it.object.kind.is_empty());
        let mut ids = of_objects.map(|it| it.route.as_str()).filter(|id| !id.is_empty());
        ids.all(|id| {
            let alone = *left_out.entry(id).or_insert(group) == group;
            let mut others = groups.iter().enumerate().filter(|(other, _)| *other != group);
            alone && others.all(|(_, made)| !made.document.has(id))
        })
    })
}

#[cfg(test)]
mod tests;
