//! The leader's end of one follower's stream: answers pings, announces the newest, sends what is wanted, and gives
//! the word to activate. It keeps no queue of versions: what a slow follower misses, it skips.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use prost::Message as _;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use super::core::{Refusal, StreamId};
use super::deliveries::Feed;
use super::hub::Hub;
use super::ledger::Teller;
use super::publications;
use crate::aside::aside;
use crate::orders::Orders;
use crate::snapshot::{Announcement, Digest, Epoch, Snapshot, TermId, Version};
use crate::wire::{self, follower_message, leader_message};

/// A stream that says nothing for so long is dead: four pings are missing.
pub const SILENCE: Duration = Duration::from_secs(1);

/// How long one message may wait for room on the way to a follower.
const SEND: Duration = Duration::from_secs(2);

/// One follower's stream, while this replica leads `epoch`.
pub struct Session {
    hub: Arc<Hub>,
    identity: String,
    stream: StreamId,
    epoch: Epoch,
    outgoing: mpsc::Sender<Result<wire::LeaderMessage, Status>>,
    announced: Option<Arc<Snapshot>>,
    activated: Version,
    /// Deltas take a while to make; pings are answered meanwhile.
    preparing: Option<JoinHandle<VecDeque<wire::Chunk>>>,
    transfer: VecDeque<wire::Chunk>,
    hello: Option<wire::LeaderHello>,
    deliveries: Feed,
    orders: watch::Receiver<Orders>,
    publications: publications::Feed,
}

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("it said nothing for a second")]
    Silence,
    #[error("it went away")]
    Closed,
    #[error("this replica stops")]
    Stopped,
    #[error("it takes nothing in")]
    Stuck,
    #[error("the term is over")]
    TermOver,
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Transport(#[from] Status),
}

impl Session {
    /// Takes in the follower that greets.
    ///
    /// # Errors
    ///
    /// Where this replica does not lead, or the follower has seen a newer epoch; the election hears of that.
    pub fn open(
        hub: Arc<Hub>,
        hello: wire::FollowerHello,
        stream: StreamId,
        outgoing: mpsc::Sender<Result<wire::LeaderMessage, Status>>,
    ) -> Result<Self, Refusal> {
        let subscribed = hub.update(|core, _| {
            let (epoch, term) = core.leads().ok_or(Refusal::NotLeader)?;
            core.subscribe(&hello.identity, stream, Epoch(hello.fence)).map(|()| (epoch, term))
        });
        let (epoch, term) = subscribed.inspect_err(|refusal| {
            if let Refusal::StaleEpoch(seen) = refusal {
                hub.outrank(*seen);
            }
        })?;
        let greeting = wire::LeaderHello {
            identity: hub.identity().to_owned(),
            epoch: epoch.0,
            term: TermId::to_wire(term),
            format: crate::snapshot::disk::FORMAT,
        };
        tracing::info!(follower = hello.identity, %epoch, "follower connected");
        hub.serves(stream, Version::default());
        Ok(Self {
            deliveries: hub.deliveries().feed(Teller::Follower(stream)),
            orders: hub.orders(),
            publications: hub.publications().feed(),
            hub,
            identity: hello.identity,
            stream,
            epoch,
            outgoing,
            announced: None,
            activated: Version::default(),
            preparing: None,
            transfer: VecDeque::new(),
            hello: Some(greeting),
        })
    }

    /// Runs until the stream ends, the term does, or `stop` is cancelled.
    pub async fn run(mut self, incoming: Streaming<wire::FollowerMessage>, stop: CancellationToken) {
        let end = tokio::select! {
            end = self.converse(incoming) => end.err().unwrap_or(End::Closed),
            () = stop.cancelled() => End::Stopped,
        };
        self.hub.update(|core, now| core.unsubscribe(&self.identity, self.stream, now));
        self.hub.gone(self.stream);
        tracing::info!(follower = self.identity, epoch = %self.epoch, reason = %end, "follower disconnected");
    }

    async fn converse(&mut self, mut incoming: Streaming<wire::FollowerMessage>) -> Result<(), End> {
        let mut changed = self.hub.changed();
        if let Some(hello) = self.hello.take() {
            self.send(leader_message::Message::Hello(hello)).await?;
        }
        self.orders.mark_changed();
        // Before any grant: who may be current must know who has what.
        self.tell().await?;
        let outgoing = self.outgoing.clone();
        let mut deadline = Instant::now() + SILENCE;
        loop {
            self.sync().await?;
            tokio::select! {
                biased;
                message = incoming.message() => {
                    deadline = Instant::now() + SILENCE;
                    let message = message?.ok_or(End::Closed)?.message;
                    self.heard(message).await?;
                }
                () = tokio::time::sleep_until(deadline) => return Err(End::Silence),
                Ok(()) = self.orders.changed() => {
                    let orders = wire::Orders::from(&*self.orders.borrow_and_update());
                    self.send(leader_message::Message::Orders(orders)).await?;
                }
                _ = changed.changed() => {}
                chunks = prepared(&mut self.preparing) => self.transfer = chunks?,
                permit = outgoing.reserve(), if !self.transfer.is_empty() => {
                    let permit = permit.map_err(|_| End::Closed)?;
                    if let Some(chunk) = self.transfer.pop_front() {
                        self.hub.metrics().sent(chunk.data.len());
                        permit.send(Ok(self.counted(leader_message::Message::Chunk(chunk))));
                    }
                }
                deliveries = self.deliveries.next() => {
                    self.send(leader_message::Message::Deliveries(deliveries)).await?;
                }
                publications = self.publications.next() => {
                    self.send(leader_message::Message::Publications(publications)).await?;
                }
            }
        }
    }

    async fn heard(&mut self, message: Option<follower_message::Message>) -> Result<(), End> {
        use follower_message::Message;
        let (identity, stream) = (self.identity.as_str(), self.stream);
        match message {
            Some(Message::Ping(ping)) => {
                let known = ping.known.map(Into::into).unwrap_or_default();
                let pong = self.hub.update(|core, now| core.ping(identity, stream, known, now))?;
                let pong = wire::Pong {
                    number: ping.number,
                    newest: Some(pong.newest.into()),
                    digest: pong.digest.map(|it| it.to_wire()).unwrap_or_default(),
                    // Rounded down: a follower must never count on more than was noted.
                    grant_millis: pong.grant.as_millis() as u64,
                    current: pong.current,
                    confirmed_at_millis: pong.confirmed_at_millis,
                };
                self.send(leader_message::Message::Pong(pong)).await
            }
            Some(Message::Announced(version)) => {
                Ok(self.hub.update(|core, _| core.acknowledge_announced(identity, stream, version.into()))?)
            }
            Some(Message::Staged(version)) => {
                Ok(self.hub.update(|core, _| core.acknowledge_staged(identity, stream, version.into()))?)
            }
            Some(Message::Want(want)) => {
                let version: Version = want.version.map(Into::into).unwrap_or_default();
                // What was announced since is wanted instead.
                if let Some(snapshot) = self.announced.clone().filter(|it| it.version == version) {
                    self.prepare(snapshot, want);
                }
                Ok(())
            }
            Some(Message::Deliveries(deliveries)) => {
                self.hub.deliveries().heard(&deliveries, Teller::Follower(stream));
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
            Some(Message::Activated(version)) => {
                self.hub.serves(stream, version.into());
                Ok(())
            }
            Some(Message::Hello(_)) | None => Ok(()),
        }
    }

    /// Makes the chunks of the wanted tables, on another thread. The follower wants one snapshot at a time: what it wanted
    /// before, and has not got, it wants no more.
    fn prepare(&mut self, snapshot: Arc<Snapshot>, want: wire::Want) {
        self.transfer.clear();
        let hub = self.hub.clone();
        let bases: Vec<_> = hub.read(|core| core.held().into_iter().chain(core.newest().cloned()).collect());
        let holds: Vec<_> = want.holds.iter().filter_map(|digest| Digest::from_wire(digest)).collect();
        self.preparing = Some(aside(move || {
            let chunks = hub.deltas().chunks(&snapshot, &want.tables, &bases, &holds);
            let deltas: BTreeSet<_> =
                chunks.iter().filter(|it| it.delta.is_some()).map(|it| it.table).collect();
            hub.metrics().sent_deltas(deltas.len());
            chunks
        }));
    }

    /// Sends what the follower should know by now.
    async fn sync(&mut self) -> Result<(), End> {
        let (leads, outlook) = self.hub.read(|core| (core.leads(), core.outlook(&self.identity)));
        if leads.is_none_or(|(epoch, _)| epoch != self.epoch) {
            self.send(leader_message::Message::Retired(wire::Retired { epoch: self.epoch.0 })).await?;
            return Err(End::TermOver);
        }
        let announced = self.announced.as_ref().map(|it| it.version);
        if let Some(newest) = outlook.newest.filter(|newest| Some(newest.version) > announced) {
            self.send(leader_message::Message::Announce(Announcement::of(&newest).encode())).await?;
            self.announced = Some(newest);
        }
        if let Some(version) = outlook.activate.filter(|version| *version > self.activated) {
            // That the table is new must be known wherever it is active.
            self.tell().await?;
            self.send(leader_message::Message::Activate(version.into())).await?;
            self.activated = version;
        }
        Ok(())
    }

    /// Tells at once what else is known of deliveries.
    async fn tell(&mut self) -> Result<(), End> {
        while let Some(deliveries) = self.deliveries.ready() {
            self.send(leader_message::Message::Deliveries(deliveries)).await?;
        }
        Ok(())
    }

    async fn send(&self, content: leader_message::Message) -> Result<(), End> {
        let sent = tokio::time::timeout(SEND, self.outgoing.send(Ok(self.counted(content)))).await;
        sent.map_err(|_| End::Stuck)?.map_err(|_| End::Closed)
    }

    fn counted(&self, content: leader_message::Message) -> wire::LeaderMessage {
        let message = wire::LeaderMessage { message: Some(content) };
        self.hub.metrics().said(message.encoded_len());
        message
    }
}

/// The chunks that are being made, when they are; never, where none are.
async fn prepared(
    preparing: &mut Option<JoinHandle<VecDeque<wire::Chunk>>>,
) -> Result<VecDeque<wire::Chunk>, End> {
    let Some(task) = preparing else { return std::future::pending().await };
    let chunks = task.await;
    *preparing = None;
    chunks.map_err(|_| End::Stopped)
}
