//! Addresses from Endpoints. Of several subsets only the first that has the port counts, as for the peer.

use crate::eskip::Endpoint;
use crate::object::{EndpointPort, Endpoints, ServicePort, Subset, TargetPort};

use super::address;

/// The addresses behind a service's port: a subset's only port whatever its name, else the one of the same name.
pub(super) fn of_service_port(endpoints: &Endpoints, scheme: &str, port: &ServicePort) -> Vec<Endpoint> {
    let port_of = |subset: &'_ Subset| match subset.ports.as_slice() {
        [only] => Some(only.port),
        ports => ports.iter().find(|candidate| candidate.name == port.name).map(|found| found.port),
    };
    first_subset(endpoints, scheme, port_of)
}

/// The addresses behind a target port: by name where it is a name, else by number.
pub(super) fn of_target_port(endpoints: &Endpoints, scheme: &str, target: &TargetPort) -> Vec<Endpoint> {
    let is_target = |candidate: &&EndpointPort| match target {
        TargetPort::Name(name) => candidate.name == *name,
        TargetPort::Number(number) => candidate.port == *number,
    };
    first_subset(endpoints, scheme, |subset| subset.ports.iter().find(is_target).map(|found| found.port))
}

fn first_subset(
    endpoints: &Endpoints,
    scheme: &str,
    port_of: impl Fn(&Subset) -> Option<i64>,
) -> Vec<Endpoint> {
    let found = endpoints.subsets.iter().find_map(|subset| port_of(subset).map(|port| (subset, port)));
    let addresses = found.into_iter().flat_map(|(subset, port)| {
        subset
            .addresses
            .iter()
            .map(move |ip| Endpoint { address: address(scheme, ip, port), zone: String::new() })
    });
    addresses.collect()
}
