//! The routes of all Ingresses by host, and what each host gets beside them.

use std::collections::BTreeMap;

use crate::eskip::{Backend, Filter, Predicate, Route};

use super::super::redirect::Redirect;
use super::super::{Settings, SourcedRoute, names};
use super::shared_list::SharedList;

/// Routes by host, sorted by host: the peer's order is random.
#[derive(Debug, Default)]
pub(super) struct HostRoutes(BTreeMap<String, Host>);

#[derive(Debug, Default)]
struct Host {
    routes: Vec<HostRoute>,
    /// The status to which its last route with a redirect redirects.
    redirect: Option<i64>,
    /// Whether any of its routes has its redirect disabled.
    disabled: bool,
}

/// A route of a host.
#[derive(Debug)]
pub(super) struct HostRoute {
    sourced: SourcedRoute,
    /// The predicates and filters of a custom route, which other routes may still change.
    shared: Option<(SharedList<Predicate>, SharedList<Filter>)>,
}

impl HostRoutes {
    /// Adds a route of `host`.
    pub(super) fn add(&mut self, host: &str, route: HostRoute) {
        self.host(host).routes.push(route);
    }

    /// Notes that the catch-all route of `host` is to have the twin of `redirect`.
    pub(super) fn mark(&mut self, host: &str, redirect: Redirect) {
        match redirect {
            Redirect::To(code) => self.host(host).redirect = Some(code),
            Redirect::Disabled => self.host(host).disabled = true,
            Redirect::Unsaid => {}
        }
    }

    /// Adds what another Ingress has, behind what there is.
    pub(super) fn absorb(&mut self, other: Self) {
        for (name, mut host) in other.0 {
            let known = self.0.entry(name).or_default();
            known.routes.append(&mut host.routes);
            known.redirect = host.redirect.or(known.redirect);
            known.disabled |= host.disabled;
        }
    }

    fn host(&mut self, host: &str) -> &mut Host {
        if !self.0.contains_key(host) {
            self.0.insert(host.to_owned(), Host::default());
        }
        self.0.get_mut(host).expect("it was inserted if it was not there")
    }

    /// Appends all routes to `routes`: host by host, the catch-all of a host behind its own.
    pub(super) fn finish(mut self, settings: &Settings, routes: &mut Vec<SourcedRoute>) {
        for (name, host) in &mut self.0 {
            for _ in settings.east_west_range_domains.iter().filter(|domain| name.ends_with(domain.as_str()))
            {
                host.routes.iter_mut().for_each(|route| route.append(&settings.east_west_range_predicates));
            }
        }
        for (name, host) in self.0 {
            let catch_all = if settings.disable_catch_all { Vec::new() } else { host.catch_all(&name) };
            routes.extend(host.routes.into_iter().map(HostRoute::finished));
            routes.extend(catch_all);
        }
    }
}

impl Host {
    /// The routes for what no other route of this host matches: none where one of them matches every path. The peer
    /// looks at regular expressions only: a route with another kind of path seems to match every path.
    fn catch_all(&self, name: &str) -> Vec<SourcedRoute> {
        let matches_all = |route: &Route| {
            route.path_regexps.is_empty() || route.path_regexps.iter().any(|path| path == "^/")
        };
        let Some(first) = self.routes.first() else { return Vec::new() };
        if self.routes.iter().any(|route| matches_all(&route.sourced.route)) {
            return Vec::new();
        }
        let catch_all = Route {
            id: names::route_id("", "catchall", name, "", ""),
            host_regexps: first.sourced.route.host_regexps.clone(),
            backend: Backend::Shunt,
            ..Route::default()
        };
        let redirects =
            self.redirect.map(Redirect::To).into_iter().chain(self.disabled.then_some(Redirect::Disabled));
        let twins: Vec<_> = redirects.filter_map(|redirect| redirect.twin(&catch_all)).collect();
        let all = std::iter::once(catch_all).chain(twins);
        all.map(|route| SourcedRoute { route, object: first.sourced.object.clone() }).collect()
    }
}

impl HostRoute {
    /// A route of its own.
    pub(super) fn new(sourced: SourcedRoute) -> Self {
        Self { sourced, shared: None }
    }

    /// A route whose predicates and filters are shared with others.
    pub(super) fn sharing(
        sourced: SourcedRoute,
        predicates: SharedList<Predicate>,
        filters: SharedList<Filter>,
    ) -> Self {
        Self { sourced, shared: Some((predicates, filters)) }
    }

    fn append(&mut self, more: &[Predicate]) {
        match &mut self.shared {
            Some((predicates, _)) => predicates.append(more),
            None => self.sourced.route.predicates.extend_from_slice(more),
        }
    }

    fn finished(mut self) -> SourcedRoute {
        if let Some((predicates, filters)) = self.shared {
            self.sourced.route.predicates = predicates.to_vec();
            self.sourced.route.filters = filters.to_vec();
        }
        self.sourced
    }
}
