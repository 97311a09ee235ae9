//! Serving: the tables on the main listener, and what people and probes ask on the support listener.
//!
//! In: the [`Cell`](crate::snapshot::Cell) that replication writes. Out: HTTP. What can go wrong: a port that cannot
//! be listened on; clients that read slowly or not at all, which harm nobody but themselves.

mod answer;
mod body;
mod conditional;
mod connection;
mod listener;
mod metrics;
mod path;
mod range;
mod routes;

pub use answer::{Answer, Served, X_COUNT, X_TABLE_VERSION};
pub use body::Pieces;
pub use listener::{Drain, DrainReport, Limits};
pub use metrics::{Metrics, Unfinished};
pub use routes::RoutesServer;

#[cfg(test)]
mod tests;
