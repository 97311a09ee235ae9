//! Replication: how one leader's snapshots become every replica's, and never an older one after a newer one.
//!
//! [`core`] decides, without I/O and without a clock of its own; [`hub`] holds it for the process and keeps the
//! served cell in step; [`service`] answers followers and peers, [`follower`] follows, [`catch_up`] asks everyone
//! before a new term's first announcement, [`converge`] without a leader, and [`scrub`] looks after what memory holds.
//! [`attendance`] gives the Lease up where nobody can follow, [`takeover`] tells early that the leader is dead.
//! What travels is cut by [`transfer`] and made small by [`deltas`]. [`clerk`] takes operators' orders, [`exchange`] passes
//! them on. Beside the tables, [`ledger`] knows who has them; [`deliveries`] shares it.

pub mod attendance;
pub mod catch_up;
pub mod clerk;
pub mod converge;
pub mod core;
pub mod cutting;
pub mod deliveries;
pub mod deltas;
pub mod exchange;
pub mod follower;
pub mod hub;
mod journal;
pub mod ledger;
pub mod metrics;
pub mod observe;
pub mod peer;
mod probe;
pub mod publications;
pub mod quorum;
pub mod scrub;
pub mod service;
mod session;
pub mod takeover;
pub mod transfer;
