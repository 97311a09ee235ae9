//! What the guard holds, as `/status` and the answer to a release show it.

use jiff::Timestamp;
use serde::Serialize;

use crate::guard;
use crate::object::Kind;

/// A table that is held back: smaller than the published one by more than is believed at once.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Held {
    /// Since when.
    pub since: Option<Timestamp>,
    /// What fell too far.
    pub falls: Vec<Fall>,
}

/// How far something fell.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fall {
    /// `objects`, `routes`, `addresses`, `definitions` or `defined`.
    pub measure: &'static str,
    /// The kind of the objects; none for what has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    /// How much of it the published table is made of.
    pub from: u64,
    /// How much of it was read.
    pub to: u64,
    /// How many polls in a row have read just that.
    pub equal_polls: u32,
    /// After how many of them it passes by itself.
    pub needed: u32,
}

impl From<&guard::Held> for Held {
    fn from(held: &guard::Held) -> Self {
        let falls = held.falls.iter().map(|(measure, fall)| Fall {
            measure: measure.name(),
            kind: measure.kind().map(Kind::name),
            from: fall.from,
            to: fall.to,
            equal_polls: fall.polls,
            needed: fall.needed,
        });
        let since = i64::try_from(held.since_millis).ok();
        Self {
            since: since.and_then(|millis| Timestamp::from_millisecond(millis).ok()),
            falls: falls.collect(),
        }
    }
}
