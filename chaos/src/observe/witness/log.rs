//! The lines of a replica's log, as `--log-format=json` writes them, as deeds with the run's own times.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use crate::history::{Act, Version};
use crate::observe::poller::version_of;

/// How late a line may be read. One whose time is further off was written under a clock that is not ours.
const LATE: Duration = Duration::from_secs(2);

/// Reads a log that grows.
#[derive(Default)]
pub(super) struct Reader {
    half: Vec<u8>,
    begun: bool,
}

#[derive(Deserialize)]
struct Line {
    timestamp: Timestamp,
    #[serde(default)]
    level: String,
    message: String,
    epoch: Option<String>,
    version: Option<String>,
    reason: Option<String>,
    object: Option<String>,
}

impl Reader {
    /// The deeds in `bytes`, which follow those of the last call. `now` and `wall` are this moment, on the run's clock
    /// and on the wall's. Lines that are no JSON are not ours: a panic, or a library's.
    pub(super) fn read(&mut self, bytes: &[u8], now: Duration, wall: Timestamp) -> Vec<(Duration, Act)> {
        if bytes.is_empty() {
            return Vec::new();
        }
        self.half.extend_from_slice(bytes);
        // What was there before us may be of any time.
        let backlog = !std::mem::replace(&mut self.begun, true);
        let Some(end) = self.half.iter().rposition(|byte| *byte == b'\n') else { return Vec::new() };
        let rest = self.half.split_off(end + 1);
        let whole = std::mem::replace(&mut self.half, rest);
        let lines = whole.split(|byte| *byte == b'\n');
        lines
            .filter_map(|line| serde_json::from_slice::<Line>(said(line)).ok())
            .filter_map(|line| {
                let ago = Duration::try_from(wall.duration_since(line.timestamp)).ok();
                let at = match ago {
                    Some(ago) if ago <= LATE || (backlog && ago <= now) => now.saturating_sub(ago),
                    _ => now,
                };
                Some((at, line.act()?))
            })
            .collect()
    }
}

/// What was written, without what a node's container runtime puts before it: `TIME stdout|stderr F `.
fn said(line: &[u8]) -> &[u8] {
    let whole = |mark: &[u8]| line.windows(mark.len()).position(|at| at == mark).map(|at| at + mark.len());
    match line.first() {
        Some(b'{') | None => line,
        Some(_) => {
            [&b" stdout F "[..], b" stderr F "].into_iter().find_map(whole).map_or(line, |at| &line[at..])
        }
    }
}

impl Line {
    fn act(&self) -> Option<Act> {
        let epoch = || self.epoch.as_ref()?.parse().ok();
        let version = || -> Option<Version> { version_of(self.version.as_ref()?) };
        match self.message.as_str() {
            "leading" => epoch().map(Act::Leads),
            "leading no more" | "gave the lease up" => epoch().map(Act::Ceases),
            "caught up with every replica that answered" => epoch().map(Act::CaughtUp),
            "activated" | "activated as the leader" => version().map(Act::Activated),
            "activated a peer's table; there is no leader" => version().map(Act::Activated),
            "serving the last known good" => version().map(Act::FromDisk),
            "draining" => Some(Act::Draining),
            "stopped" => Some(Act::Stopped),
            message if message == "announced" || message.starts_with("announced: ") => {
                version().map(Act::Announced)
            }
            message if message.starts_with("leading under a higher epoch") => epoch().map(Act::Raised),
            message if matches!(self.level.as_str(), "WARN" | "ERROR") => {
                let about = [self.object.as_deref(), self.reason.as_deref()].into_iter().flatten();
                let text = [message].into_iter().chain(about).collect::<Vec<_>>().join(": ");
                Some(Act::Warned(text.into()))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    fn wall() -> Timestamp {
        "2026-11-23T12:00:00Z".parse().unwrap()
    }

    fn acts(text: &str) -> Vec<(Duration, Act)> {
        Reader::default().read(text.as_bytes(), NOW, wall())
    }

    #[test]
    fn deeds_are_read_with_their_own_times() {
        let text = r#"
{"timestamp":"2026-11-23T11:59:59.250000Z","level":"INFO","message":"leading","epoch":"7","why":"Expired"}
{"timestamp":"2026-11-23T11:59:59.500000Z","level":"INFO","message":"caught up with every replica that answered","epoch":"7","announced":"7.0"}
{"timestamp":"2026-11-23T11:59:59.600000Z","level":"INFO","message":"announced","version":"7.1","digest":"aabbccdd","routes":40}
{"timestamp":"2026-11-23T11:59:59.601000Z","level":"INFO","message":"activated as the leader","version":"7.1"}
{"timestamp":"2026-11-23T11:59:59.700000Z","level":"WARN","message":"quarantined","object":"Ingress shop/cart","reason":"bad"}
{"timestamp":"2026-11-23T11:59:59.800000Z","level":"INFO","message":"listening","address":"x"}
thread panicked
"#;
        let at = |millis| NOW - Duration::from_millis(millis);
        let expected = [
            (at(750), Act::Leads(7)),
            (at(500), Act::CaughtUp(7)),
            (at(400), Act::Announced((7, 1))),
            (at(399), Act::Activated((7, 1))),
            (at(300), Act::Warned("quarantined: Ingress shop/cart: bad".into())),
        ];
        assert_eq!(acts(text), expected);
    }

    #[test]
    fn a_line_that_comes_in_two_halves_is_one() {
        let line = "{\"timestamp\":\"2026-11-23T12:00:00Z\",\"message\":\"stopped\"}\n";
        let mut reader = Reader::default();
        assert_eq!(reader.read(&line.as_bytes()[..20], NOW, wall()), []);
        assert_eq!(reader.read(&line.as_bytes()[20..], NOW, wall()), [(NOW, Act::Stopped)]);
    }

    #[test]
    fn a_line_is_the_same_in_the_log_of_a_container() {
        let line = "{\"timestamp\":\"2026-11-23T12:00:00Z\",\"message\":\"stopped\"}\n";
        for before in ["", "2026-11-23T12:00:00.001Z stdout F ", "2026-11-23T12:00:00.001Z stderr F "] {
            assert_eq!(acts(&format!("{before}{line}")), [(NOW, Act::Stopped)]);
        }
        assert_eq!(acts(&format!("2026-11-23T12:00:00.001Z stderr P {line}")), [], "the half of a long line");
    }

    #[test]
    fn a_clock_that_is_not_ours_is_not_believed() {
        let stopped =
            |hour: u8| format!("{{\"timestamp\":\"2026-11-23T{hour}:00:00Z\",\"message\":\"stopped\"}}\n");
        let mut reader = Reader::default();
        for hour in [11, 13] {
            assert_eq!(reader.read(stopped(hour).as_bytes(), NOW, wall()), [(NOW, Act::Stopped)]);
        }
    }

    #[test]
    fn what_was_there_before_has_its_own_time() {
        let early = "{\"timestamp\":\"2026-11-23T11:59:10Z\",\"message\":\"stopped\"}\n";
        let mut reader = Reader::default();
        assert_eq!(reader.read(early.as_bytes(), NOW, wall())[0].0, Duration::from_secs(50));
        assert_eq!(reader.read(early.as_bytes(), NOW, wall())[0].0, NOW);
    }
}
