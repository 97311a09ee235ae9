//! One HTTP/1 connection: its requests, its bodies, its end.
//!
//! A body is handed over when the kernel has its last byte. hyper flushes its transport only with nothing left to write,
//! so the first flush after the last piece was taken is that moment. It counts as delivered when the client then closes in
//! order, or asks again, as it does once it has read everything; or says nothing for a second. One that goes away with
//! something unread resets, and after that second it is taken back: a client without a processor, or behind a thin line,
//! gives up when its own time is over. Nobody is told before: a replica that dies meanwhile could not take it back. A client
//! that reads slowly gets all of it; one that takes no byte for too long is hung up on, and its place is another's.

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
use super::line::Line;
use super::metrics::{Metrics, Unfinished};
use super::sending::{Needs, Receipt, Sending};
use crate::replication::ledger::Outcome;

/// How long a connection that was accepted before the close may take to send its first request. Without it a
/// client that had just connected would be hung up on.
pub(super) const FIRST_REQUEST: Duration = Duration::from_secs(1);

/// How long the client may take to show that it has what the kernel was handed, and how long the end of a connection waits
/// for the client's own. What the kernel still holds then would be lost with the network of a pod that ends.
pub(super) const LINGER: Duration = Duration::from_secs(1);

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
struct Shared {
    metrics: Metrics,
    /// Whether the next answer says `Connection: close`.
    last: AtomicBool,
    asked: AtomicBool,
    first: Notify,
    body: Mutex<Option<Delivery>>,
    /// The last table that was handed to the kernel, until the client shows that it has it.
    unsettled: Mutex<Option<Handed>>,
    stalled: AtomicBool,
    line: Line,
}

/// A body under way.
struct Delivery {
    since: Instant,
    bytes: u64,
    /// hyper has all of it.
    taken: bool,
    /// When the client last took a byte, or could have taken the first.
    moved: Instant,
    /// Where it counts against what is sent at once.
    place: Option<Place>,
    receipt: Option<Receipt>,
}

/// A table that the kernel has.
struct Handed {
    receipt: Receipt,
    /// When it counts as delivered, where the client has said nothing.
    believed_at: Instant,
    /// That moment is over.
    believed: bool,
}

/// Serves a connection, of which `seen` was read already, until it ends, or until the stages end it. Says whether a body was cut by the deadline.
pub(super) async fn serve<I, H, F, B>(
    seen: Bytes,
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
    let shared = Arc::new(Shared {
        metrics,
        last: AtomicBool::default(),
        asked: AtomicBool::default(),
        first: Notify::new(),
        body: Mutex::default(),
        unsettled: Mutex::default(),
        stalled: AtomicBool::default(),
        line: Line::default(),
    });
    let service = service_fn(|mut request: Request<Incoming>| {
        let (since, shared) = (Instant::now(), Arc::clone(&shared));
        if !shared.asked.swap(true, Ordering::Relaxed) {
            shared.first.notify_one();
        }
        request.extensions_mut().insert(shared.line.clone());
        let answer = handle(request);
        async move {
            let mut answer = answer.await;
            if shared.last.load(Ordering::Relaxed) {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            let sending = answer.extensions_mut().remove::<Sending>().and_then(Sending::take);
            Ok::<_, std::convert::Infallible>(answer.map(|body| Tracked { body, since, sending, shared }))
        }
    });
    let io =
        TokioIo::new(Watched { seen, io, shared: Arc::clone(&shared), limits, timer: None, ends_at: None });
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
    shared.settle(&Ok(()));
    let unfinished = shared.body.lock().take();
    if let Some(delivery) = &unfinished {
        if let Some(receipt) = &delivery.receipt {
            receipt.write(Outcome::Cut);
        }
        shared.metrics.unfinished(match cut {
            true => Unfinished::Deadline,
            false if shared.stalled.load(Ordering::Relaxed) => Unfinished::Stalled,
            false => Unfinished::Client,
        });
    }
    cut && unfinished.is_some()
}

impl Shared {
    /// Something was read, or cannot be any more: what the kernel was handed has arrived, or has not.
    fn settle(&self, read: &io::Result<()>) {
        let Some(Handed { receipt, believed, .. }) = self.unsettled.lock().take() else { return };
        if read.as_ref().is_err_and(broke) {
            receipt.write(Outcome::Cut);
            self.metrics.unfinished(Unfinished::Reset);
        } else if !believed {
            receipt.write(Outcome::Completed);
        }
    }

    /// When the client's silence says that it has what the kernel was handed; none where nothing is waited for.
    fn believed_at(&self) -> Option<Instant> {
        self.unsettled.lock().as_ref().filter(|handed| !handed.believed).map(|handed| handed.believed_at)
    }

    /// It was silent for so long. That can be taken back: the connection is still there, and may break.
    fn believe(&self) {
        if let Some(handed) = self.unsettled.lock().as_mut() {
            handed.receipt.write(Outcome::Completed);
            handed.believed = true;
        }
    }
}

/// A body that tells its connection how far it is.
struct Tracked<B> {
    body: B,
    since: Instant,
    sending: Option<Needs>,
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
        let delivery = body.get_or_insert_with(|| {
            let (place, receipt) = this.sending.take().unzip();
            let (since, moved) = (this.since, Instant::now());
            Delivery { since, bytes: 0, taken: false, moved, place, receipt: receipt.flatten() }
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
    /// Read before, and not yet taken.
    seen: Bytes,
    io: I,
    shared: Arc<Shared>,
    limits: BodyLimits,
    timer: Option<Pin<Box<Sleep>>>,
    /// When a connection that was closed here ends, whatever the client does.
    ends_at: Option<Instant>,
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
            ready!(wait(&mut self.timer, slow_at.map_or(stalled_at, |at| at.min(stalled_at)), cx));
        }
    }
}

impl<I: AsyncRead + Unpin> Watched<I> {
    /// Looks whether a client that waits for its answer says something more, or goes; where somebody wants to know.
    fn listen(&mut self, cx: &mut Context<'_>) {
        if !self.shared.line.is_watched() {
            return;
        }
        if self.seen.is_empty() {
            let mut scratch = [0; 512];
            let mut buffer = ReadBuf::new(&mut scratch);
            let Poll::Ready(read) = Pin::new(&mut self.io).poll_read(cx, &mut buffer) else { return };
            self.shared.settle(&read);
            self.seen = Bytes::copy_from_slice(buffer.filled());
        }
        self.shared.line.stir();
    }
}

/// Whether a read failed because the client broke off. TLS says an end without a farewell in another way.
pub(super) fn broke(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, TimedOut};
    [BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, TimedOut].contains(&error.kind())
}

/// Waits until `wake` on a timer that is made when it is first needed: most connections never wait.
pub(super) fn wait(timer: &mut Option<Pin<Box<Sleep>>>, wake: Instant, cx: &mut Context<'_>) -> Poll<()> {
    let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(wake)));
    if timer.deadline() != wake {
        timer.as_mut().reset(wake);
    }
    timer.as_mut().poll(cx)
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.paced(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        ready!(self.paced(cx, flushed))?;
        let this = &mut *self;
        let delivered = this.shared.body.lock().take_if(|delivery| delivery.taken);
        if let Some(Delivery { since, bytes, receipt, place, .. }) = delivered {
            if let Some(mut place) = place {
                place.through();
            }
            if let Some(receipt) = receipt {
                let believed_at = Instant::now() + LINGER;
                *this.shared.unsettled.lock() = Some(Handed { receipt, believed_at, believed: false });
                // hyper may wait for the next request already, and would not read again by itself.
                let _ = wait(&mut this.timer, believed_at, cx);
            }
            this.shared.metrics.delivered(bytes, since.elapsed());
        }
        this.listen(cx);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let ends_at = match this.ends_at {
            Some(at) => at,
            None => {
                let ended = ready!(Pin::new(&mut this.io).poll_shutdown(cx));
                if ended.is_err() {
                    this.shared.settle(&ended);
                    return Poll::Ready(ended);
                }
                *this.ends_at.insert(Instant::now() + LINGER)
            }
        };
        while this.shared.believed_at().is_some() {
            let mut scratch = [0; 512];
            let mut buffer = ReadBuf::new(&mut scratch);
            match Pin::new(&mut this.io).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(read) => this.shared.settle(&read),
                Poll::Pending => {
                    ready!(wait(&mut this.timer, ends_at, cx));
                    break;
                }
            }
        }
        Poll::Ready(Ok(()))
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
        if !self.seen.is_empty() {
            let length = self.seen.len().min(buffer.remaining());
            buffer.put_slice(&self.seen.split_to(length));
            return Poll::Ready(Ok(()));
        }
        let this = &mut *self;
        let Poll::Ready(read) = Pin::new(&mut this.io).poll_read(cx, buffer) else {
            if let Some(at) = this.shared.believed_at() {
                ready!(wait(&mut this.timer, at, cx));
                this.shared.believe();
            }
            return Poll::Pending;
        };
        this.shared.settle(&read);
        Poll::Ready(read)
    }
}

#[cfg(test)]
mod tests;
