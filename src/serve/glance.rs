//! What is answered at a glance: a request that came whole with one read, and whose answer goes with one write. Nothing
//! is set up for it; a connection that wants more goes on in the way that can do everything.
//!
//! In: a connection that has bytes to read. Out: an answer on it, or its bytes for [`connection`](super::connection).
//! What can go wrong: a client that takes not even a head, which is waited for, and not for long.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, sleep_until, timeout};

use super::connection::{FIRST_REQUEST, Stages};
use super::crowd::{BRIEFLY, Crowd};

/// Answers what takes no more than a look.
pub(super) trait Glance: Clone + Send + Sync + 'static {
    /// Appends the answer to the request `head` to `out`, and says whether it is the last of its connection: `last` tells
    /// it to be. `None`, and nothing appended, where it takes more.
    fn answer(&self, head: &[u8], from: Option<SocketAddr>, last: bool, out: &mut Vec<u8>) -> Option<bool>;

    /// The room of the listener that it answers for: whoever waits for a change waits no longer than there is some.
    fn crowd(&self) -> Arc<Crowd>;
}

/// What is to be done with a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Wait for its first request.
    First,
    /// Wait for another one.
    Another,
    /// Send the rest of an answer, which may have been the last.
    Send(Vec<u8>, bool),
    /// Go on with these bytes, read and not answered.
    Read(Bytes),
    /// Nothing: it is over.
    End,
}

/// Answers nothing: everything goes the other way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Never;

impl Glance for Never {
    fn answer(&self, _: &[u8], _: Option<SocketAddr>, _: bool, _: &mut Vec<u8>) -> Option<bool> {
        None
    }

    fn crowd(&self) -> Arc<Crowd> {
        Arc::default()
    }
}

/// How much is read at once. A poll is a quarter of a kibibyte.
const READ: usize = 4 << 10;

struct Scratch {
    read: [u8; READ],
    write: Vec<u8>,
}

thread_local! {
    /// One for each thread: no connection needs it for longer than one look.
    static SCRATCH: RefCell<Scratch> = const { RefCell::new(Scratch { read: [0; READ], write: Vec::new() }) };
}

/// Looks at a new connection, before anything is set up for it.
pub(super) fn at_once(glance: &impl Glance, socket: impl AsFd, from: Option<SocketAddr>, last: bool) -> Next {
    SCRATCH.with_borrow_mut(|Scratch { read, write }| {
        match recv(&socket, &mut read[..], RecvFlags::DONTWAIT) {
            Ok((_, 0)) => Next::End,
            Ok((_, length)) => answer(glance, &read[..length], from, last, write, |bytes| {
                Ok(send(&socket, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?)
            }),
            Err(Errno::AGAIN | Errno::INTR) => Next::First,
            Err(_) => Next::End,
        }
    })
}

/// Answers `head` through `send`, which takes what it can without waiting.
fn answer(
    glance: &impl Glance,
    head: &[u8],
    from: Option<SocketAddr>,
    last: bool,
    write: &mut Vec<u8>,
    send: impl FnOnce(&[u8]) -> io::Result<usize>,
) -> Next {
    write.clear();
    let Some(last) = glance.answer(head, from, last, write) else {
        return Next::Read(Bytes::copy_from_slice(head));
    };
    let sent = match send(write) {
        Ok(sent) => sent,
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => 0,
        Err(_) => return Next::End,
    };
    match &write[sent..] {
        [] if last => Next::End,
        [] => Next::Another,
        rest => Next::Send(rest.to_vec(), last),
    }
}

/// How long a connection may lie idle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Idle<'a> {
    /// As long as there are descriptors.
    pub usual: Duration,
    /// Whether there are.
    pub crowd: &'a Crowd,
}

/// Goes on with a connection, as `next` says, until it ends or something has to be answered that takes more than a
/// glance: then its bytes. It may lie idle for as long as `idle` says.
pub(super) async fn polls(
    glance: &impl Glance,
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    from: Option<SocketAddr>,
    mut next: Next,
    stages: &Stages,
    idle: Idle<'_>,
) -> Option<Bytes> {
    let mut asked = next != Next::First;
    let mut since = Instant::now();
    let mut timer = pin!(sleep_until(since + idle.usual.min(BRIEFLY)));
    let (mut closing, mut closed) = (pin!(stages.closing.cancelled()), false);
    loop {
        match next {
            Next::First | Next::Another => {}
            Next::Send(rest, last) => {
                let sending = timeout(idle.usual, stream.write_all(&rest));
                stages.deadline.run_until_cancelled(sending).await?.ok()?.ok()?;
                if last {
                    return None;
                }
            }
            Next::Read(bytes) => return Some(bytes),
            Next::End => return None,
        }
        if closed && asked {
            return None;
        }
        next = Next::Another;
        tokio::select! {
            biased;
            seen = look(glance, stream, from, stages) => {
                (next, asked, since) = (seen, true, Instant::now());
            }
            () = &mut closing, if !closed => {
                closed = true;
                timer.as_mut().reset(Instant::now() + FIRST_REQUEST);
            }
            // It is not wound up anew for each request; and goes off early, as descriptors may be short by then.
            () = &mut timer => {
                let now = Instant::now();
                if closed || since + idle.crowd.idle(idle.usual) <= now {
                    return None;
                }
                timer.as_mut().reset((since + idle.usual).min(now + BRIEFLY));
            }
        }
    }
}

async fn look(
    glance: &impl Glance,
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    from: Option<SocketAddr>,
    stages: &Stages,
) -> Next {
    let looking = |cx: &mut Context<'_>| {
        SCRATCH.with_borrow_mut(|Scratch { read, write }| {
            let mut buffer = ReadBuf::new(read);
            let read = ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer));
            let (Ok(()), head @ [_, ..]) = (read, buffer.filled()) else { return Poll::Ready(Next::End) };
            let last = stages.draining.is_cancelled();
            Poll::Ready(answer(glance, head, from, last, write, |bytes| {
                match Pin::new(&mut *stream).poll_write(cx, bytes) {
                    Poll::Ready(written) => written,
                    Poll::Pending => Ok(0),
                }
            }))
        })
    };
    poll_fn(looking).await
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_may_lie_idle_for_long_unless_descriptors_are_short() {
        let usual = Duration::from_secs(60);
        for (short, lasts) in [(false, usual), (true, BRIEFLY)] {
            let crowd = Crowd::default();
            if short {
                crowd.failed(&Errno::MFILE.into(), 100);
            }
            let (mut stream, _client) = duplex(64);
            let (start, stages) = (Instant::now(), Stages::default());
            let idle = Idle { usual, crowd: &crowd };
            assert_eq!(polls(&Never, &mut stream, None, Next::First, &stages, idle).await, None);
            assert_eq!(start.elapsed().as_secs(), lasts.as_secs());
        }
    }
}
