//! What the demo needs of a replica's `/status`.

use serde::Deserialize;

/// One replica as it says it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Status {
    /// `leader` or `follower`.
    pub role: String,
    /// The epoch of the table that it serves.
    pub epoch: Option<u64>,
    /// That table's number in the epoch.
    pub sequence: Option<u64>,
    /// That table's digest.
    pub digest: Option<String>,
    /// How many routes it has.
    #[serde(default)]
    pub routes: u64,
    /// Routes that were left out of it.
    #[serde(default)]
    pub quarantined: Count,
    /// What was wrong with the objects.
    #[serde(default)]
    pub diagnostics: Findings,
}

/// A list of which only the length counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Count {
    pub count: usize,
}

/// A list of what is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Findings {
    pub items: Vec<Finding>,
}

/// Something wrong with an object or a manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Finding {
    pub reason: String,
}
