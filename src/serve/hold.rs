//! Polls that wait for a change (`--hold`): a client that has the active table is answered when there is another one for
//! it, at once, and otherwise when its wait is over.
//!
//! Stock Skippers poll from period to period, so without this a change waits for half a period on average. In: what one
//! task sees of the cell, the drain and the room for connections. Out: why each wait ended. What can go wrong: a replica
//! that will not hear of the next table, or is about to stop, or short of descriptors, lets everyone go; and nobody waits
//! there. Many who wait are all woken by one change: how many may is counted in the bytes that they would then be sent
//! ([`Admission::hold`](super::admission::Admission::hold)).

use std::convert::Infallible;
use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::crowd::Crowd;
use super::line::Line;
use super::listener::Drain;
use super::metrics::Metrics;
use crate::snapshot::{Cell, Version};
use crate::time::Clock;

/// How soon it is seen that a grant, which ends by itself, has run out.
const LOOK: Duration = Duration::from_secs(1);

/// The longest that `--hold` may be: half of a Skipper's three seconds. The other half is what bodies may take before fewer are
/// sent at once ([`Pace`](super::pace::Pace)).
pub const LONGEST_HOLD: Duration = Duration::from_millis(1500);

/// Those who wait at one listener, and what they wait for.
#[derive(Debug)]
pub(super) struct Hold {
    length: Duration,
    news: watch::Sender<News>,
    crowd: Arc<Crowd>,
    metrics: Metrics,
}

/// What concerns all who wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct News {
    /// The last table that was active here while clients could be moved to it.
    offered: Version,
    /// Why nobody may wait, where that is so.
    closed: Option<Ended>,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// There was something to send.
    Changed,
    /// Its time was over.
    Over,
    /// The replica began to stop.
    Drain,
    /// The replica neither leads nor is in touch with a leader: another one may hear of a change before it.
    Behind,
    /// The process had no descriptor left for another connection.
    Crowded,
    /// The client said something more, or went away.
    Client,
}

impl Hold {
    /// Lets clients wait for `length` where they do not say for how long; nobody at all where that is zero.
    pub(super) fn new(length: Duration, metrics: Metrics) -> Self {
        // Closed until it has been looked.
        let news = News { offered: Version::default(), closed: Some(Ended::Behind) };
        Self { length, news: watch::Sender::new(news), crowd: Arc::default(), metrics }
    }

    /// The room for connections: where it is short, nobody waits.
    pub(super) const fn crowd(&self) -> &Arc<Crowd> {
        &self.crowd
    }

    /// Whether clients may wait.
    pub(super) fn is_open(&self) -> bool {
        !self.length.is_zero() && self.news.borrow().closed.is_none()
    }

    /// Tells those who wait what concerns them. `changed` wakes after each change of `cell`.
    pub(super) async fn watch(
        &self,
        cell: &Cell,
        clock: &dyn Clock,
        mut changed: watch::Receiver<u64>,
        drain: &Drain,
    ) -> Infallible {
        if self.length.is_zero() {
            return pending().await;
        }
        let mut heard = true;
        loop {
            let closed = self.look(cell, clock, drain);
            if closed == Some(Ended::Drain) {
                return pending().await;
            }
            tokio::select! {
                alive = changed.changed(), if heard => heard = alive.is_ok(),
                () = drain.begin.cancelled() => {}
                () = drain.close.cancelled() => {}
                () = self.crowd.falls_short() => {}
                () = sleep(LOOK) => {}
            }
        }
    }

    fn look(&self, cell: &Cell, clock: &dyn Clock, drain: &Drain) -> Option<Ended> {
        // The view before the time, as for an answer.
        let view = cell.load();
        let now = clock.now();
        let closed = if drain.begin.is_cancelled() || drain.close.is_cancelled() {
            Some(Ended::Drain)
        } else if self.crowd.is_short() {
            Some(Ended::Crowded)
        } else {
            (!view.is_in_touch(now)).then_some(Ended::Behind)
        };
        let offered = view.active.as_ref().filter(|_| view.is_current(now)).map(|active| active.version);
        self.news.send_if_modified(|news| {
            let before = *news;
            *news = News { offered: offered.unwrap_or(before.offered), closed };
            *news != before
        });
        closed
    }

    /// Waits for as long as `unchanged` says that there is nothing to send, and for at most `length`. It is asked first, and
    /// again whenever that may have changed.
    pub(super) async fn wait(
        &self,
        length: Duration,
        line: Option<&Line>,
        unchanged: impl FnMut() -> bool,
    ) -> Ended {
        let mut held = Held::new(&self.metrics);
        held.ended = self.ended(length, line, unchanged).await;
        held.ended
    }

    async fn ended(
        &self,
        length: Duration,
        line: Option<&Line>,
        mut unchanged: impl FnMut() -> bool,
    ) -> Ended {
        let mut news = self.news.subscribe();
        let stirs = async {
            match line {
                Some(line) => line.stirs().await,
                None => pending().await,
            }
        };
        let (mut over, mut stirs) = (pin!(sleep(length)), pin!(stirs));
        loop {
            let closed = news.borrow_and_update().closed;
            if let Some(cause) = closed {
                return cause;
            }
            if !unchanged() {
                return Ended::Changed;
            }
            tokio::select! {
                biased;
                _ = news.changed() => {}
                () = &mut stirs => return Ended::Client,
                () = &mut over => return Ended::Over,
            }
        }
    }
}

/// Counts one who waits, however that ends: over HTTP/2 a client that goes away is not asked again.
struct Held<'a> {
    metrics: &'a Metrics,
    ended: Ended,
}

impl<'a> Held<'a> {
    fn new(metrics: &'a Metrics) -> Self {
        metrics.polls_held.inc();
        Self { metrics, ended: Ended::Client }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.metrics.polls_held.dec();
        self.metrics.hold_ended(self.ended);
    }
}

impl Ended {
    /// All of them.
    pub(super) const ALL: [Self; 6] =
        [Self::Changed, Self::Over, Self::Drain, Self::Behind, Self::Crowded, Self::Client];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Over => "over",
            Self::Drain => "drain",
            Self::Behind => "behind",
            Self::Crowded => "crowded",
            Self::Client => "client",
        }
    }
}

#[cfg(test)]
mod tests;
