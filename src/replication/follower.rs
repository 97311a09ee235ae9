//! The follower's end: finds the leader on the Lease, subscribes, pings, stages, activates on its word; reconnects
//! with jitter for ever. Whatever happens here, requests are served from the cell.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::core::Refusal;
use super::deliveries::Feed;
use super::hub::Hub;
use super::ledger::Teller;
use super::peer::{PeerError, Security};
use super::publications;
use super::session::SILENCE;
use super::transfer::{Incoming, TransferError};
use crate::aside::aside;
use crate::election::{Leader, Role};
use crate::orders::Orders;
use crate::snapshot::disk::FORMAT;
use crate::snapshot::{Announcement, Digest, Epoch, HeaderError, Snapshot, TableError, TermId, Version};
use crate::time::Moment;
use crate::wire::{self, follower_message, leader_message};

/// How often a follower pings, and so how soon it learns of a leader that is gone.
const PING: Duration = Duration::from_millis(250);

/// How long to wait at least between two attempts.
const LEAST_WAIT: Duration = Duration::from_millis(50);

/// How long the leader may take to greet.
const GREETING: Duration = Duration::from_secs(1);

/// Pings that may be without an answer; the stream is long dead by then.
const UNANSWERED: usize = 64;

/// Messages that may be on their way to the leader.
const OUTGOING: usize = 16;

/// Follows whoever leads, until the role's sender is gone. A `kick` says that a client may hold something newer: it
/// shortens the wait between two attempts.
pub async fn follow(hub: Arc<Hub>, mut role: watch::Receiver<Role>, security: Security, kick: Arc<Notify>) {
    let (mut last_reason, mut attempts) = (String::new(), 0);
    loop {
        let leader = match &*role.borrow_and_update() {
            Role::Follower(Some(leader)) if !leader.address.is_empty() => Some(leader.clone()),
            _ => None,
        };
        let Some(leader) = leader else {
            if role.changed().await.is_err() {
                return;
            }
            continue;
        };
        // The Lease is heard before the leader itself can be reached: older grants end now.
        if let Err(refusal) = hub.update(|core, _| core.see(leader.epoch, Some(leader.term))) {
            tracing::debug!(epoch = %leader.epoch, %refusal, "the Lease names a term that is over");
        }
        let end = tokio::select! {
            end = session(&hub, &leader, &security) => end,
            () = other_leader(&mut role, &leader) => { last_reason.clear(); continue }
        };
        let reason = end.to_string();
        if let End::Retired = end {
            tracing::info!(leader = leader.identity, epoch = %leader.epoch, "the leader's term is over");
        } else if reason != last_reason {
            tracing::warn!(
                leader = leader.identity,
                address = leader.address,
                reason,
                "lost the leader's stream"
            );
        }
        last_reason = reason;
        attempts += 1;
        tokio::select! {
            () = tokio::time::sleep(jitter(hub.identity(), attempts)) => {}
            () = async { tokio::time::sleep(LEAST_WAIT).await; kick.notified().await } => {}
            () = other_leader(&mut role, &leader) => last_reason.clear(),
        }
    }
}

/// Between [`LEAST_WAIT`] and 500 ms, so that a fleet of followers does not come back as one.
/// Made of the nonce in its identity, so it is another one for each process and attempt.
fn jitter(identity: &str, attempts: u64) -> Duration {
    let digest = Digest::of(format!("{identity} {attempts}").as_bytes());
    let random = u16::from_be_bytes([digest.as_bytes()[0], digest.as_bytes()[1]]);
    LEAST_WAIT + Duration::from_millis(u64::from(random) % 450)
}

async fn other_leader(role: &mut watch::Receiver<Role>, leader: &Leader) {
    let other = |role: &Role| !matches!(role, Role::Follower(Some(now)) if now == leader);
    if role.wait_for(other).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Why the stream to the leader ended.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error(transparent)]
    Peer(#[from] PeerError),
    #[error("the leader did not greet in time")]
    Greeting,
    #[error("another process answers there: {0}")]
    Stranger(String),
    #[error("its snapshots have format {0}; this release reads {FORMAT}")]
    Format(u32),
    #[error("it said nothing for a second")]
    Silence,
    #[error("it closed the stream")]
    Closed,
    #[error("its term is over")]
    Retired,
    #[error("its table of {0} is another one")]
    Diverged(Version),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Header(#[from] HeaderError),
    #[error(transparent)]
    Transfer(#[from] TransferError),
    #[error(transparent)]
    Table(#[from] TableError),
    #[error("{}: {}", .0.code(), .0.message())]
    Status(#[from] Status),
}

async fn session(hub: &Arc<Hub>, leader: &Leader, security: &Security) -> End {
    let opened = async {
        let (mut client, proof) = security.connect(&leader.address).await?;
        proof.of_identity(&leader.identity)?;
        let (outgoing, messages) = mpsc::channel(OUTGOING);
        let hello = wire::FollowerHello {
            identity: hub.identity().to_owned(),
            fence: hub.read(|core| core.fence()).0,
            formats: vec![FORMAT],
        };
        let stream = Stream {
            hub: hub.clone(),
            epoch: leader.epoch,
            outgoing,
            pings: Pings::default(),
            work: Work::Idle,
            deliveries: hub.deliveries().feed(Teller::Leader),
            only_whole: false,
            orders: hub.orders(),
            publications: hub.publications().feed(),
        };
        stream.send(follower_message::Message::Hello(hello)).await?;
        let opened = tokio::time::timeout(GREETING, client.follow(ReceiverStream::new(messages))).await;
        let mut incoming = opened.map_err(|_| End::Greeting)??.into_inner();
        let first = tokio::time::timeout(GREETING, incoming.message()).await.map_err(|_| End::Greeting)??;
        greeted(first, leader)?;
        hub.update(|core, _| core.see(leader.epoch, Some(leader.term)))?;
        hub.metrics().session();
        tracing::info!(leader = leader.identity, address = leader.address, epoch = %leader.epoch, "following");
        let end = stream.run(incoming).await;
        if matches!(end, Ok(()) | Err(End::Closed | End::Status(_))) {
            hub.broke(leader);
        }
        end
    };
    match opened.await {
        Ok(()) => End::Closed,
        Err(end) => end,
    }
}

/// The process that answers must be the one that the Lease names: addresses are used again.
fn greeted(first: Option<wire::LeaderMessage>, leader: &Leader) -> Result<(), End> {
    let Some(leader_message::Message::Hello(hello)) = first.and_then(|it| it.message) else {
        return Err(End::Greeting);
    };
    if hello.format > FORMAT {
        return Err(End::Format(hello.format));
    }
    let same = Epoch(hello.epoch) == leader.epoch && TermId::from_wire(&hello.term) == Some(leader.term);
    if same && hello.identity == leader.identity { Ok(()) } else { Err(End::Stranger(hello.identity)) }
}

/// The pings that are on their way, with the moment of their sending.
#[derive(Default)]
struct Pings {
    next: u64,
    sent: VecDeque<(u64, Moment)>,
    known: Option<Version>,
}

/// What is being done to stage a snapshot.
enum Work {
    Idle,
    Receiving(Box<Incoming>),
    Assembling { task: JoinHandle<Result<Snapshot, TableError>>, from_deltas: bool },
}

struct Stream {
    hub: Arc<Hub>,
    epoch: Epoch,
    outgoing: mpsc::Sender<wire::FollowerMessage>,
    pings: Pings,
    work: Work,
    deliveries: Feed,
    /// Deltas of this leader did not lead to its tables.
    only_whole: bool,
    orders: watch::Receiver<Orders>,
    publications: publications::Feed,
}

impl Stream {
    async fn run(mut self, mut incoming: Streaming<wire::LeaderMessage>) -> Result<(), End> {
        let mut changed = self.hub.changed();
        let mut ticks = tokio::time::interval(PING);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while let Some(deliveries) = self.deliveries.ready() {
            self.send(follower_message::Message::Deliveries(deliveries)).await?;
        }
        self.orders.mark_changed();
        let mut deadline = Instant::now() + SILENCE;
        loop {
            tokio::select! {
                biased;
                message = incoming.message() => {
                    deadline = Instant::now() + SILENCE;
                    let message = message?.ok_or(End::Closed)?.message;
                    self.heard(message).await?;
                }
                () = tokio::time::sleep_until(deadline) => return Err(End::Silence),
                snapshot = assembled(&mut self.work) => match snapshot? {
                    Assembled::Snapshot(snapshot) => self.staged(*snapshot).await?,
                    Assembled::NotFromDeltas(error) => {
                        tracing::warn!(reason = %error, "deltas do not lead to the announced tables; asking for whole ones");
                        self.hub.metrics().failed_delta();
                        self.only_whole = true;
                        self.pursue().await?;
                    }
                },
                _ = ticks.tick() => self.ping().await?,
                Ok(()) = self.orders.changed() => {
                    let orders = wire::Orders::from(&*self.orders.borrow_and_update());
                    self.send(follower_message::Message::Orders(orders)).await?;
                }
                deliveries = self.deliveries.next() => {
                    self.send(follower_message::Message::Deliveries(deliveries)).await?;
                }
                publications = self.publications.next() => {
                    self.send(follower_message::Message::Publications(publications)).await?;
                }
                _ = changed.changed() => {
                    if Some(self.hub.read(|core| core.known())) != self.pings.known {
                        self.ping().await?;
                    }
                }
            }
        }
    }

    async fn heard(&mut self, message: Option<leader_message::Message>) -> Result<(), End> {
        use leader_message::Message;
        match message {
            Some(Message::Announce(header)) => self.announced(Announcement::decode(header)?).await,
            Some(Message::Chunk(chunk)) => {
                // Those of a version that is not wanted any more were on their way already.
                if let Work::Receiving(incoming) = &mut self.work
                    && chunk.version.map(Version::from) == Some(incoming.version())
                {
                    incoming.take(&chunk)?;
                }
                self.pursue().await
            }
            Some(Message::Activate(version)) => {
                let activated = self.hub.update(|core, _| core.activate(version.into()));
                match activated {
                    Ok(snapshot) => {
                        let (digest, routes) = (snapshot.digest(), snapshot.contents.table.routes());
                        tracing::info!(version = %snapshot.version, ?digest, routes, origin = %snapshot.origin, "activated");
                        self.send(follower_message::Message::Activated(version)).await?;
                        // The leader is current again: ask at once.
                        self.ping().await
                    }
                    // Active already, after a reconnection.
                    Err(Refusal::NotStaged) => Ok(()),
                    Err(refusal @ Refusal::Frozen) => {
                        self.hub.refused(refusal);
                        tracing::info!(version = %Version::from(version), reason = %refusal, "not activated");
                        Ok(())
                    }
                    Err(refusal) => self.refused(refusal),
                }
            }
            Some(Message::Pong(pong)) => {
                self.answered(&pong)?;
                Ok(())
            }
            Some(Message::Deliveries(deliveries)) => {
                self.hub.deliveries().heard(&deliveries, Teller::Leader);
                Ok(())
            }
            Some(Message::Orders(theirs)) => {
                self.hub.order(|orders| orders.merge(&theirs.into()));
                Ok(())
            }
            Some(Message::Publications(publications)) => {
                self.publications.heard(publications);
                Ok(())
            }
            Some(Message::Retired(_)) => Err(End::Retired),
            Some(Message::Hello(_)) | None => Ok(()),
        }
    }

    async fn announced(&mut self, announcement: Announcement) -> Result<(), End> {
        let version = announcement.version;
        if let Err(refusal) = self.hub.update(|core, _| core.hear(announcement)) {
            return self.refused(refusal);
        }
        self.send(follower_message::Message::Announced(version.into())).await?;
        let (held, active) = self.hub.read(|core| (core.held(), core.active().map(|it| it.version)));
        if held.iter().any(|it| it.version == version) || active == Some(version) {
            return self.send(follower_message::Message::Staged(version.into())).await;
        }
        // The leader may have announced this before it heard what is wanted of the one before, and then sends none of it.
        if let Work::Receiving(incoming) = &self.work
            && incoming.is_untouched()
        {
            self.work = Work::Idle;
        }
        self.pursue().await
    }

    /// Takes the next step towards staging the newest announcement of this term, one transfer at a time.
    async fn pursue(&mut self) -> Result<(), End> {
        if let Work::Idle = self.work {
            let next = self.hub.read(|core| (core.to_stage().cloned(), core.held()));
            let (Some(announcement), held) = next else { return Ok(()) };
            if announcement.version.epoch != self.epoch {
                return Ok(());
            }
            let lacking = announcement.lacking(&held.iter().map(AsRef::as_ref).collect::<Vec<_>>());
            let holds = if self.only_whole { Vec::new() } else { digests(&held) };
            let incoming = Incoming::new(announcement, &lacking, holds)?;
            if !lacking.is_empty() {
                self.send(follower_message::Message::Want(incoming.want())).await?;
            }
            self.work = Work::Receiving(Box::new(incoming));
        }
        self.work = match std::mem::replace(&mut self.work, Work::Idle) {
            Work::Receiving(incoming) if incoming.is_complete() => {
                let held = self.hub.read(|core| core.held());
                let from_deltas = incoming.has_deltas();
                let sharder = self.hub.sharder().cloned();
                // Cut before it is staged: once it is active, its shards are too.
                let cut = move |snapshot: &Snapshot| {
                    if let Some(sharder) = sharder {
                        sharder.prepare(&snapshot.contents.table);
                    }
                };
                let task = aside(move || incoming.assemble(&held).inspect(cut));
                Work::Assembling { task, from_deltas }
            }
            other => other,
        };
        Ok(())
    }

    async fn staged(&mut self, snapshot: Snapshot) -> Result<(), End> {
        let version = snapshot.version;
        if let Err(refusal) = self.hub.update(|core, _| core.stage(snapshot)) {
            return self.refused(refusal);
        }
        self.send(follower_message::Message::Staged(version.into())).await?;
        self.pursue().await
    }

    /// A term that is over ends the stream; what is only not wanted is left alone.
    fn refused(&self, refusal: Refusal) -> Result<(), End> {
        let refusal = self.hub.refused(refusal);
        tracing::warn!(epoch = %self.epoch, reason = %refusal, "not accepted from the leader");
        match refusal {
            Refusal::StaleEpoch(_) | Refusal::OtherTerm(_) => Err(End::Refused(refusal)),
            _ => Ok(()),
        }
    }

    async fn ping(&mut self) -> Result<(), End> {
        let known = self.hub.read(|core| core.known());
        self.pings.known = Some(known);
        self.pings.next += 1;
        if self.pings.sent.len() == UNANSWERED {
            self.pings.sent.pop_front();
        }
        let number = self.pings.next;
        self.pings.sent.push_back((number, self.hub.now()));
        self.send(follower_message::Message::Ping(wire::Ping { number, known: Some(known.into()) })).await
    }

    fn answered(&mut self, pong: &wire::Pong) -> Result<(), End> {
        let newest: Option<Version> = pong.newest.map(Into::into);
        while let Some((number, sent_at)) = self.pings.sent.pop_front() {
            if number == pong.number {
                let grant = Duration::from_millis(pong.grant_millis);
                self.hub.update(|core, _| {
                    core.answered(self.epoch, sent_at, grant, pong.current);
                    core.hear_confirmed(newest.unwrap_or_default(), pong.confirmed_at_millis);
                });
            }
            if number >= pong.number {
                break;
            }
        }
        let active = self.hub.read(|core| core.active().map(|it| (it.version, it.digest())));
        if let (Some((version, digest)), Some(theirs)) = (active, Digest::from_wire(&pong.digest))
            && Some(version) == newest
            && digest != theirs
        {
            tracing::error!(%version, ?digest, leaders = ?theirs, "the leader has another table under this version; taking it");
            self.hub.metrics().damaged();
            self.hub.update(|core, _| core.disown(version));
            return Err(End::Diverged(version));
        }
        Ok(())
    }

    async fn send(&self, content: follower_message::Message) -> Result<(), End> {
        let message = wire::FollowerMessage { message: Some(content) };
        let sent = tokio::time::timeout(SILENCE, self.outgoing.send(message)).await;
        sent.map_err(|_| End::Silence)?.map_err(|_| End::Closed)
    }
}

/// The digests of all tables of `held`.
fn digests(held: &[Arc<Snapshot>]) -> Vec<Digest> {
    let tables =
        held.iter().flat_map(|it| std::iter::once(&it.contents.table).chain(it.contents.zones.values()));
    tables.map(|table| table.digest()).collect::<BTreeSet<_>>().into_iter().collect()
}

/// What came of the assembling.
enum Assembled {
    Snapshot(Box<Snapshot>),
    NotFromDeltas(TableError),
}

/// The snapshot that is being assembled, when it is done; never, where none is.
async fn assembled(work: &mut Work) -> Result<Assembled, End> {
    let Work::Assembling { task, from_deltas } = work else { return std::future::pending().await };
    let (result, from_deltas) = (task.await, *from_deltas);
    *work = Work::Idle;
    match result.map_err(|_| End::Closed)? {
        Ok(snapshot) => Ok(Assembled::Snapshot(Box::new(snapshot))),
        Err(error) if from_deltas => Ok(Assembled::NotFromDeltas(error)),
        Err(error) => Err(error.into()),
    }
}
