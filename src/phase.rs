//! Where a replica is in its life. One task moves it on; readiness, `/status` and connections watch it.

use std::fmt;

/// The phases, in their order; none comes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// No verified table yet.
    #[default]
    Starting,
    /// A verified table is served.
    Serving,
    /// Asked to stop: not ready any more, still answering everyone who comes.
    Draining,
    /// No new connections; what was begun is finished.
    Stopped,
}

impl Phase {
    /// Its word in `/status` and in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Serving => "serving",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
