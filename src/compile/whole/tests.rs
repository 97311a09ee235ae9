//! The groups, and that the whole is the same with any. Random clusters are in `chaos/tests/incremental.rs`.

use serde_json::{Value, json};

use super::*;
use crate::compile::{Diagnostic, compile};

fn settings() -> Settings {
    Settings { endpoint_slices: true, ..Settings::default() }
}

fn metadata(name: &str) -> Value {
    json!({"namespace": "n", "name": name, "uid": name, "resourceVersion": "1"})
}

/// An Ingress of `name` for `host`, with a Service of its own that has endpoints in two zones.
fn app(name: &str, host: &str, path: &str) -> [Value; 3] {
    let backend = json!({"service": {"name": name, "port": {"number": 80}}});
    let rule = json!({"host": host, "http": {"paths": [{"path": path, "backend": backend}]}});
    let mut slice = metadata(name);
    slice["labels"] = json!({"kubernetes.io/service-name": name});
    let endpoint = |number| json!({"addresses": [format!("10.0.0.{number}")], "zone": if number < 4 { "a" } else { "b" }});
    let endpoints: Vec<_> = (1..=5).map(endpoint).collect();
    [
        json!({"kind": "Ingress", "metadata": metadata(name), "spec": {"rules": [rule]}}),
        json!({"kind": "Service", "metadata": metadata(name), "spec": {"ports": [{"port": 80, "targetPort": 8080}]}}),
        json!({"kind": "EndpointSlice", "metadata": slice, "endpoints": endpoints, "ports": [{"port": 8080, "protocol": "TCP"}]}),
    ]
}

fn listed(apps: &[[Value; 3]]) -> Objects {
    Objects::from_values(apps.iter().flatten().cloned()).0
}

fn many() -> Vec<[Value; 3]> {
    (0..9).map(|number| app(&format!("app{number}"), &format!("h{number}.x"), "/p")).collect()
}

/// Compiles in groups of each size, and at once.
fn same_in_all_sizes(objects: &Objects) -> Compiled {
    let whole = compile_in_groups(objects, &settings(), &Past::default(), usize::MAX);
    for size in 1..=objects.count() {
        let grouped = compile_in_groups(objects, &settings(), &Past::default(), size);
        assert_eq!((&grouped.table, &grouped.zones), (&whole.table, &whole.zones), "{size}");
        assert_eq!((&grouped.diagnostics, &grouped.quarantined), (&whole.diagnostics, &whole.quarantined));
        assert_eq!((&grouped.counts, grouped.looked_at), (&whole.counts, whole.looked_at), "{size}");
        let (ours, theirs) = (&grouped.ledger, &whole.ledger);
        assert_eq!((&ours.ends, &ours.zones, &ours.owners), (&theirs.ends, &theirs.zones, &theirs.owners));
        assert_eq!(ours.uids, theirs.uids);
    }
    whole
}

#[test]
fn a_group_has_whole_parts() {
    let objects = listed(&many());
    let roster = Roster::of(&objects, &settings());
    let sizes = |size| Places::groups(&roster, size).iter().map(Places::count).collect::<Vec<_>>();
    assert_eq!(sizes(1), [3; 9]);
    assert_eq!(sizes(3), [3; 9]);
    assert_eq!(sizes(7), [6, 6, 6, 6, 3]);
    assert_eq!(sizes(100), [27]);
    assert_eq!(Places::groups(&Roster::default(), 1).len(), 0);
}

#[test]
fn the_table_is_the_same_with_any_groups() {
    let whole = same_in_all_sizes(&listed(&many()));
    assert_eq!(whole.zones.keys().collect::<Vec<_>>(), ["a"]);
    assert_eq!(compile(&listed(&many()), &settings(), &Past::default()).table, whole.table);
}

#[test]
fn a_zone_may_be_in_one_group_alone() {
    let mut apps = many();
    for app in &mut apps[1..] {
        app[2]["endpoints"] = json!([{"addresses": ["10.0.0.9"]}]);
    }
    let whole = same_in_all_sizes(&listed(&apps));
    assert_eq!(whole.zones.keys().collect::<Vec<_>>(), ["a"]);
}

#[test]
fn what_is_left_out_is_so_with_any_groups() {
    let mut apps = many();
    for number in [2, 7] {
        apps[number][0]["metadata"]["annotations"] = json!({"zalando.org/skipper-filter": "f(\"\u{0}\")"});
        apps[number][0]["metadata"]["annotations"]["zalando.org/skipper-predicate"] = json!("Nope(");
    }
    apps[5][0]["spec"]["rules"] = json!(7);
    let whole = same_in_all_sizes(&listed(&apps));
    assert!(!whole.quarantined.is_empty() && !whole.diagnostics.is_empty(), "{:?}", whole.quarantined);
}

#[test]
fn objects_that_ask_for_one_id_are_made_at_once() {
    // A RouteGroup and an Ingress have nothing else in common.
    let group = |name: &str, host: &str| {
        json!({
            "kind": "RouteGroup", "metadata": metadata(name),
            "spec": {
                "hosts": [host],
                "backends": [{"name": "b", "type": "shunt"}],
                "defaultBackends": [{"backendName": "b"}],
                "routes": [{"pathSubtree": "/"}],
            },
        })
    };
    let mut values: Vec<_> = many().into_iter().flatten().collect();
    values.extend([group("a", "one.x"), group("a_", "two.x"), group("a-", "three.x")]);
    let whole = same_in_all_sizes(&Objects::from_values(values).0);
    let lost = |it: &Diagnostic| it.reason.contains("has another one of that id");
    assert!(whole.diagnostics.iter().any(lost), "{:?}", whole.diagnostics);
}
