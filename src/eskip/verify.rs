//! Whether a route survives being printed and parsed: the question that the quarantine asks of each route.

use super::error::ParseError;
use super::{Route, parse, print_definition};

/// What becomes of a route in a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Who parses the table gets this route.
    Same,
    /// Who parses the table gets another route under this id.
    Different(Box<Route>),
    /// Who parses the table gets other routes than this one, or more: the ids that it gets. Somebody's address or
    /// name was made to end the route and to begin another one.
    Smuggles(Vec<String>),
    /// The table with this route does not parse. Positions are those in the text that `print_definition` gives.
    Broken(ParseError),
}

/// The id of a route that is put behind the one in question: a text that swallows its own end would break the route
/// after it.
const NEXT: &str = "the_route_after_it";

/// Prints `route` as it stands in a table, parses it, and compares.
pub fn verify(route: &Route) -> Verdict {
    let mut definition = String::new();
    print_definition(&mut definition, route);
    verify_printed(route, &definition)
}

/// Parses `definition`, which `print_definition` made of `route`, and compares.
pub fn verify_printed(route: &Route, definition: &str) -> Verdict {
    // A text that gives the whole route back, its backend too, cannot have swallowed the end that follows that.
    if let Ok(parsed) = parse(definition)
        && let [parsed] = &parsed[..]
        && parsed.id == route.id
        && is_same(route, parsed)
    {
        return Verdict::Same;
    }
    match parse(&format!("{definition}\n{NEXT}: * -> <shunt>;")) {
        Err(error) => Verdict::Broken(error),
        Ok(routes) => match <[Route; 2]>::try_from(routes) {
            Ok([parsed, next]) if parsed.id == route.id && next == shunt(NEXT) => {
                Verdict::Different(Box::new(parsed))
            }
            Ok(routes) => Verdict::Smuggles(routes.into_iter().map(|route| route.id).collect()),
            Err(routes) => Verdict::Smuggles(routes.into_iter().map(|route| route.id).collect()),
        },
    }
}

fn shunt(id: &str) -> Route {
    Route { id: id.to_owned(), ..Route::default() }
}

/// Whether both routes mean the same: the order among predicates, all of which must match, has no meaning.
fn is_same(route: &Route, parsed: &Route) -> bool {
    route == parsed
        || route.filters == parsed.filters
            && route.backend == parsed.backend
            && conditions(route) == conditions(parsed)
}

/// The predicates as texts, sorted.
fn conditions(route: &Route) -> Vec<String> {
    let predicates = route.canonical().predicates;
    let mut texts: Vec<_> =
        predicates.iter().filter(|predicate| predicate.name != "Any").map(ToString::to_string).collect();
    texts.sort_unstable();
    texts
}

#[cfg(test)]
mod tests;
