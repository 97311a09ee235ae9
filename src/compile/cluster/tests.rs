use serde_json::{Value, json};

use super::*;

/// Looks up endpoints in a cluster of `objects`, and gives their addresses, each with its zone if it has one.
struct Lookup {
    objects: Objects,
    settings: Settings,
}

impl Lookup {
    fn new(objects: impl IntoIterator<Item = Value>) -> Self {
        let (objects, diagnostics) = Objects::from_values(objects);
        assert_eq!(diagnostics, []);
        let settings =
            Settings { endpoint_slices: !objects.endpoint_slices.is_empty(), ..Settings::default() };
        Self { objects, settings }
    }

    fn cluster(&self) -> Cluster<'_> {
        Cluster::new(&self.objects, &self.settings, &mut Diagnostics::default())
    }

    fn of_port(&self, port: &ServicePort) -> Vec<String> {
        texts(&self.cluster().endpoints_of_port(("n", "s"), HTTP, port, ""))
    }

    fn of_target(&self, target: TargetPort) -> Vec<String> {
        texts(&self.cluster().endpoints_of_target(("n", "s"), HTTP, &target, ""))
    }
}

const HTTP: Scheme<'_> = Scheme { name: "http", annotated: false };

fn texts(endpoints: &[Endpoint]) -> Vec<String> {
    let text = |endpoint: &Endpoint| format!("{} {}", endpoint.address, endpoint.zone).trim_end().to_owned();
    endpoints.iter().map(text).collect()
}

fn port(name: &str, port: i64, target: TargetPort) -> ServicePort {
    ServicePort { name: name.to_owned(), port, target_port: Some(target) }
}

fn named(name: &str) -> TargetPort {
    TargetPort::Name(name.to_owned())
}

fn endpoints(subsets: Value) -> Value {
    json!({"kind": "Endpoints", "metadata": {"namespace": "n", "name": "s"}, "subsets": subsets})
}

fn subset(ips: &[&str], ports: Value) -> Value {
    json!({"addresses": ips.iter().map(|ip| json!({"ip": ip})).collect::<Vec<_>>(), "ports": ports})
}

fn slice(endpoints: Value, ports: Value) -> Value {
    let labels = json!({"kubernetes.io/service-name": "s"});
    json!({
        "kind": "EndpointSlice", "metadata": {"namespace": "n", "labels": labels},
        "endpoints": endpoints, "ports": ports,
    })
}

fn tcp(name: &str, number: i64) -> Value {
    json!({"name": name, "port": number, "protocol": "TCP"})
}

#[test]
fn endpoints_are_sorted_as_text_and_ipv6_gets_brackets() {
    let lookup = Lookup::new([endpoints(json!([subset(
        &["10.0.0.9", "fd00::1", "10.0.0.10"],
        json!([{"port": 80}])
    )]))]);
    assert_eq!(
        lookup.of_port(&port("", 80, TargetPort::Number(80))),
        ["http://10.0.0.10:80", "http://10.0.0.9:80", "http://[fd00::1]:80"]
    );
}

#[test]
fn an_only_port_counts_whatever_its_name_and_one_of_several_by_name() {
    let only = Lookup::new([endpoints(json!([subset(&["10.0.0.1"], json!([{"name": "x", "port": 1}]))]))]);
    assert_eq!(only.of_port(&port("web", 80, named("web"))), ["http://10.0.0.1:1"]);

    let two = json!([{"name": "x", "port": 1}, {"name": "web", "port": 2}]);
    let several = Lookup::new([endpoints(json!([subset(&["10.0.0.1"], two)]))]);
    assert_eq!(several.of_port(&port("web", 80, named("pods"))), ["http://10.0.0.1:2"]);
    assert_eq!(several.of_port(&port("other", 80, named("pods"))), [""; 0]);
}

#[test]
fn a_route_group_finds_ports_by_target() {
    let ports = json!([{"name": "x", "port": 1}, {"name": "web", "port": 2}]);
    let lookup = Lookup::new([endpoints(json!([subset(&["10.0.0.1"], ports)]))]);
    assert_eq!(lookup.of_target(named("web")), ["http://10.0.0.1:2"]);
    assert_eq!(lookup.of_target(TargetPort::Number(1)), ["http://10.0.0.1:1"]);
    assert_eq!(lookup.of_target(TargetPort::Number(3)), [""; 0]);
}

#[test]
fn only_the_first_subset_with_the_port_counts() {
    let lookup = Lookup::new([endpoints(json!([
        subset(&["10.0.0.1"], json!([])),
        subset(&["10.0.0.2"], json!([{"port": 2}])),
        subset(&["10.0.0.3"], json!([{"port": 3}])),
    ]))]);
    assert_eq!(lookup.of_port(&port("", 80, TargetPort::Number(3))), ["http://10.0.0.2:2"]);
}

#[test]
fn addresses_that_are_not_ready_do_not_count() {
    let mut subset = subset(&["10.0.0.1"], json!([{"port": 80}]));
    subset["notReadyAddresses"] = json!([{"ip": "10.0.0.2"}]);
    assert_eq!(
        Lookup::new([endpoints(json!([subset]))]).of_target(TargetPort::Number(80)),
        ["http://10.0.0.1:80"]
    );
}

#[test]
fn an_address_in_two_slices_counts_once_and_of_several_in_one_endpoint_the_first() {
    let ports = json!([tcp("", 80)]);
    let lookup = Lookup::new([
        slice(json!([{"addresses": ["10.0.0.1", "10.0.0.2"], "zone": "a"}]), ports.clone()),
        slice(json!([{"addresses": ["10.0.0.1"], "zone": "a"}]), ports),
    ]);
    assert_eq!(lookup.of_port(&port("", 80, named("web"))), ["http://10.0.0.1:80 a"]);
}

#[test]
fn a_port_of_a_service_without_a_name_leads_straight_to_its_target() {
    let lookup = Lookup::new([slice(json!([{"addresses": ["10.0.0.1"]}]), json!([tcp("web", 8080)]))]);
    assert_eq!(lookup.of_port(&port("", 80, TargetPort::Number(9999))), ["http://10.0.0.1:9999"]);
    assert_eq!(lookup.of_port(&port("other", 80, TargetPort::Number(9999))), ["http://10.0.0.1:0"]);
}

#[test]
fn what_terminates_in_one_slice_is_ready_in_none() {
    let ready = json!([{"addresses": ["10.0.0.1"]}, {"addresses": ["10.0.0.2"]}]);
    let terminating = json!([{"addresses": ["10.0.0.1"], "conditions": {"terminating": true}}]);
    let ports = json!([tcp("", 80)]);
    for slices in [[&ready, &terminating], [&terminating, &ready]] {
        let lookup = Lookup::new(slices.map(|endpoints| slice(endpoints.clone(), ports.clone())));
        assert_eq!(lookup.of_port(&port("", 80, named("web"))), ["http://10.0.0.2:80"]);
    }
}

#[test]
fn the_last_slice_tells_the_ports_and_one_without_ports_nothing() {
    let one = |ip: &str| json!([{"addresses": [ip]}]);
    let lookup = Lookup::new([
        slice(one("10.0.0.1"), json!([tcp("web", 1)])),
        slice(one("10.0.0.2"), json!([tcp("web", 2)])),
        slice(one("10.0.0.3"), json!(null)),
    ]);
    assert_eq!(lookup.of_port(&port("web", 80, named("web"))), ["http://10.0.0.1:2", "http://10.0.0.2:2"]);
}

#[test]
fn a_port_of_a_slice_is_found_by_name_or_number_over_tcp() {
    let udp = json!({"name": "dns", "port": 53, "protocol": "UDP"});
    let lookup = Lookup::new([slice(json!([{"addresses": ["10.0.0.1"]}]), json!([udp, tcp("web", 8080)]))]);
    assert_eq!(lookup.of_port(&port("web", 80, named("x"))), ["http://10.0.0.1:8080"]);
    assert_eq!(lookup.of_port(&port("x", 8080, named("x"))), ["http://10.0.0.1:8080"]);
    assert_eq!(lookup.of_port(&port("", 80, TargetPort::Number(9))), ["http://10.0.0.1:9"]);
    assert_eq!(lookup.of_target(TargetPort::Number(8080)), ["http://10.0.0.1:8080"]);
    assert_eq!(lookup.of_target(named("dns")), ["http://10.0.0.1:0"]);
}

#[test]
fn an_app_protocol_tells_the_scheme_unless_an_annotation_does() {
    let h2c = json!([{"port": 80, "protocol": "TCP", "appProtocol": "kubernetes.io/h2c"}]);
    let lookup = Lookup::new([slice(json!([{"addresses": ["10.0.0.1"]}]), h2c)]);
    let service_port = port("", 80, TargetPort::Number(80));
    assert_eq!(lookup.of_port(&service_port), ["h2c://10.0.0.1:80"]);
    let annotated = Scheme { name: "https", annotated: true };
    let found = lookup.cluster().endpoints_of_port(("n", "s"), annotated, &service_port, "");
    assert_eq!(texts(&found), ["https://10.0.0.1:80"]);
}

#[test]
fn a_zone_counts_from_three_endpoints_on() {
    let zones = ["a", "a", "b", "b", "b"];
    let zonal =
        zones.iter().enumerate().map(|(i, zone)| json!({"addresses": [format!("10.0.0.{i}")], "zone": zone}));
    let lookup = Lookup::new([slice(zonal.collect(), json!([tcp("", 80)]))]);
    let count = |zone| {
        let service_port = port("", 80, TargetPort::Number(80));
        lookup.cluster().endpoints_of_port(("n", "s"), HTTP, &service_port, zone).len()
    };
    assert_eq!([count(""), count("a"), count("b"), count("c")], [5, 5, 3, 5]);
}

#[test]
fn the_second_route_group_of_a_service_gets_the_scheme_of_the_first() {
    let lookup = Lookup::new([endpoints(json!([subset(&["10.0.0.1"], json!([{"port": 80}]))]))]);
    let cluster = lookup.cluster();
    let find = |name| {
        let scheme = Scheme { name, annotated: true };
        texts(&cluster.endpoints_of_target(("n", "s"), scheme, &TargetPort::Number(80), ""))
    };
    assert_eq!(find("https"), ["https://10.0.0.1:80"]);
    assert_eq!(find("http"), ["https://10.0.0.1:80"]);
}

#[test]
fn a_service_without_a_namespace_is_in_the_default_one() {
    let service = |name: &str, spec| json!({"kind": "Service", "metadata": {"name": name}, "spec": spec});
    let lookup = Lookup::new([service("a", json!({})), service("b", json!(null))]);
    let mut diagnostics = Diagnostics::default();
    let cluster = Cluster::new(&lookup.objects, &lookup.settings, &mut diagnostics);
    assert!(cluster.service("default", "a").is_ok());
    assert!(cluster.service("default", "b").is_err());
    assert_eq!(diagnostics.into_vec().len(), 1);
}
