//! The tables of the topology zones: like the main one, but with the endpoints of one zone where there are enough.
//!
//! In: the routes of the main table and its text. Out: the tables that differ from it; a client of any other zone gets
//! the main one, which is what its own would be to the byte. Everything that is not narrowed is copied as text.

use std::collections::BTreeSet;

use crate::eskip::{Arg, Backend, Endpoint, Route};

use super::SourcedRoute;
use super::annotations::ZONE_AWARE;
use super::document::Document;

/// With fewer endpoints than this in a zone, a route keeps those of all zones.
const ENOUGH: usize = 3;

/// The zones that endpoints of `routes` are in.
pub(super) fn names(routes: &[SourcedRoute]) -> BTreeSet<String> {
    let endpoints = routes.iter().flat_map(|sourced| endpoints(&sourced.route));
    let zones: BTreeSet<&str> = endpoints.map(|endpoint| endpoint.zone.as_str()).collect();
    zones.into_iter().filter(|zone| !zone.is_empty()).map(str::to_owned).collect()
}

/// The table of one zone as a whole; none where it is `main`, whose routes are `routes`.
pub(super) fn document(zone: &str, routes: &[SourcedRoute], main: &Document) -> Option<Document> {
    let mut text = String::new();
    let ends = table(zone, routes, main, |piece| text.push_str(piece))?;
    Some(Document::of(text, ends))
}

/// Pushes the table of one zone piece by piece, and gives where each definition ends. None where no route is narrowed: it is
/// `main` then, whose routes are `routes`.
pub(super) fn table(
    zone: &str,
    routes: &[SourcedRoute],
    main: &Document,
    mut push: impl FnMut(&str),
) -> Option<Vec<usize>> {
    let mut ends = Vec::with_capacity(routes.len());
    let (mut copied, mut length) = (0, 0);
    let mut push = |text: &str| {
        push(text);
        text.len()
    };
    for (index, sourced) in routes.iter().enumerate() {
        let definition = main.definition(index);
        let narrowed = narrowed(zone, &sourced.route);
        // Of a route that stays from an earlier table the words are not ours: none but its backend is printed anew.
        let front = narrowed.as_ref().and_then(|_| without_backend(definition, &sourced.route.backend));
        if let (Some(narrowed), Some(front)) = (narrowed, front) {
            length += push(&main.as_str()[copied..main.before(index)]);
            length += push(front) + push(&narrowed.to_string()) + push(";");
            copied = main.end(index);
        }
        ends.push(length + main.end(index) - copied);
    }
    if copied == 0 {
        return None;
    }
    push(&main.as_str()[copied..]);
    Some(ends)
}

/// A definition up to its backend.
fn without_backend<'a>(definition: &'a str, backend: &Backend) -> Option<&'a str> {
    definition.strip_suffix(';')?.strip_suffix(backend.to_string().as_str())
}

/// The backend with only the endpoints of `zone`, if these are enough and not all it has.
fn narrowed(zone: &str, route: &Route) -> Option<Backend> {
    let Backend::LoadBalanced { algorithm, endpoints } = &route.backend else { return None };
    let of_zone = || endpoints.iter().filter(|endpoint| endpoint.zone == zone);
    let count = of_zone().count();
    if count < ENOUGH || count == endpoints.len() || opts_out(route) {
        return None;
    }
    Some(Backend::LoadBalanced { algorithm: algorithm.clone(), endpoints: of_zone().cloned().collect() })
}

/// Whether a filter marks the route as one that keeps all its endpoints.
fn opts_out(route: &Route) -> bool {
    let is = |arg: &Arg, text: &str| matches!(arg, Arg::String(arg) if arg == text);
    route.filters.iter().any(|filter| {
        filter.name == "annotate"
            && matches!(&filter.args[..], [key, value] if is(key, ZONE_AWARE) && is(value, "false"))
    })
}

fn endpoints(route: &Route) -> &[Endpoint] {
    match &route.backend {
        Backend::LoadBalanced { endpoints, .. } => endpoints,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::compile::Text;
    use crate::eskip::Filter;

    fn balanced(id: &str, zones: &[&str]) -> SourcedRoute {
        let endpoint = |(index, zone): (usize, &&str)| Endpoint {
            address: format!("http://10.0.0.{index}:80"),
            zone: (*zone).to_owned(),
        };
        let endpoints = zones.iter().enumerate().map(endpoint).collect();
        let backend = Backend::LoadBalanced { algorithm: "random".to_owned(), endpoints };
        let route = Route { id: id.to_owned(), backend, ..Route::default() };
        SourcedRoute { route, object: None }
    }

    fn zone_tables(routes: &[SourcedRoute]) -> BTreeMap<String, Text> {
        let mut main = Document::default();
        for sourced in routes {
            main.push(&sourced.route, |_| Ok::<_, ()>(())).unwrap();
        }
        let table = |zone: String| {
            let (text, _) = document(&zone, routes, &main)?.pack(None).into_parts();
            Some((zone, text))
        };
        names(routes).into_iter().filter_map(table).collect()
    }

    #[test]
    fn three_endpoints_are_enough() {
        let tables = zone_tables(&[balanced("r", &["a", "b", "a", "b", "a"])]);
        assert_eq!(tables.keys().collect::<Vec<_>>(), ["a"]);
        let only_a = r#"r: * -> <random, "http://10.0.0.0:80?zone=a", "http://10.0.0.2:80?zone=a", "http://10.0.0.4:80?zone=a">;"#;
        assert_eq!(tables["a"], Text { packed: only_a.into(), count: 1 });
    }

    #[test]
    fn other_routes_are_the_main_table_s() {
        let plain =
            |id: &str| SourcedRoute { route: Route { id: id.to_owned(), ..Route::default() }, object: None };
        let tables = zone_tables(&[plain("a"), balanced("b", &["x", "x", "x", ""]), plain("c")]);
        let text = tables["x"].eskip();
        let lines: Vec<_> = text.lines().map(|line| &line[..2]).collect();
        assert_eq!(lines, ["a:", "b:", "c:"]);
        assert!(text.starts_with("a: * -> <shunt>;\n"));
        assert!(text.ends_with("\nc: * -> <shunt>;"));
    }

    #[test]
    fn table_that_equals_the_main_one_is_not_kept() {
        assert!(zone_tables(&[balanced("r", &["a", "a", "a"])]).is_empty());
    }

    #[test]
    fn route_that_opts_out_keeps_its_endpoints() {
        let mut route = balanced("r", &["a", "a", "a", "b"]);
        route.route.filters = vec![Filter::new("annotate", [ZONE_AWARE.into(), "false".into()])];
        assert!(zone_tables(&[route]).is_empty());
    }
}
