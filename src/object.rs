//! The upstream's objects, as the compiler reads them: only the fields used, decoded leniently.

use std::collections::BTreeMap;

/// One consistent input of a compilation: everything that one poll read.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    /// `<service>.<namespace>` to the text of its default filters (`-default-filters-dir`).
    pub default_filters: BTreeMap<String, String>,
    /// The resource version of each list that was read, by kind (`Ingress`, `RouteGroup`, …).
    pub resource_versions: BTreeMap<String, String>,
}
