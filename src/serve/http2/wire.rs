//! The transport of one HTTP/2 connection, which sees frames go by: the last of a body, and those that say that nobody wants it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::bodies::Bodies;
use super::frames::Frames;
use crate::serve::connection::{LINGER, broke, wait};

/// See above.
pub(super) struct Wire<I> {
    /// Read before, and not yet taken.
    seen: Bytes,
    io: I,
    received: Frames,
    sent: Frames,
    bodies: Arc<Bodies>,
    /// When a connection that was closed here ends, whatever the client does.
    ends_at: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<I> Wire<I> {
    pub(super) fn new(seen: Bytes, io: I, bodies: Arc<Bodies>) -> Self {
        let (received, sent) = (Frames::after_preface(), Frames::default());
        Self { seen, io, received, sent, bodies, ends_at: None, timer: None }
    }

    /// The kernel took `bytes`.
    fn took(&mut self, bytes: &[u8]) {
        let bodies = &self.bodies;
        self.sent.pass(bytes, |frame| {
            if frame.ends_body() {
                bodies.gone(frame.stream);
            } else if frame.is_data() {
                bodies.moved(frame.stream);
            }
        });
    }

    /// A read came to this.
    fn came(&mut self, read: &io::Result<()>, bytes: &[u8]) {
        match read {
            Ok(()) if !bytes.is_empty() => {
                let bodies = &self.bodies;
                self.received.pass(bytes, |frame| {
                    if frame.resets() {
                        bodies.reset(frame.stream);
                    }
                });
            }
            read => self.bodies.settle(read.as_ref().is_err_and(broke)),
        }
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncRead for Wire<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        let read = if this.seen.is_empty() {
            ready!(Pin::new(&mut this.io).poll_read(cx, buffer))
        } else {
            let length = this.seen.len().min(buffer.remaining());
            buffer.put_slice(&this.seen.split_to(length));
            Ok(())
        };
        this.came(&read, &buffer.filled()[before..]);
        Poll::Ready(read)
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Wire<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write(cx, bytes))?;
        self.took(&bytes[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write_vectored(cx, slices))?;
        let mut left = written;
        for slice in slices {
            let taken = slice.len().min(left);
            self.took(&slice[..taken]);
            left -= taken;
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    /// Waits for the client's own end, where that says whether it has what the kernel was handed.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let ends_at = match this.ends_at {
            Some(at) => at,
            None => {
                ready!(Pin::new(&mut this.io).poll_shutdown(cx))?;
                *this.ends_at.insert(Instant::now() + LINGER)
            }
        };
        while this.bodies.are_unsettled() {
            let mut scratch = [0; 512];
            let mut buffer = ReadBuf::new(&mut scratch);
            match Pin::new(&mut this.io).poll_read(cx, &mut buffer) {
                Poll::Ready(read) => this.came(&read, buffer.filled()),
                Poll::Pending => {
                    ready!(wait(&mut this.timer, ends_at, cx));
                    break;
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}
