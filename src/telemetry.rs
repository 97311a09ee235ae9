//! The log: text or JSON lines on standard error. How much it says can be changed while it runs.

use std::sync::OnceLock;

use tracing::Level;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Registry, fmt, reload};

use crate::flags::LogOptions;

/// Where our own events come from.
const OWN: &str = env!("CARGO_CRATE_NAME");

/// What the log lets through: of the process, as the log itself is.
static FILTER: OnceLock<reload::Handle<Targets, Registry>> = OnceLock::new();

/// Nothing is logged by us: whoever embeds this has a log of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the log of this process is not ours to change")]
pub struct NotOurs;

/// Starts the log. Called once, before anything else runs; a second call changes nothing.
pub fn start(options: &LogOptions) {
    let (filter, handle) = reload::Layer::new(targets(options.level));
    let registry = tracing_subscriber::registry().with(filter);
    let lines = fmt::layer().with_writer(std::io::stderr).with_target(false);
    let started = if options.json {
        registry.with(lines.json().flatten_event(true)).try_init()
    } else {
        registry.with(lines.with_ansi(false)).try_init()
    };
    if started.is_ok() {
        let _ = FILTER.set(handle);
    }
}

/// From which level on events are logged now; none where the log is not ours.
pub fn level() -> Option<Level> {
    let own = |filter: &Targets| {
        filter.iter().find(|(target, _)| *target == OWN).and_then(|(_, it)| it.into_level())
    };
    FILTER.get()?.with_current(own).ok().flatten()
}

/// From now on events from `level` on are logged, until the process ends or another level is set.
///
/// # Errors
///
/// Where the log was not started by [`start`].
pub fn set_level(level: Level) -> Result<(), NotOurs> {
    FILTER.get().ok_or(NotOurs)?.reload(targets(level)).map_err(|_| NotOurs)
}

/// Our own events from `level` on. Those of libraries only from warnings on, unless everything is asked for: at
/// debug they would bury ours.
fn targets(level: Level) -> Targets {
    let libraries = if level == Level::TRACE { level } else { level.min(Level::WARN) };
    // Each of these errors comes back to us, and is said in our words as often as it should be.
    let client = if level == Level::TRACE { LevelFilter::TRACE } else { LevelFilter::OFF };
    Targets::new().with_default(libraries).with_target("kube_client", client).with_target(OWN, level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_quieter_than_we_are() {
        let debug = targets(Level::DEBUG);
        assert!(debug.would_enable("bellwether::election", &Level::DEBUG));
        assert!(!debug.would_enable("h2::proto", &Level::INFO));
        assert!(debug.would_enable("h2::proto", &Level::WARN));
        assert!(!targets(Level::ERROR).would_enable("h2::proto", &Level::WARN));
        assert!(!debug.would_enable("kube_client::client", &Level::ERROR), "an unreachable API is said once");
        assert!(targets(Level::TRACE).would_enable("h2::proto", &Level::TRACE));
    }
}
