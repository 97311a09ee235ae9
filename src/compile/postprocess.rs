//! What happens to all routes alike, after the objects became routes: in the peer's order, default filters, the
//! callback of the OAuth2 grant flow, edits, clones, and the order by id.

mod rewrite;

use crate::eskip::{Backend, Filter, Predicate, Route};

use super::{Diagnostics, Settings, SourcedRoute};

/// The id that Skipper's clients know the callback by.
const GRANT_CALLBACK_ID: &str = "__oauth2_grant_callback";

/// Applies all of it. The result is sorted by id; routes of one id keep their order. Where there is no route at all there
/// stays none: the peer, too, adds its callback to something only.
pub(super) fn process(
    mut routes: Vec<SourcedRoute>,
    settings: &Settings,
    diagnostics: &mut Diagnostics,
) -> Vec<SourcedRoute> {
    add_default_filters(&mut routes, &settings.default_filters_prepend, &settings.default_filters_append);
    if settings.oauth2_grant_flow && !routes.is_empty() {
        routes.push(SourcedRoute { route: grant_callback(&settings.oauth2_callback_path), object: None });
    }
    rewrite::edit(&mut routes, &settings.edit_routes, diagnostics);
    rewrite::clone(&mut routes, &settings.clone_routes, diagnostics);
    sorted(routes)
}

/// Sorted by id. Routes are large: their order is found first, and each is moved once.
fn sorted(routes: Vec<SourcedRoute>) -> Vec<SourcedRoute> {
    let mut order: Vec<_> = routes.iter().map(|sourced| sourced.route.id.as_str()).zip(0_usize..).collect();
    order.sort_unstable();
    let order: Vec<_> = order.into_iter().map(|(_, index)| index).collect();
    let mut routes: Vec<_> = routes.into_iter().map(Some).collect();
    order.into_iter().filter_map(|index| routes[index].take()).collect()
}

fn add_default_filters(routes: &mut [SourcedRoute], before: &[Filter], after: &[Filter]) {
    if before.is_empty() && after.is_empty() {
        return;
    }
    for SourcedRoute { route, .. } in routes {
        route.filters.splice(..0, before.iter().cloned());
        route.filters.extend(after.iter().cloned());
    }
}

/// Where the authorization server sends the browser back to. It comes after the default filters, and so has none. The
/// peer gives it no default path: an empty setting is an empty path.
fn grant_callback(path: &str) -> Route {
    Route {
        id: GRANT_CALLBACK_ID.to_owned(),
        predicates: vec![Predicate::new("Path", [path.into()])],
        filters: vec![Filter::new("grantCallback", [])],
        backend: Backend::Shunt,
        ..Route::default()
    }
}

#[cfg(test)]
mod tests;
