use serde_json::json;

use super::*;

#[test]
fn lists_are_expanded_and_other_kinds_ignored() {
    let service = |name: &str| json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}});
    let (objects, diagnostics) = Objects::from_values([
        json!({"kind": "List", "items": [service("a"), {"kind": "List", "items": [service("b")]}]}),
        json!({"kind": "ServiceList", "apiVersion": "v1", "items": [{"metadata": {"name": "c"}}]}),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "d"}}),
        json!({"apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": {"name": "e"}}),
        json!(null),
    ]);
    let names: Vec<_> = objects.services.iter().map(|service| service.metadata.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(diagnostics, []);
}

#[test]
fn one_misshapen_object_does_not_fail_its_neighbours() {
    let ingress = |name: &str, host| {
        json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": {"namespace": "n", "name": name},
            "spec": {"rules": [{"host": "a.test"}, {"host": host}]},
        })
    };
    let (objects, diagnostics) =
        Objects::from_values([ingress("good", json!("b.test")), ingress("bad", json!(1))]);
    assert_eq!(objects.ingresses.len(), 1);
    let [diagnostic] = diagnostics.as_slice() else { panic!("one diagnostic, not {diagnostics:?}") };
    assert_eq!(diagnostic.reason, "spec.rules[1].host: a string was expected, 1 was found");
    let object = diagnostic.object.as_ref().unwrap();
    assert_eq!((object.kind.as_str(), object.name.as_str()), ("Ingress", "bad"));
}

#[test]
fn null_is_absent() {
    let (objects, diagnostics) = Objects::from_values([
        json!({"kind": "Ingress", "metadata": null, "spec": null}),
        json!({"kind": "RouteGroup", "metadata": {"name": "r", "annotations": {"a": null}}, "spec": {"hosts": null, "routes": [null, {}]}}),
        json!({"kind": "Service", "metadata": null, "spec": {"ports": null}}),
        json!({"kind": "EndpointSlice", "ports": null, "endpoints": null}),
        json!({"kind": "List", "items": null}),
    ]);
    assert_eq!(diagnostics, []);
    assert_eq!(objects.ingresses, [Ingress::default().into()]);
    assert_eq!(objects.route_groups[0].spec.as_ref().unwrap().routes, [None, Some(RouteSpec::default())]);
    assert_eq!(objects.route_groups[0].metadata.annotation("a"), Some(""));
    assert_eq!(objects.endpoint_slices[0].ports, None);
}

#[test]
fn names_of_fields_are_read_in_any_case_but_keys_are_not() {
    let metadata = json!({"Name": "a", "labels": {"App": "x"}});
    let (objects, _) = Objects::from_values([
        json!({"kind": "Service", "Metadata": metadata, "spec": {"ports": [{"Port": 80, "targetport": "web"}]}}),
        json!({"kind": "Ingress", "Metadata": metadata}),
    ]);
    let service = &objects.services[0];
    assert_eq!(service.metadata.name, "a");
    assert_eq!(objects.ingresses[0].metadata.labels, [("App".to_owned(), "x".to_owned())].into());
    let port = service.spec.as_ref().unwrap().ports[0].as_ref().unwrap();
    assert_eq!((port.port, port.target_port.clone()), (80, Some(TargetPort::Name("web".to_owned()))));
}

#[test]
fn a_target_port_is_a_name_or_an_integer() {
    let port = |target| {
        let service = json!({"kind": "Service", "spec": {"ports": [{"targetPort": target}]}});
        let (objects, diagnostics) = Objects::from_values([service]);
        diagnostics.first().map_or_else(
            || {
                objects.services[0].spec.clone().unwrap().ports[0]
                    .clone()
                    .unwrap()
                    .target_port
                    .clone()
                    .unwrap()
                    .to_string()
            },
            |diagnostic| diagnostic.reason.clone(),
        )
    };
    assert_eq!(port(json!("80")), "80");
    assert_eq!(port(json!(8080)), "8080");
    assert_eq!(port(json!(80.5)), "spec.ports[0].targetPort: an integer was expected, 80.5 was found");
}

#[test]
fn an_endpoint_is_ready_unless_it_says_otherwise() {
    let ready = |conditions| {
        let slice = json!({"kind": "EndpointSlice", "endpoints": [{"conditions": conditions}]});
        Objects::from_values([slice]).0.endpoint_slices[0].endpoints[0].as_ref().unwrap().is_ready()
    };
    assert!(ready(json!(null)));
    assert!(ready(json!({"serving": false})));
    assert!(!ready(json!({"ready": false})));
    assert!(!ready(json!({"ready": true, "terminating": true})));
}

#[test]
fn one_namespace_is_kept_as_an_api_server_would_list_it() {
    let service = |namespace| json!({"kind": "Service", "metadata": {"name": "s", "namespace": namespace}});
    let values = [service(json!("a")), service(json!("b")), service(json!(null))];
    let (mut objects, _) = Objects::from_values(values);
    objects.retain_namespace("default");
    assert_eq!(objects.services.len(), 1);
    objects.retain_namespace("a");
    assert!(objects.services.is_empty());
}
