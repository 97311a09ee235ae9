//! One tenant's object, with each of its fields made wrong in each of many ways: the compiler survives it, and the routes
//! of the other tenants stay as they are, to the byte.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bellwether::compile::{self, PathMode, Settings, TrafficAlgorithm};
use bellwether::eskip::{parse_filters, parse_predicates};
use bellwether::object::Objects;
use serde_json::{Value, json};

/// The objects of one tenant: all kinds, with most of their fields.
fn tenant(letter: char) -> Vec<Value> {
    let name = format!("tenant-{letter}");
    let metadata = json!({"name": name, "namespace": name, "labels": {"application": name}});
    let mut ingress = metadata.clone();
    ingress["annotations"] = json!({
        "zalando.org/skipper-filter": "setPath(\"/x\") -> latency(0.25)",
        "zalando.org/skipper-predicate": "Cookie(\"c\", /^v$/)",
        "zalando.org/skipper-routes": "Method(\"OPTIONS\") -> status(204) -> <shunt>",
        "zalando.org/backend-weights": format!("{{\"{name}\": 3, \"missing\": 1}}"),
        "zalando.org/skipper-loadbalancer": "random",
        "zalando.org/skipper-backend-protocol": "https",
        "zalando.org/skipper-ingress-path-mode": "path-prefix",
        "zalando.org/skipper-ingress-redirect": "true",
        "zalando.org/skipper-ingress-redirect-code": "301",
        "zalando.org/ratelimit": "ratelimit(2, \"1s\")",
        "kubernetes.io/ingress.class": "skipper",
    });
    let mut group = metadata.clone();
    group["annotations"] = json!({
        "zalando.org/skipper-backend-protocol": "h2c",
        "zalando.org/skipper-ingress-redirect": "false",
        "zalando.org/traffic-zone-aware": "false",
    });
    let mut slice = metadata.clone();
    slice["labels"] = json!({"kubernetes.io/service-name": name});
    let backend = json!({"service": {"name": name, "port": {"name": "http"}}});
    let path = json!({"path": "/", "pathType": "ImplementationSpecific", "backend": backend});
    let port = json!({"name": "http", "port": 8080, "protocol": "TCP", "appProtocol": "http"});
    vec![
        json!({"kind": "Ingress", "metadata": ingress, "spec": {
            "ingressClassName": "skipper",
            "defaultBackend": {"service": {"name": name, "port": {"number": 80}}},
            "rules": [{"host": format!("{name}.example.org"), "http": {"paths": [path]}}],
        }}),
        json!({"kind": "RouteGroup", "metadata": group, "spec": {
            "hosts": [format!("{name}.example.net")],
            "backends": [
                {"name": "s", "type": "service", "serviceName": name, "servicePort": 80, "algorithm": "random"},
                {"name": "l", "type": "lb", "endpoints": ["http://10.0.0.1:80?zone=z", "http://10.0.0.2:80"]},
                {"name": "n", "type": "network", "address": "https://www.example.org"},
            ],
            "defaultBackends": [{"backendName": "s", "weight": 2}, {"backendName": "l", "weight": 1}],
            "routes": [{
                "pathRegexp": "^/r[0-9]", "methods": ["GET"], "predicates": ["Weight(7)"],
                "filters": ["status(204)"], "backends": [{"backendName": "n", "weight": 1}],
            }, {"pathSubtree": "/s"}, {"path": "/p"}],
        }}),
        json!({"kind": "Service", "metadata": metadata, "spec": {
            "type": "ClusterIP", "clusterIP": "10.3.0.1",
            "ports": [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}],
        }}),
        json!({"kind": "Endpoints", "metadata": metadata, "subsets": [
            {"addresses": [{"ip": "10.2.0.1"}, {"ip": "10.2.0.2"}], "ports": [port]},
        ]}),
        json!({"kind": "EndpointSlice", "metadata": slice, "addressType": "IPv4", "ports": [port], "endpoints": [
            {"addresses": ["10.2.0.1"], "zone": "z", "conditions": {"ready": true, "terminating": false}},
            {"addresses": ["10.2.0.2"]},
        ]}),
    ]
}

/// What takes the place of a field. That it is not there at all comes beside these.
fn wrong_values(right: &Value) -> Vec<Value> {
    let mut deep = json!(1);
    for level in 0..120 {
        deep = if level % 2 == 0 { json!([deep]) } else { json!({"a": deep}) };
    }
    let many = json!(vec![right.clone(); 100]);
    let texts = [
        "",
        " ",
        "0",
        "-1",
        "true",
        "null",
        "/",
        "\"",
        "\\",
        "\n",
        "\0",
        "\u{feff}",
        "\u{202e}a",
        "e\u{301}\u{308}",
        "𝕏😀",
        "ＡＢ",
        "*",
        "(",
        "[",
        "\\[",
        "a b",
        "a; b: * -> <shunt>",
        "http://[::1",
        "%zz",
        "..",
        "kube__redirect",
    ];
    let numbers =
        [json!(0), json!(-1), json!(70_000), json!(i64::MAX), json!(u64::MAX), json!(0.5), json!(1e308)];
    let others = [
        Value::Null,
        json!(true),
        json!([]),
        json!({}),
        json!([null]),
        json!({"": null}),
        json!("x".repeat(20_000)),
    ];
    texts.map(Value::from).into_iter().chain(numbers).chain(others).chain([deep, many]).collect()
}

/// Where each field of `value` is, as a JSON pointer.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    let mut visit = |name: &str, child: &Value| {
        let pointer = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
        pointers(child, &pointer, found);
        found.push(pointer);
    };
    match value {
        Value::Object(map) => map.iter().for_each(|(name, child)| visit(name, child)),
        Value::Array(items) => items.iter().enumerate().for_each(|(at, child)| visit(&at.to_string(), child)),
        _ => {}
    }
}

/// `object` with every way to make the field at `pointer` wrong.
fn mutations(object: &Value, pointer: &str) -> Vec<Value> {
    let right = object.pointer(pointer).expect("the field was found there");
    let mut mutations: Vec<_> = wrong_values(right)
        .into_iter()
        .map(|wrong| {
            let mut mutation = object.clone();
            *mutation.pointer_mut(pointer).expect("the field is there") = wrong;
            mutation
        })
        .collect();
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer begins with a slash");
    let mut without = object.clone();
    match without.pointer_mut(parent) {
        Some(Value::Object(map)) => drop(map.remove(&name.replace("~1", "/").replace("~0", "~"))),
        Some(Value::Array(items)) => drop(items.remove(name.parse().expect("an index"))),
        _ => unreachable!("a field has a parent"),
    }
    mutations.push(without);
    mutations
}

/// The definitions of tenant b, and of the settings' own routes.
fn of_the_others(table: &str) -> BTreeSet<&str> {
    let own = |line: &&str| ["tenant_b", "kube__"].iter().any(|mark| line.contains(mark));
    table.lines().filter(own).filter(|line| !line.contains("tenant_a")).collect()
}

/// Tries every mutation of every object of tenant a, beside a tenant b. There have to be so many at least.
fn whatever_is_wrong_stays_there(settings: &Settings, least: usize) {
    let compiled =
        |(objects, _): (Objects, _)| compile::compile(&objects, settings, &compile::Past::default());
    let objects = [tenant('a'), tenant('b')].concat();
    let sound = compiled(Objects::from_values(objects.clone()));
    let sound = sound.table.eskip();
    let expected = of_the_others(&sound);
    assert!(expected.len() >= 8, "{expected:#?}");
    let mut tried = 0;
    for index in 0..tenant('a').len() {
        let mut found = Vec::new();
        pointers(&objects[index], "", &mut found);
        for pointer in found.iter().filter(|pointer| *pointer != "/kind") {
            for mutation in mutations(&objects[index], pointer) {
                let mut objects = objects.clone();
                objects[index] = mutation;
                let result = catch_unwind(AssertUnwindSafe(|| compiled(Objects::from_values(objects))));
                let result = result.unwrap_or_else(|_| panic!("object {index}, {pointer}: it panics"));
                let mut quarantined = result.quarantined.iter();
                let panicked = quarantined.find(|left_out| left_out.reason.contains("panicked"));
                assert_eq!(panicked, None, "object {index}, {pointer}");
                let table = result.table.eskip();
                let of_the_others = of_the_others(&table);
                let missing: Vec<_> = expected.difference(&of_the_others).collect();
                assert!(missing.is_empty(), "object {index}, {pointer}: {missing:#?}");
                tried += 1;
            }
        }
    }
    assert!(tried >= least, "only {tried} mutations");
}

#[test]
fn with_endpoints() {
    whatever_is_wrong_stays_there(&Settings::default(), 3_400);
}

#[test]
fn with_endpoint_slices() {
    let settings = Settings { endpoint_slices: true, ..Settings::default() };
    whatever_is_wrong_stays_there(&settings, 3_400);
}

#[test]
fn with_nearly_every_setting_at_once() {
    let settings = Settings {
        endpoint_slices: true,
        east_west: true,
        east_west_range_domains: vec!["example.net".to_owned()],
        east_west_range_predicates: parse_predicates("ClientIP(\"10.0.0.0/8\")").unwrap(),
        default_filters_append: parse_filters("last()").unwrap(),
        path_mode: PathMode::PathRegexp,
        traffic_algorithm: TrafficAlgorithm::TrafficSegment,
        external_names: true,
        application_label: "application".to_owned(),
        forward_backend_url: "http://forward.example.org".to_owned(),
        ..Settings::default()
    };
    whatever_is_wrong_stays_there(&settings, 3_400);
}
