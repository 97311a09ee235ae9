//! The last publications as `/status`, `/fleet` and the page show them.
//!
//! In: what is remembered. Out: plain values. Nothing can go wrong.

use jiff::Timestamp;
use serde::Serialize;

use crate::snapshot::Publication;

/// One publication.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Published {
    /// The version that it was published under.
    pub version: String,
    /// The version that its table was read under.
    pub origin: String,
    /// The digest of its main table.
    pub digest: String,
    /// `change`, `findings`, `first-read`, `order`, `taken-back` or `new-term`; docs/logs.md tells them.
    pub cause: String,
    /// The replica that led.
    pub by: String,
    /// When the leader activated it.
    pub at: Option<Timestamp>,
    /// How many routes the main table has.
    pub routes: u64,
    /// Routes that the table before had not; with the next two, none where that is not known.
    pub added: Option<u64>,
    /// Routes that it alone had.
    pub removed: Option<u64>,
    /// Routes that say something else.
    pub changed: Option<u64>,
    /// The first few of each.
    pub named: Vec<Touched>,
    /// Reading the upstream.
    pub poll_seconds: f64,
    /// From the objects to the announcement.
    pub compile_seconds: f64,
    /// From there to the leader's activation.
    pub stage_seconds: f64,
    /// From there to the last replica's.
    pub activate_seconds: f64,
    /// How many replicas had said that they serve it, a second later at the latest.
    pub replicas: u32,
}

/// A route that a publication touched.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Touched {
    /// Its id.
    pub route: String,
    /// `added`, `removed` or `changed`.
    pub what: &'static str,
    /// The object that it comes from, as `Ingress namespace/name`, where the leader knew.
    pub object: Option<String>,
}

impl From<Publication> for Published {
    fn from(it: Publication) -> Self {
        let difference = it.difference.as_ref();
        let named = difference.map(|it| it.named.as_slice()).unwrap_or_default();
        let touched = named.iter().map(|change| Touched {
            route: change.route.clone(),
            what: change.what.name(),
            object: change.object.as_ref().map(ToString::to_string),
        });
        Self {
            version: it.version.to_string(),
            origin: it.origin.to_string(),
            digest: it.digest.to_string(),
            cause: it.cause.clone(),
            by: it.by.clone(),
            at: i64::try_from(it.activated_at_millis)
                .ok()
                .and_then(|at| Timestamp::from_millisecond(at).ok()),
            routes: it.routes,
            added: difference.map(|it| it.added),
            removed: difference.map(|it| it.removed),
            changed: difference.map(|it| it.changed),
            named: touched.collect(),
            poll_seconds: it.lengths.poll.as_secs_f64(),
            compile_seconds: it.lengths.compile.as_secs_f64(),
            stage_seconds: it.lengths.stage.as_secs_f64(),
            activate_seconds: it.lengths.activate.as_secs_f64(),
            replicas: it.replicas,
        }
    }
}
