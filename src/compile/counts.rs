//! How much a compilation was made of: what the guard compares, and what travels with a snapshot for the next leader.

use std::collections::BTreeMap;
use std::fmt;

use crate::object::{Definition, Kind, Objects};

use super::{ObjectRef, Settings};

/// One thing that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// Objects of a kind that were read, of every class.
    Objects(Kind),
    /// Routes made of objects of a kind. Routes that the settings alone ask for are not counted: they are always there.
    Routes(Kind),
    /// Ready addresses in all Endpoints or EndpointSlices.
    Addresses,
    /// Definitions in the documents of an upstream that has routes.
    Definitions,
    /// Routes that stand in the table of them.
    Defined,
}

/// The number of each thing that was counted. What is not in it was not counted, and is compared with nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(pub BTreeMap<Measure, u64>);

impl Counts {
    /// Counts `objects` and the routes, each by the object that it was made of. Every kind that `settings` read is counted, also where
    /// there is none of it: a kind that disappears is what the guard is for.
    pub(super) fn of<'a>(
        objects: &Objects,
        settings: &Settings,
        owners: impl Iterator<Item = Option<&'a ObjectRef>>,
    ) -> Self {
        let mut counts = Self::default();
        // What is there but cannot be read is there.
        let misshapen = |kind| objects.misshapen.iter().filter(move |object| object.kind == kind);
        let mut objects_of = |kind, readable: usize| {
            counts.set(Measure::Objects(kind), readable + misshapen(kind).count());
        };
        objects_of(Kind::Ingress, objects.ingresses.len());
        objects_of(Kind::RouteGroup, objects.route_groups.len());
        objects_of(Kind::Service, objects.services.len());
        let (kind, ready): (_, usize) = if settings.endpoint_slices {
            objects_of(Kind::EndpointSlice, objects.endpoint_slices.len());
            let endpoints = objects.endpoint_slices.iter().flat_map(|slice| slice.endpoints.iter().flatten());
            (Kind::EndpointSlice, endpoints.filter(|endpoint| endpoint.is_ready()).count())
        } else {
            objects_of(Kind::Endpoints, objects.endpoints.len());
            let subsets = objects.endpoints.iter().flat_map(|one| one.subsets.iter().flatten());
            (Kind::Endpoints, subsets.map(|subset| subset.addresses.len()).sum())
        };
        let at_least: usize = misshapen(kind).map(|object| object.addresses).sum();
        counts.set(Measure::Addresses, ready + at_least);
        let mut routes = [(Kind::Ingress, 0), (Kind::RouteGroup, 0)];
        let mut defined = 0;
        for owner in owners.flatten() {
            defined += usize::from(owner.kind == Definition::KIND);
            for (_, count) in routes.iter_mut().filter(|(kind, _)| kind.name() == owner.kind) {
                *count += 1;
            }
        }
        for (kind, count) in routes {
            counts.set(Measure::Routes(kind), count);
        }
        if settings.definitions {
            counts.set(Measure::Definitions, objects.definitions.len());
            counts.set(Measure::Defined, defined);
        }
        counts
    }

    fn set(&mut self, measure: Measure, count: usize) {
        self.0.insert(measure, count as u64);
    }
}

impl Measure {
    /// Every measure.
    pub fn all() -> impl Iterator<Item = Self> {
        let objects = Kind::ALL.into_iter().map(Self::Objects);
        let all = objects.chain(Kind::ALL.into_iter().map(Self::Routes));
        all.chain([Self::Addresses, Self::Definitions, Self::Defined])
    }

    /// `objects`, `routes`, `addresses`, `definitions` or `defined`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Objects(_) => "objects",
            Self::Routes(_) => "routes",
            Self::Addresses => "addresses",
            Self::Definitions => "definitions",
            Self::Defined => "defined",
        }
    }

    /// The kind whose objects or routes are counted.
    pub const fn kind(self) -> Option<Kind> {
        match self {
            Self::Objects(kind) | Self::Routes(kind) => Some(kind),
            Self::Addresses | Self::Definitions | Self::Defined => None,
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Objects(kind) => write!(f, "objects of the kind {}", kind.name()),
            Self::Routes(kind) => write!(f, "routes of the kind {}", kind.name()),
            Self::Addresses => f.write_str("ready addresses"),
            Self::Definitions => f.write_str("definitions"),
            Self::Defined => f.write_str("routes of definitions"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::object::{EndpointSlice, Endpoints, SliceEndpoint, Subset};

    #[test]
    fn what_is_read_is_counted_and_synthetic_routes_are_not() {
        let ready = SliceEndpoint { ready: Some(true), ..SliceEndpoint::default() };
        let gone = SliceEndpoint { ready: Some(false), ..SliceEndpoint::default() };
        let subset =
            Subset { addresses: vec![Some("10.0.0.1".into()), Some("10.0.0.2".into())], ports: Vec::new() };
        let objects = Objects {
            ingresses: (0..3).map(|_| Arc::default()).collect(),
            endpoints: vec![Arc::new(Endpoints { subsets: vec![Some(subset)], ..Endpoints::default() })],
            endpoint_slices: vec![Arc::new(EndpointSlice {
                endpoints: vec![Some(ready), Some(gone)],
                ..EndpointSlice::default()
            })],
            ..Objects::default()
        };
        let object = ObjectRef { kind: "Ingress".to_owned(), ..ObjectRef::default() };
        let owners = || [Some(&object), None].into_iter();

        let by_endpoints = Counts::of(&objects, &Settings::default(), owners()).0;
        assert_eq!(by_endpoints[&Measure::Objects(Kind::Ingress)], 3);
        assert_eq!(by_endpoints[&Measure::Objects(Kind::RouteGroup)], 0, "counted although there is none");
        assert_eq!(by_endpoints[&Measure::Routes(Kind::Ingress)], 1);
        assert_eq!(by_endpoints[&Measure::Addresses], 2);
        assert!(!by_endpoints.contains_key(&Measure::Objects(Kind::EndpointSlice)), "not read");
        assert!(!by_endpoints.contains_key(&Measure::Definitions), "not read");

        let slices = Settings { endpoint_slices: true, ..Settings::default() };
        let by_slices = Counts::of(&objects, &slices, owners()).0;
        assert_eq!(
            (by_slices[&Measure::Objects(Kind::EndpointSlice)], by_slices[&Measure::Addresses]),
            (1, 1)
        );
    }

    #[test]
    fn definitions_are_counted_where_they_are_read_also_where_there_is_none() {
        let (definitions, _) =
            Definition::of_document("d", "a: * -> <shunt>; b: * -> <shunt>;", &[]).unwrap();
        let owners: Vec<_> = definitions.iter().map(|it| it.object()).collect();
        let objects = Objects { definitions, ..Objects::default() };
        let settings = Settings::default().of_definitions();
        let counts = Counts::of(&objects, &settings, owners.iter().skip(1).map(Some)).0;
        assert_eq!((counts[&Measure::Definitions], counts[&Measure::Defined]), (2, 1));
        let none = Counts::of(&Objects::default(), &settings, std::iter::empty()).0;
        assert_eq!((none[&Measure::Definitions], none[&Measure::Defined]), (0, 0));
    }

    #[test]
    fn what_cannot_be_read_is_there() {
        let (objects, _) = Objects::from_values([
            json!({"kind": "Ingress", "spec": 5}),
            json!({"kind": "Ingress"}),
            json!({"kind": "Endpoints", "subsets": [{"addresses": [{"ip": "10.0.0.1"}, {"ip": 2}]}]}),
        ]);
        let counts = Counts::of(&objects, &Settings::default(), std::iter::empty()).0;
        assert_eq!(counts[&Measure::Objects(Kind::Ingress)], 2);
        assert_eq!(counts[&Measure::Objects(Kind::Endpoints)], 1);
        assert_eq!(counts[&Measure::Addresses], 2);
    }
}
