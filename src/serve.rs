//! Serving: the tables on the main listener, and what people and probes ask on the support listener.
//!
//! In: the [`Cell`](crate::snapshot::Cell) that replication writes. Out: HTTP. What can go wrong: a port that cannot
//! be listened on; clients that read slowly or not at all, which harm nobody but themselves.

mod admin;
mod admission;
mod answer;
mod bind;
mod body;
mod budget;
mod clients;
mod conditional;
mod connection;
mod crowd;
mod exposition;
mod filters;
mod fleet;
mod gauges;
mod glance;
mod held;
mod hold;
mod http2;
#[cfg(any(test, fuzzing))]
pub(crate) mod laws;
mod line;
mod listener;
mod logging;
mod metrics;
mod orders;
mod pace;
mod page;
mod path;
mod poll;
mod prefer;
mod publications;
mod range;
mod readiness;
mod routes;
mod sending;
mod shards;
mod status;
mod support;
mod thread;
mod tls;

pub use admission::BodyLimits;
pub use answer::{Answer, Served, X_COUNT, X_TABLE_VERSION, routes as answer};
pub use bind::{BindError, bind};
pub use body::Pieces;
pub use clients::{Asked, Client, Clients};
pub use filters::{Filters, MOST_MOMENTS, PasswordsError, Per, ServerFilter};
pub use fleet::{Fleet, Member, Polling, Recent, Standing, fleet, shown};
pub use gauges::Gauges;
pub use held::{Fall, Held};
pub use hold::{Ended, LONGEST_HOLD};
pub use listener::{Drain, DrainReport, Limits};
pub use metrics::{Metrics, Unfinished};
pub use orders::{CarriedOut, InForce, Shown};
pub use pace::Pace;
pub use readiness::{BEHIND, Facts, Heartbeat, Heartbeats, LastCurrent, Overdue, Unready, ready};
pub use routes::RoutesServer;
pub use shards::{Shards, Store};
pub use status::{Finding, List, Observed, Rollout, Status, status};
pub use support::SupportServer;
pub use tls::{Tls, TlsError, TlsFiles};

#[cfg(test)]
mod tests;
