//! Addresses from Endpoints. Of several subsets only the first that has the port counts, as for the peer.

use crate::eskip::Endpoint;
use crate::object::{EndpointPort, Endpoints, ServicePort, Subset, TargetPort};

use super::address;
use super::hurdles::Hurdles;

const PORTS: &str = "the ports of its Endpoints";

/// The addresses behind a service's port: a subset's only port whatever its name, else the one of the same name.
pub(super) fn of_service_port(
    endpoints: &Endpoints,
    scheme: &str,
    port: &ServicePort,
    hurdles: &Hurdles<'_>,
) -> Vec<Endpoint> {
    let port_of = |subset: &Subset| match subset.ports.as_slice() {
        [Some(only)] => Some(only.port),
        // Without addresses nobody looks at it.
        [None] if subset.addresses.is_empty() => Some(0),
        ports => {
            let mut ports = hurdles.up_to_null(ports, PORTS);
            ports.find(|candidate| candidate.name == port.name).map(|found| found.port)
        }
    };
    first_subset(endpoints, scheme, port_of, hurdles)
}

/// The addresses behind a target port: by name where it is a name, else by number.
pub(super) fn of_target_port(
    endpoints: &Endpoints,
    scheme: &str,
    target: &TargetPort,
    hurdles: &Hurdles<'_>,
) -> Vec<Endpoint> {
    let is_target = |candidate: &&EndpointPort| match target {
        TargetPort::Name(name) => candidate.name == *name,
        TargetPort::Number(number) => candidate.port == *number,
    };
    let port_of =
        |subset: &Subset| hurdles.up_to_null(&subset.ports, PORTS).find(is_target).map(|found| found.port);
    first_subset(endpoints, scheme, port_of, hurdles)
}

fn first_subset(
    endpoints: &Endpoints,
    scheme: &str,
    port_of: impl Fn(&Subset) -> Option<i64>,
    hurdles: &Hurdles<'_>,
) -> Vec<Endpoint> {
    let mut subsets = hurdles.up_to_null(&endpoints.subsets, "the subsets of its Endpoints");
    let Some((subset, port)) = subsets.find_map(|subset| Some((subset, port_of(subset)?))) else {
        return Vec::new();
    };
    let addresses = hurdles.up_to_null(&subset.addresses, "the addresses of its Endpoints");
    addresses.map(|ip| Endpoint { address: address(scheme, ip, port), zone: String::new() }).collect()
}
