//! When what was heard is to be read: after a moment without news, and never much later than the first of it.

use std::time::Duration;

use crate::time::Moment;

/// News, and how long they may wait.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Pace {
    quiet: Duration,
    most: Duration,
    /// When the first and the last were heard that nobody has read yet.
    heard: Option<(Moment, Moment)>,
}

impl Pace {
    /// Nothing was heard yet. News are due after `quiet` without others, and after `most` in any case.
    pub(in super::super) const fn new(quiet: Duration, most: Duration) -> Self {
        Self { quiet, most, heard: None }
    }

    /// Something is heard.
    pub(super) fn hear(&mut self, now: Moment) {
        let first = self.heard.map_or(now, |(first, _)| first);
        self.heard = Some((first, now));
    }

    /// When it is to be read.
    pub(super) fn due(&self) -> Option<Moment> {
        let (_, last) = self.heard?;
        Some((last + self.quiet).min(self.latest()?))
    }

    /// When it is to be read whatever else comes.
    pub(super) fn latest(&self) -> Option<Moment> {
        self.heard.map(|(first, _)| first + self.most)
    }

    /// All of it is read.
    pub(super) const fn rest(&mut self) {
        self.heard = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_wait_for_quiet_but_not_for_ever() {
        let at = |millis: u64| Moment::from_nanos(millis * 1_000_000);
        let mut pace = Pace::new(Duration::from_millis(20), Duration::from_secs(1));
        assert_eq!(pace.due(), None);
        pace.hear(at(100));
        assert_eq!(pace.due(), Some(at(120)));
        pace.hear(at(115));
        assert_eq!(pace.due(), Some(at(135)));
        pace.hear(at(1090));
        assert_eq!(pace.due(), Some(at(1100)));
        assert_eq!(pace.latest(), Some(at(1100)));
        pace.rest();
        assert_eq!(pace.due(), None);
    }
}
