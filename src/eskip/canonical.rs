//! The canonical form of a route, in which all predicates are generic and sorted by name, and equality by it.
//!
//! The order among predicates of one name is that of Skipper, whose sort is not stable beyond twelve elements. Only
//! where a route has several `Header` or `HeaderRegexp` names it has none itself (a map's order); here they are sorted.

use super::go_sort::sort;
use super::{Arg, Backend, Predicate, Route};

impl Route {
    /// Skipper's `Canonical`: the form that edited and cloned routes and copies of RouteGroup routes are printed in.
    ///
    /// Built-in predicates become generic ones, so `Host(/…/)` prints as `Host("…")` afterwards; a generic `Path`
    /// supersedes the built-in one; predicates are sorted by name, endpoints by address.
    pub fn canonical(&self) -> Self {
        let text = |text: &String| Arg::from(text.as_str());
        let one = |name: &'static str| move |value: &String| Predicate::new(name, [text(value)]);
        let given = |value: &&String| !value.is_empty();
        let superseded = self.predicates.iter().any(|predicate| predicate.name == "Path");

        let mut predicates = Vec::with_capacity(self.predicates.len() + 4);
        predicates.extend(self.method.iter().filter(given).map(one("Method")));
        predicates.extend_from_slice(&self.predicates);
        predicates.extend(self.path.iter().filter(|_| !superseded).filter(given).map(one("Path")));
        predicates.extend(self.host_regexps.iter().map(one("Host")));
        predicates.extend(self.path_regexps.iter().map(one("PathRegexp")));
        predicates.extend(
            self.headers.iter().map(|(name, value)| Predicate::new("Header", [text(name), text(value)])),
        );
        for (name, values) in &self.header_regexps {
            let pairs = values.iter().map(|value| Predicate::new("HeaderRegexp", [text(name), text(value)]));
            predicates.extend(pairs);
        }
        sort(&mut predicates, |a, b| a.name < b.name);

        let mut backend = self.backend.clone();
        if let Backend::LoadBalanced { endpoints, .. } = &mut backend {
            let mut sorted = endpoints.to_vec();
            sort(&mut sorted, |a, b| a.address < b.address);
            *endpoints = sorted.into();
        }
        Self { id: self.id.clone(), predicates, filters: self.filters.clone(), backend, ..Self::default() }
    }

    /// Skipper's `Eq`: whether the canonical forms are the same, id included.
    pub fn is_equivalent(&self, other: &Self) -> bool {
        self.canonical() == other.canonical()
    }
}

/// Skipper's `EqLists`: whether two tables have equivalent routes, in whatever order. A table in which an id
/// repeats is equivalent to none, not even to itself.
pub fn are_equivalent(left: &[Route], right: &[Route]) -> bool {
    let (Some(left), Some(right)) = (by_id(left), by_id(right)) else { return false };
    left.len() == right.len() && left.iter().zip(&right).all(|(left, right)| left.is_equivalent(right))
}

/// The routes sorted by id; `None` if one repeats.
fn by_id(routes: &[Route]) -> Option<Vec<&Route>> {
    let mut routes: Vec<_> = routes.iter().collect();
    routes.sort_unstable_by_key(|route| &route.id);
    let repeats = routes.windows(2).any(|pair| pair[0].id == pair[1].id);
    (!repeats).then_some(routes)
}

#[cfg(test)]
mod tests;
