//! Manifests: YAML documents as values, and the objects that scenarios play with.

use std::path::Path;

use anyhow::{Context, Result};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};

/// The namespace that scenarios keep their objects in.
pub const NAMESPACE: &str = "shop";

/// The documents of a YAML text; empty ones are left out.
///
/// # Errors
///
/// Where it is not YAML.
pub fn documents(yaml: &str) -> Result<Vec<Value>> {
    let all: Vec<Value> = serde_saphyr::from_multiple(yaml).context("parse YAML")?;
    Ok(all.into_iter().filter(|document| !document.is_null()).collect())
}

/// The documents of every `*.yaml` in `folder`, files by name.
///
/// # Errors
///
/// Where a file cannot be read or parsed; the message names it.
pub fn folder(folder: &Path) -> Result<Vec<Value>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
        all.extend(documents(&text).with_context(|| file.display().to_string())?);
    }
    Ok(all)
}

/// What stands in a folder of `deploy/manifests/`, without what only Kustomize reads.
///
/// # Errors
///
/// Where a file cannot be read or parsed; the message names it.
pub fn deployed(part: &str) -> Result<Vec<Value>> {
    let mut all = folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/manifests").join(part))?;
    all.retain(|one| one["kind"] != "Kustomization" && one["kind"] != "Component");
    Ok(all)
}

/// The group, version and kind of a document.
///
/// # Errors
///
/// Where it has no `apiVersion` or `kind`.
pub fn kind(document: &Value) -> Result<GroupVersionKind> {
    let version = document["apiVersion"].as_str().context("a document without apiVersion")?;
    let kind = document["kind"].as_str().context("a document without kind")?;
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    Ok(GroupVersionKind::gvk(group, version, kind))
}

/// The definition of RouteGroups, as far as the API server has to know it.
pub fn route_group_definition() -> Vec<Value> {
    documents(include_str!("routegroups.yaml")).expect("our own file parses")
}

/// The namespace [`NAMESPACE`].
pub fn namespace() -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
}

/// The marker: a route for `marker.test` that answers with `generation N`, in the table and through Skipper alike.
/// It tells any two tables apart, whatever server they come from.
pub fn marker(generation: u64) -> Value {
    route_group(
        "marker",
        "marker.test",
        json!([{"name": "here", "type": "shunt"}]),
        json!([{
            "path": "/",
            "filters": ["status(200)", format!("inlineContent(\"generation {generation}\")")],
        }]),
        "here",
    )
}

/// A RouteGroup that sends `host` to the backend at `url`.
pub fn network_route_group(name: &str, host: &str, url: &str) -> Value {
    let backends = json!([{"name": "there", "type": "network", "address": url}]);
    route_group(name, host, backends, json!([{"pathSubtree": "/"}]), "there")
}

fn route_group(name: &str, host: &str, backends: Value, routes: Value, default: &str) -> Value {
    json!({
        "apiVersion": "zalando.org/v1", "kind": "RouteGroup", "metadata": meta(name),
        "spec": {
            "hosts": [host], "backends": backends, "routes": routes,
            "defaultBackends": [{"backendName": default}],
        },
    })
}

/// An Ingress of `hosts`, each to port 80 of the Service `service`.
pub fn ingress(name: &str, hosts: &[&str], service: &str, port: u16) -> Value {
    let rule = |host: &&str| {
        json!({"host": host, "http": {"paths": [{
            "path": "/", "pathType": "Prefix",
            "backend": {"service": {"name": service, "port": {"number": port}}},
        }]}})
    };
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": meta(name),
        "spec": {"rules": hosts.iter().map(rule).collect::<Vec<_>>()},
    })
}

/// A Service that is another name for `host`. The way to a backend on loopback: the API server refuses loopback
/// addresses in Endpoints and EndpointSlices.
pub fn external_service(name: &str, host: &str, port: u16) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": meta(name),
        "spec": {"type": "ExternalName", "externalName": host, "ports": [{"port": port}]},
    })
}

/// A Service on port 80 and its slice of `ready` endpoints, as kube-controller-manager would keep it. Nothing
/// listens there.
pub fn service(name: &str, ready: u8) -> [Value; 2] {
    let addresses =
        (1..=ready).map(|n| json!({"addresses": [format!("10.20.0.{n}")], "conditions": {"ready": true}}));
    let mut slice = meta(&format!("{name}-1"));
    slice["labels"] = json!({"kubernetes.io/service-name": name});
    [
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": meta(name),
            "spec": {"ports": [{"name": "http", "port": 80, "targetPort": 8080}]},
        }),
        json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": slice,
            "addressType": "IPv4", "endpoints": addresses.collect::<Vec<_>>(),
            "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        }),
    ]
}

fn meta(name: &str) -> Value {
    json!({"name": name, "namespace": NAMESPACE})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_of_a_stream() {
        let all = documents("---\na: 1\n---\n---\nb: 2\n").unwrap();
        assert_eq!(all, [json!({"a": 1}), json!({"b": 2})]);
    }

    #[test]
    fn a_kind_of_the_core_group_has_no_group() {
        assert_eq!(kind(&namespace()).unwrap(), GroupVersionKind::gvk("", "v1", "Namespace"));
        assert_eq!(kind(&marker(1)).unwrap(), GroupVersionKind::gvk("zalando.org", "v1", "RouteGroup"));
        assert!(kind(&json!({})).is_err());
    }
}
