use serde_json::{Value, json};

use super::*;
use crate::eskip;

fn compiled(objects: impl IntoIterator<Item = Value>, settings: &Settings) -> Compiled {
    let (objects, misshapen) = Objects::from_values(objects);
    assert_eq!(misshapen, []);
    compile(&objects, settings, &Past::default())
}

fn route_group(name: &str, backend: Value) -> Value {
    let spec = json!({"backends": [backend], "defaultBackends": [{"backendName": "b"}]});
    json!({"kind": "RouteGroup", "metadata": {"namespace": "n", "name": name}, "spec": spec})
}

fn balanced(name: &str, endpoints: &[&str]) -> Value {
    route_group(name, json!({"name": "b", "type": "lb", "endpoints": endpoints}))
}

fn bare() -> Settings {
    Settings { healthcheck: false, https_redirect: false, ..Settings::default() }
}

#[test]
fn no_objects_and_no_synthetic_routes_are_an_empty_table() {
    assert_eq!(compiled([], &bare()).table, Text::default());
    assert_eq!(compiled([], &Settings::default()).table.count, 3);
}

#[test]
fn one_tenant_s_poison_is_named_and_all_others_are_served() {
    let poison = balanced("poison", &["http://1.1.1.1:80", "https://1.1.1.1:443"]);
    let good = ["a", "z"].map(|name| balanced(name, &["http://1.1.1.1:80"]));
    let [a, z] = good.clone();
    let with = compiled([a, poison, z], &bare());
    assert_eq!(with.table, compiled(good, &bare()).table);
    assert_eq!(with.quarantined.len(), 1);
    assert_eq!(with.quarantined[0].route, "kube_rg__n__poison__all__0_0");
    assert_eq!(with.quarantined[0].object.name, "poison");
}

#[test]
fn zone_without_a_table_of_its_own_gets_the_main_one() {
    let zonal: Vec<_> = (0..4).map(|i| format!("http://1.1.1.{i}:80?zone={}", ["a", "b"][i / 3])).collect();
    let zonal: Vec<_> = zonal.iter().map(String::as_str).collect();
    let compiled = compiled([balanced("g", &zonal)], &bare());
    assert_eq!(compiled.zones.keys().collect::<Vec<_>>(), ["a"]);
    assert_ne!(compiled.table_for(Some("a")), &compiled.table);
    assert_eq!(compiled.table_for(Some("b")), &compiled.table);
    assert_eq!(compiled.table_for(None), &compiled.table);
}

#[test]
fn order_of_the_objects_changes_nothing() {
    let objects = ["a", "b", "c"].map(|name| balanced(name, &["http://1.1.1.1:80"]));
    let mut reversed = objects.clone();
    reversed.reverse();
    let (one, other) = (compiled(objects, &bare()), compiled(reversed, &bare()));
    assert_eq!(one.table, other.table);
    assert_eq!(eskip::parse(&one.table.eskip()).unwrap().len(), one.table.count);
}
