//! One HTTP/1 connection: its requests, its bodies, its end.
//!
//! A body counts as delivered when its last byte has been handed to the kernel. hyper flushes its transport only
//! with nothing left to write, so the first flush after the last piece was taken is that moment. A client that reads
//! slowly gets all of it; one that takes no byte for too long is hung up on, and its place is another's.

use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::admission::{BodyLimits, Place};
use super::metrics::{Metrics, Unfinished};

/// How long a connection that was accepted before the close may take to send its first request. Without it a
/// client that had just connected would be hung up on.
const FIRST_REQUEST: Duration = Duration::from_secs(1);

/// The moments of a stop, in their order.
#[derive(Clone, Debug, Default)]
pub(super) struct Stages {
    /// From here on each answer is the last of its connection.
    pub draining: CancellationToken,
    /// Idle connections close, the others after the answer that is under way.
    pub closing: CancellationToken,
    /// Whatever is still open is cut.
    pub deadline: CancellationToken,
}

/// What the parts of one connection tell each other. One task holds them all.
#[derive(Debug)]
struct Shared {
    metrics: Metrics,
    /// Whether the next answer says `Connection: close`.
    last: AtomicBool,
    asked: AtomicBool,
    first: Notify,
    body: Mutex<Option<Delivery>>,
    stalled: AtomicBool,
}

/// What an answer's body needs on its way: an extension of the response. It is taken once.
#[derive(Clone, Debug)]
pub(super) struct Sending(Arc<Mutex<Option<Place>>>);

impl Sending {
    pub(super) fn new(place: Place) -> Self {
        Self(Arc::new(Mutex::new(Some(place))))
    }
}

/// A body under way.
#[derive(Debug)]
struct Delivery {
    since: Instant,
    bytes: u64,
    /// hyper has all of it.
    taken: bool,
    /// When the client last took a byte, or could have taken the first.
    moved: Instant,
    /// Where it counts against what is sent at once.
    place: Option<Place>,
}

/// Serves a connection until it ends, or until the stages end it. Says whether a body was cut by the deadline.
pub(super) async fn serve<I, H, F, B>(
    io: I,
    http: &http1::Builder,
    handle: H,
    stages: &Stages,
    limits: BodyLimits,
    metrics: Metrics,
) -> bool
where
    I: AsyncRead + AsyncWrite + Unpin,
    H: Fn(Request<Incoming>) -> F,
    F: Future<Output = Response<B>>,
    B: Body<Data = Bytes, Error: std::error::Error + Send + Sync> + Unpin + 'static,
{
    metrics.connections.inc();
    let shared = Arc::new(Shared {
        metrics,
        last: AtomicBool::default(),
        asked: AtomicBool::default(),
        first: Notify::new(),
        body: Mutex::default(),
        stalled: AtomicBool::default(),
    });
    let service = service_fn(|request| {
        let (since, shared) = (Instant::now(), Arc::clone(&shared));
        if !shared.asked.swap(true, Ordering::Relaxed) {
            shared.first.notify_one();
        }
        let answer = handle(request);
        async move {
            let mut answer = answer.await;
            if shared.last.load(Ordering::Relaxed) {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            let place = answer.extensions_mut().remove::<Sending>().map(|Sending(place)| place);
            let place = place.and_then(|place| place.lock().take());
            Ok::<_, std::convert::Infallible>(answer.map(|body| Tracked { body, since, place, shared }))
        }
    });
    let io = TokioIo::new(Watched { io, shared: Arc::clone(&shared), limits, timer: None });
    let mut connection = pin!(http.serve_connection(io, service));

    // An error is a client that broke off or speaks no HTTP: its own affair, and counted where a body was under way.
    let cut = 'over: {
        tokio::select! {
            biased;
            () = stages.draining.cancelled() => shared.last.store(true, Ordering::Relaxed),
            _ = connection.as_mut() => break 'over false,
        }
        tokio::select! {
            biased;
            _ = connection.as_mut() => break 'over false,
            () = stages.closing.cancelled() => {}
        }
        if !shared.asked.load(Ordering::Relaxed) {
            tokio::select! {
                biased;
                _ = connection.as_mut() => break 'over false,
                _ = timeout(FIRST_REQUEST, shared.first.notified()) => {}
            }
        }
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            biased;
            _ = connection.as_mut() => false,
            () = stages.deadline.cancelled() => true,
        }
    };
    let unfinished = shared.body.lock().is_some();
    if unfinished {
        shared.metrics.unfinished(match cut {
            true => Unfinished::Deadline,
            false if shared.stalled.load(Ordering::Relaxed) => Unfinished::Stalled,
            false => Unfinished::Client,
        });
    }
    cut && unfinished
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.metrics.connections.dec();
    }
}

/// A body that tells its connection how far it is.
struct Tracked<B> {
    body: B,
    since: Instant,
    place: Option<Place>,
    shared: Arc<Shared>,
}

impl<B: Body<Data = Bytes> + Unpin> Body for Tracked<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        let this = &mut *self;
        let mut body = this.shared.body.lock();
        let delivery = body.get_or_insert_with(|| Delivery {
            since: this.since,
            bytes: 0,
            taken: false,
            moved: Instant::now(),
            place: this.place.take(),
        });
        match &frame {
            Some(Ok(frame)) => {
                delivery.bytes += frame.data_ref().map_or(0, Bytes::len) as u64;
                delivery.taken = this.body.is_end_stream();
            }
            Some(Err(_)) => {}
            None => delivery.taken = true,
        }
        drop(body);
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A transport that sees a body's last byte leave, and whether its bytes move.
struct Watched<I> {
    io: I,
    shared: Arc<Shared>,
    limits: BodyLimits,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<I> Watched<I> {
    /// What became of a write: time passes while the client takes nothing.
    fn paced<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let mut body = self.shared.body.lock();
        let Some(delivery) = body.as_mut() else { return written };
        if written.is_ready() {
            delivery.moved = Instant::now();
            return written;
        }
        loop {
            let (now, stalled_at) = (Instant::now(), delivery.moved + self.limits.stalled_after);
            if now >= stalled_at {
                self.shared.stalled.store(true, Ordering::Relaxed);
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            let slow_at = delivery.place.as_ref().and_then(Place::slow_at);
            if let Some(place) = delivery.place.as_mut().filter(|_| slow_at.is_some_and(|at| now >= at)) {
                place.give_way();
                continue;
            }
            let wake = slow_at.map_or(stalled_at, |at| at.min(stalled_at));
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(wake)));
            if timer.deadline() != wake {
                timer.as_mut().reset(wake);
            }
            ready!(timer.as_mut().poll(cx));
        }
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Watched<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.paced(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        ready!(self.paced(cx, flushed))?;
        let delivered = self.shared.body.lock().take_if(|delivery| delivery.taken);
        if let Some(Delivery { since, bytes, .. }) = delivered {
            let metrics = &self.shared.metrics;
            metrics.bodies.inc();
            metrics.body_bytes.inc_by(bytes);
            metrics.delivery_seconds.observe(since.elapsed().as_secs_f64());
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.paced(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Watched<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

#[cfg(test)]
mod tests;
