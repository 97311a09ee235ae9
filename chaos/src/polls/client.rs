//! One client: a connection to each replica, polled in turn, with the ETag of the last table.

use std::net::SocketAddr;
use std::ops::AddAssign;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::MissedTickBehavior;

use crate::observe::generation;

/// How long an answer may take; a replica that is stopped gives none.
const DEADLINE: Duration = Duration::from_millis(250);

/// After a failure the client goes to the next replica, and leaves this one alone for so many rounds.
const AVOID: u32 = 200;

/// What came of the polls.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    pub polls: u64,
    pub tables: u64,
    pub kept: u64,
    pub failed: u64,
    pub back: u64,
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.polls += other.polls;
        self.tables += other.tables;
        self.kept += other.kept;
        self.failed += other.failed;
        self.back += other.back;
    }
}

pub struct Client {
    to: Arc<[SocketAddr]>,
    next: usize,
    ways: Vec<Way>,
    etag: String,
    generation: u64,
    count: Count,
}

#[derive(Default)]
struct Way {
    open: Option<SendRequest<Empty<Bytes>>>,
    avoid: u32,
}

impl Client {
    pub fn new(to: Arc<[SocketAddr]>, first: usize) -> Self {
        let ways = to.iter().map(|_| Way::default()).collect();
        Self { to, next: first, ways, etag: String::new(), generation: 0, count: Count::default() }
    }

    /// Polls `polls` times, once each `every`.
    pub async fn poll(mut self, polls: u64, every: Duration) -> Count {
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while self.count.polls < polls {
            self.next = (self.next + 1) % self.to.len();
            let way = &mut self.ways[self.next];
            if way.avoid > 0 {
                way.avoid -= 1;
                continue;
            }
            ticks.tick().await;
            self.count.polls += 1;
            match tokio::time::timeout(DEADLINE, self.ask()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => {
                    self.count.failed += 1;
                    self.ways[self.next] = Way { open: None, avoid: AVOID };
                }
            }
        }
        self.count
    }

    async fn ask(&mut self) -> anyhow::Result<()> {
        let mut request = Request::builder().uri("/routes").header(header::HOST, "localhost");
        if !self.etag.is_empty() {
            request = request.header(header::IF_NONE_MATCH, &self.etag);
        }
        let request = request.body(Empty::new())?;
        let way = &mut self.ways[self.next];
        let sender = match &mut way.open {
            Some(open) => open,
            None => {
                let stream = TcpStream::connect(self.to[self.next]).await?;
                stream.set_nodelay(true)?;
                let (sender, connection) = handshake(TokioIo::new(stream)).await?;
                tokio::spawn(connection);
                way.open.insert(sender)
            }
        };
        let reply = sender.send_request(request).await?;
        let (head, body) = reply.into_parts();
        let body = body.collect().await?.to_bytes();
        match head.status {
            StatusCode::NOT_MODIFIED => self.count.kept += 1,
            StatusCode::OK => {
                let etag = head.headers.get(header::ETAG).and_then(|etag| etag.to_str().ok());
                let given = generation(&String::from_utf8_lossy(&body)).unwrap_or_default();
                self.count.tables += 1;
                self.count.back += u64::from(given < self.generation);
                self.generation = given;
                self.etag = etag.unwrap_or_default().to_owned();
            }
            status => anyhow::bail!("status {status}"),
        }
        Ok(())
    }
}
