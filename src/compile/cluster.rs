//! The objects by name: what an Ingress or a RouteGroup looks up.
//!
//! In: everything that was read. Out: services, and the endpoints behind their ports, found in constant time. What
//! can go wrong: a service without a spec is left out, with a diagnostic; what is not there is not found; what cannot be
//! read is a hurdle, of which whoever comes upon it is told.

mod hurdles;
mod slices;
mod targets;

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use crate::eskip::Endpoint;
use crate::object::{Endpoints, Metadata, Objects, ServicePort, ServiceSpec, TargetPort};

use super::{Diagnostics, ObjectRef, Settings};

use hurdles::Hurdles;
use slices::Slices;

pub(super) use slices::{addresses as addresses_in_slices, service_name};

/// A namespace and a name.
type Id<'a> = (&'a str, &'a str);

/// A zone counts on its own only with as many endpoints as this; with fewer, all zones serve.
pub const MIN_ENDPOINTS_BY_ZONE: usize = 3;

/// All objects that routes refer to.
#[derive(Debug)]
pub struct Cluster<'a> {
    services: HashMap<Id<'a>, &'a ServiceSpec>,
    addresses: Addresses<'a>,
    found: RefCell<HashMap<CacheKey, Arc<[Endpoint]>>>,
    hurdles: Hurdles<'a>,
}

/// The two ways in which Kubernetes tells the addresses of a service.
#[derive(Debug)]
enum Addresses<'a> {
    Endpoints(HashMap<Id<'a>, &'a Endpoints>),
    Slices(HashMap<Id<'a>, Slices<'a>>),
}

/// The scheme of a backend's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheme<'a> {
    /// The scheme, as `http`.
    pub name: &'a str,
    /// Whether an annotation asks for it; if not, a port's `appProtocol` may say otherwise.
    pub annotated: bool,
}

/// What the peer takes for the same lookup within one load. Three of its flaws are in here, and they change bytes: the
/// names of service ports do not count, RouteGroups do not tell schemes apart, and an Ingress whose scheme is `TCP`
/// finds what a RouteGroup left.
#[derive(Debug, PartialEq, Eq, Hash)]
struct CacheKey {
    namespace: String,
    service: String,
    target_port: String,
    protocol: String,
}

impl<'a> Cluster<'a> {
    /// Indexes `objects`.
    pub fn new(objects: &'a Objects, settings: &Settings, diagnostics: &mut Diagnostics) -> Self {
        let mut services = HashMap::with_capacity(objects.services.len());
        for service in &objects.services {
            match &service.spec {
                Some(spec) if !service.metadata.name.is_empty() => {
                    services.insert(id(&service.metadata), spec);
                }
                _ => diagnostics.add(
                    &ObjectRef::new("Service", &service.metadata),
                    "a service without a name or a spec",
                    "its routes answer as if it did not exist",
                ),
            }
        }
        let addresses = if settings.endpoint_slices {
            Addresses::Slices(slices::by_service(&objects.endpoint_slices))
        } else {
            let named = objects.endpoints.iter().map(|endpoints| (id(&endpoints.metadata), &**endpoints));
            Addresses::Endpoints(named.collect())
        };
        let hurdles = Hurdles::of(objects, settings.endpoint_slices);
        Self { services, addresses, found: RefCell::default(), hurdles }
    }

    /// The service of that name. The namespace is not defaulted: who looks up decides.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub fn service(&self, namespace: &str, name: &str) -> Result<&'a ServiceSpec, String> {
        if self.hurdles.is_service((namespace, name)) {
            return Err(format!("service {namespace}/{name} cannot be read"));
        }
        let service = self.services.get(&(namespace, name)).copied();
        service.ok_or_else(|| format!("there is no service {namespace}/{name}"))
    }

    /// The ports of a service, in their order.
    pub fn ports<'s>(&self, service: &'s ServiceSpec) -> impl Iterator<Item = &'s ServicePort> {
        self.hurdles.up_to_null(&service.ports, "the ports of its Service")
    }

    /// What a conversion came upon that cannot be read, since this was last asked.
    pub fn take_hurdle(&self) -> Option<String> {
        self.hurdles.take()
    }

    /// The endpoints behind a port of a service, as an Ingress sees them, sorted by address. With EndpointSlices they
    /// carry their zones, and are narrowed to `zone` if that is not empty and has enough of them.
    pub fn endpoints_of_port(
        &self,
        (namespace, service): Id<'_>,
        scheme: Scheme<'_>,
        port: &ServicePort,
        zone: &str,
    ) -> Arc<[Endpoint]> {
        let by_slices = matches!(self.addresses, Addresses::Slices(_));
        let key = CacheKey {
            namespace: namespace.to_owned(),
            service: service.to_owned(),
            target_port: port.target_port.as_ref().map(TargetPort::to_string).unwrap_or_default(),
            protocol: if by_slices && !scheme.annotated { String::new() } else { scheme.name.to_owned() },
        };
        let (id, hurdles) = ((namespace, service), &self.hurdles);
        self.cached(id, key, zone, || match &self.addresses {
            Addresses::Endpoints(known) => {
                Some(targets::of_service_port(known.get(&id)?, scheme.name, port, hurdles))
            }
            Addresses::Slices(known) => Some(known.get(&id)?.of_service_port(scheme, port, hurdles)),
        })
    }

    /// The endpoints behind a target port of a service, as a RouteGroup sees them, sorted by address; zones as above.
    pub fn endpoints_of_target(
        &self,
        (namespace, service): Id<'_>,
        scheme: Scheme<'_>,
        target: &TargetPort,
        zone: &str,
    ) -> Arc<[Endpoint]> {
        let key = CacheKey {
            namespace: namespace.to_owned(),
            service: service.to_owned(),
            target_port: target.to_string(),
            protocol: "TCP".to_owned(),
        };
        let (id, hurdles) = ((namespace, service), &self.hurdles);
        self.cached(id, key, zone, || match &self.addresses {
            Addresses::Endpoints(known) => {
                Some(targets::of_target_port(known.get(&id)?, scheme.name, target, hurdles))
            }
            Addresses::Slices(known) => Some(known.get(&id)?.of_target_port(scheme, target, hurdles)),
        })
    }

    /// What comes upon a hurdle is not kept: the next who looks comes upon it too.
    fn cached(
        &self,
        id: Id<'_>,
        key: CacheKey,
        zone: &str,
        find: impl FnOnce() -> Option<Vec<Endpoint>>,
    ) -> Arc<[Endpoint]> {
        if self.hurdles.are_addresses(id) {
            return Arc::default();
        }
        let mut found = self.found.borrow_mut();
        let entry = match found.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(free) => {
                let mut endpoints = find().unwrap_or_default();
                endpoints.sort_by(|a, b| a.address.cmp(&b.address));
                if self.hurdles.is_met() {
                    return self.balanced(endpoints).into();
                }
                free.insert(self.balanced(endpoints).into())
            }
        };
        match self.addresses {
            Addresses::Slices(_) if !zone.is_empty() => in_zone(entry, zone),
            _ => Arc::clone(entry),
        }
    }

    /// Addresses from Endpoints are texts to the peer, and it reads them again where there are several: an annotated
    /// scheme with a `?zone=` in it becomes a zone.
    fn balanced(&self, endpoints: Vec<Endpoint>) -> Vec<Endpoint> {
        match self.addresses {
            Addresses::Endpoints(_) if endpoints.len() > 1 => {
                endpoints.into_iter().map(|endpoint| Endpoint::from(endpoint.address.as_str())).collect()
            }
            _ => endpoints,
        }
    }
}

impl<'a> Scheme<'a> {
    /// What the annotation of an Ingress or a RouteGroup asks for, or `http`.
    pub fn of(metadata: &'a Metadata) -> Self {
        let annotation = metadata.annotation("zalando.org/skipper-backend-protocol");
        Self { name: annotation.unwrap_or("http"), annotated: annotation.is_some() }
    }
}

fn id(metadata: &Metadata) -> Id<'_> {
    (metadata.namespace_or_default(), &metadata.name)
}

fn in_zone(all: &Arc<[Endpoint]>, zone: &str) -> Arc<[Endpoint]> {
    let zonal: Arc<[Endpoint]> = all.iter().filter(|endpoint| endpoint.zone == zone).cloned().collect();
    if zonal.len() >= MIN_ENDPOINTS_BY_ZONE { zonal } else { Arc::clone(all) }
}

/// The address of a port; an IPv6 address gets brackets.
fn address(scheme: &str, ip: &str, port: i64) -> String {
    if ip.contains(':') { format!("{scheme}://[{ip}]:{port}") } else { format!("{scheme}://{ip}:{port}") }
}

#[cfg(test)]
mod tests;
