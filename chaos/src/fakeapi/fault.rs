//! What can be wrong with an answer.

use std::fmt;

use serde_json::{Value, json};

use super::Endpoint;
use super::lists::status;

/// What comes in the place of an answer.
pub(super) enum Instead {
    Answer(u16, Value),
    /// So many bytes are promised, and these come.
    Cut(String, usize),
    Stall,
    Reset,
}

/// One thing that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// 200, with null in place of the items.
    NullItems,
    /// 200 with `{}`.
    EmptyObject,
    /// 200 with `[]`.
    EmptyArray,
    /// 200, sound, and nothing in it.
    ZeroItems,
    /// 200, and the body ends in its middle.
    CutJson,
    /// Another status.
    Status(u16),
    /// The connection stays open, and nothing comes.
    Stall,
    /// The connection is reset.
    Reset,
    /// 200, sound, and as it was at this version, whatever is written: an API server that hangs behind its store.
    Frozen(u64),
}

/// One thing that is wrong with watches, whatever they are of; lists are sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchFault {
    /// None tells anything any more, nor ends: those that are open, and new ones.
    Frozen,
    /// What happens is not told, but bookmarks are as if it had been.
    Forgetful,
    /// Each is refused with this status.
    Status(u16),
    /// Lists do not come as streams: 422.
    NoStreams,
    /// The server has never heard of lists as streams: what is there is told, and no word that this is all.
    Unmarked,
}

impl Fault {
    /// All of them, but [`Fault::Frozen`], which is no fault where nothing was written.
    pub const ALL: [Self; 13] = [
        Self::NullItems,
        Self::EmptyObject,
        Self::EmptyArray,
        Self::ZeroItems,
        Self::CutJson,
        Self::Status(401),
        Self::Status(403),
        Self::Status(404),
        Self::Status(410),
        Self::Status(429),
        Self::Status(500),
        Self::Stall,
        Self::Reset,
    ];

    pub(super) fn instead_of(self, endpoint: Endpoint, sound: &Value) -> Instead {
        // The field of its answer that holds what was asked for.
        let items = if endpoint == Endpoint::Discovery { "resources" } else { "items" };
        let with = |wrong: Value| {
            let mut answer = sound.clone();
            answer[items] = wrong;
            Instead::Answer(200, answer)
        };
        match self {
            Self::NullItems => with(Value::Null),
            Self::EmptyObject => Instead::Answer(200, json!({})),
            Self::EmptyArray => Instead::Answer(200, json!([])),
            Self::ZeroItems => with(json!([])),
            Self::CutJson => {
                let mut text = sound.to_string();
                let promised = text.len();
                text.truncate(promised / 2);
                Instead::Cut(text, promised)
            }
            Self::Status(code) => Instead::Answer(code, status(code, "Broken")),
            Self::Stall => Instead::Stall,
            Self::Reset => Instead::Reset,
            // The store makes that answer.
            Self::Frozen(_) => Instead::Answer(200, sound.clone()),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NullItems => f.write_str("items: null"),
            Self::EmptyObject => f.write_str("{}"),
            Self::EmptyArray => f.write_str("[]"),
            Self::ZeroItems => f.write_str("zero items"),
            Self::CutJson => f.write_str("cut JSON"),
            Self::Status(code) => write!(f, "{code}"),
            Self::Stall => f.write_str("stall"),
            Self::Reset => f.write_str("reset"),
            Self::Frozen(version) => write!(f, "as of version {version}"),
        }
    }
}
