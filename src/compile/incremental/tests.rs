//! What a change reaches, and that the result is that of the whole. Random clusters are in `chaos/tests/incremental.rs`.

use serde_json::{Value, json};

use super::super::{compile, recompile};
use super::*;

fn settings() -> Settings {
    Settings { endpoint_slices: true, ..Settings::default() }
}

fn metadata(name: &str, version: u32) -> Value {
    json!({"namespace": "n", "name": name, "uid": name, "resourceVersion": version.to_string()})
}

/// An Ingress with a Service and a slice of its own.
fn app(name: &str, host: &str, zones: &[&str]) -> [Value; 3] {
    let backend = json!({"service": {"name": name, "port": {"number": 80}}});
    let rule = json!({"host": host, "http": {"paths": [{"path": "/p", "backend": backend}]}});
    let mut slice = metadata(name, 1);
    slice["labels"] = json!({"kubernetes.io/service-name": name});
    let endpoint = |(index, zone)| json!({"addresses": [format!("10.0.0.{index}")], "zone": zone});
    let endpoints: Vec<_> = zones.iter().enumerate().map(endpoint).collect();
    [
        json!({"kind": "Ingress", "metadata": metadata(name, 1), "spec": {"rules": [rule]}}),
        json!({"kind": "Service", "metadata": metadata(name, 1), "spec": {"ports": [{"port": 80, "targetPort": 8080}]}}),
        json!({"kind": "EndpointSlice", "metadata": slice, "endpoints": endpoints, "ports": [{"port": 8080, "protocol": "TCP"}]}),
    ]
}

fn listed(apps: &[[Value; 3]]) -> Objects {
    Objects::from_values(apps.iter().flatten().cloned()).0
}

fn many() -> Vec<[Value; 3]> {
    (0..9).map(|number| app(&format!("app{number}"), &format!("h{number}.x"), &["a", "b"])).collect()
}

/// Compiles one state after the other; how many objects of the second were looked at.
fn looked_at(first: &[[Value; 3]], second: &[[Value; 3]]) -> Option<usize> {
    let first = compile(&listed(first), &settings(), &Past::default());
    let zones = first.zones.iter().map(|(zone, table)| (zone.clone(), table.packed.clone()));
    let past = Past::compiled(first.table.packed, zones.collect(), first.ledger, first.quarantined);
    let all = compile(&listed(second), &settings(), &past);
    let some = recompile(&listed(second), &settings(), &past)?;
    assert_eq!((&some.table, &some.zones, &some.counts), (&all.table, &all.zones, &all.counts));
    assert_eq!((&some.diagnostics, &some.quarantined), (&all.diagnostics, &all.quarantined));
    Some(some.looked_at)
}

#[test]
fn nothing_is_compiled_where_nothing_has_changed() {
    assert_eq!(looked_at(&many(), &many()), None);
}

#[test]
fn an_endpoint_reaches_who_leads_there() {
    let mut apps = many();
    apps[4][2]["endpoints"] = json!([{"addresses": ["10.9.9.9"]}]);
    apps[4][2]["metadata"]["resourceVersion"] = json!("2");
    assert_eq!(looked_at(&many(), &apps), Some(3));
}

#[test]
fn objects_of_one_host_belong_together() {
    let mut first = many();
    first[0] = app("app0", "h1.x", &["a"]);
    let mut second = first.clone();
    second[0] = app("app0", "h0.x", &["a"]);
    second[0][0]["metadata"]["resourceVersion"] = json!("2");
    assert_eq!(looked_at(&first, &second), Some(6));
}

#[test]
fn objects_come_and_go() {
    assert_eq!(looked_at(&many(), &many()[1..]), Some(0));
    assert_eq!(looked_at(&many()[1..], &many()), Some(3));
}

#[test]
fn a_zone_comes_and_goes() {
    let mut apps = many();
    apps[4] = app("app4", "h4.x", &["a", "b", "c", "c", "c"]);
    apps[4][2]["metadata"]["resourceVersion"] = json!("2");
    assert_eq!(looked_at(&many(), &apps), Some(3));
    assert_eq!(looked_at(&apps, &many()), Some(3));
}

#[test]
fn ids_that_look_alike_belong_together() {
    let mut first = many();
    // The host of the one begins as the name of the other goes on: nothing but their ids can tell.
    first[0] = app("a", "b--h.x", &["a"]);
    first[1] = app("a--b", "h.x", &["a"]);
    for app in &mut first[..2] {
        app[0]["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"] = json!("app5");
    }
    let mut second = first.clone();
    second[0][0]["spec"]["rules"][0]["http"]["paths"][0]["path"] = json!("/q");
    second[0][0]["metadata"]["resourceVersion"] = json!("2");
    looked_at(&first, &second);
    looked_at(&second, &first);
}

#[test]
fn what_has_no_version_is_always_looked_at() {
    let mut apps = many();
    apps[4][0]["metadata"]["uid"] = json!("");
    assert_eq!(looked_at(&apps, &apps), Some(3));
}
