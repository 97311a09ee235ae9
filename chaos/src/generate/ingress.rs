//! Ingresses, with every annotation.

use serde_json::{Map, Value, json};

use super::vocabulary::{self, ALGORITHMS, PATHS};
use super::{Dice, World};

const CUSTOM_ROUTES: [&str; 9] = [
    "Method(\"OPTIONS\") -> status(204) -> <shunt>",
    "r1: Path(\"/extra\") -> setPath(\"/\") -> \"https://extra.example.org\"; r2: Header(\"A\", \"b\") -> <loopback>;",
    "* -> <roundRobin, \"http://1.2.3.4:80\", \"http://5.6.7.8:90\">",
    "* -> <forward>",
    "a: A() && B() && C() -> <shunt>; a: Path(\"/same\") -> <dynamic>;",
    "x: A() && B() && C() && D() && E() -> \"http://x.example.org\"",
    "PathRegexp(/x/) && Header(\"X-Forwarded-Proto\", \"http\") -> <shunt>",
    "Broken( -> <shunt>",
    "",
];

const WEIGHTS: [&str; 9] = [
    "{\"svc-0\": 30, \"svc-1\": 70}",
    "{\"svc-0\": 33.3, \"svc-1\": 33.3, \"svc-2\": 33.4, \"svc.1\": 0.1}",
    "{\"svc-0\": 0, \"svc-1\": 0}",
    "{\"svc-0\": 100, \"svc-1\": 0}",
    "{\"svc-0\": 1, \"svc-1\": 1000000}",
    "{\"svc-3\": 5}",
    "{\"svc-0\": -1, \"svc-1\": 3}",
    "{\"svc-0\": 0.1, \"svc-1\": 0.2, \"svc-2\": 0.3}",
    "not JSON",
];

/// One Ingress.
pub(super) fn object(dice: &mut Dice, world: &World, number: usize) -> Value {
    let mut spec = Map::new();
    if dice.chance(12) {
        spec.insert("ingressClassName".to_owned(), json!(dice.pick(&["skipper", "nginx", ""])));
    }
    if dice.chance(15) {
        spec.insert("defaultBackend".to_owned(), backend(dice, world));
    }
    let rules: Vec<_> = (0..dice.pick(&[0, 1, 1, 1, 2, 3])).map(|_| rule(dice, world)).collect();
    spec.insert("rules".to_owned(), json!(rules));
    if dice.chance(4) {
        spec.insert("tls".to_owned(), json!([{"hosts": [dice.pick(&world.hosts)], "secretName": "s"}]));
    }
    let mut metadata = json!({
        "name": format!("ing-{number}"),
        "namespace": dice.pick(&world.namespaces),
        "annotations": annotations(dice),
    });
    if dice.chance(60) {
        metadata["labels"] = json!({"application": dice.pick(&["app", "", "q\"uote"])});
    }
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec})
}

fn rule(dice: &mut Dice, world: &World) -> Value {
    let paths: Vec<_> = (0..dice.pick(&[1, 1, 1, 2, 3])).map(|_| path(dice, world)).collect();
    let mut rule = json!({"http": {"paths": paths}});
    if dice.chance(3) {
        rule = json!({});
    }
    if dice.chance(90) {
        rule["host"] = json!(dice.pick(&world.hosts));
    }
    rule
}

fn path(dice: &mut Dice, world: &World) -> Value {
    let mut path = json!({"backend": backend(dice, world)});
    if dice.chance(95) {
        path["pathType"] =
            json!(dice.pick(&["ImplementationSpecific", "Prefix", "Exact", "ImplementationSpecific"]));
    }
    if dice.chance(80) {
        path["path"] = json!(dice.pick(&PATHS));
    }
    path
}

fn backend(dice: &mut Dice, world: &World) -> Value {
    if dice.chance(2) {
        return json!({"resource": {"kind": "Bucket", "name": "b"}});
    }
    let name = if dice.chance(5) { "missing" } else { dice.pick(&world.services) };
    let port = if dice.chance(60) {
        json!({"number": dice.pick(&[80, 443, 8080, 9090, 9999])})
    } else {
        json!({"name": dice.pick(&["main", "metrics", "admin", "nope", "80"])})
    };
    json!({"service": {"name": name, "port": port}})
}

/// Annotations that both kinds share, and some that only Ingresses read.
fn annotations(dice: &mut Dice) -> Value {
    let mut annotations = shared_annotations(dice);
    let mut add = |percent: u8, name: &str, value: &dyn Fn(&mut Dice) -> String| {
        if dice.chance(percent) {
            annotations.insert(name.to_owned(), json!(value(dice)));
        }
    };
    add(25, "zalando.org/skipper-filter", &vocabulary::filters);
    add(25, "zalando.org/skipper-predicate", &vocabulary::predicates);
    add(15, "zalando.org/skipper-routes", &|dice| dice.pick(&CUSTOM_ROUTES).to_owned());
    add(8, "zalando.org/skipper-backend", &|dice| dice.pick(&["forward", "shunt", "nothing"]).to_owned());
    add(15, "zalando.org/skipper-loadbalancer", &|dice| dice.pick(&ALGORITHMS).to_owned());
    add(25, "zalando.org/backend-weights", &|dice| dice.pick(&WEIGHTS).to_owned());
    add(6, "zalando.org/ratelimit", &|dice| dice.pick(&["ratelimit(2, \"1s\")", "bad("]).to_owned());
    add(15, "zalando.org/skipper-ingress-path-mode", &|dice| {
        dice.pick(&["kubernetes-ingress", "path-regexp", "path-prefix", "nonsense"]).to_owned()
    });
    Value::Object(annotations)
}

/// Annotations of both kinds.
pub(super) fn shared_annotations(dice: &mut Dice) -> Map<String, Value> {
    const SHARED: [(u8, &str, &[&str]); 7] = [
        (10, "kubernetes.io/ingress.class", &["skipper", "nginx", ""]),
        (10, "zalando.org/routegroup.class", &["skipper", "other", ""]),
        (
            12,
            "zalando.org/skipper-backend-protocol",
            &["https", "h2c", "fastcgi", "", "ht tp", "x\"y", "a\nb: * -> <shunt>; c"],
        ),
        (12, "zalando.org/skipper-ingress-redirect", &["true", "false", "maybe"]),
        (12, "zalando.org/skipper-ingress-redirect-code", &["301", "302", "200", "abc"]),
        (10, "zalando.org/traffic-zone-aware", &["false", "true"]),
        (25, "zone-a", &["true", "false"]),
    ];
    let mut annotations = Map::new();
    for (percent, name, values) in SHARED {
        if dice.chance(percent) {
            annotations.insert(name.to_owned(), json!(dice.pick(values)));
        }
    }
    annotations
}
