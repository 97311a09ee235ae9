//! What both read: five Ingresses, a Service, and its endpoints in two zones.

use serde_json::{Value, json};

/// Its objects after so many changes, each of which gives all Ingresses other hosts.
pub(super) fn objects(changes: u64) -> Vec<Value> {
    let metadata = |name: &str| json!({"name": name, "namespace": "default"});
    let backend = json!({"service": {"name": "svc", "port": {"number": 80}}});
    let path = json!({"path": "/", "pathType": "Prefix", "backend": backend});
    let ingress = |number: u32| {
        let host = format!("app{number}-{changes}.example.org");
        let rule = json!({"host": host, "http": {"paths": [path]}});
        json!({"kind": "Ingress", "metadata": metadata(&format!("app{number}")), "spec": {"rules": [rule]}})
    };
    let port = json!({"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"});
    let spec = json!({"type": "ClusterIP", "clusterIP": "10.3.0.1", "ports": [port]});
    // From three in a zone on a zone has a table of its own.
    let endpoint = |zone: u32, number: u32| {
        let (address, zone) = (format!("10.2.{zone}.{number}"), format!("zone-{zone}"));
        json!({"addresses": [address], "zone": zone, "conditions": {"ready": true}})
    };
    let endpoints: Vec<_> = (1..3).flat_map(|zone| (1..5).map(move |it| endpoint(zone, it))).collect();
    let mut of_the_slice = metadata("svc-1");
    of_the_slice["labels"] = json!({"kubernetes.io/service-name": "svc"});
    let ports = json!([{"name": "http", "port": 8080, "protocol": "TCP"}]);
    let mut objects: Vec<_> = (0..5).map(ingress).collect();
    objects.push(json!({"kind": "Service", "metadata": metadata("svc"), "spec": spec}));
    objects.push(json!({
        "kind": "EndpointSlice", "metadata": of_the_slice,
        "addressType": "IPv4", "endpoints": endpoints, "ports": ports,
    }));
    objects
}
