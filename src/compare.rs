//! Two tables held against each other, route by route and by meaning: what one has that the other has not, and what is not
//! the same. Pure; order in a table, and what two ways of writing have in common, are no differences.
//!
//! In: routes. Out: [`Difference`]s, sorted by id. Where an id repeats in a table, the last one counts, as it does in Skipper.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use crate::eskip::{Backend, Route};

/// A route that is not the same in both tables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Its id.
    pub id: String,
    /// Which side has it.
    pub kind: Kind,
    /// What only the first table has, with `- ` before it, then what only the second has, with `+ `: predicates, filters
    /// and endpoints, or whole routes where nothing but an order changed.
    pub parts: Vec<String>,
}

/// Which of two tables has a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The second alone.
    Added,
    /// The first alone.
    Missing,
    /// Both, with different meanings.
    Changed,
}

/// All differences of two tables.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Differences {
    /// One for each id, sorted.
    pub differences: Vec<Difference>,
    /// How many routes mean the same in both.
    pub same: usize,
}

/// What is different from the table `from` in the table `to`.
pub fn tables(from: &[Route], to: &[Route]) -> Differences {
    let by_id = |routes: &'_ [Route]| -> BTreeMap<String, usize> {
        routes.iter().enumerate().map(|(place, route)| (route.id.clone(), place)).collect()
    };
    let (old, new) = (by_id(from), by_id(to));
    let ids: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let find = |id: &String| (old.get(id).map(|place| &from[*place]), new.get(id).map(|place| &to[*place]));
    let differences: Vec<_> = ids.iter().filter_map(|id| routes(id, find(id).0, find(id).1)).collect();
    Differences { same: ids.len() - differences.len(), differences }
}

/// The difference between the two routes called `id`, if there is one.
pub fn routes(id: &str, from: Option<&Route>, to: Option<&Route>) -> Option<Difference> {
    let (kind, parts) = match (from, to) {
        (None, None) => return None,
        (None, Some(route)) => (Kind::Added, vec![format!("+ {route}")]),
        (Some(route), None) => (Kind::Missing, vec![format!("- {route}")]),
        (Some(before), Some(after)) if before.is_equivalent(after) => return None,
        (Some(before), Some(after)) => (Kind::Changed, parts_that_differ(before, after)),
    };
    Some(Difference { id: id.to_owned(), kind, parts })
}

/// The predicates, filters and endpoints that only one side has; both routes where nothing but their order changed.
fn parts_that_differ(before: &Route, after: &Route) -> Vec<String> {
    let (old, new) = (parts(before), parts(after));
    let only = |these: &[String], others: &[String], sign: char| {
        let mut left = others.to_vec();
        let mut alone = Vec::new();
        for part in these {
            match left.iter().position(|other| other == part) {
                Some(at) => drop(left.swap_remove(at)),
                None => alone.push(format!("{sign} {part}")),
            }
        }
        alone
    };
    let mut alone = only(&old, &new, '-');
    alone.extend(only(&new, &old, '+'));
    if alone.is_empty() { vec![format!("- {before}"), format!("+ {after}")] } else { alone }
}

fn parts(route: &Route) -> Vec<String> {
    let canonical = route.canonical();
    let mut parts: Vec<String> = canonical.predicates.iter().map(ToString::to_string).collect();
    parts.extend(canonical.filters.iter().map(|filter| format!("-> {filter}")));
    match &canonical.backend {
        Backend::LoadBalanced { algorithm, endpoints } => {
            parts.push(format!("-> <{algorithm}>"));
            let zone = |zone: &str| if zone.is_empty() { String::new() } else { format!(" in {zone}") };
            parts.extend(endpoints.iter().map(|it| format!("-> {:?}{}", it.address, zone(&it.zone))));
        }
        backend => parts.push(format!("-> {backend}")),
    }
    parts
}

impl Differences {
    fn count(&self, kind: Kind) -> usize {
        self.differences.iter().filter(|it| it.kind == kind).count()
    }
}

/// A summary, then each difference.
impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (added, missing) = (self.count(Kind::Added), self.count(Kind::Missing));
        let changed = self.count(Kind::Changed);
        writeln!(f, "{added} added, {missing} missing, {changed} changed, {} the same", self.same)?;
        self.differences.iter().try_for_each(|difference| difference.fmt(f))
    }
}

/// A line where one side has the route, else one for each part.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Changed => {
                writeln!(f, "~ {}", self.id)?;
                self.parts.iter().try_for_each(|part| writeln!(f, "    {part}"))
            }
            Kind::Added | Kind::Missing => {
                let (sign, route) = self.parts[0].split_at(1);
                writeln!(f, "{sign} {}:{route}", self.id)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eskip::parse;

    #[test]
    fn each_route_is_added_missing_changed_or_the_same() {
        let from = parse(
            r#"a: Path("/a") -> setPath("/x") -> <roundRobin, "http://10.0.0.1:80", "http://10.0.0.2:80">;
               b: Path("/b") -> <shunt>; c: * -> <shunt>; d: * -> x() -> y() -> <shunt>;"#,
        )
        .expect("routes");
        let to = parse(
            r#"a: Path("/a") -> setPath("/y") -> <roundRobin, "http://10.0.0.2:80", "http://10.0.0.3:80">;
               c: * -> <shunt>; d: * -> y() -> x() -> <shunt>; e: Path("/e") -> <shunt>;"#,
        )
        .expect("routes");
        let expected = r#"1 added, 1 missing, 2 changed, 1 the same
~ a
    - -> setPath("/x")
    - -> "http://10.0.0.1:80"
    + -> setPath("/y")
    + -> "http://10.0.0.3:80"
- b: Path("/b") -> <shunt>
~ d
    - * -> x() -> y() -> <shunt>
    + * -> y() -> x() -> <shunt>
+ e: Path("/e") -> <shunt>
"#;
        assert_eq!(tables(&from, &to).to_string(), expected);
        assert_eq!(tables(&from, &from).to_string(), "0 added, 0 missing, 0 changed, 4 the same\n");
    }

    #[test]
    fn two_ways_to_write_one_route_are_no_difference() {
        let one = parse(r#"a: Host(/x/) && Method("GET") -> <roundRobin, "http://b:1", "http://a:1">"#);
        let other = parse(
            r#"a: Method("GET") && Host("x")
               -> <roundRobin, "http://a:1", "http://b:1">;"#,
        );
        let found = tables(&one.expect("a route"), &other.expect("a route"));
        assert_eq!((found.differences, found.same), (Vec::new(), 1));
    }
}
