//! Routes that know where they come from.

use std::sync::Arc;

use crate::eskip::Route;

use super::ObjectRef;

/// A route, and the object that it was made of: what quarantine needs to name the culprit.
#[derive(Clone, Debug, PartialEq)]
pub struct SourcedRoute {
    /// The route.
    pub route: Route,
    /// Its object; none for routes that the settings alone ask for.
    pub object: Option<Arc<ObjectRef>>,
}
