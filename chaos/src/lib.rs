//! The harness that breaks Bellwether in front of everybody.
//!
//! ```text
//!  scenario (the play: what is staged, and when what breaks)
//!     └──▶ stage (etcd, API server, replicas, VIP, Skipper, backend; of peers) ◀── faults
//!             └── observe (clients, witness) ──▶ history ──▶ check ──▶ report
//! ```
//!
//! The stage stands on a [`ground`]: loopback, or namespaces whose net breaks on command. All processes end with the
//! harness. What is observed goes into an append-only [`history`]; the verdict comes from pure [`check`]ers, which have
//! tests of their own, and goes into a [`report`].

pub mod address;
pub mod baseline;
pub mod before;
pub mod bench;
pub mod catalogue;
pub mod check;
pub mod deploy;
pub mod differential;
pub mod elections;
pub mod explore;
pub mod fakeapi;
pub mod faults;
pub mod generate;
pub mod ground;
pub mod history;
pub mod http;
pub mod image;
pub mod judge;
pub mod numbers;
pub mod observe;
pub mod parity;
pub mod paths;
pub mod peers;
pub mod plays;
pub mod polls;
pub mod ports;
pub mod process;
pub mod report;
pub mod scale;
pub mod scenario;
pub mod stage;
pub mod table;
pub mod upstream;
