//! Which objects there are, in which versions, and what ties them together.
//!
//! In: the objects of a poll, and the roster before. Out: the roster, and which objects are new, gone or changed. The routes
//! of an object depend on itself, on the settings, and on others in a few ways, each of which is a tie: a Service that it
//! names, with the addresses behind it (they share one cache of lookups, and its flaws); a host that it has routes for (one
//! catch-all, one redirect); a name that looks like its own in ids; for a definition its id. What is not tied together is independent. Nothing can
//! go wrong: a tie too many costs time, and two ties that hash alike are such a one.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::object::{Definition, Ingress, Kind, Metadata, Objects, RouteGroup};

use super::cluster::service_name;
use super::ingress::east_west_host;
use super::{ObjectRef, Settings, names};

/// What objects have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Tie(u64);

/// One object in one version.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) object: ObjectRef,
    uid: String,
    version: String,
    pub(super) ties: Box<[Tie]>,
}

/// All objects, list by list, in the order in which they were listed.
#[derive(Clone, Debug, Default)]
pub(super) struct Roster(pub(super) [Vec<Arc<Entry>>; 7]);

/// An object as it was listed.
struct Member<'a> {
    kind: &'static str,
    metadata: &'a Metadata,
    content: Content<'a>,
}

/// What has ties beside its name.
enum Content<'a> {
    Ingress(&'a Ingress),
    RouteGroup(&'a RouteGroup),
    Definition,
    Other(Kind),
}

impl Roster {
    /// The roster of `objects`, and what was different before: each changed object in both versions. None where objects
    /// have another order than before, which may mean something.
    pub(super) fn after(&self, objects: &Objects, settings: &Settings) -> Option<(Self, Vec<Arc<Entry>>)> {
        let mut changed = Vec::new();
        let mut roster = Self::default();
        for ((old, new), members) in self.0.iter().zip(&mut roster.0).zip(members(objects)) {
            *new = follow(old, &members, settings, &mut changed)?;
        }
        Some((roster, changed))
    }

    /// How many objects there are.
    pub(super) fn count(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    /// The roster of `objects`, whatever was before.
    pub(super) fn of(objects: &Objects, settings: &Settings) -> Self {
        let (roster, _) = Self::default().after(objects, settings).expect("where nothing was, nothing moves");
        roster
    }
}

/// Goes through the `old` list beside the new one.
fn follow(
    old: &[Arc<Entry>],
    new: &[Member<'_>],
    settings: &Settings,
    changed: &mut Vec<Arc<Entry>>,
) -> Option<Vec<Arc<Entry>>> {
    let mut places: Option<HashMap<_, usize>> = None;
    let (mut at, mut entries) = (0, Vec::with_capacity(new.len()));
    for member in new {
        let is_next = old.get(at).is_some_and(|entry| entry.name() == member.name());
        let place = if is_next {
            Some(at)
        } else {
            let all = || old.iter().enumerate().map(|(place, entry)| (entry.name(), place)).collect();
            places.get_or_insert_with(all).get(&member.name()).copied()
        };
        match place {
            Some(place) if place < at => return None,
            Some(place) => {
                changed.extend_from_slice(&old[at..place]);
                at = place + 1;
                if old[place].is_version_of(member.metadata) {
                    entries.push(Arc::clone(&old[place]));
                    continue;
                }
                changed.push(Arc::clone(&old[place]));
            }
            None => {}
        }
        let entry = Arc::new(Entry::of(member, settings));
        changed.push(Arc::clone(&entry));
        entries.push(entry);
    }
    changed.extend_from_slice(&old[at..]);
    Some(entries)
}

impl Entry {
    fn of(member: &Member<'_>, settings: &Settings) -> Self {
        let metadata = member.metadata;
        let object = ObjectRef::new(member.kind, metadata);
        let mut ties = vec![Tie::own(&object)];
        let service = |name: &str| Tie::of("service", &[metadata.namespace_or_default(), name]);
        match &member.content {
            Content::Ingress(ingress) => {
                let rules = ingress.spec.iter().flat_map(|spec| &spec.rules);
                let paths = rules.clone().flat_map(|rule| rule.paths.iter().flatten());
                let default = ingress.spec.iter().flat_map(|spec| &spec.default_backend);
                let backends = paths.flat_map(|path| &path.backend).chain(default);
                ties.extend(backends.map(|backend| service(&backend.service)));
                ties.extend(rules.map(|rule| Tie::of("host", &[&rule.host])));
                ties.push(Tie::of(
                    "id",
                    &[&names::route_id(&metadata.namespace, &metadata.name, "", "", "")],
                ));
                if settings.east_west {
                    ties.push(Tie::of("host", &[&east_west_host(&object, settings)]));
                }
            }
            Content::RouteGroup(group) => {
                let backends = group.spec.iter().flat_map(|spec| &spec.backends);
                ties.extend(backends.map(|backend| service(&backend.service_name)));
                let hosts = group.spec.iter().flat_map(|spec| &spec.hosts);
                ties.extend(hosts.map(|host| Tie::of("group's host", &[host])));
            }
            // Two documents may have one.
            Content::Definition => ties.push(Tie::of("definition", &[&metadata.name])),
            Content::Other(Kind::Service | Kind::Endpoints) => ties.push(service(&metadata.name)),
            Content::Other(Kind::EndpointSlice) => ties.push(service(service_name(metadata))),
            // What cannot be read asks for nothing.
            Content::Other(Kind::Ingress | Kind::RouteGroup) => {}
        }
        ties.sort_unstable();
        ties.dedup();
        let (uid, version) = (metadata.uid.clone(), metadata.resource_version.clone());
        Self { object, uid, version, ties: ties.into() }
    }

    /// Whether it is what says `metadata` of itself. What has no version may always be another one.
    fn is_version_of(&self, metadata: &Metadata) -> bool {
        let known = !self.uid.is_empty() && !self.version.is_empty();
        known && self.uid == metadata.uid && self.version == metadata.resource_version
    }

    fn name(&self) -> (&str, &str, &str) {
        (&self.object.kind, &self.object.namespace, &self.object.name)
    }
}

impl Tie {
    /// What only the object itself has.
    pub(super) fn own(object: &ObjectRef) -> Self {
        Self::of("object", &[&object.kind, &object.namespace, &object.name])
    }

    fn of(what: &str, parts: &[&str]) -> Self {
        let mut hasher = DefaultHasher::new();
        (what, parts).hash(&mut hasher);
        Self(hasher.finish())
    }
}

impl Member<'_> {
    fn name(&self) -> (&str, &str, &str) {
        (self.kind, &self.metadata.namespace, &self.metadata.name)
    }
}

/// The lists of `objects`.
fn members<'a>(objects: &'a Objects) -> [Vec<Member<'a>>; 7] {
    fn other(kind: Kind, metadata: &Metadata) -> Member<'_> {
        Member { kind: kind.name(), metadata, content: Content::Other(kind) }
    }
    let ingress =
        |it: &'a Arc<Ingress>| Member { content: Content::Ingress(it), ..other(Kind::Ingress, &it.metadata) };
    let group = |it: &'a Arc<RouteGroup>| Member {
        content: Content::RouteGroup(it),
        ..other(Kind::RouteGroup, &it.metadata)
    };
    let definition = |it: &'a Arc<Definition>| Member {
        kind: Definition::KIND,
        metadata: &it.metadata,
        content: Content::Definition,
    };
    [
        objects.ingresses.iter().map(ingress).collect(),
        objects.route_groups.iter().map(group).collect(),
        objects.services.iter().map(|it| other(Kind::Service, &it.metadata)).collect(),
        objects.endpoints.iter().map(|it| other(Kind::Endpoints, &it.metadata)).collect(),
        objects.endpoint_slices.iter().map(|it| other(Kind::EndpointSlice, &it.metadata)).collect(),
        objects.definitions.iter().map(definition).collect(),
        objects.misshapen.iter().map(|it| other(it.kind, &it.metadata)).collect(),
    ]
}
