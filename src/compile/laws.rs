//! What holds for whatever is compiled.

use serde_json::{Value, json};

use super::{Compiled, Past, Settings, Text, compile};
use crate::eskip::{parse, parse_predicates};
use crate::object::Objects;

/// Whatever `objects` are, nothing panics, and each table parses to as many routes as it counts, sorted by id.
pub(crate) fn tables(objects: &Objects) {
    for settings in [Settings::default(), most()] {
        checked(objects, &settings);
    }
}

/// Whatever JSON a RouteGroup is, the one beside it has its routes, to the byte; and the table obeys the law of tables.
pub fn route_group(json: &[u8]) {
    let Ok(mut group) = serde_json::from_slice::<Value>(json) else { return };
    let Some(fields) = group.as_object_mut() else { return };
    // It may be anything but another object's namesake.
    fields.insert("kind".to_owned(), "RouteGroup".into());
    let metadata = fields.entry("metadata").or_insert_with(|| json!({}));
    if let Some(metadata) = metadata.as_object_mut() {
        metadata.insert("name".to_owned(), "a".into());
        metadata.insert("namespace".to_owned(), "tenant-a".into());
    }
    let sound = json!({
        "kind": "RouteGroup",
        "metadata": {"name": "b", "namespace": "tenant-b"},
        "spec": {
            "hosts": ["b.example.org"],
            "backends": [{"name": "there", "type": "network", "address": "http://10.0.0.1:80"}],
            "defaultBackends": [{"backendName": "there"}],
            "routes": [{"pathSubtree": "/b"}],
        },
    });
    let service = json!({
        "kind": "Service",
        "metadata": {"name": "s", "namespace": "tenant-a"},
        "spec": {"type": "ClusterIP", "clusterIP": "10.3.0.1", "ports": [{"name": "http", "port": 80}]},
    });
    for settings in [Settings::default(), most()] {
        let alone = Objects::from_values([sound.clone()]).0;
        let both = Objects::from_values([group.clone(), service.clone(), sound.clone()]).0;
        let (alone, both) = (checked(&alone, &settings), checked(&both, &settings));
        let both = of_tenant_b(&both.table);
        for definition in of_tenant_b(&alone.table) {
            assert!(both.contains(&definition), "{definition} is missing");
        }
        assert!(!of_tenant_b(&alone.table).is_empty());
    }
}

fn of_tenant_b(table: &Text) -> Vec<String> {
    table.eskip().lines().filter(|line| line.contains("tenant_b__b")).map(str::to_owned).collect()
}

fn checked(objects: &Objects, settings: &Settings) -> Compiled {
    let compiled = compile(objects, settings, &Past::default());
    let panicked = compiled.quarantined.iter().find(|it| it.reason.contains("panicked"));
    assert_eq!(panicked, None);
    for table in std::iter::once(&compiled.table).chain(compiled.zones.values()) {
        let text = table.eskip();
        let routes = parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(routes.len(), table.count, "{text}");
        assert!(routes.is_sorted_by_key(|route| &route.id), "{text}");
    }
    compiled
}

/// Nearly every setting at once.
fn most() -> Settings {
    Settings {
        endpoint_slices: true,
        east_west: true,
        east_west_range_domains: vec!["example.net".to_owned()],
        east_west_range_predicates: parse_predicates("ClientIP(\"10.0.0.0/8\")").expect("it is well-formed"),
        path_mode: super::PathMode::PathRegexp,
        traffic_algorithm: super::TrafficAlgorithm::TrafficSegment,
        topology_zone: "z".to_owned(),
        external_names: true,
        forward_backend_url: "http://forward.example.org".to_owned(),
        ..Settings::default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    /// Values of fields, often of the wrong kind.
    fn value() -> impl Strategy<Value = Value> {
        let text = prop_oneof![
            prop::sample::select(vec![
                "",
                "/",
                "/a",
                "^/[a-z]+$",
                "n",
                "s",
                "b.example.org",
                "http://10.0.0.1:80",
                "http://[::1",
                "status(204)",
                "Weight(7)",
                "a() -> b()",
                "Path(\"/\") && Any()",
                "x; y: * -> <shunt>",
                "\"",
                "\\",
                "\n",
                "GET",
            ])
            .prop_map(Value::from),
            ".{0,4}".prop_map(Value::from),
        ];
        let number = prop_oneof![Just(80i64), Just(0), Just(-1), any::<i64>()].prop_map(Value::from);
        prop_oneof![8 => text, 2 => number, 1 => Just(Value::Null), 1 => Just(json!([])), 1 => Just(json!({}))]
    }

    /// An object with some of `names`.
    fn object(names: &'static [&'static str]) -> impl Strategy<Value = Value> {
        vec(
            (
                prop::sample::select(names),
                prop_oneof![3 => value(), 1 => vec(value(), 0..3).prop_map(Value::from)],
            ),
            0..6,
        )
        .prop_map(|fields| fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    fn list(item: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
        vec(prop_oneof![9 => item, 1 => value()], 0..3).prop_map(Value::from)
    }

    /// A backend that is right but for its type and one field.
    fn backend() -> impl Strategy<Value = Value> {
        let kind = prop::sample::select(vec![
            "service", "network", "shunt", "loopback", "dynamic", "lb", "forward", "x", "",
        ]);
        let odd = prop::sample::select(vec![
            "name",
            "address",
            "endpoints",
            "serviceName",
            "servicePort",
            "algorithm",
        ]);
        (kind, odd, prop::option::of(value())).prop_map(|(kind, odd, value)| {
            let mut backend = json!({
                "name": "n", "type": kind, "address": "http://10.0.0.1:80", "serviceName": "s", "servicePort": 80,
                "endpoints": ["http://10.0.0.1:80", "http://10.0.0.2:80?zone=z"],
            });
            if let Some(value) = value {
                backend[odd] = value;
            }
            backend
        })
    }

    fn reference() -> impl Strategy<Value = Value> {
        prop_oneof![3 => Just(json!({"backendName": "n", "weight": 1})), 1 => object(&["backendName", "weight"])]
    }

    proptest! {
        #[test]
        fn of_route_groups_that_are_nearly_right(
            metadata in object(&["annotations", "labels", "uid"]),
            hosts in list(value()),
            backends in list(backend()),
            defaults in list(reference()),
            routes in list(object(&["path", "pathSubtree", "pathRegexp", "methods", "predicates", "filters", "backends"])),
        ) {
            let spec = json!({"hosts": hosts, "backends": backends, "defaultBackends": defaults, "routes": routes});
            super::route_group(json!({"metadata": metadata, "spec": spec}).to_string().as_bytes());
        }
    }
}
