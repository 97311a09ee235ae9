//! RouteGroups, checked: what the peer refuses is refused here, with every reason at once where it gives them all.
//!
//! In: an object as it is written. Out: its parts, parsed once, so that nothing behind this has to look again.
//! The rules are those of the peer (`definitions/routegroupvalidator.go`); one broken rule drops the whole object.

use std::collections::{BTreeMap, BTreeSet};

use crate::eskip::{self, Filter, Predicate, Url};
use crate::object::{BackendReference, RouteGroup, RouteGroupBackend, RouteGroupSpec, RouteSpec};

use super::super::algorithm;
use super::backend::BackendKind;

/// A RouteGroup that may become routes.
pub(super) struct Checked<'a> {
    /// The hosts, each once.
    pub(super) hosts: &'a [String],
    /// What its references refer to.
    pub(super) backends: BTreeMap<&'a str, CheckedBackend<'a>>,
    /// For the routes that name no backend.
    pub(super) default_backends: &'a [BackendReference],
    /// The routes; none in an implicit group.
    pub(super) routes: Vec<CheckedRoute<'a>>,
}

/// A backend whose type and algorithm are known.
pub(super) struct CheckedBackend<'a> {
    /// As it is written.
    pub(super) spec: &'a RouteGroupBackend,
    /// Its type.
    pub(super) kind: BackendKind,
}

/// A route with its Eskip parsed.
pub(super) struct CheckedRoute<'a> {
    /// As it is written.
    pub(super) spec: &'a RouteSpec,
    /// Its filters.
    pub(super) filters: Vec<Filter>,
    /// Its own predicates.
    pub(super) predicates: Vec<Predicate>,
}

/// Checks `group`.
///
/// # Errors
///
/// Everything that is wrong with it; not empty.
pub(super) fn check(group: &RouteGroup) -> Result<Checked<'_>, Vec<String>> {
    let spec = structure(group).map_err(|reason| vec![reason])?;
    let backends = backends(spec).map_err(|reason| vec![reason])?;
    references(spec, &backends).map_err(|reason| vec![reason])?;

    let mut wrong = Vec::new();
    let routes = spec.routes.iter().flatten().map(|route| parsed(route, &mut wrong)).collect();
    wrong.extend(backends.values().filter_map(address_problem));
    let mut hosts = BTreeSet::new();
    wrong.extend(
        spec.hosts.iter().filter(|host| !hosts.insert(*host)).map(|host| format!("duplicate host {host:?}")),
    );
    if !wrong.is_empty() {
        return Err(wrong);
    }
    Ok(Checked { hosts: &spec.hosts, backends, default_backends: &spec.default_backends, routes })
}

fn structure(group: &RouteGroup) -> Result<&RouteGroupSpec, String> {
    if group.metadata.name.is_empty() {
        return Err("it has no name".to_owned());
    }
    let spec = group.spec.as_ref().ok_or("it has no spec")?;
    if spec.backends.is_empty() {
        return Err("it has no backend".to_owned());
    }
    Ok(spec)
}

fn backends(spec: &RouteGroupSpec) -> Result<BTreeMap<&str, CheckedBackend<'_>>, String> {
    let mut backends = BTreeMap::new();
    for backend in &spec.backends {
        let name = backend.name.as_str();
        let checked = checked_backend(backend).map_err(|reason| format!("backend {name:?}: {reason}"))?;
        if backends.insert(name, checked).is_some() {
            return Err(format!("two backends have the name {name:?}"));
        }
    }
    Ok(backends)
}

fn checked_backend(spec: &RouteGroupBackend) -> Result<CheckedBackend<'_>, String> {
    let kind = BackendKind::named(&spec.backend_type)
        .ok_or_else(|| format!("unknown type {:?}", spec.backend_type))?;
    if !spec.algorithm.is_empty() && !algorithm::is_known(&spec.algorithm) {
        return Err(format!("unknown algorithm {:?}", spec.algorithm));
    }
    let missing = match kind {
        _ if spec.name.is_empty() => Some("a name"),
        BackendKind::Network if spec.address.is_empty() => Some("an address"),
        BackendKind::Service if spec.service_name.is_empty() => Some("the name of a service"),
        BackendKind::LoadBalanced if spec.endpoints.is_empty() => Some("endpoints"),
        _ => None,
    };
    if let Some(missing) = missing {
        return Err(format!("it needs {missing}"));
    }
    if kind == BackendKind::Service && !(1..=65535).contains(&spec.service_port) {
        return Err(format!("{} is no port of a service", spec.service_port));
    }
    Ok(CheckedBackend { spec, kind })
}

fn references(spec: &RouteGroupSpec, backends: &BTreeMap<&str, CheckedBackend<'_>>) -> Result<(), String> {
    valid_references(&spec.default_backends, backends)?;
    let has_default = !spec.default_backends.is_empty();
    if !has_default && spec.routes.is_empty() {
        return Err("it has neither default backends nor routes".to_owned());
    }
    for (index, route) in spec.routes.iter().enumerate() {
        route_problem(route.as_ref(), has_default, backends)
            .map_err(|reason| format!("route {index}: {reason}"))?;
    }
    Ok(())
}

fn route_problem(
    route: Option<&RouteSpec>,
    has_default: bool,
    backends: &BTreeMap<&str, CheckedBackend<'_>>,
) -> Result<(), String> {
    let route = route.ok_or("it is null")?;
    if !has_default && route.backends.is_empty() {
        return Err("it names no backend, and there is no default".to_owned());
    }
    valid_references(&route.backends, backends)?;
    if !route.path.is_empty() && !route.path_subtree.is_empty() {
        return Err("it has both a path and a path subtree".to_owned());
    }
    if route.methods.iter().any(String::is_empty) {
        return Err("it has an empty method".to_owned());
    }
    Ok(())
}

fn valid_references(
    references: &[BackendReference],
    backends: &BTreeMap<&str, CheckedBackend<'_>>,
) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for reference in references {
        let name = reference.backend_name.as_str();
        if !seen.insert(name) {
            return Err(format!("backend {name:?} is referred to twice"));
        }
        if name.is_empty() {
            return Err("a reference to a backend has no name".to_owned());
        }
        if !backends.contains_key(name) {
            return Err(format!("there is no backend {name:?}"));
        }
        if reference.weight < 0 {
            return Err(format!("the weight {} of backend {name:?} is negative", reference.weight));
        }
    }
    Ok(())
}

/// The route with its Eskip parsed; each item has to be exactly one filter or predicate.
fn parsed<'a>(spec: &'a RouteSpec, wrong: &mut Vec<String>) -> CheckedRoute<'a> {
    let mut single = |what: &str, text: &str, parsed: Result<usize, eskip::ParseError>| match parsed {
        Ok(1) => {}
        Ok(count) => wrong.push(format!("{text:?} has {count} {what}s instead of one")),
        Err(error) => wrong.push(format!("{text:?} is no {what}: {error}")),
    };
    let mut filters = Vec::with_capacity(spec.filters.len());
    for text in &spec.filters {
        let parsed = eskip::parse_filters(text);
        single("filter", text, parsed.map(|mut parsed| extend(&mut filters, &mut parsed)));
    }
    let mut predicates = Vec::with_capacity(spec.predicates.len());
    for text in &spec.predicates {
        let parsed = eskip::parse_predicates(text);
        single("predicate", text, parsed.map(|mut parsed| extend(&mut predicates, &mut parsed)));
    }
    CheckedRoute { spec, filters, predicates }
}

fn extend<T>(all: &mut Vec<T>, more: &mut Vec<T>) -> usize {
    let count = more.len();
    all.append(more);
    count
}

/// A network backend is a scheme and a host. As with the peer, a fragment and a user slip through.
fn address_problem(backend: &CheckedBackend<'_>) -> Option<String> {
    let address = &backend.spec.address;
    if backend.kind != BackendKind::Network {
        return None;
    }
    match Url::parse(address) {
        Err(problem) => Some(format!("{address:?} is no address: {problem}")),
        Ok(url) => {
            let bare = url.path.is_empty() && url.query.is_empty();
            let whole = !url.scheme.is_empty() && !url.host.is_empty();
            (!(bare && whole)).then(|| format!("the address {address:?} is not of the form scheme://host"))
        }
    }
}
