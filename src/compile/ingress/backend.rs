//! Where the backend of an Ingress leads.

use std::sync::Arc;

use crate::eskip::{self, Backend, Endpoint, Filter, Route};
use crate::object::{IngressBackend, ServicePort, ServiceSpec, TargetPort};

use super::super::cluster::Scheme;
use super::super::{Context, Diagnostics, annotations, names};
use super::Subject;

/// What was found behind a backend.
#[derive(Debug)]
pub(super) enum Target {
    /// Addresses inside the cluster; maybe none.
    Endpoints(Arc<[Endpoint]>),
    /// A name outside of it: the peer looks at nothing else of the rule then, not even at its path.
    External(ExternalName),
}

/// An `ExternalName` service.
#[derive(Debug)]
pub(super) struct ExternalName {
    name: String,
    address: String,
    filters: Vec<Filter>,
}

/// Why a backend gives no route.
#[derive(Debug)]
pub(super) struct Missing {
    pub(super) reason: String,
    pub(super) hint: &'static str,
}

impl Missing {
    /// Says that a backend of `subject` gives no route.
    pub(super) fn say(self, subject: &Subject<'_>, diagnostics: &mut Diagnostics) {
        diagnostics.add(&subject.object, self.reason, self.hint);
    }
}

/// Finds what `backend` leads to.
///
/// # Errors
///
/// Where there is no such service, or it may not be used.
pub(super) fn find(
    subject: &Subject<'_>,
    backend: &IngressBackend,
    diagnostics: &mut Diagnostics,
) -> Result<Target, Missing> {
    let (context, metadata) = (subject.context, &subject.ingress.metadata);
    let id = (metadata.namespace.as_str(), backend.service.as_str());
    let hint = "what leads there has no route; create the service or correct its name";
    let service = context.cluster.service(id.0, id.1).map_err(|reason| Missing { reason, hint })?;
    let Some((port, target)) = port_of(context, service, backend) else {
        diagnostics.add(
            &subject.object,
            format!("service {:?} has no port {:?}", id.1, backend.port.to_string()),
            "what leads there answers 502; correct the port of the service or of the backend",
        );
        return Ok(Target::Endpoints(Arc::default()));
    };
    if service.service_type == "ExternalName" {
        return external(subject, service, target).map(Target::External);
    }
    if context.settings.force_service {
        let host = format!("{}.{}.svc.cluster.local", id.1, id.0);
        let address = format!("{}://{host}:{target}", external_scheme(target));
        return Ok(Target::Endpoints([Endpoint { address, zone: String::new() }].into()));
    }
    let zone = if annotations::opts_out_of_zones(metadata) { "" } else { &context.settings.topology_zone };
    Ok(Target::Endpoints(context.cluster.endpoints_of_port(id, Scheme::of(metadata), port, zone)))
}

/// The port of the service that is referred to, by number or name, if it has a target.
fn port_of<'a>(
    context: &Context<'_>,
    service: &'a ServiceSpec,
    backend: &IngressBackend,
) -> Option<(&'a ServicePort, &'a TargetPort)> {
    let wanted = backend.port.to_string();
    let is_wanted = |port: &&ServicePort| port.name == wanted || port.port.to_string() == wanted;
    let mut candidates = context.cluster.ports(service).filter(is_wanted).filter(|_| !wanted.is_empty());
    candidates.find_map(|port| Some((port, port.target_port.as_ref()?)))
}

fn external(
    subject: &Subject<'_>,
    service: &ServiceSpec,
    target: &TargetPort,
) -> Result<ExternalName, Missing> {
    let context = subject.context;
    let name = &service.external_name;
    if !context.settings.external_names {
        return Err(Missing {
            reason: format!("external names are not enabled, and {name:?} is one"),
            hint: "what leads there has no route; the operator enables them with -enable-kubernetes-external-names",
        });
    }
    if !context.allows_name(name) {
        return Err(Missing {
            reason: format!("the external name {name:?} is not allowed"),
            hint: "what leads there has no route; the operator allows names with -kubernetes-allowed-external-name",
        });
    }
    let filters = if context.settings.external_name_preserve_host {
        Ok(Vec::new())
    } else {
        eskip::parse_filters(&format!(r#"setRequestHeader("Host", "{name}")"#))
    };
    let filters = filters.map_err(|error| Missing {
        reason: format!("the external name {name:?} is no host: {error}"),
        hint: "what leads there has no route; correct the externalName of the service",
    })?;
    let address = format!("{}://{name}:{target}", external_scheme(target));
    Ok(ExternalName { name: name.clone(), address, filters })
}

/// HTTPS for its own port and for no other.
fn external_scheme(target: &TargetPort) -> &'static str {
    if target.number() == Some(443) { "https" } else { "http" }
}

impl ExternalName {
    /// The route there. `host` is what stands for the host in its id.
    pub(super) fn route(self, subject: &Subject<'_>, host: &str) -> Route {
        let metadata = &subject.ingress.metadata;
        Route {
            id: names::route_id(&metadata.namespace, &metadata.name, host, "", &self.name),
            filters: self.filters,
            backend: Backend::Network(self.address),
            ..Route::default()
        }
    }
}

/// Leads `route` to `endpoints`: to one address, to several in turns, or to an answer that says that there are none.
pub(super) fn apply(route: &mut Route, endpoints: &Arc<[Endpoint]>, subject: &Subject<'_>) {
    route.backend = match &endpoints[..] {
        [] => {
            route.filters = vec![
                Filter::new("status", [502.0.into()]),
                Filter::new("inlineContent", ["no endpoints".into()]),
            ];
            Backend::Shunt
        }
        [only] => Backend::Network(only.address.clone()),
        _ => {
            route.filters.extend(annotations::zone_opt_out_filter(&subject.ingress.metadata));
            Backend::LoadBalanced {
                algorithm: subject.wishes.algorithm.clone(),
                endpoints: Arc::clone(endpoints),
            }
        }
    };
}
