//! The parts of a cluster: whatever is tied together, directly or by others.
//!
//! In: the roster, what changed, and knots, which earlier compilations found. Out: the objects of the parts that a change
//! reaches, which are compiled on their own, and nothing else is; or all parts, some together.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use crate::object::Objects;

use super::ObjectRef;
use super::roster::{Entry, Roster, Tie};

/// Two objects that asked for a route of one id, each by its own tie.
pub(super) type Knot = (Tie, Tie);

/// The objects that a change reaches.
pub(super) struct Reached<'a> {
    /// Those that are there, and those that are gone.
    pub(super) objects: HashSet<&'a ObjectRef>,
    /// Those that are there.
    pub(super) places: Places,
}

/// Objects of a cluster, by their places in its lists.
#[derive(Debug, Default)]
pub(super) struct Places([Vec<usize>; 7]);

/// Sets of ties that grow together.
#[derive(Default)]
struct Sets {
    numbers: HashMap<Tie, usize, BuildHasherDefault<AsItIs>>,
    parents: Vec<usize>,
}

/// A tie is a hash already.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

impl<'a> Reached<'a> {
    /// What `changed` reaches; a changed object is in it in both versions, and reaches by the ties of both. So do the
    /// `further` ties.
    pub(super) fn by(
        changed: &'a [Arc<Entry>],
        further: impl Iterator<Item = Tie>,
        roster: &'a Roster,
        knots: &HashSet<Knot>,
    ) -> Self {
        let mut sets = Sets::of(roster.0.iter().flatten().chain(changed));
        for (one, other) in knots {
            let one = sets.number(*one);
            sets.unite(one, *other);
        }
        let changed_ties = changed.iter().map(|entry| entry.ties[0]).chain(further);
        let marked: HashSet<_> = changed_ties.map(|tie| sets.set_of(tie)).collect();
        let mut is_reached = |entry: &Entry| marked.contains(&sets.set_of(entry.ties[0]));
        let mut reached = |list: &[Arc<Entry>]| {
            let places = list.iter().enumerate().filter(|(_, entry)| is_reached(entry));
            places.map(|(place, _)| place).collect()
        };
        let places = Places(roster.0.each_ref().map(|list| reached(list)));
        let there = roster.0.iter().zip(&places.0).flat_map(|(list, at)| at.iter().map(|at| &list[*at]));
        Self { objects: there.chain(changed).map(|entry| &entry.object).collect(), places }
    }
}

impl Places {
    /// All objects of the `roster`, in groups of about `size`: whole parts each, and mostly neighbours.
    pub(super) fn groups(roster: &Roster, size: usize) -> Vec<Self> {
        let mut sets = Sets::of(roster.0.iter().flatten());
        let lists = roster.0.each_ref();
        let lists = lists.map(|list| list.iter().map(|it| sets.set_of(it.ties[0])).collect::<Vec<_>>());
        let mut sizes = vec![0_usize; sets.parents.len()];
        lists.iter().flatten().for_each(|set| sizes[*set] += 1);
        let mut group_of = vec![None; sizes.len()];
        let (mut groups, mut filled) = (Vec::<Self>::new(), 0);
        for (number, list) in lists.iter().enumerate() {
            for (place, set) in list.iter().enumerate() {
                let group = *group_of[*set].get_or_insert_with(|| {
                    if groups.is_empty() || filled + sizes[*set] > size {
                        groups.push(Self::default());
                        filled = 0;
                    }
                    filled += sizes[*set];
                    groups.len() - 1
                });
                groups[group].0[number].push(place);
            }
        }
        groups
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    /// Those of all `objects`, in their order.
    pub(super) fn among(&self, objects: &Objects) -> Objects {
        fn chosen<T: Clone>(all: &[T], places: &[usize]) -> Vec<T> {
            places.iter().map(|place| all[*place].clone()).collect()
        }
        let [ingresses, route_groups, services, endpoints, endpoint_slices, definitions, misshapen] = &self.0;
        Objects {
            ingresses: chosen(&objects.ingresses, ingresses),
            route_groups: chosen(&objects.route_groups, route_groups),
            services: chosen(&objects.services, services),
            endpoints: chosen(&objects.endpoints, endpoints),
            endpoint_slices: chosen(&objects.endpoint_slices, endpoint_slices),
            definitions: chosen(&objects.definitions, definitions),
            misshapen: chosen(&objects.misshapen, misshapen),
            default_filters: objects.default_filters.clone(),
            resource_versions: objects.resource_versions.clone(),
        }
    }
}

impl Sets {
    /// What is tied together by these.
    fn of<'a>(entries: impl Iterator<Item = &'a Arc<Entry>>) -> Self {
        let mut sets = Self::default();
        for entry in entries {
            let first = sets.number(entry.ties[0]);
            entry.ties[1..].iter().for_each(|tie| sets.unite(first, *tie));
        }
        sets
    }

    fn number(&mut self, tie: Tie) -> usize {
        *self.numbers.entry(tie).or_insert_with(|| {
            self.parents.push(self.parents.len());
            self.parents.len() - 1
        })
    }

    fn root(&mut self, mut number: usize) -> usize {
        while self.parents[number] != number {
            self.parents[number] = self.parents[self.parents[number]];
            number = self.parents[number];
        }
        number
    }

    fn unite(&mut self, one: usize, other: Tie) {
        let other = self.number(other);
        let (one, other) = (self.root(one), self.root(other));
        self.parents[one.max(other)] = one.min(other);
    }

    fn set_of(&mut self, tie: Tie) -> usize {
        let number = self.number(tie);
        self.root(number)
    }
}
