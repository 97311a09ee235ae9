//! What cannot be read, and whoever needs it, is quarantined as a whole: its last good routes stay, if it had any.

use crate::compile::{Context, ObjectRef, Quarantined, ingress, routegroup};
use crate::object::{Kind, Objects};

/// Quarantines the Ingresses and RouteGroups that are of our class, as far as they say, and have a name.
pub(in crate::compile) fn misshapen(
    objects: &Objects,
    context: &Context<'_>,
    quarantined: &mut Vec<Quarantined>,
) {
    for object in objects.misshapen.iter().filter(|object| !object.metadata.name.is_empty()) {
        let is_ours = match object.kind {
            Kind::Ingress => ingress::is_ours(&object.metadata, &object.class_name, context),
            Kind::RouteGroup => routegroup::is_ours(&object.metadata, context),
            Kind::Service | Kind::Endpoints | Kind::EndpointSlice => false,
        };
        if is_ours {
            whole(&object.object(), object.reason.clone(), quarantined);
        }
    }
}

/// Quarantines `object` if its conversion came upon something that cannot be read.
pub(in crate::compile) fn hindered(
    object: &ObjectRef,
    context: &Context<'_>,
    quarantined: &mut Vec<Quarantined>,
) {
    if let Some(hurdle) = context.cluster.take_hurdle() {
        whole(object, hurdle, quarantined);
    }
}

/// An entry without a route is one for all of the object.
pub(super) fn whole(object: &ObjectRef, reason: String, quarantined: &mut Vec<Quarantined>) {
    quarantined.push(Quarantined { object: object.clone(), reason, ..Quarantined::default() });
}
