//! Moving a fleet over in three modes: `off` stands by, `pre` serves beside what the fleet runs now and compares, `exec` is
//! polled by the fleet (docs/rollout.md).
//!
//! In: our own tables as they are published, and what peers show: a routesrv's `/routes`, a Skipper's support listener. Out: a
//! [`Report`] that says whether it is safe to move over, and why not. What can go wrong: a peer that does not answer, or
//! answers something else than a table; it is named, and nothing is safe meanwhile.
//!
//! `meanings`, `side` and `judge` decide, and are pure; `peer` reads, `watcher` brings both together on the leader.

pub mod judge;
pub mod meanings;
mod metrics;
pub mod peer;
mod report;
pub mod side;
mod watcher;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

pub use judge::Rules;
pub use metrics::Metrics;
pub use report::{Found, PeerReport, Report, Verdict};
pub use watcher::Watcher;

/// How far a fleet has moved over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Stand by: no poll, no election, and nothing is served.
    Off,
    /// Poll, elect, replicate and serve; no fleet polls here, and what it runs is compared.
    Pre,
    /// The fleet polls here.
    #[default]
    Exec,
}

/// What `--rollout…` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// `--rollout`.
    pub mode: Mode,
    /// `--rollout-compare`: what the fleet runs now.
    pub peers: Vec<String>,
    /// `--rollout-every`: the time between two looks.
    pub every: Duration,
    /// `--rollout-settle` and `--rollout-safe-…`.
    pub rules: Rules,
}

impl Mode {
    /// As on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Pre => "pre",
            Self::Exec => "exec",
        }
    }
}

/// The latest report of this replica, for whoever shows it. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Latest(Arc<Mutex<Option<Arc<Report>>>>);

impl Latest {
    /// The report; none on a replica that does not lead, or does not compare.
    pub fn get(&self) -> Option<Arc<Report>> {
        self.0.lock().clone()
    }

    fn set(&self, report: Option<Report>) {
        *self.0.lock() = report.map(Arc::new);
    }
}
