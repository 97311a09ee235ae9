//! Definitions to routes, and back to the words that they came in.
//!
//! In: the definitions of documents. Out: a route each, and of a route that nothing has changed since the text that it was read
//! from: a table that passes through stays as it is to the byte, and so do its digest and its ETag. What can go wrong: a
//! definition that is no route is quarantined.

use std::collections::HashMap;
use std::sync::Arc;

use crate::eskip::{self, Route};
use crate::object::Definition;

use super::{Quarantined, SourcedRoute, quarantine};

/// The routes of all of `definitions`, in their order.
pub(super) fn routes(
    definitions: &[Arc<Definition>],
    quarantined: &mut Vec<Quarantined>,
) -> Vec<SourcedRoute> {
    let mut routes = Vec::with_capacity(definitions.len());
    for definition in definitions {
        let object = Arc::new(definition.object());
        match &definition.flaw {
            Some(flaw) => quarantined.push(Quarantined {
                route: definition.metadata.name.clone(),
                object: definition.object(),
                reason: flaw.clone(),
                ..Quarantined::default()
            }),
            None => {
                let parsed = quarantine::guarded(&object, quarantined, || route(&definition.text));
                routes.extend(parsed.map(|route| SourcedRoute { route, object: Some(object) }));
            }
        }
    }
    routes
}

/// The one route of a text.
fn route(text: &str) -> Option<Route> {
    let [route] = eskip::parse(text).ok()?.try_into().ok()?;
    Some(route)
}

/// The words of definitions, by their ids.
#[derive(Debug, Default)]
pub(super) struct Words<'a>(HashMap<&'a str, &'a str>);

impl<'a> Words<'a> {
    pub(super) fn of(definitions: &'a [Arc<Definition>]) -> Self {
        let mut words = HashMap::with_capacity(definitions.len());
        for definition in definitions {
            // The first of an id has the route.
            words.entry(definition.metadata.name.as_str()).or_insert(definition.text.as_str());
        }
        Self(words)
    }

    /// The text that says just what `route` is, where one of these does.
    pub(super) fn of_route(&self, route: &Route) -> Option<&'a str> {
        let text = *self.0.get(route.id.as_str())?;
        (self::route(text).as_ref() == Some(route)).then_some(text)
    }
}

#[cfg(test)]
mod tests;
