//! The watches of all kinds, and the audit beside them.
//!
//! In: lists, from which each kind is watched. Out: whether there is something to read, and what. What can go wrong ends all of
//! them, and whoever asks reads everything again: a watch that is over for whatever reason ([`super::stream`]); an audit that
//! fails, that is older than what was heard, or that finds what no watch has told.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};

use super::lister::{For, Lister, Lists};
use super::metrics::Metrics;
use super::mirror::{Event, Mirror, Pace, Shelf, Unordered};
use super::stream::{Broken, Heard};
use super::{Reading, WatchTiming};
use crate::aside::aside;
use crate::object::Kind;
use crate::source::{SourceError, versions};
use crate::time::{Clock, Moment};

/// How many events may wait until they are taken; then the watches wait, and the server behind them.
const WAITING: usize = 1024;

/// How many lost objects the log names.
const NAMED: usize = 5;

/// The lists of an audit.
type Fresh = BTreeMap<Kind, Shelf>;

/// Watches under way. Dropping it ends them.
pub(super) struct Watching {
    mirror: Mirror,
    lister: Lister,
    timing: WatchTiming,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    heard: mpsc::Receiver<Heard>,
    _watches: JoinSet<()>,
    /// The one that is under way, if any.
    audits: JoinSet<Result<Fresh, SourceError>>,
    audit_at: Moment,
    /// Nothing in the audit may be older.
    at_least: BTreeMap<String, String>,
    /// Lists that say otherwise, and until when the watches may still tell it.
    doubtful: Option<(Fresh, Moment)>,
    broken: Option<Broken>,
}

impl Watching {
    /// Begins to watch what `lists` hold.
    ///
    /// # Errors
    ///
    /// Where a list has an order that events cannot keep.
    pub(super) fn begin(
        lists: Lists,
        lister: Lister,
        timing: WatchTiming,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
    ) -> Result<Self, Unordered> {
        let Lists { kinds, mut connections } = lists;
        let mirror = Mirror::new(shelves(&kinds)?, Pace::new(timing.quiet, timing.most));
        let (out, heard) = mpsc::channel(WAITING);
        let mut watches = JoinSet::new();
        for (kind, version) in mirror.versions() {
            let subject = lister.subject(kind, timing);
            watches.spawn(subject.watch(version.to_owned(), connections.remove(&kind), out.clone()));
        }
        metrics.watches(true);
        let audit_at = clock.now() + timing.audit;
        Ok(Self {
            mirror,
            lister,
            timing,
            clock,
            metrics,
            heard,
            _watches: watches,
            audits: JoinSet::new(),
            audit_at,
            at_least: BTreeMap::new(),
            doubtful: None,
            broken: None,
        })
    }

    /// Waits until there is something to read, or all is to be read again. May be dropped and called again.
    pub(super) async fn changed(&mut self) {
        loop {
            match &self.broken {
                Some(broken) if broken.lived => return,
                // What never worked is not worth more than polls at their usual pace.
                Some(_) => std::future::pending().await,
                None if self.is_due() => return,
                None => self.step().await,
            }
        }
    }

    /// What there is to read, once no more comes; or why everything is to be read again.
    pub(super) async fn read(&mut self) -> Result<Reading, Broken> {
        while let Ok(heard) = self.heard.try_recv() {
            self.hear(heard);
        }
        // In the middle of several changes it is not the time to read.
        while self.broken.is_none() && self.mirror.due().is_some() && !self.is_due() {
            self.step().await;
        }
        if let Some(broken) = self.broken.take() {
            return Err(broken);
        }
        let (objects, diagnostics) = self.mirror.read();
        Ok(Reading { objects, diagnostics, restored_store: false })
    }

    fn is_due(&self) -> bool {
        self.mirror.due().is_some_and(|due| due <= self.clock.now())
    }

    /// Waits for the next thing, whatever it is.
    async fn step(&mut self) {
        let audit_at = self.audits.is_empty().then_some(self.audit_at);
        let audit_at = audit_at.filter(|_| self.doubtful.is_none());
        let decided_at = self.doubtful.as_ref().map(|(_, until)| *until);
        let next = [self.mirror.due(), audit_at, decided_at].into_iter().flatten().min();
        let wait = next.map(|next| next.since(self.clock.now()));
        tokio::select! {
            biased;
            Some(heard) = self.heard.recv() => self.hear(heard),
            Some(audited) = self.audits.join_next() => self.audited(audited),
            () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => self.wake(),
            else => std::future::pending().await,
        }
    }

    fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Event(kind, event) => {
                if !matches!(event, Event::Mark { .. }) {
                    self.metrics.heard(kind);
                }
                self.mirror.hear(kind, event, self.clock.now());
            }
            // The first one says what is wrong; others follow from it, or would be found again.
            Heard::Broken(broken) => drop(self.broken.get_or_insert(broken)),
        }
    }

    fn wake(&mut self) {
        let now = self.clock.now();
        if self.doubtful.as_ref().is_some_and(|(_, until)| *until <= now) {
            let fresh = self.doubtful.take();
            fresh.into_iter().for_each(|(fresh, _)| self.decide(fresh, true));
        } else if self.audits.is_empty() && self.doubtful.is_none() && self.audit_at <= now {
            self.at_least = self.mirror.begin_audit();
            self.audits.spawn(audit(self.lister.clone()));
        }
    }

    fn audited(&mut self, audited: Result<Result<Fresh, SourceError>, JoinError>) {
        self.audit_at = self.clock.now() + self.timing.audit;
        let gone = |error: JoinError| SourceError::new("audit the watches", error.to_string(), "panic");
        match audited.map_err(gone).flatten() {
            Err(error) => self.end("audit-failed", error),
            Ok(fresh) => {
                while let Ok(heard) = self.heard.try_recv() {
                    self.hear(heard);
                }
                self.decide(fresh, false);
            }
        }
    }

    /// What the audit's lists come to. Until it is `late`, what is different may still be told.
    fn decide(&mut self, fresh: Fresh, late: bool) {
        let older = fresh.iter().find_map(|(kind, shelf)| {
            let at_least = self.at_least.get(kind.name())?;
            (versions::order(shelf.version(), at_least) == Some(Ordering::Less)).then_some(kind.name())
        });
        if let Some(kind) = older {
            let cause = format!("the API server lists an older {kind} than it had told of");
            return self.end("older", SourceError::new("audit the watches", cause, "older"));
        }
        if !self.mirror.has_kinds_of(&fresh) {
            let cause = "RouteGroups have come, or are there no more";
            return self.end("kinds", SourceError::new("audit the watches", cause, "kinds"));
        }
        let lost = self.mirror.differences(&fresh);
        if lost.is_empty() {
            self.metrics.audited();
            return self.mirror.end_audit(fresh);
        }
        if !late {
            self.doubtful = Some((fresh, self.clock.now() + self.timing.grace));
            return;
        }
        self.metrics.audited();
        lost.iter().for_each(|(kind, _)| self.metrics.lost(*kind));
        let named = lost.iter().take(NAMED).map(|(kind, key)| format!("{} {key}", kind.name()));
        let named = named.collect::<Vec<_>>().join(", ");
        tracing::error!(
            objects = lost.len(),
            some = named,
            "the API server's watch has not told of changes; an audit found them"
        );
        let cause =
            format!("changes were never told, of {named}{}", if lost.len() > NAMED { ", …" } else { "" });
        self.end("lost", SourceError::new("audit the watches", cause, "lost"));
    }

    fn end(&mut self, reason: &'static str, error: SourceError) {
        self.broken.get_or_insert(Broken { reason, error, lived: true });
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.metrics.watches(false);
    }
}

/// The lists, each ready to be looked up in.
fn shelves(kinds: &[(Kind, super::list::List)]) -> Result<Fresh, Unordered> {
    let shelf = |(kind, list): &(Kind, super::list::List)| {
        Ok((*kind, Shelf::of(*kind, &list.pages, &list.resource_version)?))
    };
    kinds.iter().map(shelf).collect()
}

async fn audit(lister: Lister) -> Result<Fresh, SourceError> {
    let lists = lister.read(For::Reading).await?;
    let unfit = |cause: String| SourceError::new("audit the watches", cause, "unordered");
    let shelves = aside(move || shelves(&lists.kinds)).await;
    shelves.map_err(|error| unfit(error.to_string()))?.map_err(|error| unfit(error.to_string()))
}
