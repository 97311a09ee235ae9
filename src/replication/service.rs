//! The server of the protocol: followers' streams, and questions of peers.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::Stream;
use futures::stream;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

use super::core::{Refusal, StreamId};
use super::hub::Hub;
use super::peer::{Proof, Security, WINDOW};
use super::session::Session;
use super::transfer::{MESSAGE_BYTES, chunks};
use crate::net::{self, Listener};
use crate::phase::Phase;
use crate::snapshot::{Announcement, Digest, Epoch, Target, TermId, Version};
use crate::wire::replication_server::{Replication, ReplicationServer};
use crate::wire::{self, follower_message};

/// How long a new stream may take to greet.
const GREETING: Duration = Duration::from_secs(1);

/// How long a greeting waits for this replica to lead; less than the follower waits for its answer.
const SETTLE: Duration = Duration::from_millis(700);

/// How long to wait where the system gives no connection.
const PAUSE: Duration = Duration::from_millis(50);

/// Messages that may be on their way to one follower: a few chunks, so that an answer to a ping is never far behind.
const OUTGOING: usize = 4;

type Outgoing<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Finds connections whose other end is gone without a word.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// The service that each replica offers, whatever its role.
struct Service {
    hub: Arc<Hub>,
    security: Security,
    streams: AtomicU64,
    phase: watch::Receiver<Phase>,
    stop: CancellationToken,
}

/// Serves the protocol on `listener` until `stop` is cancelled; streams that are open then are closed.
///
/// # Errors
///
/// Where the files of TLS make no sense, or the listener fails.
pub async fn listen(
    hub: Arc<Hub>,
    listener: impl Into<Listener>,
    security: &Security,
    phase: watch::Receiver<Phase>,
    stop: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let service =
        Service { hub, security: security.clone(), streams: AtomicU64::new(0), phase, stop: stop.clone() };
    let service = ReplicationServer::new(service).max_decoding_message_size(MESSAGE_BYTES);
    let token = security.token().cloned();
    let admitted = move |request: Request<()>| match &token {
        Some(token) => token.admits(request.metadata()).map(|()| request),
        None => Ok(request),
    };
    let router = Server::builder()
        .tcp_nodelay(true)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .http2_keepalive_interval(Some(KEEP_ALIVE))
        .http2_keepalive_timeout(Some(KEEP_ALIVE))
        .add_service(InterceptedService::new(service, admitted));
    let serving = async {
        match security.tls() {
            Some(tls) => router.serve_with_incoming(tls.clone().incoming(listener.into())).await,
            None => router.serve_with_incoming(incoming(listener.into())).await,
        }
    };
    tokio::select! {
        end = serving => end,
        () = stop.cancelled() => Ok(()),
    }
}

impl Service {
    /// What is proven of whoever sent `request`.
    fn proof<T>(&self, request: &Request<T>) -> Proof {
        let chain = request.peer_certs().unwrap_or_default();
        self.security.tls().map(|tls| tls.proof(&chain)).unwrap_or_default()
    }

    /// Takes over what a peer knows of orders; what is known then.
    fn told(&self, theirs: Option<wire::Orders>) -> wire::Orders {
        if let Some(theirs) = theirs {
            self.hub.order(|orders| orders.merge(&theirs.into()));
        }
        (&*self.hub.orders().borrow()).into()
    }

    /// A follower may read on the Lease that this replica leads before this replica has heard of it: the answer to
    /// its own write is still on the way. Refusing would cost the follower a whole wait between two attempts.
    async fn open(
        &self,
        hello: wire::FollowerHello,
        stream: StreamId,
        outgoing: mpsc::Sender<Result<wire::LeaderMessage, Status>>,
    ) -> Result<Session, Refusal> {
        let mut changed = self.hub.changed();
        let settled = Instant::now() + SETTLE;
        while self.hub.read(|core| core.leads().is_none()) {
            if tokio::time::timeout_at(settled, changed.changed()).await.is_err() {
                return Err(Refusal::NotLeader);
            }
        }
        Session::open(self.hub.clone(), hello, stream, outgoing)
    }
}

/// The connections to `listener`. What accept(2) complains of is one connection's affair, or passes.
fn incoming(listener: Listener) -> impl Stream<Item = io::Result<net::Stream>> {
    stream::unfold(listener, |listener| async move {
        let accepted = listener.accept().await;
        match &accepted {
            Ok(stream) => drop(stream.set_nodelay()),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
        Some((accepted, listener))
    })
}

/// Nobody speaks for another replica.
fn proven(proof: &Proof, identity: &str) -> Result<(), Status> {
    proof.of_identity(identity).map_err(|error| {
        tracing::warn!(identity, %error, "a caller is not who it says");
        Status::permission_denied(error.to_string())
    })
}

#[tonic::async_trait]
impl Replication for Service {
    type FollowStream = Outgoing<wire::LeaderMessage>;
    type FetchStream = Outgoing<wire::FetchResponse>;

    async fn follow(
        &self,
        request: Request<Streaming<wire::FollowerMessage>>,
    ) -> Result<Response<Self::FollowStream>, Status> {
        let proof = self.proof(&request);
        let mut incoming = request.into_inner();
        let first = tokio::time::timeout(GREETING, incoming.message()).await;
        let first = first.map_err(|_| Status::deadline_exceeded("no greeting came"))??;
        let Some(follower_message::Message::Hello(hello)) = first.and_then(|it| it.message) else {
            return Err(Status::invalid_argument("the first message must be a greeting"));
        };
        proven(&proof, &hello.identity)?;
        let stream = StreamId(self.streams.fetch_add(1, Ordering::Relaxed));
        let (outgoing, messages) = mpsc::channel(OUTGOING);
        let session = self
            .open(hello, stream, outgoing)
            .await
            .map_err(|refusal| Status::failed_precondition(self.hub.refused(refusal).to_string()))?;
        let stop = self.stop.clone();
        tokio::spawn(async move { session.run(incoming, stop).await });
        Ok(Response::new(Box::pin(ReceiverStream::new(messages))))
    }

    async fn describe(
        &self,
        request: Request<wire::DescribeRequest>,
    ) -> Result<Response<wire::DescribeResponse>, Status> {
        let proof = self.proof(&request);
        let asked = request.into_inner();
        proven(&proof, &asked.identity)?;
        let orders = self.told(asked.orders);
        let accepted = asked.epoch == 0 || {
            let (epoch, term) = (Epoch(asked.epoch), TermId::from_wire(&asked.term));
            self.hub.update(|core, _| core.see(epoch, term)).is_ok()
        };
        let now = self.hub.now();
        let (fence, view) = self.hub.read(|core| (core.fence(), core.view()));
        let current = view.is_current(now) && *self.phase.borrow() == Phase::Serving;
        let active = view.active;
        Ok(Response::new(wire::DescribeResponse {
            identity: self.hub.identity().to_owned(),
            fence: fence.0,
            accepted,
            active: active.map(|snapshot| Announcement::of(&snapshot).encode()),
            current,
            orders: Some(orders),
        }))
    }

    async fn exchange(
        &self,
        request: Request<wire::ExchangeRequest>,
    ) -> Result<Response<wire::ExchangeResponse>, Status> {
        let proof = self.proof(&request);
        let asked = request.into_inner();
        proven(&proof, &asked.identity)?;
        let orders = self.told(asked.orders);
        let identity = self.hub.identity().to_owned();
        Ok(Response::new(wire::ExchangeResponse { identity, orders: Some(orders) }))
    }

    async fn observe(
        &self,
        request: Request<wire::ObserveRequest>,
    ) -> Result<Response<wire::ObserveResponse>, Status> {
        let proof = self.proof(&request);
        proven(&proof, &request.into_inner().identity)?;
        let shown = self.hub.shows().map(|shows| shows()).unwrap_or_default();
        Ok(Response::new(wire::ObserveResponse { identity: self.hub.identity().to_owned(), ..shown }))
    }

    async fn fetch(
        &self,
        request: Request<wire::FetchRequest>,
    ) -> Result<Response<Self::FetchStream>, Status> {
        let asked = request.into_inner();
        let origin: Option<Version> = asked.origin.map(Into::into);
        let active = self.hub.read(|core| core.active().cloned());
        let digest = Digest::from_wire(&asked.digest);
        let same = active.filter(|active| Some(active.origin) == origin && Some(active.digest()) == digest);
        let snapshot = match (same, asked.version, origin, digest) {
            (Some(same), None, ..) => Some(same),
            (_, Some(version), ..) => self.hub.kept(|history| history.entry(version.into())).await,
            (None, None, Some(origin), Some(digest)) => {
                let target = Target { version: Version::default(), origin, digest };
                self.hub.kept(|history| history.exact(&target)).await
            }
            (None, None, ..) => None,
        };
        let snapshot =
            snapshot.ok_or_else(|| Status::not_found("that snapshot is not kept here any more"))?;
        let header = asked.version.map(|_| Announcement::of(&snapshot).encode());
        let header = header.map(|header| Ok(wire::FetchResponse { header: Some(header), chunk: None }));
        let metrics = self.hub.metrics().clone();
        let chunks = chunks(&snapshot, &asked.tables, |_, _| None).into_iter().map(move |chunk| {
            metrics.sent(chunk.data.len());
            Ok(wire::FetchResponse { chunk: Some(chunk), header: None })
        });
        Ok(Response::new(Box::pin(stream::iter(header.into_iter().chain(chunks)))))
    }
}
