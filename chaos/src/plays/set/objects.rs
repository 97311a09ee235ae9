//! What the cluster of a scenario holds: the marker, and so many routes besides, some to the backend and most to nowhere.

use serde_json::{Value, json};

use crate::stage::manifests;

/// Routes of one RouteGroup or Ingress of the bulk.
const EACH: usize = 10;

/// Of so many of them one is an Ingress, with a Service and its endpoints.
const INGRESS: usize = 5;

/// The hosts that answer from the backend.
pub const SERVED: [&str; 3] = ["marker.test", "front-0.test", "front-1.test"];

/// Objects of about `routes` routes.
pub fn bulk(routes: usize, backend: &str) -> Vec<Value> {
    let mut all: Vec<_> = (0..2)
        .map(|number| {
            let (name, host) = (format!("front-{number}"), format!("front-{number}.test"));
            manifests::network_route_group(&name, &host, backend)
        })
        .collect();
    for number in 0..routes / EACH {
        let name = format!("bulk-{number}");
        if number % INGRESS == 0 {
            let hosts: Vec<_> = (0..EACH).map(|host| format!("{name}-{host}.test")).collect();
            let hosts: Vec<_> = hosts.iter().map(String::as_str).collect();
            all.extend(manifests::service(&name, 2));
            all.push(manifests::ingress(&name, &hosts, &name, 80));
        } else {
            all.push(group(&name));
        }
    }
    all
}

/// A RouteGroup of [`EACH`] routes.
fn group(name: &str) -> Value {
    let routes = (0..EACH).map(|route| json!({"pathSubtree": format!("/{route}")}));
    let mut group = manifests::network_route_group(name, &format!("{name}.test"), "http://10.20.0.1:8080");
    group["spec"]["routes"] = routes.collect();
    group
}

/// Those of them that are RouteGroups.
pub fn groups(objects: &[Value]) -> Vec<Value> {
    objects.iter().filter(|object| object["kind"] == "RouteGroup").cloned().collect()
}

/// An Ingress that prints what no client can read: of a filter with a number of this form.
pub fn poison() -> Value {
    let mut ingress = manifests::ingress("poison", &["poison.test"], "bulk-0", 80);
    ingress["metadata"]["annotations"] = json!({"zalando.org/skipper-filter": "ratelimit(0.00001)"});
    ingress
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_routes_are_ten_objects_and_their_services() {
        let all = bulk(100, "http://127.0.0.1:1");
        let of = |kind: &str| all.iter().filter(|object| object["kind"] == kind).count();
        assert_eq!((of("RouteGroup"), of("Ingress"), of("Service"), of("EndpointSlice")), (10, 2, 2, 2));
        assert_eq!(groups(&all).len(), 10);
    }
}
