use serde_json::{Value, json};

use super::super::annotations;
use super::*;
use crate::compile::{AnnotationFilters, AnnotationPredicates, Settings, TrafficAlgorithm};
use crate::eskip::{parse_filters, parse_predicates};
use crate::object::Objects;

/// The routes of a cluster as lines, and the reasons of its diagnostics.
fn converted(objects: impl IntoIterator<Item = Value>, settings: &Settings) -> (Vec<String>, Vec<String>) {
    let (objects, misshapen) = Objects::from_values(objects);
    assert_eq!(misshapen, []);
    let mut diagnostics = Diagnostics::default();
    let context = Context::new(&objects, settings, &mut diagnostics);
    let mut quarantined = Vec::new();
    let routes = routes(&objects.route_groups, &context, &mut quarantined, &mut diagnostics);
    assert_eq!(quarantined, []);
    let lines = routes.iter().map(|sourced| format!("{}: {}", sourced.route.id, sourced.route)).collect();
    (lines, diagnostics.into_vec().into_iter().map(|diagnostic| diagnostic.reason).collect())
}

fn lines(objects: impl IntoIterator<Item = Value>, settings: &Settings) -> Vec<String> {
    let (lines, said) = converted(objects, settings);
    assert_eq!(said, [""; 0]);
    lines
}

fn plain() -> Settings {
    Settings { https_redirect: false, disable_catch_all: true, ..Settings::default() }
}

fn group(name: &str, spec: Value) -> Value {
    json!({"kind": "RouteGroup", "metadata": {"namespace": "n", "name": name}, "spec": spec})
}

fn annotated(mut object: Value, key: &str, value: &str) -> Value {
    object["metadata"]["annotations"][key] = value.into();
    object
}

fn shunt() -> Value {
    json!([{"name": "s", "type": "shunt"}])
}

fn to(backend: &str) -> Value {
    json!([{"backendName": backend}])
}

fn service(name: &str) -> Value {
    let spec = json!({"type": "ClusterIP", "ports": [{"port": 80, "targetPort": 8080}]});
    json!({"kind": "Service", "metadata": {"namespace": "n", "name": name}, "spec": spec})
}

fn endpoints(name: &str, ips: &[&str]) -> Value {
    let addresses: Vec<_> = ips.iter().map(|ip| json!({"ip": ip})).collect();
    let subsets = json!([{"addresses": addresses, "ports": [{"port": 8080}]}]);
    json!({"kind": "Endpoints", "metadata": {"namespace": "n", "name": name}, "subsets": subsets})
}

fn service_backend(name: &str) -> Value {
    json!({"name": name, "type": "service", "serviceName": name, "servicePort": 80})
}

const HOST_A: &str = r#"Host("^(a[.]x[.]?(:[0-9]+)?)$")"#;

#[test]
fn implicit_group_has_a_route_for_each_default_backend() {
    let backends = json!([{"name": "s", "type": "shunt"}, {"name": "l", "type": "loopback"}]);
    let references = json!([{"backendName": "s", "weight": 1}, {"backendName": "l", "weight": 3}]);
    let spec = json!({"hosts": ["a.x"], "backends": backends, "defaultBackends": references});
    assert_eq!(
        lines([group("g", spec)], &plain()),
        [
            format!("kube_rg__n__g__all__0_0: {HOST_A} && Traffic(0.25) -> <shunt>"),
            format!("kube_rg__n__g__all__0_1: {HOST_A} -> <loopback>"),
        ]
    );
}

#[test]
fn predicates_stand_in_the_peer_s_order() {
    let route = json!({
        "path": "/p", "pathRegexp": "r", "methods": ["get"],
        "predicates": ["Weight(1)"], "filters": ["f(1)"], "backends": to("s"),
    });
    let spec = json!({"hosts": ["a.x"], "backends": shunt(), "routes": [route]});
    assert_eq!(
        lines([group("g", spec)], &plain()),
        [format!(
            r#"kube_rg__n__g__get__0_0: Path("/p") && PathRegexp("r") && {HOST_A} && Method("GET") && Weight(1) -> f(1) -> <shunt>"#
        )]
    );
}

#[test]
fn route_stands_for_each_method_once() {
    let route = json!({"methods": ["GET", "put", "GET"], "backends": to("s")});
    let spec = json!({"backends": shunt(), "routes": [route]});
    assert_eq!(
        lines([group("g", spec)], &plain()),
        [
            r#"kube_rg__n__g__get__0_0: Method("GET") -> <shunt>"#,
            r#"kube_rg__n__g__put__0_0: Method("PUT") -> <shunt>"#
        ]
    );
}

#[test]
fn backends_without_a_service() {
    let backends = json!([
        {"name": "n", "type": "network", "address": "https://b.x"},
        {"name": "l", "type": "lb", "endpoints": ["http://1.2.3.4:80", "http://1.2.3.5:80?zone=z"]},
        {"name": "a", "type": "lb", "algorithm": "random", "endpoints": ["http://1.2.3.4:80"]},
        {"name": "d", "type": "dynamic"},
        {"name": "f", "type": "forward"},
    ]);
    let route = |name: &str| json!({"filters": ["f()"], "backends": to(name)});
    let routes = ["n", "l", "a", "d", "f"].map(route);
    let spec = json!({"backends": backends, "routes": routes});
    let settings = Settings { forward_backend_url: "http://next".to_owned(), ..plain() };
    let backends: Vec<_> = lines([group("g", spec)], &settings)
        .into_iter()
        .map(|line| line.split_once(": ").unwrap().1.to_owned())
        .collect();
    assert_eq!(
        backends,
        [
            r#"* -> f() -> "https://b.x""#,
            r#"* -> f() -> <roundRobin, "http://1.2.3.4:80", "http://1.2.3.5:80?zone=z">"#,
            r#"* -> f() -> <random, "http://1.2.3.4:80">"#,
            "* -> f() -> <dynamic>",
            r#"* -> "http://next""#,
        ]
    );
}

#[test]
fn service_leads_to_its_endpoints() {
    let spec =
        |name: &str| group(name, json!({"backends": [service_backend(name)], "defaultBackends": to(name)}));
    let names = ["none", "one", "two"];
    let objects = names.map(spec).into_iter().chain(names.map(service));
    let objects = objects.chain([endpoints("one", &["1.1.1.1"]), endpoints("two", &["1.1.1.2", "1.1.1.1"])]);
    assert_eq!(
        lines(objects, &plain()),
        [
            r#"kube_rg__n__none__all__0_0: * -> status(502) -> inlineContent("no endpoints") -> <shunt>"#,
            r#"kube_rg__n__one__all__0_0: * -> "http://1.1.1.1:8080""#,
            r#"kube_rg__n__two__all__0_0: * -> <roundRobin, "http://1.1.1.1:8080", "http://1.1.1.2:8080">"#,
        ]
    );
}

#[test]
fn route_that_leads_nowhere_takes_only_itself_along() {
    let backends = json!([{"name": "s", "type": "shunt"}, service_backend("missing")]);
    let both = json!([{"backendName": "s"}, {"backendName": "missing"}]);
    let routes = json!([{"path": "/a", "backends": both}, {"path": "/b", "backends": to("s")}]);
    let (lines, said) = converted([group("g", json!({"backends": backends, "routes": routes}))], &plain());
    assert_eq!(lines, [r#"kube_rg__n__g__all__1_0: Path("/b") -> <shunt>"#]);
    assert_eq!(said, ["route 0: there is no service n/missing"]);
}

#[test]
fn implicit_group_that_leads_nowhere_is_left_out_with_its_internal_half() {
    let backends = json!([{"name": "s", "type": "shunt"}, service_backend("missing")]);
    let both = json!([{"backendName": "s"}, {"backendName": "missing"}]);
    let spec = json!({"hosts": ["a.x", "a.local"], "backends": backends, "defaultBackends": both});
    let settings = Settings { east_west_range_domains: vec!["local".to_owned()], ..plain() };
    let (lines, said) = converted([group("g", spec)], &settings);
    assert_eq!((lines.len(), said.len()), (0, 1));
}

#[test]
fn service_of_another_type_or_without_the_port_is_refused() {
    let group = |backend: Value| group("g", json!({"backends": [backend], "defaultBackends": to("svc")}));
    let mut node_port = service("svc");
    node_port["spec"]["type"] = "NodePort".into();
    let (_, said) = converted([group(service_backend("svc")), node_port], &plain());
    assert_eq!(said, [r#"service n/svc is of type "NodePort", not ClusterIP"#]);

    let mut backend = service_backend("svc");
    backend["servicePort"] = 81.into();
    let (_, said) = converted([group(backend), service("svc")], &plain());
    assert_eq!(said, ["service n/svc has no port 81"]);
}

#[test]
fn addresses_are_allowed_by_name() {
    let settings = Settings {
        only_allowed_external_names: true,
        allowed_external_names: vec!["^good[.]x$".to_owned()],
        ..plain()
    };
    let backends = json!([
        {"name": "good", "type": "network", "address": "https://good.x"},
        {"name": "bad", "type": "network", "address": "https://bad.x"},
        {"name": "mixed", "type": "lb", "endpoints": ["http://good.x:80", "http://bad.x:80"]},
    ]);
    let routes = json!([{"backends": to("good")}, {"backends": to("bad")}, {"backends": to("mixed")}]);
    let (lines, said) = converted([group("g", json!({"backends": backends, "routes": routes}))], &settings);
    assert_eq!(lines, [r#"kube_rg__n__g__all__0_0: * -> "https://good.x""#]);
    assert_eq!(said.len(), 2);
}

#[test]
fn invalid_group_gives_no_routes_and_all_reasons() {
    let route = json!({"filters": ["f(", "a() -> b()"], "predicates": ["*"], "backends": to("s")});
    let backends = json!([{"name": "s", "type": "network", "address": "https://b.x/path"}]);
    let spec = json!({"hosts": ["a", "a"], "backends": backends, "routes": [route]});
    let (lines, said) = converted([group("g", spec)], &plain());
    assert_eq!((lines.len(), said.len()), (0, 5), "{said:?}");
}

#[test]
fn structure_is_checked_before_the_parts() {
    let valid = json!({"backends": shunt(), "routes": [{"backends": to("s")}]});
    let with = |path: &str, value: Value| {
        let mut spec = valid.clone();
        *spec.pointer_mut(path).unwrap() = value;
        let (lines, said) = converted([group("g", spec)], &plain());
        assert_eq!((lines.len(), said.len()), (0, 1), "{said:?}");
        said[0].clone()
    };
    assert_eq!(with("/backends", json!([])), "it has no backend");
    assert_eq!(with("/backends/0/type", json!("x")), r#"backend "s": unknown type "x""#);
    assert_eq!(with("/backends/0/type", json!("network")), r#"backend "s": it needs an address"#);
    assert_eq!(with("/backends/0/type", json!("lb")), r#"backend "s": it needs endpoints"#);
    assert_eq!(with("/routes", json!([])), "it has neither default backends nor routes");
    assert_eq!(with("/routes/0", json!(null)), "route 0: it is null");
    assert_eq!(
        with("/routes/0/backends", json!([])),
        "route 0: it names no backend, and there is no default"
    );
    assert_eq!(with("/routes/0/backends", to("x")), r#"route 0: there is no backend "x""#);
    let negative = json!([{"backendName": "s", "weight": -1}]);
    assert_eq!(with("/routes/0/backends", negative), r#"route 0: the weight -1 of backend "s" is negative"#);
    let twice = json!([{"backendName": "s"}, {"backendName": "s"}]);
    assert_eq!(with("/routes/0/backends", twice), r#"route 0: backend "s" is referred to twice"#);
    let paths = json!({"path": "/a", "pathSubtree": "/b", "backends": to("s")});
    assert_eq!(with("/routes/0", paths), "route 0: it has both a path and a path subtree");
    let methods = json!({"methods": [""], "backends": to("s")});
    assert_eq!(with("/routes/0", methods), "route 0: it has an empty method");
}

#[test]
fn group_of_another_class_is_not_ours() {
    let spec = json!({"backends": shunt(), "defaultBackends": to("s")});
    let class = |class: &str| lines([annotated(group("g", spec.clone()), CLASS, class)], &plain()).len();
    assert_eq!([class("other"), class(""), class("skipper"), class("my-skipper-2")], [0, 1, 1, 1]);
}

#[test]
fn redirect_twin_is_canonical_and_looks_at_the_protocol() {
    let route =
        json!({"path": "/p", "predicates": ["Cookie(`c`, `v`)"], "filters": ["f()"], "backends": to("s")});
    let spec = json!({"hosts": ["a.x"], "backends": shunt(), "routes": [route]});
    let settings = Settings { https_redirect: true, ..plain() };
    assert_eq!(
        lines([group("g", spec)], &settings)[1],
        format!(
            r#"kube_rg__n__g__all__0_0_https_redirect: Cookie("c", "v") && {HOST_A} && Path("/p") && Header("X-Forwarded-Proto", "http") -> redirectTo(308, "https:") -> <shunt>"#
        )
    );
}

#[test]
fn no_redirect_where_the_route_or_an_annotation_decides() {
    let route = json!({"predicates": [r#"Header("X-Forwarded-Proto", "https")"#], "backends": to("s")});
    let settings = Settings { https_redirect: true, ..plain() };
    assert_eq!(lines([group("g", json!({"backends": shunt(), "routes": [route]}))], &settings).len(), 1);

    let spec = json!({"backends": shunt(), "defaultBackends": to("s")});
    let with =
        |value, settings| lines([annotated(group("g", spec.clone()), REDIRECT, value)], settings).len();
    assert_eq!([with("false", &settings), with("true", &plain()), with("x", &settings)], [1, 2, 2]);
}

#[test]
fn hosts_get_a_catch_all_unless_a_route_catches_all() {
    let settings = Settings { disable_catch_all: false, ..plain() };
    let route = |route: Value| json!({"hosts": ["a.x", "b.x"], "backends": shunt(), "routes": [route]});
    let caught = lines([group("g", route(json!({"path": "/p", "backends": to("s")})))], &settings);
    assert_eq!(caught[1], format!("kube_rg____a_x__catchall__0_0: {HOST_A} -> <shunt>"));
    assert_eq!(caught.len(), 3);
    assert_eq!(lines([group("g", route(json!({"backends": to("s")})))], &settings).len(), 1);
}

#[test]
fn hosts_of_a_route_that_was_left_out_late_get_their_catch_all() {
    let settings = Settings { disable_catch_all: false, ..plain() };
    let backends = json!([{"name": "s", "type": "shunt"}, service_backend("missing")]);
    let group = |first: &str, second: &str| {
        let references = json!([{"backendName": first}, {"backendName": second}]);
        let routes = json!([{"path": "/p", "backends": references}]);
        group("g", json!({"hosts": ["a.x"], "backends": backends, "routes": routes}))
    };
    let late = converted([group("s", "missing")], &settings).0;
    assert_eq!(late, [format!("kube_rg____a_x__catchall__0_0: {HOST_A} -> <shunt>")]);
    assert_eq!(converted([group("missing", "s")], &settings).0, [""; 0]);
}

#[test]
fn internal_hosts_have_routes_of_their_own() {
    let settings = Settings {
        https_redirect: true,
        east_west_range_domains: vec!["local".to_owned()],
        east_west_range_predicates: parse_predicates("Internal()").unwrap(),
        ..plain()
    };
    let spec = json!({"hosts": ["b.local", "a.x"], "backends": shunt(), "defaultBackends": to("s")});
    let lines = lines([group("g", spec)], &settings);
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0], format!("kube_rg__n__g__all__0_0: {HOST_A} -> <shunt>"));
    assert_eq!(
        lines[2],
        r#"kube_rg__internal_n__g__all__0_0: Host("^(b[.]local[.]?(:[0-9]+)?)$") && Internal() -> <shunt>"#
    );
}

#[test]
fn deprecated_east_west_copy_has_the_host_of_its_name() {
    let settings = Settings { east_west: true, ..plain() };
    let spec =
        |host: &str| group("g", json!({"hosts": [host], "backends": shunt(), "defaultBackends": to("s")}));
    assert_eq!(
        lines([spec("a.x")], &settings)[1],
        r#"kubeew_rg__n__g__all__0_0: Host("^(g[.]n[.]skipper[.]cluster[.]local[.]?(:[0-9]+)?)$") -> <shunt>"#
    );
    assert_eq!(lines([spec("a.skipper.cluster.local")], &settings).len(), 1);
}

#[test]
fn filters_of_others_stand_around_a_route_s_own() {
    let settings = Settings {
        application_label: "app".to_owned(),
        annotation_predicates: vec![AnnotationPredicates {
            key: "k".to_owned(),
            value: "v".to_owned(),
            predicates: parse_predicates("P()").unwrap(),
        }],
        annotation_filters: vec![AnnotationFilters {
            key: "k".to_owned(),
            value: "v".to_owned(),
            filters: parse_filters("last()").unwrap(),
        }],
        ..plain()
    };
    let routes = json!([{"filters": ["own()"], "backends": to("svc")}]);
    let mut group = group("g", json!({"backends": [service_backend("svc")], "routes": routes}));
    group["metadata"]["labels"] = json!({"app": "shop"});
    let group = annotated(annotated(group, "k", "v"), annotations::ZONE_AWARE, "false");
    let (mut objects, _) = Objects::from_values([group, service("svc"), endpoints("svc", &["1.1.1.1"])]);
    objects.default_filters.insert("svc.n".to_owned(), "default()".to_owned());

    let mut diagnostics = Diagnostics::default();
    let context = Context::new(&objects, &settings, &mut diagnostics);
    let routes = routes_of(&objects, &context, &mut diagnostics);
    assert_eq!(
        routes,
        [
            r#"P() -> annotate("Application", "shop") -> default() -> annotate("zalando.org/traffic-zone-aware", "false") -> own() -> last() -> "http://1.1.1.1:8080""#
        ]
    );
}

fn routes_of(objects: &Objects, context: &Context<'_>, diagnostics: &mut Diagnostics) -> Vec<String> {
    let routes = routes(&objects.route_groups, context, &mut Vec::new(), diagnostics);
    routes.iter().map(|sourced| sourced.route.to_string()).collect()
}

#[test]
fn segments_are_another_way_to_share() {
    let settings = Settings { traffic_algorithm: TrafficAlgorithm::TrafficSegment, ..plain() };
    let backends = json!([{"name": "s", "type": "shunt"}, {"name": "l", "type": "loopback"}]);
    let references = json!([{"backendName": "s", "weight": 1}, {"backendName": "l", "weight": 0}]);
    let spec = json!({"backends": backends, "defaultBackends": references});
    assert_eq!(
        lines([group("g", spec)], &settings),
        [
            "kube_rg__n__g__all__0_0: * -> <shunt>",
            "kube_rg__n__g__all__0_1: TrafficSegment(1, 1) -> <loopback>"
        ]
    );
}
