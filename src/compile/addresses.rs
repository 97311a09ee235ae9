//! The addresses behind one Service, beside the table: what the clients of a store ask for (`/swarm/redis/shards`).

use crate::object::{EndpointSlice, Objects};

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
    /// Its ready addresses, sorted as texts; none where there is no such Service, as for the peer.
    pub fn ready_addresses(&self, objects: &Objects, endpoint_slices: bool) -> Vec<String> {
        let mut addresses = if endpoint_slices {
            let is_ours = |slice: &&EndpointSlice| slice.metadata.namespace == self.namespace;
            cluster::addresses_in_slices(objects.endpoint_slices.iter().filter(is_ours), &self.name)
        } else {
            let is_ours = |namespace: &str, name: &str| namespace == self.namespace && name == self.name;
            let known = objects.endpoints.iter();
            let mut ours = known.filter(|it| is_ours(it.metadata.namespace_or_default(), &it.metadata.name));
            ours.next_back()
                .into_iter()
                .flat_map(|it| &it.subsets)
                .flat_map(|it| it.addresses.clone())
                .collect()
        };
        addresses.sort();
        addresses
    }
}

impl std::fmt::Display for ServiceName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::{Endpoints, Metadata, SliceEndpoint, Subset};

    fn metadata(namespace: &str, name: &str) -> Metadata {
        Metadata { namespace: namespace.to_owned(), name: name.to_owned(), ..Metadata::default() }
    }

    fn redis() -> ServiceName {
        ServiceName { namespace: "swarm".to_owned(), name: "redis".to_owned() }
    }

    #[test]
    fn endpoints_give_every_subset_sorted() {
        let subset = |addresses: &[&str]| Subset {
            addresses: addresses.iter().map(ToString::to_string).collect(),
            ..Subset::default()
        };
        let of = |namespace| Endpoints {
            metadata: metadata(namespace, "redis"),
            subsets: vec![subset(&["10.2.5.7", "10.2.55.7"]), subset(&["10.2.4.1"])],
        };
        let objects = Objects { endpoints: vec![of("swarm"), of("other")], ..Objects::default() };
        assert_eq!(redis().ready_addresses(&objects, false), ["10.2.4.1", "10.2.5.7", "10.2.55.7"]);
        assert!(redis().ready_addresses(&objects, true).is_empty(), "nobody reads Endpoints then");
    }

    #[test]
    fn slices_give_what_is_ready_in_all_of_them() {
        let endpoint = |address: &str, terminating: bool| SliceEndpoint {
            addresses: vec![address.to_owned()],
            terminating: Some(terminating),
            ..SliceEndpoint::default()
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
        let objects = Objects { endpoint_slices: slices, ..Objects::default() };
        assert_eq!(redis().ready_addresses(&objects, true), ["10.2.5.7", "10.2.5.9"]);
    }
}
