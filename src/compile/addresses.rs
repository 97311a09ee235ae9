//! The addresses behind one Service, beside the table: what the clients of a store ask for (`/swarm/redis/shards`).

use crate::object::{Kind, Metadata, Objects};

use super::cluster;

/// A Service by its name, whose ready addresses travel with the table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServiceName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl ServiceName {
    /// Its ready addresses, sorted as texts; an empty list where there is no such Service, as for the peer. None where
    /// they cannot be read.
    pub fn ready_addresses(&self, objects: &Objects, endpoint_slices: bool) -> Option<Vec<String>> {
        let kind = if endpoint_slices { Kind::EndpointSlice } else { Kind::Endpoints };
        let mut misshapen = objects.misshapen.iter().filter(|object| object.kind == kind);
        if misshapen.any(|object| self.has(kind, &object.metadata)) {
            return None;
        }
        let mut addresses: Vec<_> = if endpoint_slices {
            let ours = objects.endpoint_slices.iter().filter(|slice| self.has(kind, &slice.metadata));
            cluster::addresses_in_slices(ours, &self.name)
        } else {
            let mut ours = objects.endpoints.iter().filter(|it| self.has(kind, &it.metadata));
            let subsets = ours.next_back().into_iter().flat_map(|it| it.subsets.iter().flatten());
            subsets.flat_map(|it| it.addresses.iter().flatten().cloned()).collect()
        };
        addresses.sort();
        Some(addresses)
    }

    /// Whether an object of this kind holds addresses of this Service.
    fn has(&self, kind: Kind, metadata: &Metadata) -> bool {
        let (namespace, name) = match kind {
            Kind::EndpointSlice => (metadata.namespace.as_str(), cluster::service_name(metadata)),
            _ => (metadata.namespace_or_default(), metadata.name.as_str()),
        };
        namespace == self.namespace && name == self.name
    }
}

impl std::fmt::Display for ServiceName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::object::{EndpointSlice, Endpoints, SliceEndpoint, Subset};

    fn metadata(namespace: &str, name: &str) -> Metadata {
        Metadata { namespace: namespace.to_owned(), name: name.to_owned(), ..Metadata::default() }
    }

    fn redis() -> ServiceName {
        ServiceName { namespace: "swarm".to_owned(), name: "redis".to_owned() }
    }

    #[test]
    fn endpoints_give_every_subset_sorted() {
        let subset = |addresses: &[&str]| Subset {
            addresses: addresses.iter().map(|address| Some(address.to_string())).collect(),
            ..Subset::default()
        };
        let of = |namespace| Endpoints {
            metadata: metadata(namespace, "redis"),
            subsets: vec![Some(subset(&["10.2.5.7", "10.2.55.7"])), None, Some(subset(&["10.2.4.1"]))],
        };
        let objects =
            Objects { endpoints: vec![of("swarm").into(), of("other").into()], ..Objects::default() };
        let expected = ["10.2.4.1", "10.2.5.7", "10.2.55.7"].map(str::to_owned).to_vec();
        assert_eq!(redis().ready_addresses(&objects, false), Some(expected));
        assert_eq!(redis().ready_addresses(&objects, true), Some(Vec::new()), "nobody reads Endpoints then");
    }

    #[test]
    fn slices_give_what_is_ready_in_all_of_them() {
        let endpoint = |address: &str, terminating: bool| {
            let addresses = vec![address.to_owned()];
            Some(SliceEndpoint { addresses, terminating: Some(terminating), ..SliceEndpoint::default() })
        };
        let slice = |namespace, endpoints| {
            let mut metadata = metadata(namespace, "redis-1");
            metadata.labels.insert("kubernetes.io/service-name".to_owned(), "redis".to_owned());
            EndpointSlice { metadata, endpoints, ports: Some(Vec::new()) }
        };
        let slices = vec![
            slice("swarm", vec![endpoint("10.2.5.9", false), endpoint("10.2.5.8", false)]),
            slice("swarm", vec![endpoint("10.2.5.8", true), endpoint("10.2.5.7", false)]),
            slice("other", vec![endpoint("10.2.5.1", false)]),
        ];
        let objects =
            Objects { endpoint_slices: slices.into_iter().map(Arc::new).collect(), ..Objects::default() };
        let expected = ["10.2.5.7", "10.2.5.9"].map(str::to_owned).to_vec();
        assert_eq!(redis().ready_addresses(&objects, true), Some(expected));
    }

    #[test]
    fn what_cannot_be_read_is_not_empty() {
        let metadata = json!({"namespace": "swarm", "name": "redis"});
        let (objects, _) =
            Objects::from_values([json!({"kind": "Endpoints", "metadata": metadata, "subsets": 5})]);
        assert_eq!(redis().ready_addresses(&objects, false), None);
    }
}
