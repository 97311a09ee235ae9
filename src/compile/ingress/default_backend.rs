//! The default backend of an Ingress: one route for every host and path.

use crate::eskip::Route;

use super::super::annotations::application_filter;
use super::super::{Diagnostics, names};
use super::Subject;
use super::backend::{self, Target};

/// What stands for the host in the id of a route to an external name.
const NO_HOST: &str = "default";

/// The route of the default backend, if there is one. It gets none of the Ingress's filters and predicates.
pub(super) fn route(subject: &Subject<'_>, diagnostics: &mut Diagnostics) -> Option<Route> {
    let backend = subject.spec.default_backend.as_ref()?;
    let target = backend::find(subject, backend, diagnostics);
    let target = target.map_err(|missing| missing.say(subject, diagnostics)).ok()?;
    let metadata = &subject.ingress.metadata;
    let mut route = match target {
        Target::External(name) => name.route(subject, NO_HOST),
        Target::Endpoints(endpoints) => {
            let id = names::route_id(&metadata.namespace, &metadata.name, "", "", "");
            let mut route = Route { id, ..Route::default() };
            backend::apply(&mut route, &endpoints, subject);
            route
        }
    };
    route.filters.splice(..0, application_filter(metadata, subject.context.settings));
    subject.forward(&mut route);
    Some(route)
}
