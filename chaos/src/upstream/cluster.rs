//! The cluster that is read: a few applications, by Ingress and by RouteGroup.

use serde_json::{Value, json};

const APPLICATIONS: usize = 4;

/// Its objects.
pub(super) fn objects() -> Vec<Value> {
    (0..APPLICATIONS).flat_map(application).collect()
}

fn application(number: usize) -> [Value; 4] {
    let name = format!("app-{number}");
    let metadata = json!({"name": name, "namespace": "default"});
    let backend = json!({"service": {"name": name, "port": {"number": 80}}});
    let path = json!({"path": "/", "pathType": "Prefix", "backend": backend});
    let port = json!({"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"});
    let addresses = json!([{"ip": format!("10.2.0.{number}")}, {"ip": format!("10.2.1.{number}")}]);
    let pod_port = json!({"name": "http", "port": 8080, "protocol": "TCP"});
    [
        json!({"kind": "Ingress", "metadata": metadata, "spec": {
            "rules": [{"host": format!("{name}.example.org"), "http": {"paths": [path]}}],
        }}),
        json!({"kind": "RouteGroup", "metadata": metadata, "spec": {
            "hosts": [format!("group-{number}.example.org")],
            "backends": [{"name": "b", "type": "service", "serviceName": name, "servicePort": 80}],
            "defaultBackends": [{"backendName": "b"}],
        }}),
        json!({"kind": "Service", "metadata": metadata, "spec": {
            "type": "ClusterIP", "clusterIP": format!("10.3.0.{}", number + 1), "ports": [port],
        }}),
        json!({"kind": "Endpoints", "metadata": metadata, "subsets": [
            {"addresses": addresses, "ports": [pod_port]},
        ]}),
    ]
}
