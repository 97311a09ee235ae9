//! Routes that stand beside another one. They are made of its canonical form, in which predicates are sorted by name.

use crate::eskip::{Arg, Backend, Filter, Predicate, Route};
use crate::object::Metadata;

use super::super::{Context, hosts};
use super::ids;

const FORWARDED_PROTO: &str = "X-Forwarded-Proto";

/// The copy for the host `name.namespace.domain` (deprecated in the peer), unless one of the group's own hosts is in that
/// domain.
pub(super) fn east_west(
    route: &Route,
    metadata: &Metadata,
    own: &[&str],
    context: &Context<'_>,
) -> Option<Route> {
    if !context.settings.east_west {
        return None;
    }
    let domain = context.settings.trimmed_east_west_domain();
    if own.iter().any(|host| host.ends_with(domain)) {
        return None;
    }
    let host = format!("{}.{}.{domain}", metadata.name, metadata.namespace_or_default());
    let mut copy = route.canonical();
    copy.id = ids::east_west(&route.id);
    copy.predicates.retain(|predicate| predicate.name != "Host");
    copy.predicates.push(Predicate::new("Host", [hosts::host_regexp(&[host]).into()]));
    Some(copy)
}

/// The twin that redirects what came by HTTP, unless the route looks at that itself.
pub(super) fn redirect(route: &Route, code: i64) -> Option<Route> {
    if looks_at_protocol(route) {
        return None;
    }
    let mut twin = route.canonical();
    twin.id = ids::redirect(&route.id);
    twin.predicates.push(Predicate::new("Header", [FORWARDED_PROTO.into(), "http".into()]));
    twin.filters = vec![Filter::new("redirectTo", [Arg::Number(code as f64), "https:".into()])];
    twin.backend = Backend::Shunt;
    Some(twin)
}

fn looks_at_protocol(route: &Route) -> bool {
    let is_header = |name: &str| name == "Header" || name == "HeaderRegexp";
    route.predicates.iter().any(|predicate| {
        is_header(&predicate.name)
            && matches!(predicate.args.first(), Some(Arg::String(name)) if name == FORWARDED_PROTO)
    })
}
