//! The tables of the topology zones: like the main one, but with the endpoints of one zone where there are enough.
//!
//! In: the routes of the main table and its text. Out: for each zone, which definitions have another backend, and which one; a
//! client of any other zone gets the main table, which is what its own would be to the byte. Everything that is not
//! narrowed is copied as text.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::eskip::{Arg, Backend, Endpoint, Route};

use super::SourcedRoute;
use super::annotations::ZONE_AWARE;
use super::document::Document;

/// With fewer endpoints than this in a zone, a route keeps those of all zones.
const ENOUGH: usize = 3;

/// What one zone has in other words than the main table, in its order.
#[derive(Clone, Debug, Default)]
pub(super) struct Narrowed(Vec<Other>);

/// A definition with another backend.
#[derive(Clone, Debug)]
struct Other {
    index: usize,
    /// How much of the definition comes before its backend.
    front: usize,
    backend: Arc<str>,
}

/// A backend of several endpoints, and what zones make of it.
struct Balanced<'a> {
    backend: &'a Backend,
    text: String,
    zones: Vec<(&'a str, Arc<str>)>,
}

/// What each zone has in other words than `main`, whose routes are `routes`. Zones that have all as it is are not in it.
pub(super) fn narrowed(routes: &[SourcedRoute], main: &Document) -> BTreeMap<String, Narrowed> {
    let mut zones: BTreeMap<String, Narrowed> = BTreeMap::new();
    let mut last: Option<Balanced<'_>> = None;
    for (index, SourcedRoute { route, .. }) in routes.iter().enumerate() {
        let Backend::LoadBalanced { algorithm, endpoints } = &route.backend else { continue };
        if opts_out(route) {
            continue;
        }
        // The routes of one object follow each other, and mostly lead to one backend.
        let known = last.take().filter(|balanced| *balanced.backend == route.backend);
        let balanced =
            last.insert(known.unwrap_or_else(|| Balanced::of(&route.backend, algorithm, endpoints)));
        if balanced.zones.is_empty() {
            continue;
        }
        // Of a route that stays from an earlier table the words are not ours: none but its backend is printed anew.
        let definition = main.definition(index).strip_suffix(';');
        let Some(front) = definition.and_then(|it| it.strip_suffix(&balanced.text)) else { continue };
        for (zone, backend) in &balanced.zones {
            let other = Other { index, front: front.len(), backend: Arc::clone(backend) };
            match zones.get_mut(*zone) {
                Some(narrowed) => narrowed.0.push(other),
                None => drop(zones.insert((*zone).to_owned(), Narrowed(vec![other]))),
            }
        }
    }
    zones
}

/// Pushes the definitions of `range` in `main`, as the zone has them, with a newline between each two; adds to `ends` where
/// each of them ends, the first beginning at `start`.
pub(super) fn copy(
    main: &Document,
    narrowed: Option<&Narrowed>,
    range: Range<usize>,
    start: usize,
    ends: &mut Vec<usize>,
    mut push: impl FnMut(&str),
) {
    let Some(last) = range.clone().last() else { return };
    // What stands at `from` in the main table comes to `to`.
    let (mut from, mut to, mut next) = (main.before(range.start), start, range.start);
    for Other { index, front, backend } in narrowed.map_or(&[][..], |narrowed| narrowed.within(&range)) {
        ends.extend((next..*index).map(|index| to + main.end(index) - from));
        let front = main.before(*index) + front;
        push(&main.as_str()[from..front]);
        push(backend);
        push(";");
        to += front - from + backend.len() + 1;
        ends.push(to);
        (from, next) = (main.end(*index), index + 1);
    }
    ends.extend((next..=last).map(|index| to + main.end(index) - from));
    push(&main.as_str()[from..main.end(last)]);
}

/// The table of one zone as a whole.
pub(super) fn document(main: &Document, narrowed: &Narrowed) -> Document {
    let (mut text, mut ends) = (String::new(), Vec::with_capacity(main.count()));
    copy(main, Some(narrowed), 0..main.count(), 0, &mut ends, |piece| text.push_str(piece));
    Document::of(text, ends)
}

impl Narrowed {
    fn within(&self, range: &Range<usize>) -> &[Other] {
        let before = |end: usize| self.0.partition_point(|other| other.index < end);
        &self.0[before(range.start)..before(range.end)]
    }
}

impl<'a> Balanced<'a> {
    fn of(backend: &'a Backend, algorithm: &str, endpoints: &'a [Endpoint]) -> Self {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for endpoint in endpoints {
            *counts.entry(&endpoint.zone).or_default() += 1;
        }
        // Where all are of one zone, nothing is narrowed.
        let enough =
            |zone: &str, count: usize| !zone.is_empty() && count >= ENOUGH && count < endpoints.len();
        let of_zone = |zone: &str| {
            let endpoints = endpoints.iter().filter(|endpoint| endpoint.zone == zone).cloned().collect();
            let narrowed = Backend::LoadBalanced { algorithm: algorithm.to_owned(), endpoints };
            Arc::from(narrowed.to_string())
        };
        let zones = counts.into_iter().filter(|(zone, count)| enough(zone, *count));
        let zones: Vec<_> = zones.map(|(zone, _)| (zone, of_zone(zone))).collect();
        let text = if zones.is_empty() { String::new() } else { backend.to_string() };
        Self { backend, text, zones }
    }
}

/// Whether a filter marks the route as one that keeps all its endpoints.
fn opts_out(route: &Route) -> bool {
    let is = |arg: &Arg, text: &str| matches!(arg, Arg::String(arg) if arg == text);
    route.filters.iter().any(|filter| {
        filter.name == "annotate"
            && matches!(&filter.args[..], [key, value] if is(key, ZONE_AWARE) && is(value, "false"))
    })
}

#[cfg(test)]
mod tests {
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
        let table = |(zone, narrowed)| (zone, document(&main, &narrowed).pack(None).into_parts().0);
        narrowed(routes, &main).into_iter().map(table).collect()
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
    fn any_range_is_copied_as_it_stands_in_the_whole() {
        let routes =
            [balanced("a", &["x", "x", "x", "y"]), balanced("b", &[]), balanced("c", &["x", "x", "x", ""])];
        let mut main = Document::default();
        for sourced in &routes {
            main.push(&sourced.route, |_| Ok::<_, ()>(())).unwrap();
        }
        let zones = narrowed(&routes, &main);
        let whole = document(&main, &zones["x"]);
        for start in 0..=3 {
            for end in start..=3 {
                let (mut text, mut ends) = (String::new(), Vec::new());
                copy(&main, Some(&zones["x"]), start..end, 7, &mut ends, |piece| text.push_str(piece));
                let expected: Vec<_> = (start..end).map(|index| whole.definition(index)).collect();
                assert_eq!(text, expected.join("\n"));
                let place = |index: usize| 7 + whole.end(index) - whole.before(start);
                assert_eq!(ends, (start..end).map(place).collect::<Vec<_>>());
            }
        }
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
