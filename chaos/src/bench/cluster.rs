//! The cluster that is measured: two thirds Ingresses, one third RouteGroups, each with a Service and one EndpointSlice.
//!
//! In: how many. Out: the items of each list, as an API server writes them: with managed fields, nodes and conditions, for
//! these are most of what a reader has to read. About 5.5 kB and 11 routes an object, like the clusters in which the peer
//! was measured.

use bytes::Bytes;
use serde_json::{Value, json};

/// The zones that endpoints are in.
pub(super) const ZONES: [&str; 3] = ["eu-central-1a", "eu-central-1b", "eu-central-1c"];

/// How many namespaces the objects are in.
const NAMESPACES: usize = 97;

/// The items of the four lists.
#[derive(Default)]
pub(super) struct Cluster {
    pub(super) ingresses: Vec<Bytes>,
    /// The same after somebody wrote all of them without changing anything that matters.
    pub(super) rewritten: Vec<Bytes>,
    pub(super) route_groups: Vec<Bytes>,
    pub(super) services: Vec<Bytes>,
    pub(super) slices: Vec<Bytes>,
}

impl Cluster {
    /// A cluster of so many Ingresses and RouteGroups together.
    pub(super) fn of(objects: usize) -> Self {
        let mut cluster = Self::default();
        for number in 0..objects {
            cluster.services.push(rendered(&service(number)));
            cluster.slices.push(slice(number, 0));
            if number % 3 == 2 {
                cluster.route_groups.push(rendered(&route_group(number)));
            } else {
                cluster.ingresses.push(rendered(&ingress(number, 0)));
                cluster.rewritten.push(rendered(&ingress(number, 1)));
            }
        }
        cluster
    }
}

/// The EndpointSlice of an object after so many of its pods were replaced.
pub(super) fn slice(number: usize, changes: u64) -> Bytes {
    let endpoint = |index: usize| {
        let last = if index == 0 { 100 + changes as usize % 150 } else { index };
        let address = format!("10.{}.{}.{last}", 2 + number / 65_536 % 200, number % 251);
        json!({
            "addresses": [address],
            "conditions": {"ready": true, "serving": true, "terminating": false},
            "nodeName": format!("ip-172-31-{}-{}.eu-central-1.compute.internal", number % 251, index),
            "targetRef": {"kind": "Pod", "namespace": namespace(number), "name": format!("{}-7d9c4b6f58-{index:05}", name(number)), "uid": uid(4, number * 16 + index)},
            "zone": ZONES[index % ZONES.len()],
        })
    };
    let endpoints: Vec<_> = (0..3 + number % 8).map(endpoint).collect();
    let mut metadata = metadata(number, 3, changes);
    metadata["name"] = json!(format!("{}-x{number:05}", name(number)));
    metadata["labels"]["kubernetes.io/service-name"] = json!(name(number));
    metadata["labels"]["endpointslice.kubernetes.io/managed-by"] = json!("endpointslice-controller.k8s.io");
    rendered(&json!({
        "metadata": metadata,
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    }))
}

fn ingress(number: usize, changes: u64) -> Value {
    let backend = json!({"service": {"name": name(number), "port": {"name": "http"}}});
    let kind = ["ImplementationSpecific", "Prefix"][number % 2];
    let rule = |host: usize, paths: usize| {
        let path = |index: usize| json!({"path": format!("/api/v{index}/{}", name(number)), "pathType": kind, "backend": backend});
        let paths: Vec<_> = (0..paths).map(path).collect();
        json!({"host": format!("{}-{host}.example.org", name(number)), "http": {"paths": paths}})
    };
    let mut metadata = metadata(number, 1, changes);
    let annotations = json!({
        "zalando.org/skipper-filter": "ratelimit(200, \"1m\") -> setRequestHeader(\"X-Team\", \"platform\")",
        "zalando.org/skipper-predicate": "Header(\"X-Forwarded-Proto-Version\", \"1\")",
        "kubernetes.io/ingress.class": "skipper",
    });
    metadata["annotations"] = annotations;
    json!({
        "metadata": metadata,
        "spec": {"rules": [rule(0, 3), rule(1, 2)]},
        "status": {"loadBalancer": {"ingress": [{"hostname": "lb-1234567890.eu-central-1.elb.amazonaws.com"}]}},
    })
}

fn route_group(number: usize) -> Value {
    let route = |index: usize| {
        json!({
            "pathSubtree": format!("/api/v{index}/{}", name(number)),
            "predicates": ["Header(\"X-Client\", \"web\")"],
            "filters": ["ratelimit(200, \"1m\")", "setRequestHeader(\"X-Team\", \"platform\")"],
            "methods": ["GET"],
        })
    };
    let routes: Vec<_> = (0..5).map(route).collect();
    json!({
        "metadata": metadata(number, 2, 0),
        "spec": {
            "hosts": [format!("{}.example.org", name(number))],
            "backends": [{"name": "main", "type": "service", "serviceName": name(number), "servicePort": 80}],
            "defaultBackends": [{"backendName": "main", "weight": 1}],
            "routes": routes,
        },
        "status": {"loadBalancer": {"routeGroup": [{"hostname": "lb-1234567890.eu-central-1.elb.amazonaws.com"}]}},
    })
}

fn service(number: usize) -> Value {
    json!({
        "metadata": metadata(number, 0, 0),
        "spec": {
            "clusterIP": format!("10.3.{}.{}", number / 250 % 250, number % 250),
            "clusterIPs": [format!("10.3.{}.{}", number / 250 % 250, number % 250)],
            "internalTrafficPolicy": "Cluster", "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack",
            "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080}],
            "selector": {"application": name(number)}, "sessionAffinity": "None", "type": "ClusterIP",
        },
        "status": {"loadBalancer": {}},
    })
}

/// What every object says of itself, and who wrote which of its fields.
fn metadata(number: usize, kind: usize, changes: u64) -> Value {
    let fields = json!({
        "f:metadata": {"f:annotations": {".": {}, "f:zalando.org/skipper-filter": {}}, "f:labels": {".": {}, "f:application": {}, "f:component": {}}},
        "f:spec": {"f:ports": {".": {}, "k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:name": {}, "f:port": {}, "f:targetPort": {}}}, "f:selector": {}, "f:type": {}},
    });
    let managed = json!([{
        "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": fields, "manager": "deploy", "operation": "Update",
        "time": "2025-03-01T08:00:00Z",
    }]);
    json!({
        "name": name(number), "namespace": namespace(number), "uid": uid(kind, number),
        "resourceVersion": (1_000 + changes * 1_000_000 + number as u64 * 4 + kind as u64).to_string(),
        "creationTimestamp": "2025-01-01T08:00:00Z", "generation": 1,
        "labels": {"application": name(number), "component": "backend", "team": format!("team-{}", number % NAMESPACES)},
        "managedFields": managed,
    })
}

fn name(number: usize) -> String {
    format!("app-{number:05}")
}

fn namespace(number: usize) -> String {
    format!("team-{}", number % NAMESPACES)
}

fn uid(kind: usize, number: usize) -> String {
    format!("{kind:08x}-0000-4000-8000-{number:012x}")
}

fn rendered(object: &Value) -> Bytes {
    object.to_string().into()
}

#[cfg(test)]
mod tests {
    use bellwether::compile::{Past, Settings, compile};
    use bellwether::object::{Kind, Objects};

    use super::*;

    #[test]
    fn it_is_as_large_as_the_clusters_in_which_the_peer_was_measured() {
        let cluster = Cluster::of(99);
        let mut objects = Objects::default();
        let lists = [
            (Kind::Ingress, &cluster.ingresses),
            (Kind::RouteGroup, &cluster.route_groups),
            (Kind::Service, &cluster.services),
            (Kind::EndpointSlice, &cluster.slices),
        ];
        let mut bytes = 0;
        for (kind, items) in lists {
            for item in items {
                bytes += item.len();
                objects.add_text(kind, std::str::from_utf8(item).unwrap()).unwrap();
            }
        }
        assert_eq!((cluster.ingresses.len(), cluster.route_groups.len()), (66, 33));
        assert!((5_000..6_500).contains(&(bytes / 99)), "{} bytes", bytes / 99);
        let settings = Settings { endpoint_slices: true, ..Settings::default() };
        let compiled = compile(&objects, &settings, &Past::default());
        assert_eq!(compiled.diagnostics, []);
        assert!((1_050..1_250).contains(&compiled.table.count), "{} routes", compiled.table.count);
        assert_eq!(compiled.zones.len(), 3);
    }

    #[test]
    fn a_pod_that_is_replaced_changes_one_slice() {
        assert_ne!(slice(5, 0), slice(5, 1));
        assert_eq!(slice(5, 1), slice(5, 1));
    }
}
