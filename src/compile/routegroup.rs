//! RouteGroups to routes (<https://opensource.zalando.com/skipper/kubernetes/routegroups/>).
//!
//! In: one object and what it refers to. Out: its routes, those for its external hosts before those for its internal ones.
//! What can go wrong: an invalid object gives no routes; a route that cannot be led anywhere is left out with all of its
//! methods and backends; where there are no explicit routes, the whole group is. A diagnostic says each.

mod backend;
mod check;
mod half;
mod ids;
mod twins;

use std::sync::Arc;

use crate::eskip::Route;
use crate::object::{Metadata, RouteGroup};

use super::annotations::REDIRECT;
use super::{Context, Diagnostics, ObjectRef, Quarantined, SourcedRoute, hosts, quarantine, redirect};

use check::Checked;
use half::Half;

pub(super) use ids::is_of;

/// What is loaded where no class is asked for; an object without one, or with an empty one, always is.
const CLASS: &str = "zalando.org/routegroup.class";

/// The routes of all of `groups`, in the order of their names: it decides which of two routes with one id stays, and
/// whose scheme the endpoints of a shared service get.
pub(super) fn routes(
    groups: &[Arc<RouteGroup>],
    context: &Context<'_>,
    quarantined: &mut Vec<Quarantined>,
    diagnostics: &mut Diagnostics,
) -> Vec<SourcedRoute> {
    let mut sorted: Vec<_> = groups.iter().collect();
    sorted.sort_by_key(|group| (&group.metadata.namespace, &group.metadata.name));
    let mut routes = Vec::new();
    for group in sorted {
        let object = Arc::new(ObjectRef::new("RouteGroup", &group.metadata));
        let made =
            quarantine::guarded(&object, quarantined, || convert(group, &object, context, diagnostics));
        quarantine::hindered(&object, context, quarantined);
        routes
            .extend(made.into_iter().map(|route| SourcedRoute { route, object: Some(Arc::clone(&object)) }));
    }
    routes
}

/// Whether a RouteGroup has no class, or ours.
pub(super) fn is_ours(metadata: &Metadata, context: &Context<'_>) -> bool {
    let class = metadata.annotation(CLASS).unwrap_or_default();
    class.is_empty() || context.route_group_class.is_match(class)
}

/// The routes of one RouteGroup.
fn convert(
    group: &RouteGroup,
    object: &ObjectRef,
    context: &Context<'_>,
    diagnostics: &mut Diagnostics,
) -> Vec<Route> {
    // Validity comes before class with the peer too: it complains of invalid objects that are not its own.
    let checked = match check::check(group) {
        Ok(checked) => checked,
        Err(reasons) => {
            for reason in reasons {
                diagnostics.add(object, reason, "the RouteGroup is left out until this is mended");
            }
            return Vec::new();
        }
    };
    if !is_ours(&group.metadata, context) {
        return Vec::new();
    }
    let names_certificates = group.spec.as_ref().is_some_and(|spec| spec.names_certificates);
    context.say_certificates(names_certificates, object, diagnostics);
    // RouteGroups are redirected with the status of the settings; a bad one of their own is said all the same.
    redirect::code(&group.metadata, context.settings, object, diagnostics);
    halves(group, object, &checked, context, diagnostics)
}

fn halves(
    group: &RouteGroup,
    object: &ObjectRef,
    checked: &Checked<'_>,
    context: &Context<'_>,
    diagnostics: &mut Diagnostics,
) -> Vec<Route> {
    let domains = &context.settings.east_west_range_domains;
    let (internal, external): (Vec<&str>, Vec<&str>) =
        checked.hosts.iter().map(String::as_str).partition(|host| hosts::is_internal(host, domains));

    let half = |hosts, internal| Half::new(group, object, checked, context, hosts, internal);

    let mut routes = Vec::new();
    if !external.is_empty() || checked.hosts.is_empty() {
        match half(external, false).routes(diagnostics) {
            Some(half) => routes = half,
            None => return routes,
        }
    }
    if !internal.is_empty() {
        routes.extend(half(internal, true).routes(diagnostics).unwrap_or_default());
    }
    routes
}

/// Whether HTTP is redirected to HTTPS for this object.
fn redirects(group: &RouteGroup, context: &Context<'_>) -> bool {
    match group.metadata.annotation(REDIRECT) {
        Some("true") => true,
        Some("false") => false,
        _ => context.settings.https_redirect,
    }
}

#[cfg(test)]
mod tests;
