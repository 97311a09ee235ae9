//! Where the routes of a RouteGroup lead.

use std::sync::Arc;

use crate::eskip::{Backend, Endpoint, Filter, Route};

use super::super::cluster::Scheme;
use super::super::{algorithm, annotations};
use super::check::CheckedBackend;
use super::half::Half;

/// The types of a backend (<https://opensource.zalando.com/skipper/kubernetes/routegroup-crd/>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BackendKind {
    Service,
    Network,
    Shunt,
    Loopback,
    Dynamic,
    LoadBalanced,
    Forward,
}

impl BackendKind {
    /// The type of that name; a backend without one is a service.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "" | "service" => Self::Service,
            "network" => Self::Network,
            "shunt" => Self::Shunt,
            "loopback" => Self::Loopback,
            "dynamic" => Self::Dynamic,
            "lb" => Self::LoadBalanced,
            "forward" => Self::Forward,
            _ => return None,
        })
    }
}

/// Leads `route` to `backend`.
///
/// # Errors
///
/// Why it cannot be led there.
pub(super) fn apply(
    half: &Half<'_, '_>,
    backend: &CheckedBackend<'_>,
    route: &mut Route,
) -> Result<(), String> {
    let spec = backend.spec;
    match backend.kind {
        BackendKind::Service => return service(half, backend, route),
        BackendKind::Network => {
            if !half.context.allows_address(&spec.address) {
                return Err(format!(
                    "the address {:?} of backend {:?} is not allowed",
                    spec.address, spec.name
                ));
            }
            route.backend = Backend::Network(spec.address.clone());
        }
        BackendKind::LoadBalanced => {
            if let Some(endpoint) =
                spec.endpoints.iter().find(|endpoint| !half.context.allows_address(endpoint))
            {
                return Err(format!("the endpoint {endpoint:?} of backend {:?} is not allowed", spec.name));
            }
            let endpoints = spec.endpoints.iter().map(|endpoint| Endpoint::from(endpoint.as_str())).collect();
            route.backend = Backend::LoadBalanced { algorithm: algorithm(half, backend), endpoints };
        }
        BackendKind::Shunt => route.backend = Backend::Shunt,
        BackendKind::Loopback => route.backend = Backend::Loopback,
        BackendKind::Dynamic => route.backend = Backend::Dynamic,
        BackendKind::Forward => {
            route.backend = Backend::Network(half.context.settings.forward_backend_url.clone());
            route.filters.clear();
        }
    }
    Ok(())
}

/// Leads `route` to the endpoints of a service; without any, it answers 502 and nothing else happens to a request.
fn service(half: &Half<'_, '_>, backend: &CheckedBackend<'_>, route: &mut Route) -> Result<(), String> {
    let spec = backend.spec;
    let metadata = &half.group.metadata;
    let id = (metadata.namespace_or_default(), spec.service_name.as_str());
    let named = || format!("service {}/{}", id.0, id.1);
    let service = half.context.cluster.service(id.0, id.1)?;
    if !service.service_type.eq_ignore_ascii_case("ClusterIP") {
        return Err(format!("{} is of type {:?}, not ClusterIP", named(), service.service_type));
    }
    let port = half.context.cluster.ports(service).find(|port| port.port == spec.service_port);
    let port = port.ok_or_else(|| format!("{} has no port {}", named(), spec.service_port))?;
    let target = port
        .target_port
        .as_ref()
        .ok_or_else(|| format!("port {} of {} has no target port", spec.service_port, named()))?;

    let zone = match half.internal || annotations::opts_out_of_zones(metadata) {
        true => "",
        false => half.context.settings.topology_zone.as_str(),
    };
    let endpoints = half.context.cluster.endpoints_of_target(id, Scheme::of(metadata), target, zone);
    route.backend = match &endpoints[..] {
        [] => {
            route.filters = vec![
                Filter::new("status", [502.0.into()]),
                Filter::new("inlineContent", ["no endpoints".into()]),
            ];
            Backend::Shunt
        }
        [only] => Backend::Network(only.address.clone()),
        _ => Backend::LoadBalanced { algorithm: algorithm(half, backend), endpoints: Arc::clone(&endpoints) },
    };
    if !endpoints.is_empty() {
        route.filters.splice(..0, annotations::zone_opt_out_filter(metadata));
    }
    Ok(())
}

fn algorithm(half: &Half<'_, '_>, backend: &CheckedBackend<'_>) -> String {
    match backend.spec.algorithm.as_str() {
        "" => algorithm::default_for(&half.context.settings.default_lb_algorithm).to_owned(),
        named => named.to_owned(),
    }
}
