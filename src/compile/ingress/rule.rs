//! The paths of one host.

use std::collections::HashMap;

use crate::eskip::{Backend, Route};
use crate::object::{IngressBackend, PathRule, Rule};

use super::super::annotations::{append_configured, application_filter};
use super::super::traffic::{self, Share};
use super::super::{Diagnostics, PathMode, hosts, names};
use super::backend::{self, Target};
use super::host_routes::{HostRoute, HostRoutes};
use super::{Subject, copy_for_host, custom, east_west_host, path};

/// Converts the paths of `rule`, each with the custom routes of the Ingress before it.
pub(super) fn convert(
    subject: &Subject<'_>,
    rule: &Rule,
    host_routes: &mut HostRoutes,
    diagnostics: &mut Diagnostics,
) {
    let Some(paths) = &rule.paths else {
        diagnostics.add(
            &subject.object,
            format!("the rule for host {:?} has no http", rule.host),
            "it has no routes; add http.paths, or remove the rule",
        );
        return;
    };
    let shares = Shares::of(subject, paths);
    for path in paths {
        custom::convert(subject, rule, path, host_routes, diagnostics);
        let Some(backend) = &path.backend else {
            diagnostics.add(
                &subject.object,
                format!("path {:?} of host {:?} has no backend", path.path, rule.host),
                "it has no route; add a backend",
            );
            continue;
        };
        let share = shares.of_backend(path, backend);
        if share.is_any() {
            convert_path(subject, &rule.host, (path, backend), share, host_routes, diagnostics);
        }
    }
}

/// How the backends of each path share its traffic: path to service to share.
struct Shares<'a>(HashMap<&'a str, HashMap<&'a str, Share>>);

impl<'a> Shares<'a> {
    fn of(subject: &Subject<'_>, paths: &'a [PathRule]) -> Self {
        let mut weighted: HashMap<&str, Vec<(&str, f64)>> = HashMap::new();
        for rule in paths {
            let Some(backend) = &rule.backend else { continue };
            let weight = subject.wishes.weights.get(&backend.service).copied().unwrap_or_default();
            weighted.entry(&rule.path).or_default().push((&backend.service, weight));
        }
        let algorithm = subject.context.settings.traffic_algorithm;
        let shares =
            |(path, weighted): (&'a str, Vec<_>)| (path, traffic::shares_by_name(algorithm, &weighted));
        Self(weighted.into_iter().map(shares).collect())
    }

    fn of_backend(&self, path: &PathRule, backend: &IngressBackend) -> Share {
        self.0[path.path.as_str()][backend.service.as_str()]
    }
}

fn convert_path(
    subject: &Subject<'_>,
    host: &str,
    (path, backend): (&PathRule, &IngressBackend),
    share: Share,
    host_routes: &mut HostRoutes,
    diagnostics: &mut Diagnostics,
) {
    let target = match backend::find(subject, backend, diagnostics) {
        Ok(target) => target,
        Err(missing) => return missing.say(subject, diagnostics),
    };
    let mut route = route_to(subject, host, (path, backend), target, share);
    add_annotated(subject, backend, &mut route, diagnostics);
    subject.forward(&mut route);

    let settings = subject.context.settings;
    let is_internal = is_internal(subject, host);
    let redirect = Some(subject.redirect).filter(|_| !is_internal && !subject.handles_redirect);
    let twin = redirect.and_then(|redirect| redirect.twin(&route)).map(|twin| subject.forwarded(twin));
    append_configured(&mut route, &subject.ingress.metadata, settings, is_internal);
    let copy = settings.east_west.then(|| {
        let host = east_west_host(&subject.object, settings);
        (subject.forwarded(copy_for_host(&route, &host)), host)
    });

    host_routes.add(host, HostRoute::new(subject.sourced(route)));
    if let Some(twin) = twin {
        host_routes.add(host, HostRoute::new(subject.sourced(twin)));
    }
    if let Some(redirect) = redirect {
        host_routes.mark(host, redirect);
    }
    if let Some((copy, host)) = copy {
        host_routes.add(&host, HostRoute::new(subject.sourced(copy)));
    }
}

/// The bare route: host, path, share, backend.
fn route_to(
    subject: &Subject<'_>,
    host: &str,
    (rule, backend): (&PathRule, &IngressBackend),
    target: Target,
    share: Share,
) -> Route {
    let host_regexps = if host.is_empty() { Vec::new() } else { vec![hosts::host_regexp(&[host])] };
    let endpoints = match target {
        Target::External(name) => return Route { host_regexps, ..name.route(subject, host) },
        Target::Endpoints(endpoints) => endpoints,
    };
    let metadata = &subject.ingress.metadata;
    let id = names::route_id(&metadata.namespace, &metadata.name, host, &rule.path, &backend.service);
    let mut route = Route { id, host_regexps, ..Route::default() };
    path::apply(&mut route, rule, subject.wishes.path_mode);
    share.apply(&mut route);
    backend::apply(&mut route, &endpoints, subject);
    route
}

/// Adds what the annotations of the Ingress and the default filters of the service ask for.
fn add_annotated(
    subject: &Subject<'_>,
    backend: &IngressBackend,
    route: &mut Route,
    diagnostics: &mut Diagnostics,
) {
    let metadata = &subject.ingress.metadata;
    let context = subject.context;
    let mut before: Vec<_> = application_filter(metadata, context.settings).into_iter().collect();
    let defaults =
        context.default_filters(&metadata.namespace, &backend.service, &subject.object, diagnostics);
    before.extend_from_slice(defaults);
    if route.backend != Backend::Shunt {
        before.extend_from_slice(&subject.wishes.filters);
    }
    route.filters.splice(..0, before);

    if subject.wishes.path_mode == PathMode::PathPrefix {
        for _ in subject.wishes.predicates.iter().filter(|predicate| path::is_tree(predicate)) {
            // The annotation's path takes the place of the rule's; for each of its own one of the rule's goes.
            if let Some(index) = route.predicates.iter().position(path::is_tree) {
                route.predicates.remove(index);
            }
        }
    }
    route.predicates.extend_from_slice(&subject.wishes.predicates);
}

/// Whether `host` is one that only the cluster itself uses. Redirects look at the domain of the deprecated east-west
/// feature too, even where that is off; the peer then takes it as it is written.
fn is_internal(subject: &Subject<'_>, host: &str) -> bool {
    let settings = subject.context.settings;
    let domain =
        if settings.east_west { settings.trimmed_east_west_domain() } else { &settings.east_west_domain };
    hosts::is_internal(host, &settings.east_west_range_domains)
        || !domain.is_empty() && host.ends_with(domain)
}
