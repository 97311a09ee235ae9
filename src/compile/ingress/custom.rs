//! Custom routes: what the annotation `zalando.org/skipper-routes` adds to each path of an Ingress.

use crate::eskip::{Backend, Filter, Predicate, Route};
use crate::object::{PathRule, Rule};

use super::super::annotations::{application_filter, configured_filters, configured_predicates};
use super::super::{Diagnostics, hosts, names};
use super::host_routes::{HostRoute, HostRoutes};
use super::shared_list::SharedList;
use super::{Subject, copy_for_host, east_west_host, path};

/// A route of the annotation, before it is made for a path.
#[derive(Clone, Debug)]
pub(super) struct CustomRoute {
    /// Without its predicates and filters.
    route: Route,
    predicates: SharedList<Predicate>,
    filters: SharedList<Filter>,
}

impl From<Route> for CustomRoute {
    fn from(mut route: Route) -> Self {
        let predicates = SharedList::appended(std::mem::take(&mut route.predicates));
        let filters = SharedList::appended(std::mem::take(&mut route.filters));
        Self { route, predicates, filters }
    }
}

/// Adds the custom routes for one path. Of the Ingress's annotations they get nothing else, nor default filters, nor a
/// twin of their own.
pub(super) fn convert(
    subject: &Subject<'_>,
    rule: &Rule,
    path: &PathRule,
    host_routes: &mut HostRoutes,
    diagnostics: &mut Diagnostics,
) {
    let settings = subject.context.settings;
    for (index, custom) in subject.wishes.custom_routes.iter().enumerate() {
        let mut custom = custom.clone();
        custom.adapt(subject, rule, path, index);
        let trees = custom.path_trees();
        if trees > 1 {
            diagnostics.add(
                &subject.object,
                format!(
                    "custom route {index} has {trees} paths with path {:?} of host {:?}",
                    path.path, rule.host
                ),
                "it is left out there; take its own Path or PathSubtree away, or the path of the rule",
            );
        } else {
            custom.add_annotated(subject, hosts::is_internal(&rule.host, &settings.east_west_range_domains));
            host_routes.add(&rule.host, custom.host_route(subject));
            host_routes.mark(&rule.host, subject.redirect);
        }
        if settings.east_west {
            let host = east_west_host(&subject.object, settings);
            custom.route = copy_for_host(&custom.route, &host);
            host_routes.add(&host, custom.host_route(subject));
        }
    }
}

impl CustomRoute {
    /// Makes it the route of one path.
    fn adapt(&mut self, subject: &Subject<'_>, rule: &Rule, path: &PathRule, index: usize) {
        let metadata = &subject.ingress.metadata;
        let name = format!("{}_{}_{index}", metadata.name, self.route.id);
        let place = format!("{}{}", rule.host, path.path.replace('/', "_"));
        self.route.id = names::route_id(&metadata.namespace, &name, &place, "", "");
        self.route.host_regexps = vec![hosts::host_regexp(&[&rule.host])];
        if let Some(predicate) = path::predicate(path, subject.wishes.path_mode) {
            self.predicates.append(&[predicate]);
        }
        if let Some(regexp) = path::regexp(path, subject.wishes.path_mode) {
            self.route.path_regexps = vec![regexp];
        }
    }

    /// How many places of the path tree it wants.
    fn path_trees(&self) -> usize {
        let own = self.route.path.as_ref().is_some_and(|path| !path.is_empty());
        usize::from(own)
            + self.predicates.to_vec().iter().filter(|predicate| path::is_tree(predicate)).count()
    }

    fn add_annotated(&mut self, subject: &Subject<'_>, internal: bool) {
        let metadata = &subject.ingress.metadata;
        let settings = subject.context.settings;
        configured_predicates(metadata, settings, internal).for_each(|more| self.predicates.append(more));
        configured_filters(metadata, settings, internal).for_each(|more| self.filters.append(more));
        if let Some(filter) = application_filter(metadata, settings) {
            let mut filters = self.filters.to_vec();
            filters.insert(0, filter);
            self.filters = SharedList::exactly(filters);
        }
    }

    fn host_route(&mut self, subject: &Subject<'_>) -> HostRoute {
        if subject.wishes.forward {
            // A shunt that was written as one stays one, without its filters: so does the peer's.
            if self.route.backend != Backend::Shunt {
                subject.forward(&mut self.route);
            }
            self.filters = SharedList::exactly(Vec::new());
        }
        HostRoute::sharing(subject.sourced(self.route.clone()), self.predicates.clone(), self.filters.clone())
    }
}
