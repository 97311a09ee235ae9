//! One HTTP/2 connection: its streams side by side, their bodies, its end.
//!
//! In: a connection that began with HTTP/2's preface, or agreed on it in its handshake. Out: an answer on each stream. What can
//! go wrong: clients that ask for more than they take, which costs the budget no more than over HTTP/1.1.
//!
//! A body counts as delivered when the client shows that it has it: it closes in order, or answers a PING that was sent a
//! second after the kernel had the last byte. A client that resets the stream or breaks the connection before that does not
//! have it. Which frame the kernel has is seen on the wire, since no library says it ([`wire`]).

mod bodies;
mod frames;
mod stream;
mod wire;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use h2::server::{Builder, Connection};
use h2::{Ping, RecvStream};
use http::{Request, Response};
use hyper::body::Body;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use self::bodies::Bodies;
use self::frames::PREFACE;
use self::wire::Wire;
use super::connection::{FIRST_REQUEST, LINGER, Stages};
use super::listener::Limits;
use super::metrics::{Metrics, Unfinished};

/// The name in the handshake of TLS (RFC 9113 section 3.2).
pub(super) const ALPN: &[u8] = b"h2";

/// Requests of one connection at once: the least that RFC 9113 recommends (section 6.5.2).
const STREAMS: u32 = 100;

/// How large a head may be, as over HTTP/1.1.
const HEAD: u32 = 64 << 10;

/// How much of a body lies in the connection beside what the kernel holds.
const BUFFER: usize = 256 << 10;

/// Whether a connection that began with `seen` is one, and what was read of it: a few bytes do not tell yet. None where
/// the client has gone.
pub(super) async fn is_spoken(mut seen: Bytes, io: &mut (impl AsyncRead + Unpin)) -> Option<(bool, Bytes)> {
    let until = Instant::now() + FIRST_REQUEST;
    while seen.len() < PREFACE.len() && PREFACE.starts_with(&seen) {
        let mut more = BytesMut::from(seen);
        match timeout_at(until, io.read_buf(&mut more)).await {
            Ok(Ok(1..)) => seen = more.freeze(),
            Ok(_) => return None,
            Err(_) => return Some((false, more.freeze())),
        }
    }
    Some((seen.starts_with(PREFACE), seen))
}

/// Serves a connection, of which `seen` was read already, until it ends, or until the stages end it. Says how many bodies were
/// cut by the deadline.
pub(super) async fn serve<I, H, F, B>(
    seen: Bytes,
    io: I,
    handle: H,
    stages: &Stages,
    limits: &Limits,
    metrics: Metrics,
) -> u64
where
    I: AsyncRead + AsyncWrite + Unpin,
    H: Fn(Request<RecvStream>) -> F,
    F: Future<Output = Response<B>>,
    B: Body<Data = Bytes> + Unpin,
{
    let bodies = Arc::new(Bodies::new(metrics));
    let mut protocol = Builder::new();
    protocol.max_concurrent_streams(STREAMS).max_header_list_size(HEAD).max_send_buffer_size(BUFFER);
    let wire = Wire::new(seen, io, Arc::clone(&bodies));
    let begun = timeout(limits.head_timeout, protocol.handshake(wire));
    let Some(Ok(Ok(mut connection))) = stages.deadline.run_until_cancelled(begun).await else { return 0 };
    let over = converse(&mut connection, handle, &bodies, stages, limits);
    if stages.deadline.run_until_cancelled(over).await.is_none() {
        return bodies.end(Unfinished::Deadline);
    }
    bodies.end(Unfinished::Client);
    0
}

/// Until the connection ends by itself, or by a stage before the last.
async fn converse<I, H, F, B>(
    connection: &mut Connection<Wire<I>, Bytes>,
    handle: H,
    bodies: &Bodies,
    stages: &Stages,
    limits: &Limits,
) where
    I: AsyncRead + AsyncWrite + Unpin,
    H: Fn(Request<RecvStream>) -> F,
    F: Future<Output = Response<B>>,
    B: Body<Data = Bytes> + Unpin,
{
    let mut pings = connection.ping_pong().expect("nobody else has taken it");
    let mut pinging = false;
    let mut streams = FuturesUnordered::new();
    let (mut draining, mut closing) = (pin!(stages.draining.cancelled()), pin!(stages.closing.cancelled()));
    let (mut drains, mut closes, mut asked, mut leaving) = (false, false, false, false);
    // Since when no stream is open.
    let mut idle = Instant::now();
    loop {
        // Whoever has just connected is answered once.
        if drains && asked && !leaving {
            leaving = true;
            connection.graceful_shutdown();
        }
        let patience = match (leaving, closes) {
            (true, _) => LINGER,
            (false, true) => FIRST_REQUEST,
            (false, false) => limits.head_timeout,
        };
        let unproven = bodies.waits_since().filter(|_| !pinging).map(|since| since + LINGER);
        tokio::select! {
            biased;
            () = &mut draining, if !drains => drains = true,
            () = &mut closing, if !closes => (closes, idle) = (true, Instant::now()),
            Some(()) = streams.next(), if !streams.is_empty() => idle = Instant::now(),
            accepted = connection.accept() => {
                let Some(Ok((request, respond))) = accepted else { return };
                (asked, idle) = (true, Instant::now());
                streams.push(stream::serve(handle(request), respond, bodies, &limits.bodies));
            }
            pong = poll_fn(|cx| pings.poll_pong(cx)), if pinging => {
                pinging = false;
                if pong.is_ok() {
                    bodies.answered();
                }
            }
            () = sleep_until(unproven.unwrap_or(idle)), if unproven.is_some() => {
                pinging = pings.send_ping(Ping::opaque()).is_ok();
                bodies.asking();
            }
            () = sleep_until(idle + patience), if streams.is_empty() => {
                if leaving {
                    return;
                }
                (leaving, idle) = (true, Instant::now());
                connection.graceful_shutdown();
            }
        }
    }
}

#[cfg(test)]
mod tests;
