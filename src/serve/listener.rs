//! Accepting connections, and the drain at the end: nobody is hung up on, nothing that was begun is cut before the
//! deadline, and whatever is cut is counted.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use h2::RecvStream;
use http::{Request, Response};
use http_body_util::{Either, Empty};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper_util::rt::TokioTimer;
use rustix::net::{SocketFlags, acceptfrom_with};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::admission::BodyLimits;
use super::connection::{self, Stages};
use super::crowd::Crowd;
use super::glance::{self, Glance, Idle, Next};
use super::http2;
use super::metrics::Metrics;
use super::tls::{Certified, Tls};
use crate::net::{Listener, Stream};

/// How much a listener takes on.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once; more wait in the kernel's queue.
    pub connections: usize,
    /// How long a client may take to send a request's head, and how long a connection may lie idle. The peer's is
    /// 60 s, and so is ours.
    pub head_timeout: Duration,
    /// `--hold`: how long a client that has the active table waits for another one, if it does not say so itself; zero is
    /// not at all.
    pub hold: Duration,
    /// Bodies at once, and how long they may take.
    pub bodies: BodyLimits,
    /// Whether HTTP/2 is spoken too, to whoever begins with it. Then nobody reads what a request brings over it.
    pub http2: bool,
}

/// What a request brings: over HTTP/2 nothing.
pub(super) type Brought = Either<Incoming, Empty<Bytes>>;

/// How a listener stops: it is told to drain, goes on accepting while the Service forgets it, and is told to close.
#[derive(Clone, Debug)]
pub struct Drain {
    /// Cancelled when the drain begins: each answer now ends its connection, so that clients move on by themselves.
    pub begin: CancellationToken,
    /// Cancelled when nobody new is expected: stop accepting, close what is idle, finish what was begun.
    pub close: CancellationToken,
    /// How long to wait for that.
    pub deadline: Duration,
}

/// Who asks: an extension of each request. None where the connection was gone before anyone looked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) Option<SocketAddr>);

/// What became of the connections that were open when the listener closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DrainReport {
    /// Connections open at the close.
    pub open: usize,
    /// Bodies that were still under way at the deadline, and were cut.
    pub cut: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 65_536,
            head_timeout: Duration::from_secs(60),
            hold: Duration::ZERO,
            bodies: BodyLimits::default(),
            http2: true,
        }
    }
}

/// Serves `handle` to whoever connects, over `tls` where there is any, until `drain` says to close and the last connection
/// is done. What `glance` can answer never gets there; over TLS everything does.
pub(super) async fn serve<G, H, F, B>(
    listener: Listener,
    tls: Option<Arc<Tls>>,
    glance: G,
    handle: H,
    limits: Limits,
    drain: Drain,
    metrics: Metrics,
) -> io::Result<DrainReport>
where
    G: Glance,
    H: Fn(Request<Brought>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send,
    B: Body<Data = Bytes, Error: std::error::Error + Send + Sync> + Send + Unpin + 'static,
{
    let address = listener.local_addr().map(tracing::field::display).ok();
    let listener = Door::of(listener)?;
    tracing::debug!(address, "listening");
    let tasks = TaskTracker::new();
    let house = Arc::new(House {
        tls,
        crowd: glance.crowd(),
        glance,
        handle,
        http: protocol(limits),
        // Of its own: those who wait for a moment stand in a line, and each listener has another.
        stages: Stages {
            draining: drain.begin.child_token(),
            closing: drain.close.child_token(),
            deadline: CancellationToken::new(),
        },
        limits,
        metrics,
        cut: AtomicU64::default(),
    });
    let House { stages, metrics, crowd, .. } = &*house;
    // The permit comes back where nothing was left to do.
    let start = |arrival: Arrival, permit: OwnedSemaphorePermit| -> Option<OwnedSemaphorePermit> {
        metrics.accepted.inc();
        let (stream, from, next) = match arrival {
            Arrival::Stream(stream) => {
                let from = stream.peer_addr().ok();
                (stream, from, Next::First)
            }
            Arrival::Socket(socket, from) => {
                let next = house.at_once(&socket, from);
                if next == Next::End {
                    return Some(permit);
                }
                (Stream::Tcp(TcpStream::from_std(socket.into()).ok()?), from, next)
            }
        };
        let house = Arc::clone(&house);
        tasks.spawn(async move {
            house.serve(stream, from, next).await;
            drop(permit);
        });
        None
    };

    let permits = Arc::new(Semaphore::new(limits.connections));
    let mut errors = AcceptErrors::default();
    let accepting = async {
        let mut spare = None;
        loop {
            let permit = match spare.take() {
                Some(permit) => permit,
                None => Arc::clone(&permits).acquire_owned().await.expect("the semaphore is never closed"),
            };
            while !crowd.has_room(tasks.len()) {
                sleep(AGAIN).await;
            }
            match listener.next().await {
                Ok(arrival) => spare = start(arrival, permit),
                Err(error) => {
                    metrics.accept_errors.inc();
                    crowd.failed(&error, tasks.len());
                    errors.report(&error).await;
                    spare = Some(permit);
                }
            }
        }
    };
    tokio::select! {
        () = accepting => {}
        () = stages.closing.cancelled() => {}
    }
    stages.draining.cancel();
    // Whoever is in the kernel's queue has connected already; to close now would be to hang up.
    while let Ok(permit) = Arc::clone(&permits).try_acquire_owned()
        && let Some(Ok(arrival)) = listener.next().now_or_never()
    {
        drop(start(arrival, permit));
    }
    drop(listener);

    let open = tasks.len();
    tracing::debug!(address, open, "closed, finishing what was begun");
    tasks.close();
    tokio::select! {
        () = tasks.wait() => {}
        () = sleep(drain.deadline) => {
            stages.deadline.cancel();
            tasks.wait().await;
        }
    }
    let cut = house.cut.load(Ordering::Relaxed);
    if cut > 0 {
        tracing::warn!(address, cut, "bodies cut at the deadline; give slow clients a longer drain");
    }
    Ok(DrainReport { open, cut })
}

/// Where connections come in.
enum Door {
    Tcp(AsyncFd<std::net::TcpListener>),
    Other(Listener),
}

/// What came in.
enum Arrival {
    /// Nothing has been set up for it, and for most nothing will be.
    Socket(OwnedFd, Option<SocketAddr>),
    /// From another network.
    Stream(Stream),
}

impl Door {
    fn of(listener: Listener) -> io::Result<Self> {
        let Listener::Tcp(listener) = listener else { return Ok(Self::Other(listener)) };
        #[expect(
            deprecated,
            reason = "what replaces it is unsafe, for the sake of types that let go of their descriptor"
        )]
        AsyncFd::with_interest(listener.into_std()?, Interest::READABLE).map(Self::Tcp)
    }

    async fn next(&self) -> io::Result<Arrival> {
        let listener = match self {
            Self::Tcp(listener) => listener,
            Self::Other(listener) => return listener.accept().await.map(Arrival::Stream),
        };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let accepting = |listener: &std::net::TcpListener| Ok(acceptfrom_with(listener, flags)?);
        let (socket, from) = listener.async_io(Interest::READABLE, accepting).await?;
        Ok(Arrival::Socket(socket, from.and_then(|from| from.try_into().ok())))
    }
}

/// What all connections of a listener share.
struct House<G, H> {
    tls: Option<Arc<Tls>>,
    glance: G,
    handle: H,
    http: http1::Builder,
    stages: Stages,
    limits: Limits,
    metrics: Metrics,
    crowd: Arc<Crowd>,
    /// Bodies that the deadline cut.
    cut: AtomicU64,
}

impl<G, H, F, B> House<G, H>
where
    G: Glance,
    H: Fn(Request<Brought>) -> F,
    F: Future<Output = Response<B>>,
    B: Body<Data = Bytes, Error: std::error::Error + Send + Sync> + Unpin + 'static,
{
    fn at_once(&self, socket: &OwnedFd, from: Option<SocketAddr>) -> Next {
        match self.tls {
            None => glance::at_once(&self.glance, socket, from, self.stages.draining.is_cancelled()),
            Some(_) => Next::First,
        }
    }

    async fn serve(&self, mut stream: Stream, from: Option<SocketAddr>, next: Next) {
        let _open = self.metrics.connected();
        // What may follow is far larger than what waits for polls, which is most of what there is.
        if let Some(tls) = &self.tls {
            match self.stages.deadline.run_until_cancelled(tls.accept(stream)).await.flatten() {
                Some((stream, certified)) if stream.get_ref().1.alpn_protocol() == Some(http2::ALPN) => {
                    Box::pin(self.http2(Bytes::new(), stream, from, certified)).await;
                }
                Some((stream, certified)) => {
                    Box::pin(self.http1(Bytes::new(), stream, from, certified)).await;
                }
                None => {
                    self.metrics.handshake_errors.inc();
                }
            }
            return;
        }
        let idle = Idle { usual: self.limits.head_timeout, crowd: &self.crowd };
        let seen = glance::polls(&self.glance, &mut stream, from, next, &self.stages, idle).await;
        let Some(seen) = seen else { return };
        let known = match self.limits.http2 {
            true => self.stages.deadline.run_until_cancelled(http2::is_spoken(seen, &mut stream)).await,
            false => Some(Some((false, seen))),
        };
        match known.flatten() {
            Some((true, seen)) => Box::pin(self.http2(seen, stream, from, None)).await,
            Some((false, seen)) => Box::pin(self.http1(seen, stream, from, None)).await,
            None => {}
        }
    }

    async fn http1(
        &self,
        seen: Bytes,
        io: impl AsyncRead + AsyncWrite + Unpin,
        from: Option<SocketAddr>,
        certified: Option<Certified>,
    ) {
        let handle = |request: Request<Incoming>| self.answer(request.map(Either::Left), from, certified);
        let Self { http, stages, limits, metrics, .. } = self;
        let was_cut = connection::serve(seen, io, http, handle, stages, limits.bodies, metrics.clone()).await;
        self.cut.fetch_add(u64::from(was_cut), Ordering::Relaxed);
    }

    async fn http2(
        &self,
        seen: Bytes,
        io: impl AsyncRead + AsyncWrite + Unpin,
        from: Option<SocketAddr>,
        certified: Option<Certified>,
    ) {
        let handle = |request: Request<RecvStream>| {
            self.answer(request.map(|_| Either::Right(Empty::new())), from, certified)
        };
        let Self { stages, limits, metrics, .. } = self;
        let cut = http2::serve(seen, io, handle, stages, limits, metrics.clone()).await;
        self.cut.fetch_add(cut, Ordering::Relaxed);
    }

    fn answer(
        &self,
        mut request: Request<Brought>,
        from: Option<SocketAddr>,
        certified: Option<Certified>,
    ) -> F {
        request.extensions_mut().insert(Peer(from));
        if let Some(certified) = certified {
            request.extensions_mut().insert(certified);
        }
        (self.handle)(request)
    }
}

/// HTTP/1 as the peer speaks it: header names in its case, and a client that closes its sending side after the
/// request still gets its answer.
fn protocol(limits: Limits) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .half_close(true)
        .title_case_headers(true)
        .max_buf_size(64 * 1024);
    http
}

/// How soon another connection is tried where there was no descriptor for one.
const AGAIN: Duration = Duration::from_millis(50);

/// Tells about failing accepts at most once a minute, and waits where waiting may help.
#[derive(Debug, Default)]
struct AcceptErrors(Option<Instant>);

impl AcceptErrors {
    async fn report(&mut self, error: &io::Error) {
        use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
        if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
            return;
        }
        if self.0.is_none_or(|last| last.elapsed() >= Duration::from_secs(60)) {
            self.0 = Some(Instant::now());
            tracing::warn!(%error, "cannot accept connections; raise the limit of open files if it is that");
        }
        sleep(AGAIN).await;
    }
}
