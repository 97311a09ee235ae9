//! Paths as predicates.

use crate::eskip::{Predicate, Route};
use crate::object::PathRule;

use super::super::PathMode;

/// The predicate that a path is, if it is one and not a regular expression.
pub(super) fn predicate(rule: &PathRule, mode: PathMode) -> Option<Predicate> {
    let name = match rule.path_type.as_str() {
        _ if rule.path.is_empty() => return None,
        "Exact" => "Path",
        "Prefix" => "PathSubtree",
        _ if mode == PathMode::PathPrefix => "PathSubtree",
        _ => return None,
    };
    Some(Predicate::new(name, [rule.path.as_str().into()]))
}

/// The regular expression that a path is, if it is one.
pub(super) fn regexp(rule: &PathRule, mode: PathMode) -> Option<String> {
    if rule.path.is_empty() || predicate(rule, mode).is_some() {
        return None;
    }
    Some(match mode {
        PathMode::PathRegexp => rule.path.clone(),
        _ if rule.path == "/" => "^/".to_owned(),
        _ => format!("^({})", rule.path),
    })
}

/// Lets `route` match the path of `rule`.
pub(super) fn apply(route: &mut Route, rule: &PathRule, mode: PathMode) {
    route.predicates.extend(predicate(rule, mode));
    if let Some(regexp) = regexp(rule, mode) {
        route.path_regexps = vec![regexp];
    }
}

/// Whether a predicate is about the path tree, of which a route may have one.
pub(super) fn is_tree(predicate: &Predicate) -> bool {
    predicate.name == "Path" || predicate.name == "PathSubtree"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(path_type: &str, mode: PathMode, path: &str) -> String {
        let rule = PathRule { path: path.to_owned(), path_type: path_type.to_owned(), backend: None };
        let mut route = Route::default();
        apply(&mut route, &rule, mode);
        route.to_string().trim_end_matches(" -> <shunt>").to_owned()
    }

    #[test]
    fn the_type_decides_before_the_mode() {
        for mode in [PathMode::KubernetesIngress, PathMode::PathRegexp, PathMode::PathPrefix] {
            assert_eq!(printed("Exact", mode, "/a"), r#"Path("/a")"#);
            assert_eq!(printed("Prefix", mode, "/a"), r#"PathSubtree("/a")"#);
        }
    }

    #[test]
    fn without_a_type_the_mode_decides() {
        assert_eq!(printed("", PathMode::KubernetesIngress, "/a"), r"PathRegexp(/^(\/a)/)");
        assert_eq!(printed("", PathMode::KubernetesIngress, "/"), r"PathRegexp(/^\//)");
        assert_eq!(printed("ImplementationSpecific", PathMode::PathRegexp, "/a$"), r"PathRegexp(/\/a$/)");
        assert_eq!(printed("", PathMode::PathPrefix, "/a"), r#"PathSubtree("/a")"#);
    }

    #[test]
    fn no_path_is_every_path() {
        assert_eq!(printed("Exact", PathMode::PathPrefix, ""), "*");
    }
}
