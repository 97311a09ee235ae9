//! A client that polls one replica over one connection, which stays open: it needs nothing new of that replica.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;

use super::poller::read;
use crate::address;
use crate::history::{Answer, History, Name, Poll, Record};
use crate::http::Reply;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Such a client.
pub struct Connected {
    name: Name,
    replica: Name,
    sender: SendRequest<Empty<Bytes>>,
    _connection: JoinSet<hyper::Result<()>>,
}

impl Connected {
    /// One that is called `name`, connected to `replica`, which listens at `to`, from an address of its own.
    ///
    /// # Errors
    ///
    /// Where nobody listens.
    pub async fn open(name: Name, from: Ipv4Addr, replica: Name, to: SocketAddr) -> Result<Self> {
        let stream =
            address::connect(from.into(), to).await.with_context(|| format!("connect to {replica}"))?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let mut background = JoinSet::new();
        background.spawn(connection);
        Ok(Self { name, replica, sender, _connection: background })
    }

    /// Polls each `every`, until it is dropped or the connection is lost.
    pub async fn run(mut self, history: History, every: Duration) {
        let mut etag = String::new();
        loop {
            let at = history.now();
            let sent = tokio::time::timeout(PATIENCE, self.poll(&etag)).await;
            let answer = match sent {
                Ok(Ok(reply)) => {
                    let answer = read(&reply, &history);
                    if matches!(answer, Answer::Table(_)) {
                        etag = reply.header("etag").to_owned();
                    }
                    answer
                }
                Ok(Err(error)) => Answer::Failed(error.to_string().into()),
                Err(_) => Answer::Failed(format!("no complete answer within {PATIENCE:?}").into()),
            };
            let lost = matches!(answer, Answer::Failed(_));
            let (client, replica) = (self.name.clone(), Some(self.replica.clone()));
            history.push(Record::Poll(Poll { client, at, end: history.now(), replica, answer }));
            if lost {
                return;
            }
            tokio::time::sleep(every).await;
        }
    }

    async fn poll(&mut self, etag: &str) -> Result<Reply> {
        let mut request = Request::get("/routes").header(header::HOST, "localhost");
        if !etag.is_empty() {
            request = request.header(header::IF_NONE_MATCH, etag);
        }
        self.sender.ready().await?;
        let (head, body) = self.sender.send_request(request.body(Empty::new())?).await?.into_parts();
        Ok(Reply { status: head.status, headers: head.headers, body: body.collect().await?.to_bytes() })
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn it_polls_over_one_connection_until_that_is_lost() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (to, history) = (listener.local_addr().unwrap(), History::default());
        let client =
            Connected::open("connected-r0".into(), Ipv4Addr::LOCALHOST, "r0".into(), to).await.unwrap();
        let running = tokio::spawn(client.run(history.clone(), Duration::ZERO));
        let (mut stream, _) = listener.accept().await.unwrap();
        for _ in 0..3 {
            assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
            stream.write_all(b"HTTP/1.1 304 Not Modified\r\n\r\n").await.unwrap();
        }
        drop(stream);
        running.await.unwrap();
        let records = history.records();
        let good = |record: &Record| matches!(record, Record::Poll(poll) if poll.answer.is_good());
        assert_eq!((records.len(), records.iter().filter(|record| good(record)).count()), (4, 3));
    }
}
