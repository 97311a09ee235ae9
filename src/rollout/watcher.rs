//! The leader of a set in `pre` compares: each table that becomes active here with what each peer shows.
//!
//! In: the role, the hub, the peers. Out: the latest report, metrics, a line in the log when the verdict changes. It begins anew
//! with each term: who leads now has not seen what the one before saw. What can go wrong: a peer that cannot be read is named;
//! while our own table is not what the upstream has, nothing is compared with it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};
use tokio::time::MissedTickBehavior;

use super::judge::{Judge, Standing};
use super::meanings::{self, Meanings};
use super::metrics::Metrics;
use super::peer::{Peer, PeerError, Shown};
use super::report::{Found, PeerReport, Report, SHOWN, Verdict};
use super::side::Side;
use super::{Latest, Options};
use crate::aside::aside;
use crate::compare::{self, Difference, Kind};
use crate::election::Role;
use crate::replication::clerk::now_millis;
use crate::replication::hub::Hub;
use crate::snapshot::{Cell, Digest, Snapshot};
use crate::time::Clock;

/// How many peers are read at once: each may show a table of some hundred megabytes.
const AT_ONCE: usize = 4;

/// How much is shown of a route that differs: so many parts, each with so many characters.
const PARTS: (usize, usize) = (12, 300);

/// Compares while this replica leads.
pub struct Watcher {
    /// What is compared, and how.
    pub options: Options,
    /// Where our tables are.
    pub hub: Arc<Hub>,
    /// What is served, and whether that is current.
    pub cell: Arc<Cell>,
    /// What all is timed by.
    pub clock: Arc<dyn Clock>,
    /// Where the report goes.
    pub latest: Latest,
    /// What is counted.
    pub metrics: Metrics,
}

/// What one term has seen.
struct Seen {
    ours: Side,
    /// The digest of our table, and the table.
    active: Option<(Digest, Arc<Snapshot>)>,
    peers: Vec<OfPeer>,
}

struct OfPeer {
    judge: Judge,
    error: Option<String>,
    found: Vec<Found>,
}

impl Watcher {
    /// Runs until the role's sender is gone.
    pub async fn run(self, mut role: watch::Receiver<Role>) {
        let this = Arc::new(self);
        loop {
            let leads = |role: &Role| matches!(role, Role::Leader(_));
            if role.wait_for(leads).await.is_err() {
                return;
            }
            tokio::select! {
                () = this.compare() => {}
                gone = async { role.wait_for(|role| !leads(role)).await.is_err() } => if gone { return },
            }
            this.latest.set(None);
            this.metrics.clear();
        }
    }

    /// Compares for ever.
    async fn compare(self: &Arc<Self>) {
        let rules = self.options.rules;
        let one = |_: &String| OfPeer { judge: Judge::new(rules), error: None, found: Vec::new() };
        let seen = Arc::new(Mutex::new(Seen {
            ours: Side::new(rules.settle),
            active: None,
            peers: self.options.peers.iter().map(one).collect(),
        }));
        self.report(&seen, None);
        let turns = Semaphore::new(AT_ONCE);
        let places = 0..self.options.peers.len();
        let watching = join_all(places.map(|place| self.watch(place, seen.clone(), &turns)));
        tokio::join!(self.follow_us(seen.clone()), watching);
    }

    /// Takes each table that becomes active here.
    async fn follow_us(self: &Arc<Self>, seen: Arc<Mutex<Seen>>) {
        let mut changed = self.hub.changed();
        loop {
            if let Some(active) = self.hub.read(|core| core.active().cloned()) {
                let (seen, clock) = (seen.clone(), self.clock.clone());
                // A compiler that printed what does not parse would have been found before this.
                drop(aside(move || take(&seen, active, &*clock)).await);
            }
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    /// Looks at one peer, again and again.
    async fn watch(self: &Arc<Self>, place: usize, seen: Arc<Mutex<Seen>>, turns: &Semaphore) {
        let url = &self.options.peers[place];
        let Ok(mut peer) = Peer::new(url, self.deadline()) else { return std::future::pending().await };
        let mut ticks = tokio::time::interval(self.options.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let Ok(_turn) = turns.acquire().await else { return };
            let looked = peer.look().await;
            self.metrics.looked(
                url,
                match &looked {
                    Ok(Some(_)) => "changed",
                    Ok(None) => "same",
                    Err(_) => "failed",
                },
            );
            let stale = self.stale();
            let (here, sides, unknown) = (self.clone(), seen.clone(), stale.is_some());
            let judged = aside(move || here.judge(place, &sides, looked, unknown)).await;
            // What differs is read again in order to be shown.
            if !judged.is_ok_and(|is_shown| is_shown) {
                peer.forget();
            }
            self.report(&seen, stale);
        }
    }

    /// A look, judged. Whether what was read is known, and all that differs can be shown.
    fn judge(
        &self,
        place: usize,
        seen: &Mutex<Seen>,
        looked: Result<Option<Shown>, PeerError>,
        stale: bool,
    ) -> bool {
        let known = seen.lock().peers[place].judge.theirs().cloned();
        let read = looked.map_err(|error| error.to_string()).and_then(|shown| match shown {
            None => Ok(None),
            Some(shown) => read(&shown, known.as_deref()).map(|table| Some((shown, table))),
        });
        let now = self.clock.now();
        let mut seen = seen.lock();
        let Seen { ours, active, peers } = &mut *seen;
        let peer = &mut peers[place];
        let (text, table) = match read {
            Ok(Some((shown, table))) => (Some(shown.text), Some(Arc::new(table))),
            Ok(None) => (None, None),
            Err(error) => {
                peer.judge.missed(now);
                peer.error = Some(error);
                // What could not be read must not be taken for known.
                return false;
            }
        };
        peer.error = None;
        peer.judge.look(ours, table, now);
        if stale {
            peer.judge.forget();
        }
        let standing = worst(&peer.judge);
        let wanted: BTreeSet<&str> = standing.iter().map(|(id, _)| *id).collect();
        let kept = |id: &str| peer.found.iter().find(|found| found.difference.id == id).cloned();
        let active = active.as_ref().map(|(_, active)| active.clone());
        let fresh = text.filter(|_| !wanted.is_empty()).map(|theirs| details(&theirs, active, &wanted));
        let found: Vec<Found> = standing
            .iter()
            .map(|(id, standing)| {
                let settled = *standing == Standing::Different;
                let fresh = fresh.as_ref().and_then(|all| all.iter().find(|it| it.id == *id)).cloned();
                let difference = fresh.or_else(|| kept(id).map(|it| it.difference));
                let nothing = || Difference { id: (*id).to_owned(), kind: Kind::Changed, parts: Vec::new() };
                Found { settled, difference: difference.unwrap_or_else(nothing) }
            })
            .collect();
        let is_shown = found.iter().all(|found| !found.difference.parts.is_empty());
        peer.found = found;
        is_shown
    }

    /// Why our own table is none to compare with, if it is none.
    fn stale(&self) -> Option<String> {
        let view = self.cell.load();
        let age = now_millis().saturating_sub(view.confirmed_at_millis().unwrap_or_default());
        let most = self.options.rules.settle / 2;
        if !view.is_current(self.clock.now()) {
            return Some("no table of this term is active here".to_owned());
        }
        let old = Duration::from_millis(age) > most;
        old.then(|| format!("our table is not what the upstream has: last confirmed {} s ago", age / 1000))
    }

    fn report(&self, seen: &Mutex<Seen>, stale: Option<String>) {
        let now = self.clock.now();
        let each = (SHOWN / self.options.peers.len().max(1)).max(1);
        let of = |(peer, url): (&OfPeer, &String)| {
            let found = peer.found.iter().take(each).cloned().collect();
            PeerReport::of(url, &peer.judge, peer.error.clone(), found, now)
        };
        let peers = seen.lock().peers.iter().zip(&self.options.peers).map(of).collect();
        let at = i64::try_from(now_millis()).ok().and_then(|at| Timestamp::from_millisecond(at).ok());
        let report = Report::of(&self.options.rules, peers, stale, at);
        self.metrics.show(&report);
        let before = self.latest.get().map(|before| before.verdict);
        if before != Some(report.verdict) {
            let (verdict, reasons) = (report.verdict.name(), report.reasons.join("; "));
            match report.verdict {
                Verdict::Different => tracing::warn!(verdict, reasons, "compared with what the fleet runs"),
                _ => tracing::info!(verdict, reasons, "compared with what the fleet runs"),
            }
        }
        self.latest.set(Some(report));
    }

    /// For one look: two in a row that fail must not make blind.
    fn deadline(&self) -> Duration {
        self.options.rules.settle / 6
    }
}

/// `active` is what we have now.
fn take(seen: &Mutex<Seen>, active: Arc<Snapshot>, clock: &dyn Clock) {
    let (digest, known) = {
        let seen = seen.lock();
        (seen.active.as_ref().map(|(digest, _)| *digest), seen.ours.table().cloned())
    };
    let table = &active.contents.table;
    if digest == Some(table.digest()) {
        return;
    }
    let Some(text) = table.packed().text() else { return };
    let Ok(table) = Meanings::read(&String::from_utf8_lossy(&text), known.as_deref()) else { return };
    let now = clock.now();
    let mut seen = seen.lock();
    seen.active = Some((active.contents.table.digest(), active.clone()));
    if seen.ours.has(Arc::new(table), now) {
        for peer in &mut seen.peers {
            peer.judge.we_changed(now);
        }
    }
}

/// What was shown, if it is whole.
fn read(shown: &Shown, before: Option<&Meanings>) -> Result<Meanings, String> {
    let table = Meanings::read(&shown.text, before).map_err(|error| error.to_string())?;
    match shown.count {
        Some(count) if count != table.len() => {
            Err(format!("it says that it has {count} routes, and shows {}", table.len()))
        }
        _ => Ok(table),
    }
}

/// The routes that are to be shown: what really differs first.
fn worst(judge: &Judge) -> Vec<(&str, Standing)> {
    let of = |wanted| judge.standing().filter(move |(_, standing)| *standing == wanted);
    of(Standing::Different).chain(of(Standing::Unsettled)).take(SHOWN).collect()
}

/// How the routes of `wanted` differ, from what the peer has to what we have.
fn details(theirs: &str, ours: Option<Arc<Snapshot>>, wanted: &BTreeSet<&str>) -> Vec<Difference> {
    let ours = ours.and_then(|active| active.contents.table.packed().text()).unwrap_or_default();
    let ours = meanings::routes(&String::from_utf8_lossy(&ours), |id| wanted.contains(id));
    let theirs = meanings::routes(theirs, |id| wanted.contains(id));
    let mut differences = compare::tables(&theirs, &ours).differences;
    for part in differences.iter_mut().flat_map(|it| &mut it.parts) {
        if let Some((end, _)) = part.char_indices().nth(PARTS.1) {
            part.truncate(end);
            part.push('…');
        }
    }
    for difference in &mut differences {
        let more = difference.parts.len().saturating_sub(PARTS.0);
        if more > 0 {
            difference.parts.truncate(PARTS.0);
            difference.parts.push(format!("… and {more} more"));
        }
    }
    differences
}
