//! Addresses from EndpointSlices: all slices of a service, as one list without duplicates.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::eskip::Endpoint;
use crate::object::{
    EndpointSlice, Metadata, SERVICE_NAME, ServicePort, SliceEndpoint, SlicePort, TargetPort,
};

use super::hurdles::Hurdles;
use super::{Id, Scheme, address};

const H2C: &str = "kubernetes.io/h2c";

/// The slices of one service.
#[derive(Debug, Default)]
pub(super) struct Slices<'a> {
    /// The zones of the ready addresses.
    ready: HashMap<&'a str, &'a str>,
    terminating: HashSet<&'a str>,
    /// Those of the last slice, for all of them, as for the peer.
    ports: &'a [Option<SlicePort>],
}

/// Groups slices by the service that their label names. Slices that name no ports are passed over.
pub(super) fn by_service<'a>(
    slices: impl IntoIterator<Item = &'a Arc<EndpointSlice>>,
) -> HashMap<Id<'a>, Slices<'a>> {
    let mut services: HashMap<Id<'a>, Slices<'a>> = HashMap::new();
    for slice in slices {
        let Some(ports) = &slice.ports else { continue };
        let id = (slice.metadata.namespace.as_str(), service_name(&slice.metadata));
        let merged = services.entry(id).or_default();
        merged.ports = ports;
        slice.endpoints.iter().flatten().for_each(|endpoint| merged.add(endpoint));
    }
    services
}

/// The name of the Service that a slice belongs to; empty where it says none.
pub(in crate::compile) fn service_name(slice: &Metadata) -> &str {
    slice.labels.get(SERVICE_NAME).map_or("", String::as_str)
}

/// The ready addresses of the Service `name`, from the slices of its namespace.
pub(in crate::compile) fn addresses<'a>(
    slices: impl Iterator<Item = &'a Arc<EndpointSlice>>,
    name: &str,
) -> Vec<String> {
    let ours = slices.filter(|slice| service_name(&slice.metadata) == name);
    let ready = by_service(ours).into_values().flat_map(|service| service.ready.into_keys());
    ready.map(str::to_owned).collect()
}

impl<'a> Slices<'a> {
    /// An address that terminates in any slice is out, even if another slice, not yet up to date, says that it is ready.
    fn add(&mut self, endpoint: &'a SliceEndpoint) {
        let Some(address) = endpoint.addresses.first() else { return };
        if endpoint.is_terminating() {
            self.terminating.insert(address);
            self.ready.remove(address.as_str());
        } else if endpoint.is_ready() && !self.terminating.contains(address.as_str()) {
            self.ready.insert(address, &endpoint.zone);
        }
    }

    /// The addresses behind a service's port. One that is not found gives port 0, as for the peer.
    pub(super) fn of_service_port(
        &self,
        scheme: Scheme<'_>,
        port: &ServicePort,
        hurdles: &Hurdles<'_>,
    ) -> Vec<Endpoint> {
        let slice_port = self.port(&port.name, port.port, hurdles);
        let direct = port.target_port.as_ref().and_then(TargetPort::number).filter(|_| port.name.is_empty());
        self.endpoints(scheme, slice_port, direct.unwrap_or_else(|| number(slice_port)))
    }

    /// The addresses behind a target port, by its name or number; likewise.
    pub(super) fn of_target_port(
        &self,
        scheme: Scheme<'_>,
        target: &TargetPort,
        hurdles: &Hurdles<'_>,
    ) -> Vec<Endpoint> {
        let slice_port = match target {
            TargetPort::Name(name) => self.port(name, 0, hurdles),
            TargetPort::Number(number) => self.port("", *number, hurdles),
        };
        self.endpoints(scheme, slice_port, number(slice_port))
    }

    /// The first TCP port of that name or of that number (0 for none).
    fn port(&self, name: &str, number: i64, hurdles: &Hurdles<'_>) -> Option<&'a SlicePort> {
        let ports = hurdles.up_to_null(self.ports, "the ports of its EndpointSlices");
        ports
            .filter(|port| port.protocol == "TCP")
            .find(|port| port.name == name || number != 0 && port.port == number)
    }

    fn endpoints(&self, scheme: Scheme<'_>, slice_port: Option<&SlicePort>, number: i64) -> Vec<Endpoint> {
        let is_h2c = slice_port.is_some_and(|port| port.app_protocol == H2C);
        let scheme = if is_h2c && !scheme.annotated { "h2c" } else { scheme.name };
        let endpoint = |(ip, zone): (&&str, &&str)| Endpoint {
            address: address(scheme, ip, number),
            zone: (*zone).to_owned(),
        };
        self.ready.iter().map(endpoint).collect()
    }
}

fn number(port: Option<&SlicePort>) -> i64 {
    port.map_or(0, |port| port.port)
}
