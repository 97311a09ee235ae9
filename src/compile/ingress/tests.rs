//! One idea each, on a cluster of one or two small Ingresses. The service `one` has one endpoint, `two` has two, `none`
//! has none.

use serde_json::{Value, json};

use super::*;
use crate::compile::{AnnotationFilters, AnnotationPredicates, TrafficAlgorithm};
use crate::eskip;

const ONE: &str = r#""http://10.0.0.1:8080""#;
const TWO: &str = r#"<roundRobin, "http://10.0.0.1:8080", "http://10.0.0.2:8080">"#;

/// A cluster that becomes a list of printed routes.
struct Case {
    objects: Vec<Value>,
    settings: Settings,
}

impl Case {
    /// The services, and the Ingress `n/app`.
    fn new(annotations: Value, rules: Value) -> Self {
        let port = json!({"name": "web", "port": 80, "targetPort": "pods"});
        let plain = |name: &str| service(name, json!({"type": "ClusterIP", "ports": [port.clone()]}));
        let objects =
            vec![plain("one"), plain("two"), plain("none"), endpoints("one", 1), endpoints("two", 2)];
        let settings = Settings { https_redirect: false, ..Settings::default() };
        Self { objects, settings }.and(ingress("app", annotations, json!({"rules": rules})))
    }

    fn and(mut self, object: Value) -> Self {
        self.objects.push(object);
        self
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    fn compiled(self) -> (Vec<String>, Vec<String>) {
        let (objects, misshapen) = Objects::from_values(self.objects);
        assert_eq!(misshapen, []);
        let mut diagnostics = Diagnostics::default();
        let context = Context::new(&objects, &self.settings, &mut diagnostics);
        let routes = routes(&objects, &context, &mut Vec::new(), &mut diagnostics);
        let printed = routes.iter().map(|sourced| format!("{}: {}", sourced.route.id, sourced.route));
        (printed.collect(), diagnostics.into_vec().into_iter().map(|diagnostic| diagnostic.reason).collect())
    }

    fn routes(self) -> Vec<String> {
        self.compiled().0
    }

    /// The routes without their ids.
    fn bare(self) -> Vec<String> {
        self.routes().iter().map(|route| route.split_once(": ").unwrap().1.to_owned()).collect()
    }

    fn ids(self) -> Vec<String> {
        self.routes().iter().map(|route| route.split_once(": ").unwrap().0.to_owned()).collect()
    }
}

fn ingress(name: &str, annotations: Value, spec: Value) -> Value {
    let metadata =
        json!({"namespace": "n", "name": name, "annotations": annotations, "labels": {"app": "shop"}});
    json!({"kind": "Ingress", "metadata": metadata, "spec": spec})
}

fn service(name: &str, spec: Value) -> Value {
    json!({"kind": "Service", "metadata": {"namespace": "n", "name": name}, "spec": spec})
}

fn endpoints(name: &str, count: usize) -> Value {
    let addresses: Vec<_> = (1..=count).map(|i| json!({"ip": format!("10.0.0.{i}")})).collect();
    let subset = json!({"addresses": addresses, "ports": [{"name": "web", "port": 8080}]});
    json!({"kind": "Endpoints", "metadata": {"namespace": "n", "name": name}, "subsets": [subset]})
}

/// A backend is a service and its port.
fn backend(service: &str) -> Value {
    json!({"service": {"name": service, "port": {"number": 80}}})
}

fn path(path: &str, service: &str) -> Value {
    json!({"path": path, "pathType": "ImplementationSpecific", "backend": backend(service)})
}

fn exact(path: &str, service: &str) -> Value {
    json!({"path": path, "pathType": "Exact", "backend": backend(service)})
}

/// Rules for one host.
fn host(host: &str, paths: impl IntoIterator<Item = Value>) -> Value {
    json!([{"host": host, "http": {"paths": paths.into_iter().collect::<Vec<_>>()}}])
}

/// The common beginning of the routes of host `a.b`.
fn on_ab(rest: &str) -> String {
    format!("Host(/^(a[.]b[.]?(:[0-9]+)?)$/){rest}")
}

#[test]
fn a_rule_becomes_a_route_and_its_host_a_catch_all() {
    assert_eq!(
        Case::new(json!({}), host("a.b", [path("/x", "two")])).routes(),
        [
            format!("kube_n__app__a_b___x__two: {}", on_ab(&format!(r" && PathRegexp(/^(\/x)/) -> {TWO}"))),
            format!("kube___catchall__a_b____: {}", on_ab(" -> <shunt>")),
        ]
    );
}

#[test]
fn a_port_is_found_by_number_or_name() {
    let by = |port: Value| {
        let backend = json!({"service": {"name": "one", "port": port}});
        Case::new(json!({}), host("", [json!({"backend": backend})])).compiled()
    };
    assert_eq!(by(json!({"number": 80})), (vec![format!("kube_n__app______one: * -> {ONE}")], vec![]));
    assert_eq!(by(json!({"name": "web"})).0, [format!("kube_n__app______one: * -> {ONE}")]);
    let (routes, said) = by(json!({"name": "admin"}));
    assert_eq!(
        routes,
        [r#"kube_n__app______one: * -> status(502) -> inlineContent("no endpoints") -> <shunt>"#]
    );
    assert_eq!(said, [r#"service "one" has no port "admin""#]);
}

#[test]
fn a_missing_service_takes_only_its_path_away() {
    let paths = [path("/", "gone"), path("/", "one")];
    let weights = json!({"zalando.org/backend-weights": r#"{"gone": 1, "one": 0}"#});
    let (routes, said) = Case::new(json!({}), host("a.b", [path("/x", "gone"), path("/", "one")])).compiled();
    assert_eq!(routes.len(), 1);
    assert_eq!(said, ["there is no service n/gone"]);
    assert_eq!(Case::new(weights, host("a.b", paths)).routes(), [""; 0]);
}

#[test]
fn no_endpoints_answer_502_without_the_filters_of_the_ingress() {
    let filters = json!({"zalando.org/skipper-filter": "a()"});
    assert_eq!(
        Case::new(filters, host("", [path("", "none")])).bare(),
        [r#"* -> status(502) -> inlineContent("no endpoints") -> <shunt>"#]
    );
}

#[test]
fn the_default_backend_is_for_every_host_and_path() {
    let case = Case::new(json!({}), json!([]));
    let spec = json!({"defaultBackend": backend("one")});
    let annotations = json!({"zalando.org/skipper-filter": "a()"});
    assert_eq!(
        case.and(ingress("other", annotations, spec)).routes(),
        [format!("kube_n__other______: * -> {ONE}")]
    );
}

#[test]
fn other_classes_are_not_ours() {
    let rules = || host("", [path("", "one")]);
    let of_class = |class: &str| {
        let annotated = Case::new(json!({"kubernetes.io/ingress.class": class}), rules()).ids().len();
        let spec = json!({"ingressClassName": class, "rules": rules()});
        let specified = Case::new(json!({}), json!([])).and(ingress("other", json!({}), spec)).ids().len();
        (annotated, specified)
    };
    assert_eq!(of_class(""), (1, 1));
    assert_eq!(of_class("my-skipper"), (1, 1));
    assert_eq!(of_class("nginx"), (0, 0));
}

#[test]
fn an_invalid_annotation_drops_the_whole_ingress_and_says_all_that_is_wrong() {
    let annotations = json!({
        "zalando.org/skipper-filter": "a(", "zalando.org/skipper-predicate": "P()",
        "zalando.org/skipper-routes": "* ->", "zalando.org/skipper-loadbalancer": "best",
    });
    let (routes, said) = Case::new(annotations, host("", [path("", "one")])).compiled();
    assert_eq!(routes, [""; 0]);
    assert_eq!(said.len(), 3);
}

#[test]
fn an_unparsable_rate_limit_loses_all_filters() {
    let annotations = json!({"zalando.org/ratelimit": "limit(", "zalando.org/skipper-filter": "a()"});
    let (routes, said) = Case::new(annotations, host("", [path("", "one")])).compiled();
    assert_eq!(routes, [format!("kube_n__app______one: * -> {ONE}")]);
    assert_eq!(said.len(), 1);
}

#[test]
fn filters_stand_in_the_order_application_default_annotation_zone() {
    let annotations = json!({
        "zalando.org/skipper-filter": "own()", "zalando.org/ratelimit": "limit()",
        "zalando.org/traffic-zone-aware": "false",
    });
    let case = Case::new(annotations, host("", [path("", "two")])).with(|settings| {
        settings.application_label = "app".to_owned();
        let filters = eskip::parse_filters("more()").unwrap();
        let [key, value] = ["zalando.org/skipper-filter", "own()"].map(str::to_owned);
        settings.annotation_filters.push(AnnotationFilters { key, value, filters });
    });
    let (mut objects, _) = Objects::from_values(case.objects);
    objects.default_filters.insert("two.n".to_owned(), "usual()".to_owned());
    let mut diagnostics = Diagnostics::default();
    let context = Context::new(&objects, &case.settings, &mut diagnostics);
    let routes = routes(&objects, &context, &mut Vec::new(), &mut diagnostics);
    let names: Vec<_> = routes[0].route.filters.iter().map(ToString::to_string).collect();
    assert_eq!(
        names,
        [
            r#"annotate("Application", "shop")"#,
            "usual()",
            "limit()",
            "own()",
            r#"annotate("zalando.org/traffic-zone-aware", "false")"#,
            "more()",
        ]
    );
}

#[test]
fn weights_share_the_traffic_of_a_path() {
    let rules = || host("", [path("/", "one"), path("/", "two"), path("/x", "one")]);
    let shares = |annotations: Value, algorithm| {
        let case = Case::new(annotations, rules()).with(|settings| settings.traffic_algorithm = algorithm);
        let predicates = case.bare();
        let short = |route: &String| route.split(" -> ").next().unwrap().replace(r"PathRegexp(/^\//)", "/");
        predicates.iter().map(short).collect::<Vec<_>>()
    };
    let weights = json!({"zalando.org/backend-weights": r#"{"one": 1, "two": 3}"#});
    let x = r"PathRegexp(/^(\/x)/)";
    let portions = TrafficAlgorithm::TrafficPredicate;
    assert_eq!(shares(json!({}), portions), ["/ && Traffic(0.5)", "/", x]);
    assert_eq!(shares(weights.clone(), portions), ["/ && Traffic(0.25)", "/", x]);
    let segments = TrafficAlgorithm::TrafficSegment;
    assert_eq!(
        shares(weights, segments),
        ["/ && TrafficSegment(0, 0.25)", "/ && TrafficSegment(0.25, 1)", x]
    );
}

#[test]
fn a_weight_that_is_no_number_weighs_nothing() {
    let weights = json!({"zalando.org/backend-weights": r#"{"one": "all", "two": 1}"#});
    let (routes, said) = Case::new(weights, host("", [path("/", "one"), path("/", "two")])).compiled();
    assert_eq!(routes.len(), 1);
    assert_eq!(said.len(), 1);
    for weights in ["one=1", "[1]"] {
        let annotations = json!({"zalando.org/backend-weights": weights});
        let (routes, said) = Case::new(annotations, host("", [path("", "one")])).compiled();
        assert_eq!((routes.len(), said.len()), (1, 1), "{weights}");
    }
}

#[test]
fn a_weight_that_no_float_can_hold_weighs_nothing_and_the_others_count() {
    let weights = json!({"zalando.org/backend-weights": r#"{"one": 1e400, "two": 1, "three": null}"#});
    let (routes, said) = Case::new(weights, host("", [path("/", "one"), path("/", "two")])).compiled();
    assert_eq!((routes.len(), said.len()), (1, 1));
    assert!(routes[0].contains("__two"), "{routes:?}");
}

#[test]
fn a_wildcard_in_a_host_is_taken_as_it_is_written() {
    let routes = Case::new(json!({}), host("*.b", [path("/x", "one")])).bare();
    assert!(routes[0].starts_with("Host(/^(*[.]b[.]?(:[0-9]+)?)$/) && "), "{routes:?}");
}

#[test]
fn a_backend_without_a_service_leads_nowhere() {
    let resource = json!({"path": "/", "backend": {"resource": {"kind": "Bucket", "name": "assets"}}});
    let (routes, said) = Case::new(json!({}), host("a.b", [resource, path("/x", "one")])).compiled();
    assert_eq!((routes.iter().filter(|route| !route.contains("catchall")).count(), said.len()), (1, 1));
}

#[test]
fn a_redirect_twin_stands_before_its_route_and_the_catch_all_has_one_too() {
    let case = Case::new(json!({}), host("a.b", [path("/x", "one")]));
    let routes = case.with(|settings| settings.https_redirect = true).routes();
    let twin =
        r#" && Header("X-Forwarded-Proto", "http") && Weight(1000) -> redirectTo(308, "https:") -> <shunt>"#;
    assert_eq!(
        routes[1],
        format!(
            "kube_n__app__a_b___x__one_https_redirect: {}",
            on_ab(&format!(r" && PathRegexp(/^(\/x)/){twin}"))
        )
    );
    assert_eq!(routes[3], format!("kube___catchall__a_b_____https_redirect: {}", on_ab(twin)));
}

#[test]
fn a_disabled_redirect_has_a_twin_that_serves() {
    let annotations = json!({"zalando.org/skipper-ingress-redirect": "false"});
    let twin = format!(r#"Header("X-Forwarded-Proto", "http") && Weight(1000) -> {ONE}"#);
    assert_eq!(Case::new(annotations, host("", [path("", "one")])).bare()[1], twin);
}

#[test]
fn an_ingress_that_looks_at_the_protocol_has_no_twin() {
    let annotations = json!({"zalando.org/skipper-predicate": r#"Header("X-Forwarded-Proto", "https")"#});
    let case = Case::new(annotations, host("", [path("", "one")]));
    assert_eq!(case.with(|settings| settings.https_redirect = true).routes().len(), 1);
}

#[test]
fn only_regular_expressions_leave_room_for_a_catch_all() {
    let ids = |path: Value| Case::new(json!({}), host("a.b", [path])).ids().len();
    assert_eq!(ids(path("/x", "one")), 2);
    assert_eq!(ids(path("/", "one")), 1);
    assert_eq!(ids(path("", "one")), 1);
    assert_eq!(ids(exact("/x", "one")), 1);
    let disabled = Case::new(json!({}), host("a.b", [path("/x", "one")]));
    assert_eq!(disabled.with(|settings| settings.disable_catch_all = true).ids().len(), 1);
}

#[test]
fn an_annotated_path_takes_the_place_of_the_rules_in_path_prefix_mode() {
    let annotations = json!({
        "zalando.org/skipper-predicate": r#"Path("/own")"#, "zalando.org/skipper-ingress-path-mode": "path-prefix",
    });
    assert_eq!(
        Case::new(annotations, host("", [path("/x", "one")])).bare(),
        [format!(r#"Path("/own") -> {ONE}"#)]
    );
}

#[test]
fn an_unknown_path_mode_is_said_and_not_used() {
    let annotations = json!({"zalando.org/skipper-ingress-path-mode": "prefix"});
    let (routes, said) = Case::new(annotations, host("", [path("/", "one")])).compiled();
    assert_eq!(routes, [format!(r"kube_n__app_______one: PathRegexp(/^\//) -> {ONE}")]);
    assert_eq!(said.len(), 1);
}

#[test]
fn custom_routes_are_made_for_each_path() {
    let annotations = json!({"zalando.org/skipper-routes": r#"r: Method("GET") -> own() -> <shunt>"#});
    let routes = Case::new(annotations, host("a.b", [exact("/x", "one"), path("/y", "one")])).routes();
    assert_eq!(
        routes[0],
        format!(
            "kube_n__app_r_0__a_b_x____: {}",
            on_ab(r#" && Method("GET") && Path("/x") -> own() -> <shunt>"#)
        )
    );
    assert!(routes[2].starts_with("kube_n__app_r_0__a_b_y____: "), "{}", routes[2]);
}

#[test]
fn a_custom_route_has_one_path() {
    let annotations = json!({"zalando.org/skipper-routes": r#"Path("/own") -> <shunt>"#});
    let (routes, said) = Case::new(annotations, host("a.b", [exact("/x", "one")])).compiled();
    assert_eq!((routes.len(), said.len()), (1, 1));
}

/// A flaw of the peer that changes bytes: the copies of a custom route share the room behind their predicates.
#[test]
fn of_the_paths_of_a_custom_route_the_last_one_may_win() {
    let paths_with = |predicates: &str| {
        let annotations = json!({"zalando.org/skipper-routes": format!("{predicates} -> <shunt>")});
        let routes = Case::new(annotations, host("a.b", [exact("/x", "one"), exact("/y", "one")])).bare();
        let custom = routes.iter().filter(|route| route.contains("<shunt>"));
        custom.map(|route| if route.contains(r#"Path("/x")"#) { "x" } else { "y" }).collect::<String>()
    };
    assert_eq!(paths_with("A() && B()"), "xy");
    assert_eq!(paths_with("A() && B() && C()"), "yy");
}

#[test]
fn forward_leads_everything_to_one_address_without_filters() {
    let annotations = json!({
        "zalando.org/skipper-backend": "forward", "zalando.org/skipper-filter": "a()",
        "zalando.org/skipper-routes": "* -> b() -> <dynamic>",
    });
    let case = Case::new(annotations, host("a.b", [path("", "one")])).with(|settings| {
        settings.forward_backend_url = "http://f".to_owned();
        settings.https_redirect = true;
    });
    let forwarded = |predicates| on_ab(&format!(r#"{predicates} -> "http://f""#));
    assert_eq!(
        case.bare(),
        [
            forwarded(""),
            forwarded(""),
            forwarded(r#" && Header("X-Forwarded-Proto", "http") && Weight(1000)"#)
        ]
    );
}

#[test]
fn an_external_name_is_a_host_outside() {
    let spec = |port| json!({"type": "ExternalName", "externalName": "x.org", "ports": [{"port": 80, "targetPort": port}]});
    let case = |port| {
        let case = Case::new(json!({}), host("a.b", [path("/x", "ext")])).and(service("ext", spec(port)));
        case.with(|settings| settings.external_names = true)
    };
    let route =
        |address: &str| format!(r#"{} -> "{address}""#, on_ab(r#" -> setRequestHeader("Host", "x.org")"#));
    assert_eq!(case(443).bare(), [route("https://x.org:443")]);
    assert_eq!(case(8443).bare(), [route("http://x.org:8443")]);
    assert_eq!(
        case(443).with(|settings| settings.external_name_preserve_host = true).bare()[0],
        on_ab(r#" -> "https://x.org:443""#)
    );
    let refused = case(443).with(|settings| settings.only_allowed_external_names = true).compiled();
    assert_eq!((refused.0.len(), refused.1.len()), (0, 1));
    let allowed = case(443).with(|settings| {
        settings.only_allowed_external_names = true;
        settings.allowed_external_names.push("^x[.]".to_owned());
    });
    assert_eq!(allowed.bare().len(), 1);
    let disabled = case(443).with(|settings| settings.external_names = false).compiled();
    assert_eq!((disabled.0.len(), disabled.1.len()), (0, 1));
}

#[test]
fn a_forced_service_is_named_with_its_target_port() {
    let case = Case::new(json!({}), host("", [path("", "two")]));
    let routes = case.with(|settings| settings.force_service = true).bare();
    assert_eq!(routes, [r#"* -> "http://two.n.svc.cluster.local:pods""#]);
}

#[test]
fn internal_hosts_get_the_predicates_of_their_range_and_no_redirect() {
    let case = Case::new(json!({"k": "v"}), host("a.b", [path("/x", "one")])).with(|settings| {
        settings.https_redirect = true;
        settings.east_west_range_domains = vec![".b".to_owned()];
        settings.east_west_range_predicates = eskip::parse_predicates("Inside()").unwrap();
        let rule = |predicate| AnnotationPredicates {
            key: "k".to_owned(),
            value: "v".to_owned(),
            predicates: eskip::parse_predicates(predicate).unwrap(),
        };
        settings.annotation_predicates = vec![rule("External()")];
        settings.east_west_annotation_predicates = vec![rule("Internal()")];
    });
    assert_eq!(
        case.bare(),
        [
            on_ab(&format!(r" && PathRegexp(/^(\/x)/) && Internal() && Inside() -> {ONE}")),
            on_ab(" -> <shunt>")
        ]
    );
}

#[test]
fn deprecated_east_west_copies_stand_under_hosts_of_their_own() {
    let spec = json!({"defaultBackend": backend("one"), "rules": host("a.b", [path("", "one")])});
    let case = Case::new(json!({}), json!([])).and(ingress("other", json!({}), spec));
    let host = |host: &str| format!("Host(/^({host}[.]skipper[.]cluster[.]local[.]?(:[0-9]+)?)$/) -> {ONE}");
    assert_eq!(
        case.with(|settings| settings.east_west = true).routes(),
        [
            format!("kube_n__other______: * -> {ONE}"),
            format!("kube_n__other__a_b____one: {}", on_ab(&format!(" -> {ONE}"))),
            format!("kubeew_n__other__a_b____one: {}", host("other[.]n")),
            // The peer takes name and namespace for each other here.
            format!("kubeew_n__other______: {}", host("n[.]other")),
        ]
    );
}

#[test]
fn a_load_balancing_algorithm_is_annotated_or_configured() {
    let algorithm = |annotations: Value, configured: &str| {
        let case = Case::new(annotations, host("", [path("", "two")]));
        let route =
            case.with(|settings| settings.default_lb_algorithm = configured.to_owned()).bare().remove(0);
        route.split(['<', ',']).nth(1).unwrap().to_owned()
    };
    assert_eq!(algorithm(json!({}), "random"), "random");
    assert_eq!(algorithm(json!({}), "Random"), "roundRobin");
    let annotated = json!({"zalando.org/skipper-loadbalancer": "consistentHash"});
    assert_eq!(algorithm(annotated, "random"), "consistentHash");
    let empty = json!({"zalando.org/skipper-loadbalancer": ""});
    assert_eq!(algorithm(empty, "random"), r#""http://10.0.0.1:8080""#);
}

#[test]
fn ingresses_stand_in_the_order_of_their_names_and_hosts_likewise() {
    let spec = |name: &str| json!({"rules": host(name, [path("", "one")])});
    let case = Case::new(json!({}), json!([]))
        .and(ingress("b", json!({}), spec("z")))
        .and(ingress("a", json!({}), spec("z")))
        .and(ingress("c", json!({}), spec("y")));
    assert_eq!(case.ids(), ["kube_n__c__y____one", "kube_n__a__z____one", "kube_n__b__z____one"]);
}

#[test]
fn an_ingress_without_a_namespace_or_a_path_without_a_backend_is_said() {
    let nameless = json!({"kind": "Ingress", "metadata": {"name": "x"}, "spec": {"rules": []}});
    let (_, said) = Case::new(json!({}), json!([])).and(nameless).compiled();
    assert_eq!(said, ["an Ingress without a namespace, a name or a spec"]);
    let (routes, said) = Case::new(json!({}), host("", [json!({"path": "/x"}), path("", "one")])).compiled();
    assert_eq!((routes.len(), said.len()), (1, 1));
    let (_, said) = Case::new(json!({}), json!([{"host": "a.b"}])).compiled();
    assert_eq!(said, [r#"the rule for host "a.b" has no http"#]);
}

#[test]
fn certificates_are_said_to_be_unused_where_they_were_asked_for() {
    let spec = json!({"tls": [{"hosts": ["a.b"]}], "rules": host("a.b", [path("", "one")])});
    let said = |tls| {
        let case = Case::new(json!({}), json!([])).and(ingress("other", json!({}), spec.clone()));
        case.with(|settings| settings.tls = tls).compiled().1.len()
    };
    assert_eq!((said(true), said(false)), (1, 0));
}
