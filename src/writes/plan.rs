//! What the status of Ingresses should say (`-kubernetes-status-from-service`), and which of them say otherwise.
//!
//! In: the objects of one poll. Out: the addresses of one Service, and the Ingresses to be changed. What can go wrong: the
//! Service is not among the objects, or cannot be read; then nothing is to be changed.

use std::sync::Arc;

use crate::compile::{self, ServiceName, Settings};
use crate::object::{LoadBalancerAddress, Objects, Service};

/// The changes that are due.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// What the status should say.
    pub(super) addresses: Vec<LoadBalancerAddress>,
    /// Namespace and name of each Ingress whose status says something else.
    pub(super) ingresses: Vec<(String, String)>,
}

/// The addresses are not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no Service {0}, or what it leads to cannot be read")]
pub(super) struct Untold(ServiceName);

/// What is due for `objects`. Only Ingresses that routes are made of are written, as by the peer; the order of addresses
/// does not count.
pub(super) fn plan(objects: &Objects, settings: &Settings, service: &ServiceName) -> Result<Plan, Untold> {
    let wanted = addresses(objects, settings, service)?;
    let sorted = |addresses: &[LoadBalancerAddress]| {
        let mut sorted = addresses.to_vec();
        sorted.sort();
        sorted
    };
    let known = sorted(&wanted);
    let ours = compile::accepted_ingresses(objects, settings).into_iter();
    let due = ours.filter(|it| !it.metadata.namespace.is_empty() && sorted(&it.status) != known);
    let due = due.map(|it| (it.metadata.namespace.clone(), it.metadata.name.clone()));
    Ok(Plan { ingresses: due.collect(), addresses: wanted })
}

/// Where `service` can be reached from outside, as its type says.
fn addresses(
    objects: &Objects,
    settings: &Settings,
    service: &ServiceName,
) -> Result<Vec<LoadBalancerAddress>, Untold> {
    let is_it = |it: &&Arc<Service>| {
        it.metadata.namespace_or_default() == service.namespace && it.metadata.name == service.name
    };
    let found = objects.services.iter().rfind(is_it);
    let (found, spec) =
        found.and_then(|found| Some((found, found.spec.as_ref()?))).ok_or_else(|| Untold(service.clone()))?;
    let ips = |ips: &[String]| {
        let some = ips.iter().filter(|ip| !ip.is_empty());
        some.map(|ip| LoadBalancerAddress { ip: ip.clone(), ..Default::default() }).collect::<Vec<_>>()
    };
    Ok(match spec.service_type.as_str() {
        "ExternalName" if spec.external_name.is_empty() => Vec::new(),
        "ExternalName" => {
            vec![LoadBalancerAddress { hostname: spec.external_name.clone(), ..Default::default() }]
        }
        "ClusterIP" if spec.cluster_ip.eq_ignore_ascii_case("none") => Vec::new(),
        "ClusterIP" => ips(std::slice::from_ref(&spec.cluster_ip)),
        "NodePort" if spec.external_ips.is_empty() => {
            let ready = service.ready_addresses(objects, settings.endpoint_slices);
            ips(&ready.ok_or_else(|| Untold(service.clone()))?)
        }
        "LoadBalancer" if !found.status.is_empty() => {
            let named = |it: &&LoadBalancerAddress| !it.ip.is_empty() || !it.hostname.is_empty();
            found.status.iter().filter(named).cloned().collect()
        }
        _ => ips(&spec.external_ips),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn balancer() -> ServiceName {
        ServiceName { namespace: "edge".to_owned(), name: "balancer".to_owned() }
    }

    fn service(spec: Value, status: Value) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "edge", "name": "balancer"},
            "spec": spec, "status": {"loadBalancer": {"ingress": status}},
        })
    }

    fn ingress(name: &str, class: &str, status: Value) -> Value {
        json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": {"namespace": "shop", "name": name},
            "spec": {"ingressClassName": class, "rules": []},
            "status": {"loadBalancer": {"ingress": status}},
        })
    }

    fn planned(values: Vec<Value>) -> Result<Plan, Untold> {
        let (objects, diagnostics) = Objects::from_values(values);
        assert_eq!(diagnostics, []);
        plan(&objects, &Settings::default(), &balancer())
    }

    /// The addresses as JSON, as they are written.
    fn told(spec: Value, status: Value) -> Value {
        let endpoints = json!({
            "apiVersion": "v1", "kind": "Endpoints", "metadata": {"namespace": "edge", "name": "balancer"},
            "subsets": [{"addresses": [{"ip": "10.2.0.9"}, {"ip": "10.2.0.1"}]}],
        });
        json!(planned(vec![service(spec, status), endpoints]).unwrap().addresses)
    }

    #[test]
    fn the_type_of_the_service_says_where_its_addresses_are() {
        let balancer = json!([{"ip": "192.0.2.1"}, {"hostname": "lb.test"}, {}]);
        let outside = json!(["192.0.2.7", ""]);
        let told = |mut spec: Value, outer: &Value, status: &Value| {
            spec["externalIPs"] = outer.clone();
            told(spec, status.clone())
        };
        let (none, ip) = (json!([]), |ip: &str| json!([{"ip": ip}]));
        let external = json!({"type": "ExternalName", "externalName": "lb.test"});
        assert_eq!(told(external, &outside, &none), json!([{"hostname": "lb.test"}]));
        assert_eq!(told(json!({"type": "ExternalName"}), &outside, &none), none);
        let cluster = json!({"type": "ClusterIP", "clusterIP": "10.96.0.7"});
        assert_eq!(told(cluster, &outside, &none), ip("10.96.0.7"));
        assert_eq!(told(json!({"type": "ClusterIP", "clusterIP": "None"}), &outside, &none), none);
        assert_eq!(told(json!({"type": "NodePort"}), &outside, &none), ip("192.0.2.7"));
        let nodes = json!([{"ip": "10.2.0.1"}, {"ip": "10.2.0.9"}]);
        assert_eq!(told(json!({"type": "NodePort"}), &none, &none), nodes);
        let both = json!([{"ip": "192.0.2.1"}, {"hostname": "lb.test"}]);
        assert_eq!(told(json!({"type": "LoadBalancer"}), &outside, &balancer), both);
        assert_eq!(told(json!({"type": "LoadBalancer"}), &outside, &none), ip("192.0.2.7"));
        assert_eq!(told(json!({}), &outside, &balancer), ip("192.0.2.7"));
    }

    #[test]
    fn only_what_differs_is_written_and_only_what_is_ours() {
        let spec = json!({"type": "LoadBalancer"});
        let plan = planned(vec![
            service(spec, json!([{"ip": "192.0.2.1"}, {"hostname": "lb.test"}])),
            ingress("b-bare", "skipper", json!([])),
            ingress("a-old", "", json!([{"ip": "192.0.2.9"}])),
            ingress("same", "", json!([{"hostname": "lb.test"}, {"ip": "192.0.2.1"}])),
            ingress("other", "nginx", json!([])),
            ingress("odd", "", json!("nonsense")),
        ]);
        let names: Vec<_> = plan.unwrap().ingresses.into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["a-old", "b-bare", "odd"]);
    }

    #[test]
    fn without_the_service_nothing_is_due() {
        let refusal = planned(vec![ingress("a", "", json!([]))]).unwrap_err();
        assert!(refusal.to_string().starts_with("there is no Service edge/balancer"));
    }
}
