//! Ingresses to routes (<https://opensource.zalando.com/skipper/kubernetes/ingress-controller/>).
//!
//! In: the Ingresses and what they refer to. Out: their routes, in the peer's order; where its order is random (that of
//! the hosts), in the order of the names. What can go wrong: an invalid Ingress gives no routes, nor does a path that
//! leads nowhere. A diagnostic says each.

mod annotations;
mod backend;
mod custom;
mod default_backend;
mod host_routes;
mod path;
mod rule;
mod shared_list;

use std::collections::HashMap;
use std::sync::Arc;

use crate::eskip::{Backend, Route};
use crate::object::{Ingress, IngressSpec, Metadata, Objects};

use super::redirect::{self, Redirect};
use super::{Context, Diagnostics, ObjectRef, Quarantined, Settings, SourcedRoute, hosts, names, quarantine};

use annotations::Wishes;
use host_routes::HostRoutes;

const CLASS: &str = "kubernetes.io/ingress.class";

/// One valid Ingress, and what its routes have in common.
#[derive(Debug)]
struct Subject<'a> {
    ingress: &'a Ingress,
    spec: &'a IngressSpec,
    object: Arc<ObjectRef>,
    wishes: Wishes,
    redirect: Redirect,
    /// It looks at the protocol itself: its routes have no twins.
    handles_redirect: bool,
    context: &'a Context<'a>,
}

/// The routes of all Ingresses of our class.
pub(super) fn routes(
    objects: &Objects,
    context: &Context<'_>,
    quarantined: &mut Vec<Quarantined>,
    diagnostics: &mut Diagnostics,
) -> Vec<SourcedRoute> {
    let mut routes = Vec::new();
    let mut host_routes = HostRoutes::default();
    let mut owners = HashMap::new();
    for ingress in of_our_class(objects, context) {
        let object = ObjectRef::new("Ingress", &ingress.metadata);
        let converted = quarantine::guarded(&object, quarantined, || convert(ingress, context, diagnostics));
        quarantine::hindered(&object, context, quarantined);
        let Some((default, own_routes)) = converted else { continue };
        if let Some(default) = default {
            owners.extend(default.object.clone().map(|object| (default.route.id.clone(), object)));
            routes.push(default);
        }
        host_routes.absorb(own_routes);
    }
    host_routes.finish(context.settings, &mut routes);
    if context.settings.east_west {
        let copies = east_west_copies(&routes, &owners, context.settings);
        routes.extend(copies);
    }
    routes
}

/// The Ingresses that routes are made of: those of our class that are valid, by namespace and name.
pub fn accepted<'a>(objects: &'a Objects, settings: &Settings) -> Vec<&'a Ingress> {
    let mut said_already = Diagnostics::default();
    let context = Context::new(objects, settings, &mut said_already);
    let mut ours = of_our_class(objects, &context);
    ours.retain(|ingress| Subject::of(ingress, &context, &mut said_already).is_some());
    ours
}

/// The route of one Ingress's default backend, and those of its hosts; none if it is not valid.
fn convert(
    ingress: &Ingress,
    context: &Context<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<(Option<SourcedRoute>, HostRoutes)> {
    let subject = Subject::of(ingress, context, diagnostics)?;
    context.say_certificates(subject.spec.names_certificates, &subject.object, diagnostics);
    let default = default_backend::route(&subject, diagnostics).map(|route| subject.sourced(route));
    let mut host_routes = HostRoutes::default();
    for rule in &subject.spec.rules {
        rule::convert(&subject, rule, &mut host_routes, diagnostics);
    }
    Some((default, host_routes))
}

/// Whether an Ingress has no class, or ours, both in its annotation and in its spec.
pub(super) fn is_ours(metadata: &Metadata, class_name: &str, context: &Context<'_>) -> bool {
    let is_ours = |class: &str| class.is_empty() || context.ingress_class.is_match(class);
    metadata.annotation(CLASS).is_none_or(is_ours) && is_ours(class_name)
}

/// Those of our class, sorted by namespace and name.
fn of_our_class<'a>(objects: &'a Objects, context: &Context<'_>) -> Vec<&'a Ingress> {
    let class_name = |ingress: &'a Ingress| ingress.spec.as_ref().map_or("", |spec| &spec.class_name);
    let ours = objects.ingresses.iter().map(Arc::as_ref);
    let mut ours: Vec<_> = ours.filter(|it| is_ours(&it.metadata, class_name(it), context)).collect();
    ours.sort_by_key(|ingress| (&ingress.metadata.namespace, &ingress.metadata.name));
    ours
}

/// The deprecated east-west copies of those routes that have the id of a default backend's route. The peer takes name
/// and namespace for each other here.
fn east_west_copies(
    routes: &[SourcedRoute],
    owners: &HashMap<String, Arc<ObjectRef>>,
    settings: &Settings,
) -> Vec<SourcedRoute> {
    let copy = |known: &SourcedRoute| {
        let owner = owners.get(&known.route.id)?;
        let domain = settings.trimmed_east_west_domain();
        let host = format!("{}.{}.{domain}", owner.namespace, owner.name);
        Some(SourcedRoute { route: copy_for_host(&known.route, &host), object: known.object.clone() })
    };
    routes.iter().filter_map(copy).collect()
}

/// The deprecated east-west copy of `route`: for another host, under another id.
fn copy_for_host(route: &Route, host: &str) -> Route {
    Route {
        id: names::east_west_id(&route.id),
        host_regexps: vec![hosts::host_regexp(&[host])],
        ..route.clone()
    }
}

/// The host that an Ingress has in the domain of the deprecated east-west feature.
pub(super) fn east_west_host(ingress: &ObjectRef, settings: &Settings) -> String {
    format!("{}.{}.{}", ingress.name, ingress.namespace, settings.trimmed_east_west_domain())
}

impl<'a> Subject<'a> {
    fn of(ingress: &'a Ingress, context: &'a Context<'a>, diagnostics: &mut Diagnostics) -> Option<Self> {
        let metadata = &ingress.metadata;
        let object = ObjectRef::new("Ingress", metadata);
        let wishes = match Wishes::of(metadata, context, &object, diagnostics) {
            Ok(wishes) => wishes,
            Err(reasons) => {
                for reason in reasons {
                    diagnostics.add(&object, reason, "the Ingress is left out until this is mended");
                }
                return None;
            }
        };
        let spec = match &ingress.spec {
            Some(spec) if !metadata.namespace.is_empty() && !metadata.name.is_empty() => spec,
            _ => {
                let hint = "the Ingress is left out until it has all of them";
                diagnostics.add(&object, "an Ingress without a namespace, a name or a spec", hint);
                return None;
            }
        };
        Some(Self {
            ingress,
            spec,
            wishes,
            redirect: Redirect::of(metadata, context.settings, &object, diagnostics),
            handles_redirect: redirect::is_handled_by(metadata),
            object: Arc::new(object),
            context,
        })
    }

    fn sourced(&self, route: Route) -> SourcedRoute {
        SourcedRoute { route, object: Some(Arc::clone(&self.object)) }
    }

    /// Leads `route` to the address of forward backends, without filters, if the Ingress asks for that. The peer does so
    /// with twins and copies too, and so makes forwards of redirects.
    fn forward(&self, route: &mut Route) {
        if self.wishes.forward {
            route.backend = Backend::Network(self.context.settings.forward_backend_url.clone());
            route.filters.clear();
        }
    }

    /// The same for a twin or a copy.
    fn forwarded(&self, mut route: Route) -> Route {
        self.forward(&mut route);
        route
    }
}

#[cfg(test)]
mod tests;
