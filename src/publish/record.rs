//! Writes down each publication of this leader: for the log, and for the list that every replica shows.
//!
//! In: what was activated, and notes of how it was made. Out: one [`Publication`] and one line of the log each. Nobody waits
//! for it: tables are compared after they are active, off the threads that serve. What can go wrong: publications come
//! faster than they can be compared; then some are not written down, and the log says how many.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::broadcast::error::RecvError;

use crate::aside::aside;
use crate::compile::Past;
use crate::replication::clerk::now_millis;
use crate::replication::hub::{Activation, Hub};
use crate::snapshot::{Difference, Digest, Lengths, Publication, Version, What, cause};
use crate::traces::{Told, Traces};

/// How long the last replica may take to say that it serves what the leader does.
const PATIENCE: Duration = Duration::from_secs(1);

/// Drafts whose making is remembered until they are active: one is under way, one waits.
const DRAFTS: usize = 16;

/// Whose each route was, for the table before and the one now.
const PASTS: usize = 2;

/// How drafts were made; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Notes(Arc<Mutex<Noted>>);

#[derive(Debug, Default)]
struct Noted {
    drafts: VecDeque<Made>,
    pasts: VecDeque<Arc<Past>>,
}

#[derive(Clone, Copy, Debug)]
struct Made {
    read_at_millis: u64,
    poll: Duration,
    compile: Duration,
}

impl Notes {
    /// What was read at that moment took so long, and left this `past`.
    pub(super) fn draft(&self, read_at_millis: u64, poll: Duration, compile: Duration, past: &Arc<Past>) {
        let mut noted = self.0.lock();
        push(&mut noted.drafts, Made { read_at_millis, poll, compile }, DRAFTS);
        if noted.pasts.back().is_none_or(|last| !Arc::ptr_eq(last, past)) {
            let old = push(&mut noted.pasts, Arc::clone(past), PASTS);
            drop(noted);
            drop(old.map(|old| aside(move || drop(old))));
        }
    }

    /// The pasts, which are large, to be dropped by the caller.
    pub(super) fn forget(&self) -> VecDeque<Arc<Past>> {
        std::mem::take(&mut self.0.lock().pasts)
    }

    /// All but the newest, which the next compilation keeps anyway.
    fn settle(&self) -> VecDeque<Arc<Past>> {
        let mut noted = self.0.lock();
        let old = noted.pasts.len().saturating_sub(1);
        noted.pasts.drain(..old).collect()
    }

    fn made(&self, read_at_millis: u64) -> Option<Made> {
        self.0.lock().drafts.iter().rev().find(|made| made.read_at_millis == read_at_millis).copied()
    }

    fn past_of(&self, table: Digest) -> Option<Arc<Past>> {
        self.0.lock().pasts.iter().rev().find(|past| past.digest() == table).cloned()
    }
}

/// What has no room any more.
fn push<T>(queue: &mut VecDeque<T>, item: T, most: usize) -> Option<T> {
    queue.push_back(item);
    if queue.len() > most { queue.pop_front() } else { None }
}

/// Writes down what this replica publishes as the leader, for the life of the process, and tells it to `traces`.
pub async fn record(hub: Arc<Hub>, notes: Notes, traces: Option<Traces>) {
    let mut activations = hub.activations();
    loop {
        match activations.recv().await {
            Ok(activation) => {
                let (now, activated_at) = (Arc::clone(&activation.now), activation.activated_at);
                let publication = written(&hub, &notes, activation).await;
                log(&publication);
                if let Some(traces) = &traces {
                    let (publication, read_at_millis) = (publication.clone(), now.read_at_millis);
                    let digests = now.contents.digests().collect();
                    traces.tell(&hub, Told { publication, read_at_millis, activated_at, digests });
                }
                hub.publications().add(publication);
                let pasts = notes.settle();
                drop(aside(move || drop(pasts)));
            }
            Err(RecvError::Lagged(missed)) => {
                tracing::warn!(missed, "publications came too fast to be written down");
            }
            Err(RecvError::Closed) => return,
        }
    }
}

async fn written(hub: &Arc<Hub>, notes: &Notes, activation: Activation) -> Publication {
    let Activation { before, now, announced_at, activated_at } = activation;
    let (version, origin) = (now.version, now.origin);
    let activated_at_millis = now_millis().saturating_sub(hub.now().since(activated_at).as_millis() as u64);
    // What a term inherits, or takes up again, was made another time.
    let is_read = origin == version && now.contents.order == 0;
    let made = notes.made(now.read_at_millis).filter(|_| is_read);
    let cause = cause(before.as_deref(), &now);
    let (digest, routes) = (now.digest(), now.contents.table.routes());
    let pasts = before.as_ref().map(|it| [notes.past_of(it.digest()), notes.past_of(digest)]);
    let comparing = aside(move || {
        let difference = Difference::between(before?.contents.table.packed(), now.contents.table.packed())?;
        Some(owned(difference, &pasts.unwrap_or_default()))
    });
    let replicas = served(hub, version).await;
    let activate = hub.now().since(activated_at);
    let (poll, compile) = made.map(|made| (made.poll, made.compile)).unwrap_or_default();
    Publication {
        version,
        origin,
        digest,
        cause: cause.to_owned(),
        by: hub.name().to_owned(),
        routes,
        difference: comparing.await.ok().flatten(),
        activated_at_millis,
        lengths: Lengths { poll, compile, stage: activated_at.since(announced_at), activate }.in_micros(),
        replicas,
    }
}

/// Names the objects of the routes that are named.
fn owned(mut difference: Difference, [before, now]: &[Option<Arc<Past>>; 2]) -> Difference {
    for change in &mut difference.named {
        let past = if change.what == What::Removed { before } else { now };
        change.object = past.as_ref().and_then(|past| past.owner(&change.route)).cloned();
    }
    difference
}

/// Waits until every follower that is connected has said that it serves `version`, or patience ends, or there is a newer
/// one. How many replicas do, this one among them.
async fn served(hub: &Hub, version: Version) -> u32 {
    let (mut serving, mut changed) = (hub.serving(), hub.changed());
    let all = async {
        loop {
            let everyone = serving.borrow_and_update().values().all(|served| *served >= version);
            changed.mark_unchanged();
            if everyone || hub.read(|core| core.active().is_none_or(|active| active.version > version)) {
                return;
            }
            tokio::select! {
                _ = serving.changed() => {}
                _ = changed.changed() => {}
            }
        }
    };
    let _ = tokio::time::timeout(PATIENCE, all).await;
    let followers = hub.serving().borrow().values().filter(|served| **served >= version).count();
    1 + u32::try_from(followers).unwrap_or(u32::MAX)
}

/// The one line of a publication: docs/logs.md has its fields.
fn log(publication: &Publication) {
    let Publication { version, origin, digest, cause, routes, difference, lengths, replicas, .. } =
        publication;
    let count = |of: fn(&Difference) -> u64| difference.as_ref().map(of);
    tracing::info!(
        %version,
        %origin,
        %digest,
        cause,
        routes,
        added = count(|it| it.added),
        removed = count(|it| it.removed),
        changed = count(|it| it.changed),
        poll_seconds = lengths.poll.as_secs_f64(),
        compile_seconds = lengths.compile.as_secs_f64(),
        stage_seconds = lengths.stage.as_secs_f64(),
        activate_seconds = lengths.activate.as_secs_f64(),
        replicas,
        "published"
    );
}
