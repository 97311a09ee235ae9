//! Accepting connections, and the drain at the end: nobody is hung up on, nothing that was begun is cut before the
//! deadline, and whatever is cut is counted.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper_util::rt::TokioTimer;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::admission::BodyLimits;
use super::connection::{self, Stages};
use super::metrics::Metrics;
use super::tls::Tls;
use crate::net::{Listener, Stream};

/// How much a listener takes on.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once; more wait in the kernel's queue.
    pub connections: usize,
    /// How long a client may take to send a request's head, and how long a connection may lie idle. The peer's is
    /// 60 s, and so is ours.
    pub head_timeout: Duration,
    /// Bodies at once, and how long they may take.
    pub bodies: BodyLimits,
}

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
        Self { connections: 65_536, head_timeout: Duration::from_secs(60), bodies: BodyLimits::default() }
    }
}

/// Serves `handle` to whoever connects, over `tls` where there is any, until `drain` says to close and the last connection is done.
pub(super) async fn serve<H, F, B>(
    listener: Listener,
    tls: Option<Arc<Tls>>,
    handle: H,
    limits: Limits,
    drain: Drain,
    metrics: Metrics,
) -> DrainReport
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send,
    B: Body<Data = Bytes, Error: std::error::Error + Send + Sync> + Send + Unpin + 'static,
{
    let address = listener.local_addr().map(tracing::field::display).ok();
    tracing::info!(address, "listening");
    let stages = Stages { draining: drain.begin, closing: drain.close, deadline: CancellationToken::new() };
    let (tasks, cut) = (TaskTracker::new(), Arc::<AtomicU64>::default());
    let http = protocol(limits);
    let start = |stream: Stream, permit: OwnedSemaphorePermit| {
        let (http, handle, stages) = (http.clone(), handle.clone(), stages.clone());
        let (metrics, cut, tls) = (metrics.clone(), Arc::clone(&cut), tls.clone());
        let peer = stream.peer_addr().ok();
        let handle = move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            handle(request)
        };
        metrics.accepted.inc();
        tasks.spawn(async move {
            let was_cut = match tls {
                None => connection::serve(stream, &http, handle, &stages, limits.bodies, metrics).await,
                Some(tls) => match stages.deadline.run_until_cancelled(tls.accept(stream)).await.flatten() {
                    Some((stream, certified)) => {
                        let handle = move |mut request: Request<Incoming>| {
                            if let Some(certified) = certified {
                                request.extensions_mut().insert(certified);
                            }
                            handle(request)
                        };
                        connection::serve(stream, &http, handle, &stages, limits.bodies, metrics).await
                    }
                    None => {
                        metrics.handshake_errors.inc();
                        false
                    }
                },
            };
            cut.fetch_add(u64::from(was_cut), Ordering::Relaxed);
            drop(permit);
        });
    };

    let permits = Arc::new(Semaphore::new(limits.connections));
    let mut errors = AcceptErrors::default();
    let accepting = async {
        loop {
            let permit = Arc::clone(&permits).acquire_owned().await.expect("the semaphore is never closed");
            match listener.accept().await {
                Ok(stream) => start(stream, permit),
                Err(error) => {
                    metrics.accept_errors.inc();
                    errors.report(&error).await;
                }
            }
        }
    };
    tokio::select! {
        biased;
        () = accepting => {}
        () = stages.closing.cancelled() => {}
    }
    stages.draining.cancel();
    // Whoever is in the kernel's queue has connected already; to close now would be to hang up.
    while let Ok(permit) = Arc::clone(&permits).try_acquire_owned()
        && let Some(Ok(stream)) = listener.accept().now_or_never()
    {
        start(stream, permit);
    }
    drop(listener);

    let open = tasks.len();
    tracing::info!(address, open, "closed, finishing what was begun");
    tasks.close();
    tokio::select! {
        biased;
        () = tasks.wait() => {}
        () = sleep(drain.deadline) => {
            stages.deadline.cancel();
            tasks.wait().await;
        }
    }
    let cut = cut.load(Ordering::Relaxed);
    if cut > 0 {
        tracing::warn!(address, cut, "bodies cut at the deadline; give slow clients a longer drain");
    }
    DrainReport { open, cut }
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
        sleep(Duration::from_millis(50)).await;
    }
}
