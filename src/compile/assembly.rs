//! All routes of one table, each id once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::object::Objects;

use super::{
    Context, Diagnostics, ObjectRef, Quarantined, SourcedRoute, definitions, ingress, routegroup, synthetic,
};

/// Who asked for routes of one id; none for the settings.
pub(super) type Knots = HashSet<(Option<Arc<ObjectRef>>, Option<Arc<ObjectRef>>)>;

/// The routes of `objects` and those that the settings alone ask for, each id once, in the peer's order.
pub(super) fn routes(
    objects: &Objects,
    context: &Context<'_>,
    quarantined: &mut Vec<Quarantined>,
    diagnostics: &mut Diagnostics,
) -> (Vec<SourcedRoute>, Knots) {
    let mut routes = ingress::routes(objects, context, quarantined, diagnostics);
    routes.extend(routegroup::routes(&objects.route_groups, context, quarantined, diagnostics));
    routes.extend(definitions::routes(&objects.definitions, quarantined));
    let synthetic = synthetic::routes(context.settings);
    routes.extend(synthetic.into_iter().map(|route| SourcedRoute { route, object: None }));
    unified(routes, diagnostics)
}

/// Keeps the first of the routes that have one id. Another one that differs is said, for its object has no such route.
fn unified(routes: Vec<SourcedRoute>, diagnostics: &mut Diagnostics) -> (Vec<SourcedRoute>, Knots) {
    let mut knots = Knots::new();
    let mut by_id = HashMap::with_capacity(routes.len());
    let mut is_first = Vec::with_capacity(routes.len());
    for sourced in &routes {
        let first = *by_id.entry(sourced.route.id.as_str()).or_insert(sourced);
        is_first.push(std::ptr::eq(first, sourced));
        if is_first.last() == Some(&false) {
            if first.object != sourced.object {
                knots.insert((first.object.clone(), sourced.object.clone()));
            }
            if first.route.to_string() != sourced.route.to_string() {
                say(first, sourced, diagnostics);
            }
        }
    }
    if is_first.iter().all(|first| *first) {
        return (routes, knots);
    }
    let kept = routes.into_iter().zip(is_first).filter_map(|(sourced, first)| first.then_some(sourced));
    (kept.collect(), knots)
}

fn say(first: &SourcedRoute, ignored: &SourcedRoute, diagnostics: &mut Diagnostics) {
    let owner = match &first.object {
        Some(object) => format!("{} {}/{}", object.kind, object.namespace, object.name),
        None => "the settings".to_owned(),
    };
    let reason =
        format!("route {} is left out: {owner} has another one of that id before it", ignored.route.id);
    let hint =
        "ids are made of names, hosts and paths, in which all but letters and digits is the same; rename one";
    match &ignored.object {
        Some(object) => diagnostics.add(object, reason, hint),
        None => diagnostics.add_general(reason, hint),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eskip::{Backend, Route};

    fn route(object: &str, address: &str) -> SourcedRoute {
        let backend = Backend::Network(address.to_owned());
        SourcedRoute {
            route: Route { id: "same".to_owned(), backend, ..Route::default() },
            object: Some(Arc::new(ObjectRef { name: object.to_owned(), ..ObjectRef::default() })),
        }
    }

    #[test]
    fn the_first_of_an_id_wins_and_the_other_is_told() {
        let mut diagnostics = Diagnostics::default();
        let (kept, knots) = unified(vec![route("a", "http://a"), route("b", "http://b")], &mut diagnostics);
        assert_eq!(kept, [route("a", "http://a")]);
        assert_eq!(knots.len(), 1);
        assert_eq!(diagnostics.into_vec()[0].object.as_ref().unwrap().name, "b");
    }

    #[test]
    fn what_is_equal_is_no_loss() {
        let mut diagnostics = Diagnostics::default();
        let (kept, knots) = unified(vec![route("a", "http://a"), route("b", "http://a")], &mut diagnostics);
        assert_eq!((kept.len(), knots.len()), (1, 1));
        assert_eq!(diagnostics.into_vec(), []);
    }
}
