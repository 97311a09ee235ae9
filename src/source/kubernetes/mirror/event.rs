//! One line of a watch
//! (<https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes>).

use std::collections::BTreeMap;

use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::entry::{Entry, Key};
use crate::object::Kind;

/// The annotation of the bookmark after the last of the initial events.
const INITIAL_END: &str = "k8s.io/initial-events-end";

/// What was told.
#[derive(Debug)]
pub(in super::super) enum Event {
    /// An object is there, as it is here.
    Put(Key, Entry),
    /// It is there no more, since that version.
    Gone(Key, String),
    /// Nothing else has changed up to that version.
    Mark {
        version: String,
        /// All that was there when the watch began has been told.
        all: bool,
    },
}

/// A line that ends the watch.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) enum Unfit {
    /// The server ends it and says why, with a code of HTTP: 410 where it has forgotten the version that it began at.
    Status(u16, String),
    /// It is no event.
    Malformed(String),
}

#[derive(Deserialize)]
struct Line<'a> {
    r#type: String,
    #[serde(borrow)]
    object: &'a RawValue,
}

#[derive(Deserialize)]
struct Marked {
    metadata: Mark,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mark {
    resource_version: String,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    code: u16,
    #[serde(default)]
    message: String,
}

impl Event {
    /// What a `line` of a watch of `kind` tells.
    pub(in super::super) fn parse(kind: Kind, line: &[u8]) -> Result<Self, Unfit> {
        let malformed = |error: serde_json::Error| Unfit::Malformed(error.to_string());
        let line: Line<'_> = serde_json::from_slice(line).map_err(malformed)?;
        let object = line.object.get();
        let entry = || -> Result<(Key, Entry), Unfit> {
            let entry = Entry::read(kind, object).filter(|it| !it.metadata().resource_version.is_empty());
            let named = entry.and_then(|entry| Some((entry.key()?, entry)));
            named.ok_or_else(|| Unfit::Malformed("an object without a name or a version".to_owned()))
        };
        match line.r#type.as_str() {
            "ADDED" | "MODIFIED" => entry().map(|(key, entry)| Self::Put(key, entry)),
            "DELETED" => {
                entry().map(|(key, entry)| Self::Gone(key, entry.metadata().resource_version.clone()))
            }
            "BOOKMARK" => {
                let Mark { resource_version: version, annotations } =
                    serde_json::from_str::<Marked>(object).map_err(malformed)?.metadata;
                let all = annotations.is_some_and(|all| all.get(INITIAL_END).is_some_and(|it| it == "true"));
                Ok(Self::Mark { version, all })
            }
            "ERROR" => {
                let Status { code, message } = serde_json::from_str(object).map_err(malformed)?;
                Err(Unfit::Status(code, message))
            }
            other => Err(Unfit::Malformed(format!("an event of the type {other:?}"))),
        }
    }

    /// Whether the line may be the bookmark after the initial events: a look, to decode no other one for it.
    pub(in super::super) fn may_be_last(line: &[u8]) -> bool {
        memmem::find(line, INITIAL_END.as_bytes()).is_some()
    }

    /// The version of the store that it tells of.
    pub(in super::super) fn version(&self) -> &str {
        match self {
            Self::Put(_, entry) => &entry.metadata().resource_version,
            Self::Gone(_, version) | Self::Mark { version, .. } => version,
        }
    }
}
