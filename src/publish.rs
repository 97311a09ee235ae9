//! The leader's loop: catch up, poll, compile, guard, publish, each step under the proof of the term.
//!
//! In: the role, a source of objects, the settings. Out: drafts for the replication core, and a picture of the last
//! poll. What can go wrong: the upstream (the old table stays, the poll is repeated), an empty table (never
//! published), a table that is doubtfully small (held by the guard), the term (everything stops at the next step).

mod carry;
mod draft;
mod findings;
mod gate;
mod metrics;
mod record;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

pub use draft::Memory;
pub use findings::Findings;
pub use gate::Gate;
pub use metrics::Metrics;
pub use record::{Notes, record};

use self::carry::Carrier;
use crate::aside::aside;
use crate::compile::{Past, ServiceName, Settings};
use crate::election::{Handle, Role, Term};
use crate::protection::Protection;
use crate::replication::catch_up;
use crate::replication::core::{Published, Refusal};
use crate::replication::hub::Hub;
use crate::replication::peer::Security;
use crate::source::versions::RESTORED_AFTER;
use crate::source::{ObjectSource, Reading, SourceError};
use crate::writes::{Events, IngressStatus, Severity};

/// The same complaint is made once in this time.
const COMPLAIN: Duration = Duration::from_secs(60);

/// How long what a term leaves is kept for the next one. Whoever loses the Lease for a moment has it again sooner; one that
/// follows for longer takes no more memory than one that never led.
const KEPT: Duration = Duration::from_secs(60);

/// How often a read that takes long says that it goes on.
const ALIVE: Duration = Duration::from_secs(1);

/// What the leader's loop works with.
pub struct Publisher<S> {
    /// Where objects come from.
    pub source: S,
    /// What changes the table.
    pub settings: Arc<Settings>,
    /// Services whose addresses go with the table.
    pub services: Vec<ServiceName>,
    /// How often the upstream is read.
    pub interval: Duration,
    /// The replication state of this process.
    pub hub: Arc<Hub>,
    /// Every replica's address on the replication network.
    pub peers: Vec<String>,
    /// How they are reached.
    pub security: Security,
    /// Hears of epochs that outrank a term, and that the work is alive.
    pub election: Arc<Handle>,
    /// Where tables are held back that are doubtfully small.
    pub gate: Arc<Gate>,
    /// What the last draft leaves to the next one; nothing at the start.
    pub memory: Memory,
    /// What is known of bad objects already.
    pub findings: Findings,
    /// What is counted.
    pub metrics: Metrics,
    /// What is written down of each draft.
    pub notes: Notes,
    /// Who is told of what people should know.
    pub events: Events,
    /// Who writes the status of Ingresses.
    pub status: IngressStatus,
}

/// Why a poll published nothing.
#[derive(Debug, thiserror::Error)]
enum PollError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("the compiler broke off")]
    Compiler,
    #[error("the table is empty, and an empty table is never published")]
    Empty,
    #[error("the table has {0} bytes, more than the {1} of -max-table-bytes")]
    TooLarge(u64, u64),
}

impl PollError {
    fn code(&self) -> &str {
        match self {
            Self::Source(error) => &error.code,
            Self::Compiler => "compiler",
            Self::Empty => "empty",
            Self::TooLarge(..) => "too-large",
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        if let Self::Source(error) = self { error.retry_after } else { None }
    }
}

impl<S: ObjectSource> Publisher<S> {
    /// Leads whenever the election says so, until the role's sender is gone.
    pub async fn run(mut self, mut role: watch::Receiver<Role>) {
        let mut forget_at: Option<Instant> = None;
        loop {
            let term =
                if let Role::Leader(term) = &*role.borrow_and_update() { Some(term.clone()) } else { None };
            if let Some(term) = term {
                let epoch = term.epoch();
                tokio::select! {
                    () = self.lead(&term) => {}
                    () = other_term(&mut role, &term) => {}
                }
                self.hub.update(|core, _| {
                    if core.leads() == Some((epoch, term.id())) && !Protection::Fence.is_off() {
                        core.retire();
                    }
                });
                self.gate.close();
                self.source.rest();
                forget_at = Some(Instant::now() + KEPT);
                continue;
            }
            tokio::select! {
                changed = role.changed() => if changed.is_err() { return },
                () = tokio::time::sleep_until(forget_at.unwrap_or_else(Instant::now)), if forget_at.is_some() => {
                    forget_at = None;
                    self.forget();
                }
            }
        }
    }

    /// Gives back what the last term has left: the next one starts from what it inherits.
    fn forget(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        let pasts = self.notes.forget();
        drop(aside(move || drop((memory, pasts))));
        self.source.forget();
    }

    /// One term, until the proof is void. Dropped in the middle of an await when the role changes.
    async fn lead(&mut self, term: &Term) {
        let epoch = term.epoch();
        match self.hub.update(|core, _| core.lead(term.clone())) {
            Ok(()) => {}
            Err(Refusal::StaleEpoch(seen) | Refusal::OtherTerm(seen)) => {
                tracing::warn!(%epoch, %seen, "a newer epoch was seen; asking the election for a higher one");
                self.election.raise(seen);
                return std::future::pending().await;
            }
            Err(refusal) => {
                tracing::error!(%epoch, %refusal, "cannot lead");
                return std::future::pending().await;
            }
        }
        let caught_up = catch_up::ask(&self.hub, term, &self.peers, &self.security).await;
        if let Some(seen) = caught_up.outranked_by {
            tracing::warn!(%epoch, %seen, "a peer has seen a newer epoch; asking the election for a higher one");
            self.election.raise(seen);
            return std::future::pending().await;
        }
        let inherited = self.hub.update(|core, now| {
            core.caught_up(caught_up.best, caught_up.all_answered, now)?;
            Ok::<_, Refusal>((core.known(), core.newest().cloned()))
        });
        let Ok((known, inherited)) = inherited else { return std::future::pending().await };
        tracing::info!(%epoch, announced = %known, "caught up with every replica that answered");
        if let Some(snapshot) = &inherited {
            self.source.raise_floor(&snapshot.contents.resource_versions);
            let (table, quarantined) = (snapshot.contents.table.packed(), &snapshot.contents.quarantined);
            self.findings.inherit(quarantined);
            if !self.memory.past.knows(table) {
                let zones = draft::packed(&snapshot.contents.zones);
                self.memory = Memory::inherited(Past::inherited(table.clone(), zones, quarantined.clone()));
            }
        }
        self.gate.open(inherited.map(|snapshot| snapshot.contents.counts.clone()));
        let carrier = Carrier {
            hub: self.hub.clone(),
            gate: self.gate.clone(),
            peers: self.peers.clone(),
            security: self.security.clone(),
            events: self.events.clone(),
        };
        tokio::select! {
            () = carrier.run(term) => {}
            () = self.poll_for_ever(term) => {}
        }
    }

    async fn poll_for_ever(&mut self, term: &Term) {
        let mut ticks = tokio::time::interval(self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut complained: Option<(String, Instant)> = None;
        self.metrics.started();
        let mut orders = self.hub.orders();
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                // While a table is held, equal polls count, each of which asks for everything.
                () = self.source.changed(), if self.gate.held().is_none() => {}
                // An operator waits for it.
                () = self.gate.released() => {}
                Ok(()) = orders.changed() => {}
            }
            self.election.alive();
            if self.gate.held().is_some() {
                self.source.doubt();
            }
            let started = Instant::now();
            let result = self.poll(term).await;
            self.election.alive();
            match result {
                Ok(published) => {
                    self.metrics.polled(started.elapsed());
                    if complained.take().is_some() {
                        tracing::info!("reading the upstream again");
                    }
                    tracing::debug!(?published, seconds = started.elapsed().as_secs_f64(), "polled");
                }
                Err(error) => {
                    self.metrics.failed(error.code());
                    let text = error.to_string();
                    let known = |(said, at): &(String, Instant)| *said == text && at.elapsed() < COMPLAIN;
                    if !complained.as_ref().is_some_and(known) {
                        tracing::warn!(reason = text, "nothing read; what was published stays");
                        complained = Some((text, Instant::now()));
                    }
                    if let Some(pause) = error.retry_after() {
                        // The peer of this wait is the watchdog of the election: never longer than it allows.
                        tokio::time::sleep(pause.min(3 * self.interval)).await;
                    }
                }
            }
        }
    }

    /// A slow upstream is no reason to give the Lease up: each read has a deadline of its own. A compiler that does
    /// not come back is one, and says nothing.
    async fn read(&mut self) -> Result<Reading, SourceError> {
        let reading = self.source.read();
        tokio::pin!(reading);
        loop {
            match tokio::time::timeout(ALIVE, &mut reading).await {
                Ok(result) => return result,
                Err(_) => self.election.alive(),
            }
        }
    }

    /// Nothing was wrong with the read; somebody should know all the same.
    fn restored(&self) {
        let message = format!(
            "restored-store: resource versions went back and stayed so for {} s, so the API server's store was restored \
             from a backup; what it has now is read and published",
            RESTORED_AFTER.as_secs()
        );
        tracing::error!("{message}");
        self.events.tell_of_fleet(Severity::Warning, "RestoredStore", message, false);
    }

    async fn poll(&mut self, term: &Term) -> Result<Option<Published>, PollError> {
        let started = Instant::now();
        let reading = self.read().await?;
        let poll = started.elapsed();
        if reading.restored_store {
            self.restored();
        }
        let read_at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let made = Instant::now();
        let (settings, services, memory) =
            (self.settings.clone(), self.services.clone(), self.memory.clone());
        let before = self.hub.read(|core| core.newest().map(|newest| newest.contents.clone()));
        let status = self.status.clone();
        let drafting = move || {
            let planned = status.plan(&reading.objects, &settings);
            let draft = draft::draft(reading, &settings, &services, &memory, before.as_deref(), read_at);
            draft.map(|draft| (draft, planned))
        };
        let drafted = aside(drafting).await;
        let ((draft, memory), planned) = drafted.map_err(|_| PollError::Compiler)??;
        self.metrics.compiled(&draft.contents);
        let (digest, routes) = (draft.contents.table.digest(), draft.contents.table.routes());
        let quarantined = draft.contents.quarantined.len();
        if !self.hub.read(|core| core.may_publish(&draft.contents)) {
            return Ok(Some(Published::Held));
        }
        let same_table = self
            .hub
            .read(|core| core.newest().is_some_and(|newest| newest.contents.same_tables(&draft.contents)));
        if !self.gate.passes(&draft.contents.counts, same_table, draft.read_at_millis) {
            return Ok(None);
        }
        if let Some(sharder) = self.hub.sharder().cloned() {
            let table = draft.contents.table.clone();
            aside(move || sharder.prepare(&table)).await.map_err(|_| PollError::Compiler)?;
        }
        self.notes.draft(draft.read_at_millis, poll, made.elapsed(), &memory.past);
        // Some hundred thousand small pieces: giving them back takes milliseconds, which followers would wait for the word.
        let before = std::mem::replace(&mut self.memory, memory);
        drop(aside(move || drop(before)));
        let news = self.findings.news(&draft.contents.quarantined);
        news.log();
        news.tell(&self.events, term, |object, uid| self.memory.past.is_well(object, uid));
        // At the act, not at the top of the loop: the compiler may have taken longer than the term.
        let published = self.hub.update(|core, now| core.publish(term, draft, now));
        match published {
            Ok(published) => {
                if let Published::Announced(version) = published {
                    self.metrics.made(made.elapsed());
                    tracing::info!(%version, ?digest, routes, quarantined, "announced");
                }
                // What waits may never be published; the next poll plans again.
                if let Some(planned) =
                    planned.filter(|_| !matches!(published, Published::Waiting | Published::Held))
                {
                    self.status.offer(term, self.hub.read(|core| core.known()), planned);
                }
                Ok(Some(published))
            }
            Err(over) => {
                tracing::warn!(reason = %over, "nothing published");
                Ok(None)
            }
        }
    }
}

async fn other_term(role: &mut watch::Receiver<Role>, term: &Term) {
    let other = |role: &Role| !matches!(role, Role::Leader(now) if now.id() == term.id());
    if role.wait_for(other).await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests;
