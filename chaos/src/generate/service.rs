//! Services, and the Endpoints and EndpointSlices behind them.

use serde_json::{Value, json};

use super::{Dice, World};

const ZONES: [&str; 4] = ["zone-a", "zone-b", "zone b&c", ""];

struct Port {
    name: &'static str,
    service: u16,
    pod: u16,
    /// As the Service names it: a number, or the pod's port by name.
    target: Value,
}

/// Some of the services of each namespace, each with what stands behind it.
pub(super) fn objects(dice: &mut Dice, world: &World) -> Vec<Value> {
    let mut objects = Vec::new();
    for namespace in &world.namespaces {
        for (index, name) in world.services.iter().enumerate() {
            if dice.chance(88) {
                add(dice, namespace, name, index, &mut objects);
            }
        }
    }
    objects
}

fn add(dice: &mut Dice, namespace: &str, name: &str, index: usize, objects: &mut Vec<Value>) {
    let ports = ports(dice);
    objects.push(service(dice, namespace, name, index, &ports));
    let addresses: Vec<_> = (0..dice.pick(&[0, 1, 2, 3, 4, 9])).map(|_| address(dice)).collect();
    if dice.chance(85) {
        objects.push(endpoints(dice, namespace, name, &ports, &addresses));
    }
    for slice in 0..dice.pick(&[0, 1, 1, 1, 2, 3]) {
        objects.push(endpoint_slice(dice, namespace, name, slice, &ports, &addresses));
    }
}

fn ports(dice: &mut Dice) -> Vec<Port> {
    let number = 1 + dice.up_to(2);
    let mut names = ["main", "metrics", "admin"];
    if number == 1 && dice.chance(40) {
        names[0] = "";
    }
    (0..number)
        .map(|index| {
            let pod = dice.pick(&[80, 443, 7272, 8080, 9090]);
            let target = match dice.up_to(9) {
                0 => json!("http"),
                1 | 2 => json!(names[index]),
                3 if dice.chance(30) => Value::Null,
                _ => json!(pod),
            };
            Port { name: names[index], service: dice.pick(&[80, 443, 8080, 9090]), pod, target }
        })
        .collect()
}

fn service(dice: &mut Dice, namespace: &str, name: &str, index: usize, ports: &[Port]) -> Value {
    let ports: Vec<_> = ports
        .iter()
        .map(|port| {
            let mut value = json!({"port": port.service, "protocol": "TCP", "targetPort": port.target});
            if !port.name.is_empty() {
                value["name"] = json!(port.name);
            }
            value
        })
        .collect();
    let mut spec = json!({"type": "ClusterIP", "clusterIP": format!("10.3.0.{index}"), "ports": ports});
    match dice.up_to(11) {
        0 | 1 => {
            spec["type"] = json!("ExternalName");
            spec["externalName"] =
                json!(dice.pick(&["ext1.example.net", "other.example.com", "EXT.example.net."]));
        }
        2 => spec["type"] = json!(dice.pick(&["NodePort", "LoadBalancer", "clusterip", ""])),
        3 => spec["clusterIP"] = json!("None"),
        _ => {}
    }
    let mut metadata = json!({"name": name, "namespace": namespace, "labels": {"application": name}});
    if namespace == "default" && dice.chance(30) {
        metadata["namespace"] = Value::Null;
    }
    json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
}

fn endpoints(dice: &mut Dice, namespace: &str, name: &str, ports: &[Port], addresses: &[String]) -> Value {
    let subset = |dice: &mut Dice, addresses: &[String]| {
        let addresses: Vec<_> = addresses.iter().map(|address| json!({"ip": address})).collect();
        let mut subset = json!({"addresses": addresses, "ports": pod_ports(dice, ports)});
        if dice.chance(10) {
            subset["notReadyAddresses"] = json!([{"ip": address(dice)}]);
        }
        subset
    };
    let (front, back) = addresses.split_at(addresses.len() / 2);
    let subsets = match dice.up_to(9) {
        0 => json!([]),
        1 => Value::Null,
        2 | 3 => json!([subset(dice, front), subset(dice, back)]),
        _ => json!([subset(dice, addresses)]),
    };
    json!({
        "apiVersion": "v1", "kind": "Endpoints",
        "metadata": {"name": name, "namespace": namespace}, "subsets": subsets,
    })
}

fn endpoint_slice(
    dice: &mut Dice,
    namespace: &str,
    name: &str,
    number: usize,
    ports: &[Port],
    addresses: &[String],
) -> Value {
    let chosen: Vec<_> = addresses.iter().filter(|_| number == 0 || dice.chance(50)).collect();
    let endpoints: Vec<_> = chosen.into_iter().map(|address| slice_endpoint(dice, address)).collect();
    let mut ports = pod_ports(dice, ports);
    for port in &mut ports {
        if dice.chance(15) {
            port["appProtocol"] = json!(dice.pick(&["http", "https", "kubernetes.io/h2c", "grpc"]));
        }
    }
    let labels = if dice.chance(96) { json!({"kubernetes.io/service-name": name}) } else { json!({}) };
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "addressType": dice.pick(&["IPv4", "IPv4", "IPv4", "IPv6", "FQDN"]),
        "metadata": {"name": format!("{name}-{number}"), "namespace": namespace, "labels": labels},
        "ports": if dice.chance(5) { Value::Null } else { json!(ports) },
        "endpoints": endpoints,
    })
}

fn slice_endpoint(dice: &mut Dice, address: &str) -> Value {
    let conditions = match dice.up_to(9) {
        0 => json!({"ready": false}),
        1 => json!({"ready": true, "terminating": true}),
        2 => json!({"ready": false, "serving": true, "terminating": true}),
        3 => Value::Null,
        4 => json!({}),
        5 => json!({"serving": true}),
        _ => json!({"ready": true, "serving": true, "terminating": false}),
    };
    let mut endpoint = json!({"addresses": [address], "conditions": conditions});
    if dice.chance(10) {
        endpoint["addresses"] = json!([address, "10.9.9.9"]);
    }
    let zone = dice.pick(&ZONES);
    if !zone.is_empty() {
        endpoint["zone"] = json!(zone);
    }
    endpoint
}

fn pod_ports(dice: &mut Dice, ports: &[Port]) -> Vec<Value> {
    let mut kept: Vec<_> = ports.iter().filter(|_| dice.chance(94)).collect();
    if dice.chance(10) {
        kept.reverse();
    }
    kept.into_iter()
        .map(|port| {
            let protocol = if dice.chance(96) { "TCP" } else { "UDP" };
            let mut value = json!({"port": port.pod, "protocol": protocol});
            if !port.name.is_empty() {
                value["name"] = json!(port.name);
            }
            value
        })
        .collect()
}

fn address(dice: &mut Dice) -> String {
    match dice.up_to(30) {
        0 => format!("fd00::{}", dice.up_to(9)),
        _ => format!("10.2.{}.{}", dice.up_to(3), dice.up_to(9)),
    }
}
