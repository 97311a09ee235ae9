//! One stream: its answer, as fast as its client takes it.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::SystemTime;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use http::header::{CONNECTION, DATE};
use http::{HeaderValue, Response};
use hyper::body::Body;
use tokio::time::{Instant, sleep_until};

use super::bodies::Bodies;
use crate::serve::admission::BodyLimits;
use crate::serve::metrics::Unfinished;
use crate::serve::poll;
use crate::serve::sending::Sending;

/// Answers a request with what `answer` comes to.
pub(super) async fn serve<B>(
    answer: impl Future<Output = Response<B>>,
    mut respond: SendResponse<Bytes>,
    bodies: &Bodies,
    limits: &BodyLimits,
) where
    B: Body<Data = Bytes> + Unpin,
{
    let since = Instant::now();
    let answer = tokio::select! {
        biased;
        answer = answer => answer,
        // Its client has given up: it waits for no turn any more.
        _ = poll_fn(|cx| respond.poll_reset(cx)) => return,
    };
    let (mut head, body) = answer.into_parts();
    head.headers.remove(CONNECTION);
    head.headers
        .insert(DATE, HeaderValue::from_bytes(&poll::date(SystemTime::now())).expect("a date is text"));
    let needs = head.extensions.remove::<Sending>().and_then(Sending::take);
    let over = body.is_end_stream();
    let Ok(stream) = respond.send_response(Response::from_parts(head, ()), over) else { return };
    if !over {
        let id = stream.stream_id().as_u32();
        let gone = bodies.begin(id, since, needs);
        let mut gone = pin!(gone.notified());
        let mut sender = Sender { stream, id, bodies, limits };
        let sent = match sender.send(body).await {
            Ok(()) => sender.paced(|_, cx| gone.as_mut().poll(cx).map(Ok)).await,
            Err(cause) => Err(cause),
        };
        if let Err(cause) = sent {
            bodies.give_up(id, cause);
            sender.stream.send_reset(Reason::CANCEL);
        }
    }
}

struct Sender<'a> {
    stream: SendStream<Bytes>,
    id: u32,
    bodies: &'a Bodies,
    limits: &'a BodyLimits,
}

impl Sender<'_> {
    /// Gives all of `body` to the connection, no more of it at once than there is room for.
    async fn send<B: Body<Data = Bytes> + Unpin>(&mut self, mut body: B) -> Result<(), Unfinished> {
        let mut last = false;
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            // What was damaged is cut.
            let frame = frame.map_err(|_| Unfinished::Client)?;
            let mut data = frame.into_data().unwrap_or_default();
            while !data.is_empty() {
                self.stream.reserve_capacity(data.len());
                let room = self.paced(|stream, cx| stream.poll_capacity(cx).map(granted)).await?;
                let piece = data.split_to(room.min(data.len()));
                last = data.is_empty() && body.is_end_stream();
                self.bodies.add(self.id, piece.len());
                self.stream.send_data(piece, last).map_err(|_| Unfinished::Client)?;
            }
        }
        if !last {
            self.stream.send_data(Bytes::new(), true).map_err(|_| Unfinished::Client)?;
        }
        Ok(())
    }

    /// What `poll` comes to, unless the client wants no more, or takes nothing for too long.
    async fn paced<T>(
        &mut self,
        mut poll: impl FnMut(&mut SendStream<Bytes>, &mut Context<'_>) -> Poll<Result<T, Unfinished>>,
    ) -> Result<T, Unfinished> {
        loop {
            let until = self.bodies.patience(self.id, self.limits).ok_or(Unfinished::Stalled)?;
            let stream = &mut self.stream;
            tokio::select! {
                biased;
                come = poll_fn(|cx| match poll(stream, cx) {
                    Poll::Pending if stream.poll_reset(cx).is_ready() => Poll::Ready(Err(Unfinished::Client)),
                    come => come,
                }) => return come,
                () = sleep_until(until) => {}
            }
        }
    }
}

/// How much room there is; none where the stream is over.
fn granted(room: Option<Result<usize, h2::Error>>) -> Result<usize, Unfinished> {
    room.and_then(Result::ok).ok_or(Unfinished::Client)
}
