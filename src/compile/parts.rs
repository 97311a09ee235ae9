//! The parts of a cluster that a change reaches: whatever is tied to it, directly or by others.
//!
//! In: the roster, what changed, and knots, which earlier compilations found. Out: the objects of those parts. They are
//! compiled on their own, and nothing else is.

use std::collections::{HashMap, HashSet};
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
    /// Those that are there, by their places in the lists.
    places: [Vec<usize>; 6],
}

/// Sets of ties that grow together.
#[derive(Default)]
struct Sets {
    numbers: HashMap<Tie, usize>,
    parents: Vec<usize>,
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
        let mut sets = Sets::default();
        for entry in roster.0.iter().flatten().chain(changed) {
            let first = sets.number(entry.ties[0]);
            entry.ties[1..].iter().for_each(|tie| sets.unite(first, *tie));
        }
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
        let places: [Vec<usize>; 6] = roster.0.each_ref().map(|list| reached(list));
        let there = roster.0.iter().zip(&places).flat_map(|(list, at)| at.iter().map(|at| &list[*at]));
        Self { objects: there.chain(changed).map(|entry| &entry.object).collect(), places }
    }

    /// How many of the objects are there.
    pub(super) fn count(&self) -> usize {
        self.places.iter().map(Vec::len).sum()
    }

    /// Those of all `objects`, in their order.
    pub(super) fn among(&self, objects: &Objects) -> Objects {
        fn chosen<T: Clone>(all: &[T], places: &[usize]) -> Vec<T> {
            places.iter().map(|place| all[*place].clone()).collect()
        }
        let [ingresses, route_groups, services, endpoints, endpoint_slices, misshapen] = &self.places;
        Objects {
            ingresses: chosen(&objects.ingresses, ingresses),
            route_groups: chosen(&objects.route_groups, route_groups),
            services: chosen(&objects.services, services),
            endpoints: chosen(&objects.endpoints, endpoints),
            endpoint_slices: chosen(&objects.endpoint_slices, endpoint_slices),
            misshapen: chosen(&objects.misshapen, misshapen),
            default_filters: objects.default_filters.clone(),
            resource_versions: objects.resource_versions.clone(),
        }
    }
}

impl Sets {
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
