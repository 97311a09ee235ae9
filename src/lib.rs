//! Bellwether: a highly available route server for fleets of Skipper.
//!
//! ```text
//!  objects ──poll──▶ compile ──▶ guard ──▶ snapshot ──▶ publish ──▶ [cell] ──▶ GET /routes 200/304
//!  (upstream)        (pure)      (pure)    (immutable)  (under a     ▲
//!                                                        Term)       │ activate
//!                                             └── gRPC ──▶ follower ─┴──▶ disk (last known good)
//! ```
//!
//! One direction of data. `eskip`, `object`, `compile`, `guard`, `snapshot`, `election::core` and `replication::core`
//! are pure: no tokio, no kube, no clock; time comes in as an argument. `tests/layers.rs` keeps it so.

pub mod aside;
pub mod cli;
pub mod compare;
pub mod compile;
pub mod demo;
pub mod doctor;
pub mod election;
pub mod eskip;
pub mod files;
pub mod flags;
pub mod guard;
#[cfg(any(test, fuzzing))]
pub mod laws;
pub mod net;
pub mod node;
pub mod object;
pub mod orders;
pub mod pem;
pub mod phase;
pub mod protection;
pub mod publish;
pub mod re2;
pub mod replication;
pub mod rollout;
pub mod serve;
pub mod snapshot;
pub mod source;
pub mod telemetry;
pub mod threads;
pub mod time;
pub mod traces;
pub mod wire;
pub mod writes;
