//! One object of a mirror, of any kind.

use std::sync::Arc;

use super::super::page::Page;
use crate::compile::Diagnostic;
use crate::object::{
    EndpointSlice, Endpoints, Ingress, Kind, Metadata, Misshapen, Objects, RouteGroup, Service,
};

/// `NAMESPACE/NAME`. Lists come in the order of these bytes, for so do the keys of the store: `a-b/x` stands before `a/x`.
pub(in super::super) type Key = Arc<str>;

/// An object as it was decoded.
#[derive(Clone, Debug)]
pub(in super::super) enum Entry {
    Ingress(Arc<Ingress>),
    RouteGroup(Arc<RouteGroup>),
    Service(Arc<Service>),
    Endpoints(Arc<Endpoints>),
    EndpointSlice(Arc<EndpointSlice>),
    /// One that cannot be read, and what is wrong with it.
    Misshapen(Arc<Misshapen>, Diagnostic),
}

impl Entry {
    /// The object of that `kind` with this text.
    pub(super) fn read(kind: Kind, text: &str) -> Option<Self> {
        let mut page = Page::default();
        page.diagnostics.extend(page.objects.add_text(kind, text).err());
        Self::of_page(kind, &page).next()
    }

    /// The objects of a page of `kind`: those that can be read, and then the others.
    pub(super) fn of_page(kind: Kind, page: &Page) -> impl Iterator<Item = Self> {
        let Objects { ingresses, route_groups, services, endpoints, endpoint_slices, .. } = &page.objects;
        let readable: Box<dyn Iterator<Item = Self>> = match kind {
            Kind::Ingress => Box::new(ingresses.iter().cloned().map(Self::Ingress)),
            Kind::RouteGroup => Box::new(route_groups.iter().cloned().map(Self::RouteGroup)),
            Kind::Service => Box::new(services.iter().cloned().map(Self::Service)),
            Kind::Endpoints => Box::new(endpoints.iter().cloned().map(Self::Endpoints)),
            Kind::EndpointSlice => Box::new(endpoint_slices.iter().cloned().map(Self::EndpointSlice)),
        };
        let misshapen = page.objects.misshapen.iter().zip(&page.diagnostics);
        readable.chain(misshapen.map(|(it, wrong)| Self::Misshapen(Arc::clone(it), wrong.clone())))
    }

    /// Adds it to the others of its kind.
    pub(in super::super) fn add_to(&self, objects: &mut Objects, diagnostics: &mut Vec<Diagnostic>) {
        match self {
            Self::Ingress(it) => objects.ingresses.push(Arc::clone(it)),
            Self::RouteGroup(it) => objects.route_groups.push(Arc::clone(it)),
            Self::Service(it) => objects.services.push(Arc::clone(it)),
            Self::Endpoints(it) => objects.endpoints.push(Arc::clone(it)),
            Self::EndpointSlice(it) => objects.endpoint_slices.push(Arc::clone(it)),
            Self::Misshapen(it, wrong) => {
                objects.misshapen.push(Arc::clone(it));
                diagnostics.push(wrong.clone());
            }
        }
    }

    pub(super) fn metadata(&self) -> &Metadata {
        match self {
            Self::Ingress(it) => &it.metadata,
            Self::RouteGroup(it) => &it.metadata,
            Self::Service(it) => &it.metadata,
            Self::Endpoints(it) => &it.metadata,
            Self::EndpointSlice(it) => &it.metadata,
            Self::Misshapen(it, _) => &it.metadata,
        }
    }

    /// Where it stands; none where it does not say its name.
    pub(super) fn key(&self) -> Option<Key> {
        let Metadata { namespace, name, .. } = self.metadata();
        (!name.is_empty()).then(|| key(namespace, name))
    }

    /// Whether it cannot be read.
    pub(super) const fn is_misshapen(&self) -> bool {
        matches!(self, Self::Misshapen(..))
    }

    /// Whether both are one object in one version. What has no version may always be another one.
    pub(super) fn is_version_of(&self, other: &Self) -> bool {
        let (own, other) = (self.metadata(), other.metadata());
        !own.resource_version.is_empty()
            && own.uid == other.uid
            && own.resource_version == other.resource_version
    }

    /// Whether it may name Services.
    pub(super) const fn refers(&self) -> bool {
        matches!(self, Self::Ingress(_) | Self::RouteGroup(_))
    }

    /// The keys of the Services that it names.
    pub(super) fn services(&self) -> impl Iterator<Item = Key> {
        let names: Vec<&String> = match self {
            Self::Ingress(it) => {
                let rules = it.spec.iter().flat_map(|spec| &spec.rules);
                let paths = rules.flat_map(|rule| rule.paths.iter().flatten());
                let default = it.spec.iter().flat_map(|spec| &spec.default_backend);
                let backends = paths.flat_map(|path| &path.backend).chain(default);
                backends.map(|backend| &backend.service).collect()
            }
            Self::RouteGroup(it) => {
                let backends = it.spec.iter().flat_map(|spec| &spec.backends);
                backends.map(|backend| &backend.service_name).collect()
            }
            _ => Vec::new(),
        };
        let namespace = &self.metadata().namespace;
        names.into_iter().filter(|name| !name.is_empty()).map(move |name| key(namespace, name))
    }

    /// Whether it is a Service that stands for a name somewhere else, and has no addresses.
    pub(super) fn is_elsewhere(&self) -> bool {
        let Self::Service(service) = self else { return false };
        service.spec.as_ref().is_some_and(|spec| spec.service_type == "ExternalName")
    }
}

fn key(namespace: &str, name: &str) -> Key {
    format!("{namespace}/{name}").into()
}
