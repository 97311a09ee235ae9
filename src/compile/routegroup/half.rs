//! The routes of a RouteGroup for its external hosts, or for its internal ones.

use crate::eskip::{Backend, Predicate, Route};
use crate::object::{BackendReference, RouteGroup};

use super::super::hosts::host_regexp;
use super::super::traffic::{self, Share};
use super::super::{Context, Diagnostics, ObjectRef, annotations, redirect};
use super::backend::{self, BackendKind};
use super::check::{Checked, CheckedRoute};
use super::{ids, redirects, twins};

/// One of the two halves of a RouteGroup.
pub(super) struct Half<'a, 'c> {
    pub(super) group: &'a RouteGroup,
    pub(super) object: &'a ObjectRef,
    pub(super) checked: &'a Checked<'a>,
    pub(super) context: &'a Context<'c>,
    /// The hosts of this half; none for every host.
    pub(super) hosts: Vec<&'a str>,
    /// Matches them; none for every host.
    pub(super) host: Option<Predicate>,
    /// Whether they are internal ones.
    pub(super) internal: bool,
}

/// The routes while they are made.
#[derive(Default)]
struct Made {
    routes: Vec<Route>,
    /// Whether there was any route, even if it was left out later: then the hosts get their catch-all routes.
    any: bool,
    /// Whether one of them has no condition but its host: then nothing is left to catch.
    host_only: bool,
}

impl<'a, 'c> Half<'a, 'c> {
    pub(super) fn new(
        group: &'a RouteGroup,
        object: &'a ObjectRef,
        checked: &'a Checked<'a>,
        context: &'a Context<'c>,
        hosts: Vec<&'a str>,
        internal: bool,
    ) -> Self {
        let host = (!hosts.is_empty()).then(|| Predicate::new("Host", [host_regexp(&hosts).into()]));
        Self { group, object, checked, context, hosts, host, internal }
    }

    /// The routes, catch-all routes at their end. None where there are no explicit routes and a backend cannot be
    /// reached: then all of the group is left out.
    pub(super) fn routes(&self, diagnostics: &mut Diagnostics) -> Option<Vec<Route>> {
        let mut made = Made::default();
        if self.checked.routes.is_empty() {
            self.implicit(&mut made, diagnostics)?;
        } else {
            self.explicit(&mut made, diagnostics);
        }
        if !self.context.settings.disable_catch_all && made.any && !made.host_only {
            made.routes.extend(self.hosts.iter().map(|host| self.catch_all(host)));
        }
        for route in &mut made.routes {
            if self.internal {
                route.predicates.extend_from_slice(&self.context.settings.east_west_range_predicates);
            }
            annotations::append_configured(route, &self.group.metadata, self.context.settings, self.internal);
        }
        Some(made.routes)
    }

    /// One route for each default backend.
    fn implicit(&self, made: &mut Made, diagnostics: &mut Diagnostics) -> Option<()> {
        let references = self.checked.default_backends;
        for (index, (reference, share)) in references.iter().zip(self.shares(references)).enumerate() {
            let id = ids::route(&self.group.metadata, "all", 0, index, self.internal);
            let route = Route { id, predicates: self.host.iter().cloned().collect(), ..Route::default() };
            match self.finished(route, reference, &share, diagnostics) {
                Ok(route) => self.add(route, made),
                Err(problem) => {
                    let hint = "the RouteGroup has no explicit routes, so all of it is left out";
                    diagnostics.add(self.object, problem, hint);
                    return None;
                }
            }
        }
        Some(())
    }

    /// For each route one for each method and backend, all or none of them.
    fn explicit(&self, made: &mut Made, diagnostics: &mut Diagnostics) {
        let default_shares = self.shares(self.checked.default_backends);
        for (index, route) in self.checked.routes.iter().enumerate() {
            let before = made.routes.len();
            let own = (!route.spec.backends.is_empty()).then(|| self.shares(&route.spec.backends));
            let (references, shares) = match &own {
                Some(shares) => (route.spec.backends.as_slice(), shares),
                None => (self.checked.default_backends, &default_shares),
            };
            if let Err(problem) = self.entry(index, route, references, shares, made, diagnostics) {
                made.routes.truncate(before);
                diagnostics.add(self.object, format!("route {index}: {problem}"), "this route is left out");
            }
        }
    }

    fn entry(
        &self,
        index: usize,
        entry: &CheckedRoute<'_>,
        references: &[BackendReference],
        shares: &[Share],
        made: &mut Made,
        diagnostics: &mut Diagnostics,
    ) -> Result<(), String> {
        for method in methods(&entry.spec.methods) {
            let id_part = method.map_or_else(|| "all".to_owned(), lower);
            let predicates = self.predicates(entry, method);
            for (backend_index, (reference, share)) in references.iter().zip(shares).enumerate() {
                let route = Route {
                    id: ids::route(&self.group.metadata, &id_part, index, backend_index, self.internal),
                    predicates: predicates.clone(),
                    filters: entry.filters.clone(),
                    ..Route::default()
                };
                self.add(self.finished(route, reference, share, diagnostics)?, made);
            }
        }
        Ok(())
    }

    fn predicates(&self, entry: &CheckedRoute<'_>, method: Option<&str>) -> Vec<Predicate> {
        let spec = entry.spec;
        let mut predicates = Vec::with_capacity(entry.predicates.len() + 4);
        let mut add = |name, value: &str| predicates.push(Predicate::new(name, [value.into()]));
        if !spec.path.is_empty() {
            add("Path", &spec.path);
        } else if !spec.path_subtree.is_empty() {
            add("PathSubtree", &spec.path_subtree);
        }
        if !spec.path_regexp.is_empty() {
            add("PathRegexp", &spec.path_regexp);
        }
        predicates.extend(self.host.clone());
        predicates.extend(method.map(|method| Predicate::new("Method", [upper(method).into()])));
        predicates.extend_from_slice(&entry.predicates);
        predicates
    }

    /// The route with its backend, the share of it, and what goes before its own filters.
    fn finished(
        &self,
        mut route: Route,
        reference: &BackendReference,
        share: &Share,
        diagnostics: &mut Diagnostics,
    ) -> Result<Route, String> {
        let backend = &self.checked.backends[reference.backend_name.as_str()];
        backend::apply(self, backend, &mut route)?;
        let mut before: Vec<_> = annotations::application_filter(&self.group.metadata, self.context.settings)
            .into_iter()
            .collect();
        if backend.kind == BackendKind::Service {
            let namespace = self.group.metadata.namespace_or_default();
            let service = &backend.spec.service_name;
            before.extend_from_slice(self.context.default_filters(
                namespace,
                service,
                self.object,
                diagnostics,
            ));
        }
        route.filters.splice(..0, before);
        share.apply(&mut route);
        Ok(route)
    }

    /// Adds the route, and its twins behind it.
    fn add(&self, route: Route, made: &mut Made) {
        made.any = true;
        made.host_only |= route.predicates.iter().all(|predicate| predicate.name == "Host");
        let mut twins = Vec::new();
        if !self.internal {
            twins.extend(twins::east_west(&route, &self.group.metadata, &self.hosts, self.context));
        }
        if !self.internal && redirects(self.group, self.context) {
            twins.extend(twins::redirect(&route, redirect::default_code(self.context.settings)));
        }
        made.routes.push(route);
        made.routes.append(&mut twins);
    }

    fn catch_all(&self, host: &str) -> Route {
        Route {
            id: ids::catch_all(host, self.internal),
            predicates: vec![Predicate::new("Host", [host_regexp(&[host]).into()])],
            backend: Backend::Shunt,
            ..Route::default()
        }
    }

    fn shares(&self, references: &[BackendReference]) -> Vec<Share> {
        // A weight is an integer of the API, far below what a float cannot hold.
        let weights: Vec<_> = references.iter().map(|reference| reference.weight as f64).collect();
        traffic::shares(self.context.settings.traffic_algorithm, &weights)
    }
}

/// Each method once, in their order; none for every method.
fn methods(methods: &[String]) -> Vec<Option<&str>> {
    if methods.is_empty() {
        return vec![None];
    }
    let mut unique = Vec::with_capacity(methods.len());
    for method in methods {
        if !unique.contains(&Some(method.as_str())) {
            unique.push(Some(method.as_str()));
        }
    }
    unique
}

/// Go's `strings.ToUpper` maps characters one to one.
fn upper(text: &str) -> String {
    text.chars().map(|c| single(c, c.to_uppercase())).collect()
}

fn lower(text: &str) -> String {
    text.chars().map(|c| single(c, c.to_lowercase())).collect()
}

fn single(c: char, mut mapped: impl ExactSizeIterator<Item = char>) -> char {
    if mapped.len() == 1 { mapped.next().unwrap_or(c) } else { c }
}
