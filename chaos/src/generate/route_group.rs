//! RouteGroups, with every type of backend.

use serde_json::{Value, json};

use super::ingress::shared_annotations;
use super::vocabulary::{ALGORITHMS, FILTERS, PREDICATES};
use super::{Dice, World};

const NETWORK: [&str; 8] = [
    "https://ext1.example.net",
    "http://10.0.0.1:8080",
    "https://ext2.example.net/path",
    "http://user:pw@ext1.example.net#fragment",
    "http://ext1.example.net#\"",
    "https://other.example.com",
    "ext1.example.net",
    "",
];

const ENDPOINTS: [&str; 10] = [
    "http://10.9.0.1:80",
    "http://10.9.0.2:80",
    "http://10.9.0.3:80?zone=zone-a",
    "http://10.9.0.4:80?zone=zone-a&b=1&a=2",
    "http://10.9.0.5:80?zone=zone-a",
    "https://10.9.0.6:443",
    "foo.example.org",
    "http://ext1.example.net",
    "http://10.9.0.7:80\"",
    "http://10.9.0.8:80\n",
];

const METHODS: [&str; 6] = ["GET", "POST", "get", "OPTIONS", "BOGUS", "M SEARCH"];

/// One RouteGroup.
pub(super) fn object(dice: &mut Dice, world: &World, number: usize) -> Value {
    let backends = 1 + dice.up_to(2);
    let mut spec = json!({
        "backends": (0..backends).map(|index| backend(dice, world, index)).collect::<Vec<_>>(),
    });
    let number_of_hosts = dice.pick(&[0, 1, 1, 1, 2, 3]);
    spec["hosts"] = json!(dice.several(number_of_hosts, &world.hosts));
    if dice.chance(75) {
        spec["defaultBackends"] = references(dice, backends);
    }
    if dice.chance(75) {
        let routes: Vec<_> = (0..1 + dice.up_to(2)).map(|_| route(dice, backends)).collect();
        spec["routes"] = json!(routes);
    }
    let mut metadata = json!({
        "name": format!("rg-{number}"),
        "namespace": dice.pick(&world.namespaces),
        "annotations": shared_annotations(dice),
    });
    if dice.chance(60) {
        metadata["labels"] = json!({"application": dice.pick(&["rg", "", "ä\n"])});
    }
    json!({"apiVersion": "zalando.org/v1", "kind": "RouteGroup", "metadata": metadata, "spec": spec})
}

fn backend(dice: &mut Dice, world: &World, index: usize) -> Value {
    let kind = dice.pick(&[
        "service", "service", "service", "", "network", "lb", "shunt", "loopback", "dynamic", "forward",
    ]);
    let mut backend = json!({"name": format!("b{index}"), "type": kind});
    match kind {
        "network" => backend["address"] = json!(dice.pick(&NETWORK)),
        "lb" => {
            let number = 1 + dice.up_to(4);
            let reach = if dice.chance(60) { 5 } else { ENDPOINTS.len() };
            backend["endpoints"] = json!(dice.several(number, &ENDPOINTS[..reach]));
        }
        "service" | "" => {
            let name = if dice.chance(4) { "missing" } else { dice.pick(&world.services) };
            backend["serviceName"] = json!(name);
            backend["servicePort"] = json!(dice.pick(&[80, 443, 8080, 9090]));
        }
        _ => {}
    }
    if dice.chance(30) {
        let reach = if dice.chance(90) { 4 } else { ALGORITHMS.len() };
        backend["algorithm"] = json!(dice.pick(&ALGORITHMS[..reach]));
    }
    backend
}

fn references(dice: &mut Dice, backends: usize) -> Value {
    let chosen: Vec<_> = (0..backends).filter(|_| dice.chance(70)).collect();
    let references: Vec<_> = chosen
        .into_iter()
        .map(|index| {
            let name = if dice.chance(3) { "nope".to_owned() } else { format!("b{index}") };
            let mut reference = json!({"backendName": name});
            if dice.chance(60) {
                reference["weight"] = json!(dice.pick(&[0, 1, 1, 20, 80, 1_000_000]));
            }
            reference
        })
        .collect();
    json!(references)
}

fn route(dice: &mut Dice, backends: usize) -> Value {
    let mut route = json!({});
    let mut add = |percent: u8, name: &str, value: &dyn Fn(&mut Dice) -> Value| {
        if dice.chance(percent) {
            route[name] = value(dice);
        }
    };
    add(35, "path", &|dice| json!(dice.pick(&["/", "/rg", "/rg/:id", "/q\"x", ""])));
    add(25, "pathSubtree", &|dice| json!(dice.pick(&["/", "/rgs", "/rgs/deep"])));
    add(20, "pathRegexp", &|dice| json!(dice.pick(&["^/re[0-9]+$", "/x\\d", "a\\[/b", "/l\nb", ""])));
    add(30, "methods", &|dice| {
        let number = 1 + dice.up_to(2);
        json!(dice.several(number, &METHODS))
    });
    add(35, "predicates", &|dice| listed(dice, &PREDICATES));
    add(35, "filters", &|dice| listed(dice, &FILTERS));
    add(30, "backends", &|dice| references(dice, backends));
    route
}

/// Mostly legal: one bad item leaves the whole group out.
fn listed(dice: &mut Dice, all: &[&str]) -> Value {
    let legal = if dice.chance(92) { &all[..all.len() - 2] } else { all };
    let number = 1 + dice.up_to(2);
    let items: Vec<_> = (0..number).map(|_| dice.pick(legal)).collect();
    json!(items)
}
