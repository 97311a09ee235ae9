//! What files hold: objects, or routes.

use std::fmt;
use std::path::Path;

use super::document::Syntax;

/// What the files of one source are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Manifests in YAML or JSON.
    Objects,
    /// Documents in Eskip.
    Routes,
}

impl Format {
    /// Whether a file of that name is one, among others in a folder.
    pub(super) fn has(self, path: &Path) -> bool {
        match self {
            Self::Objects => Syntax::of(path).is_some(),
            Self::Routes => path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("eskip")),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Objects => "manifests",
            Self::Routes => "routes",
        })
    }
}
