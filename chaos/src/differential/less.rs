//! A cluster without what may keep the peer from making anything of it.
//!
//! In: a cluster that ends the peer, or that it cannot read. Out: what is left of it without one thing or the other, each of
//! which we leave out too, as `docs/compatibility.md` says.

use bellwether::compile::ObjectRef;
use serde_json::{Value, json};

use super::compiler::Ours;
use crate::generate::Cluster;

/// Fields that the peer reads and makes nothing of, so that we do not read them: of slices, of Services, of the ports of
/// Endpoints, and among the conditions of a slice's endpoints.
const READ_IN_VAIN: [&str; 4] = ["addressType", "clusterIP", "protocol", "serving"];

/// Without what ends the peer: an object that we complain of, what is behind a null in a list, and parts that say nothing.
pub(super) fn without_what_ends_it(ours: &Ours, cluster: &Cluster) -> Vec<Cluster> {
    let complaints = ours.complaints();
    let objects = complaints.iter().map(|object| without(cluster, &[object]));
    let parts = [without_empty_parts, with_paths_to_nowhere, with_groups_to_nowhere, up_to_nulls];
    parts.iter().map(|part| part(cluster)).chain(objects).collect()
}

/// Without what the peer cannot read: what we cannot read either, or the field that its `error` names.
pub(super) fn without_what_it_cannot_read(ours: &Ours, cluster: &Cluster, error: &str) -> Vec<Cluster> {
    let misshapen: Vec<_> = ours.misshapen.iter().collect();
    // Of a service with a slice that cannot be read we know no address.
    let services: Vec<_> =
        cluster.objects.iter().filter(|it| misshapen.iter().any(|object| is(object, it))).collect();
    let mut less = without(cluster, &misshapen);
    less.objects.retain(|object| !services.iter().any(|other| are_slices_of_one(other, object)));
    let mut less = vec![less];
    let field = READ_IN_VAIN.iter().find(|field| error.contains(&format!(".{field} of type")));
    less.extend(field.map(|field| {
        let mut rest = cluster.clone();
        rest.objects.iter_mut().for_each(|manifest| remove(field, manifest));
        rest
    }));
    less
}

fn are_slices_of_one(one: &Value, other: &Value) -> bool {
    let service = |object: &Value| {
        let label = object["metadata"]["labels"]["kubernetes.io/service-name"].as_str()?;
        (object["kind"] == "EndpointSlice").then(|| (namespace(object), label.to_owned()))
    };
    service(one).is_some_and(|service_of_one| service(other) == Some(service_of_one))
}

/// Removes a field wherever it is.
fn remove(field: &str, value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| remove(field, item)),
        Value::Object(map) => {
            map.remove(field);
            map.values_mut().for_each(|value| remove(field, value));
        }
        _ => {}
    }
}

fn without(cluster: &Cluster, objects: &[&ObjectRef]) -> Cluster {
    let mut rest = cluster.clone();
    rest.objects.retain(|manifest| !objects.iter().any(|object| is(object, manifest)));
    rest
}

/// Without objects that have no metadata, paths of Ingresses that have no backend, and endpoints of slices that have no
/// address.
fn without_empty_parts(cluster: &Cluster) -> Cluster {
    let mut rest = cluster.clone();
    rest.objects.retain(|manifest| !manifest["metadata"].is_null());
    for manifest in &mut rest.objects {
        let rules = manifest.pointer_mut("/spec/rules").and_then(Value::as_array_mut);
        for rule in rules.into_iter().flatten() {
            let paths = rule.pointer_mut("/http/paths").and_then(Value::as_array_mut);
            paths.into_iter().for_each(|paths| paths.retain(|path| !path["backend"].is_null()));
        }
        let endpoints = manifest.get_mut("endpoints").and_then(Value::as_array_mut);
        let has_address = |endpoint: &Value| endpoint.pointer("/addresses/0").is_some();
        endpoints.into_iter().for_each(|endpoints| endpoints.retain(has_address));
    }
    rest
}

/// With a backend that is not there for the paths of Ingresses that have none: their custom routes stay.
fn with_paths_to_nowhere(cluster: &Cluster) -> Cluster {
    let mut rest = cluster.clone();
    for manifest in &mut rest.objects {
        let rules = manifest.pointer_mut("/spec/rules").and_then(Value::as_array_mut);
        for rule in rules.into_iter().flatten() {
            let paths = rule.pointer_mut("/http/paths").and_then(Value::as_array_mut).into_iter().flatten();
            for path in paths.filter(|path| path.is_object() && path["backend"].is_null()) {
                path["backend"] = json!({"service": {"name": "not-there", "port": {"number": 1}}});
            }
        }
    }
    rest
}

/// With another port, that is not there, for the backends of RouteGroups whose port has no target.
fn with_groups_to_nowhere(cluster: &Cluster) -> Cluster {
    let mut rest = cluster.clone();
    let is_group = |object: &&mut Value| object["kind"] == "RouteGroup";
    for group in rest.objects.iter_mut().filter(is_group) {
        let namespace = namespace(group);
        let backends = group.pointer_mut("/spec/backends").and_then(Value::as_array_mut);
        for backend in backends.into_iter().flatten().filter(|backend| backend.is_object()) {
            let is_service = |object: &&Value| {
                object["kind"] == "Service"
                    && object["metadata"]["name"] == backend["serviceName"]
                    && self::namespace(object) == namespace
            };
            let service = cluster.objects.iter().find(is_service);
            let ports = service.and_then(|service| service["spec"]["ports"].as_array());
            let port = ports.into_iter().flatten().find(|port| port["port"] == backend["servicePort"]);
            if port.is_some_and(|port| port["targetPort"].is_null()) {
                backend["servicePort"] = json!(1);
            }
        }
    }
    rest
}

/// With all lists up to their first null.
fn up_to_nulls(cluster: &Cluster) -> Cluster {
    fn cut(value: &mut Value) {
        match value {
            Value::Array(items) => {
                let end = items.iter().position(Value::is_null).unwrap_or(items.len());
                items.truncate(end);
                items.iter_mut().for_each(cut);
            }
            Value::Object(map) => map.values_mut().for_each(cut),
            _ => {}
        }
    }
    let mut rest = cluster.clone();
    rest.objects.iter_mut().for_each(cut);
    rest
}

/// Whether a manifest is that of `object`.
fn is(object: &ObjectRef, manifest: &Value) -> bool {
    let of_the_object = if object.namespace.is_empty() { "default" } else { &object.namespace };
    manifest["kind"] == object.kind
        && manifest["metadata"]["name"].as_str().unwrap_or_default() == object.name
        && namespace(manifest) == of_the_object
}

/// Where a manifest belongs.
fn namespace(manifest: &Value) -> String {
    let named = manifest["metadata"]["namespace"].as_str().filter(|name| !name.is_empty());
    named.unwrap_or("default").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(object: Value) -> Cluster {
        Cluster { objects: vec![object], ..Cluster::default() }
    }

    #[test]
    fn an_object_is_told_by_kind_namespace_and_name() {
        let object =
            ObjectRef { kind: "Service".to_owned(), namespace: "x".to_owned(), name: "a".to_owned() };
        let manifest = |kind: &str, namespace: Value| json!({"kind": kind, "metadata": {"name": "a", "namespace": namespace}});
        assert!(is(&object, &manifest("Service", json!("x"))));
        assert!(!is(&object, &manifest("Ingress", json!("x"))));
        assert!(!is(&object, &manifest("Service", json!("y"))));
        let object = ObjectRef { namespace: String::new(), ..object };
        assert!(
            is(&object, &manifest("Service", Value::Null))
                && is(&object, &manifest("Service", json!("default")))
        );
    }

    #[test]
    fn what_says_nothing_goes() {
        let object = |paths: Value, endpoints: Value| {
            cluster(json!({
                "kind": "x", "metadata": {}, "endpoints": endpoints, "spec": {"rules": [{"http": {"paths": paths}}]},
            }))
        };
        let whole =
            object(json!([{}, {"backend": {}}]), json!([{"addresses": []}, {"addresses": ["a"]}, {}]));
        let rest = object(json!([{"backend": {}}]), json!([{"addresses": ["a"]}]));
        assert_eq!(without_empty_parts(&whole), rest);
        assert_eq!(without_empty_parts(&cluster(json!({"kind": "Ingress"}))), Cluster::default());
    }

    #[test]
    fn fields_that_nobody_needs_go_wherever_they_are() {
        let mut value = json!({"a": [{"x": 1, "b": {"x": {}}}], "x": [], "c": "x"});
        remove("x", &mut value);
        assert_eq!(value, json!({"a": [{"b": {}}], "c": "x"}));
    }

    #[test]
    fn paths_without_a_backend_lead_to_one_that_is_not_there() {
        let paths = |first: Value| cluster(json!({"spec": {"rules": [{"http": {"paths": [first, null]}}]}}));
        let named = json!({"backend": {"service": {"name": "not-there", "port": {"number": 1}}}});
        assert_eq!(with_paths_to_nowhere(&paths(json!({}))), paths(named));
    }

    #[test]
    fn groups_lead_to_a_port_that_is_not_there_where_theirs_has_no_target() {
        let port = |number: u16, target: Value| json!({"port": number, "targetPort": target});
        let ports = json!([port(80, Value::Null), port(80, json!(8080)), port(90, json!("x"))]);
        let service = json!({"kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": ports}});
        let group = |port: u16| {
            let backends = json!([{"serviceName": "s", "servicePort": port}, {"type": "shunt"}]);
            json!({"kind": "RouteGroup", "metadata": {"namespace": "default"}, "spec": {"backends": backends}})
        };
        let both = |group| Cluster { objects: vec![service.clone(), group], ..Cluster::default() };
        assert_eq!(with_groups_to_nowhere(&both(group(80))), both(group(1)));
        assert_eq!(with_groups_to_nowhere(&both(group(90))), both(group(90)));
    }

    #[test]
    fn slices_are_of_one_service_by_their_label() {
        let slice = |service: &str, namespace: &str| {
            let labels = json!({"kubernetes.io/service-name": service});
            json!({"kind": "EndpointSlice", "metadata": {"namespace": namespace, "labels": labels}})
        };
        assert!(are_slices_of_one(&slice("a", "x"), &slice("a", "x")));
        assert!(!are_slices_of_one(&slice("a", "x"), &slice("b", "x")));
        assert!(!are_slices_of_one(&slice("a", "x"), &slice("a", "y")));
        assert!(!are_slices_of_one(&json!({"kind": "EndpointSlice"}), &json!({"kind": "EndpointSlice"})));
    }

    #[test]
    fn lists_end_at_their_first_null() {
        let whole = cluster(json!({"a": [1, null, 2], "b": [{"c": [null]}, 3]}));
        assert_eq!(up_to_nulls(&whole), cluster(json!({"a": [1], "b": [{"c": []}, 3]})));
    }
}
