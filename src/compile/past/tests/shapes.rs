//! Objects that are there but cannot be read, and those that need them, keep their last good routes.

use super::*;

const AT_FIRST: &str = "10.0.0.1";

fn metadata(name: &str) -> Value {
    json!({"namespace": "n", "name": name, "uid": format!("uid-{name}")})
}

/// An Ingress that leads to the Service `s`, the Service, and its Endpoints.
fn cluster(ip: &str) -> [Value; 3] {
    let backend = json!({"service": {"name": "s", "port": {"number": 80}}});
    let rule = json!({"host": "a.example.org", "http": {"paths": [{"path": "/", "backend": backend}]}});
    let subset = json!({"addresses": [{"ip": ip}], "ports": [{"port": 8080}]});
    [
        json!({"kind": "Ingress", "metadata": metadata("a"), "spec": {"rules": [rule]}}),
        json!({"kind": "Service", "metadata": metadata("s"), "spec": {"ports": [{"port": 80, "targetPort": 8080}]}}),
        json!({"kind": "Endpoints", "metadata": metadata("s"), "subsets": [subset]}),
    ]
}

/// What follows `bad` in the process that compiled `good`, and in one that took over from it.
fn after(good: &[Value], bad: &[Value]) -> [Compiled; 2] {
    let first = run(good, &Past::default());
    [left(&first), taken_over(&first)].map(|past| {
        let second = run(bad, &past);
        let third = run(bad, &left(&second));
        assert_eq!((&second.table, &second.quarantined), (&third.table, &third.quarantined));
        second
    })
}

#[test]
fn an_object_of_another_shape_keeps_its_routes_until_it_is_mended_or_deleted() {
    let good = [cluster(AT_FIRST).to_vec(), vec![group("g", "1", &["/", "/x"], GOOD)]].concat();
    let mut bad = good.clone();
    bad[0]["spec"]["rules"][0]["host"] = json!(1);
    bad[3]["spec"]["routes"][1]["path"] = json!(["/y"]);
    bad.push(group("h", "2", &["/"], GOOD));
    for second in after(&good, &bad) {
        for route in ["kube_n__a__a_example_org_____s: ", "kube_rg__n__g__all__1_0: ", "kube_rg__n__h__"] {
            assert!(second.table.eskip().contains(route), "{route} in {}", second.table.eskip());
        }
        let said: Vec<_> =
            second.quarantined.iter().map(|it| (it.route.as_str(), it.object.name.as_str())).collect();
        assert_eq!(said, [("", "a"), ("", "g")]);
        assert!(second.quarantined[0].reason.contains("spec.rules[0].host"), "{:?}", second.quarantined);

        assert_eq!(run(&good, &left(&second)).quarantined, []);
        assert!(!run(&bad[1..], &left(&second)).table.eskip().contains("kube_n__a"), "deleted");
    }
}

#[test]
fn one_that_was_never_read_has_no_routes_and_is_named() {
    let [mut ingress, service, endpoints] = cluster(AT_FIRST);
    ingress["spec"] = json!("none");
    let compiled = run(&[ingress.clone(), service, endpoints], &Past::default());
    assert_eq!((compiled.table.count, compiled.quarantined.len()), (0, 1));

    ingress["metadata"]["annotations"] = json!({"kubernetes.io/ingress.class": "other"});
    assert_eq!(run(&[ingress], &Past::default()).quarantined, [], "it is not ours");
}

#[test]
fn routes_to_a_service_that_cannot_be_read_stay() {
    let good = cluster(AT_FIRST);
    let spoil = |number: usize, path: &str, value: Value| {
        let mut bad = cluster("10.0.0.2");
        *bad[number].pointer_mut(path).expect("it is there") = value;
        bad
    };
    for bad in [
        spoil(1, "/spec/ports/0/port", json!("80")),
        spoil(1, "/spec/ports/0", Value::Null),
        spoil(2, "/subsets", json!(5)),
        spoil(2, "/subsets/0", Value::Null),
        spoil(2, "/subsets/0/ports/0", Value::Null),
        spoil(2, "/subsets/0/addresses/0", Value::Null),
    ] {
        for second in after(&good, &bad) {
            assert!(second.table.eskip().contains("10.0.0.1:8080"), "{bad:?}: {}", second.table.eskip());
            assert_eq!(second.quarantined.len(), 1, "{bad:?}");
            assert_eq!(second.quarantined[0].object.to_string(), "Ingress n/a");
        }
    }
}

#[test]
fn a_null_that_nobody_comes_upon_is_nothing() {
    let [ingress, mut service, mut endpoints] = cluster(AT_FIRST);
    let expected = run(&cluster(AT_FIRST), &Past::default());
    service["spec"]["ports"].as_array_mut().expect("a list").push(Value::Null);
    endpoints["subsets"].as_array_mut().expect("a list").push(Value::Null);
    let compiled = run(&[ingress, service, endpoints], &Past::default());
    assert_eq!((compiled.table, compiled.quarantined), (expected.table, Vec::new()));
}

/// A RouteGroup with a backend in two zones.
fn zonal(path: &str, filter: &str) -> Value {
    let endpoints: Vec<_> =
        (0..6).map(|at| format!("http://1.1.1.{at}:80?zone={}", if at < 3 { "a" } else { "b" })).collect();
    let mut group = group("z", "1", &[path], GOOD);
    group["spec"]["backends"][0]["endpoints"] = json!(endpoints);
    group["spec"]["routes"][0]["filters"] = json!([filter]);
    group
}

#[test]
fn routes_that_stay_keep_their_zones() {
    for path in ["/", "/é\"\\"] {
        let good = [zonal(path, "status(204)"), group("g", "2", &["/"], GOOD)];
        let first = run(&good, &Past::default());
        assert_eq!(first.zones.keys().collect::<Vec<_>>(), ["a", "b"]);
        let bad = [zonal(path, "ratelimit(0.00001)"), good[1].clone()];
        for second in after(&good, &bad) {
            assert_eq!((second.table, second.zones), (first.table.clone(), first.zones.clone()));
        }
    }
}
