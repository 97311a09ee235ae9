//! One watch of one kind: a connection that tells what changes, and takes up where it was when it ends in order.
//!
//! In: the version to begin at, or the wish to hear first what is there. Out: events, each as soon as it has come. What can go
//! wrong, each with an end to the watch and its reason: nothing comes although at least a bookmark had to; the server has
//! forgotten the version; it refuses; what comes is no event; and connections that break at once, again and again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body_util::BodyExt;
use kube::client::{Body, Client};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::call::{Call, Failure, Verb};
use super::list::List;
use super::mirror::{Event, Unfit};
use super::page::Page;
use super::resource::Resource;
use crate::aside::aside;
use crate::object::Kind;
use crate::source::SourceError;

/// No line is longer, in bytes: an object has 1.5 MB at most in etcd, and JSON may double that.
const MAX_LINE: usize = 16 << 20;

/// The most that a streamed list may hold, in bytes, as that of all pages.
const MAX_LIST: usize = 1 << 30;

/// How long the bookmark after the initial events may take, without a byte before it. A server that does not know of it
/// never sends one.
const UNMARKED: Duration = Duration::from_secs(2);

/// A connection that lasted so long was one: another one may take its place.
const LIVED: Duration = Duration::from_secs(1);

/// What a watch has to say.
pub(super) enum Heard {
    /// Something has changed, or is known not to have.
    Event(Kind, Event),
    /// It is over.
    Broken(Broken),
}

/// Why a watch is over.
pub(super) struct Broken {
    /// A word for the label of a metric.
    pub(super) reason: &'static str,
    /// All of it.
    pub(super) error: SourceError,
    /// It had worked before. What never has is not tried again at once.
    pub(super) lived: bool,
}

/// What a watch is of.
#[derive(Clone)]
pub(super) struct Subject {
    pub(super) client: Client,
    /// How long may pass until an answer begins.
    pub(super) stall: Duration,
    pub(super) kind: Kind,
    pub(super) namespace: Option<String>,
    /// When the server shall end each connection in order: before that, it sends a bookmark.
    pub(super) length: Duration,
    /// How long may pass without a byte: longer than that.
    pub(super) silence: Duration,
}

/// A watch that is connected.
pub(super) struct Connection {
    body: Body,
    read: BytesMut,
    /// How far `read` was searched for the end of a line.
    searched: usize,
}

impl Subject {
    fn call(&self) -> Call<'_> {
        let resource = Resource::of(self.kind);
        Call { client: &self.client, stall: self.stall, verb: Verb::Watch, resource }
    }

    async fn connect(&self, from: &str) -> Result<Connection, Failure> {
        let path = Resource::of(self.kind).path(self.namespace.as_deref());
        let length = self.length.as_secs().max(1);
        let target = format!("{path}?watch=true&allowWatchBookmarks=true&timeoutSeconds={length}&{from}");
        let body = self.call().open(&target).await?;
        Ok(Connection { body, read: BytesMut::new(), searched: 0 })
    }

    /// What is there, as new as the store knows it, on the connection that then tells what changes. None where the server
    /// has no such thing.
    pub(super) async fn list(&self) -> Result<Option<(List, Connection)>, Failure> {
        let from = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan";
        let mut connection = match self.connect(from).await {
            Err(Failure::Status {
                code: StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY, ..
            }) => return Ok(None),
            connected => connected?,
        };
        let (mut lines, mut size) = (Vec::new(), 0);
        loop {
            let line = match connection.line(UNMARKED).await {
                Ok(Some(line)) => line,
                Ok(None) | Err(Failure::Stalled(_)) => return Ok(None),
                Err(failure) => return Err(failure),
            };
            size += line.len();
            if size > MAX_LIST {
                return Err(Failure::TooLarge);
            }
            // The others are decoded aside, once all have come.
            let is_last =
                Event::may_be_last(&line) && matches!(self.event(&line), Ok(Event::Mark { all: true, .. }));
            lines.push(line);
            if is_last {
                break;
            }
        }
        let subject = self.clone();
        let decoded = aside(move || subject.page(&lines)).await;
        let list = decoded.map_err(|error| Failure::Decode(format!("decoding panicked: {error}")))??;
        Ok(Some((list, connection)))
    }

    /// What was told before the bookmark, in the order of a list.
    fn page(&self, lines: &[Bytes]) -> Result<List, Failure> {
        let (mut entries, mut resource_version) = (BTreeMap::new(), String::new());
        for line in lines {
            match self.event(line)? {
                Event::Put(key, entry) => drop(entries.insert(key, entry)),
                Event::Gone(key, _) => drop(entries.remove(&key)),
                Event::Mark { version, .. } => resource_version = version,
            }
        }
        let mut page = Page::default();
        entries.values().for_each(|entry| entry.add_to(&mut page.objects, &mut page.diagnostics));
        Ok(List { pages: vec![Arc::new(page)], resource_version })
    }

    fn event(&self, line: &[u8]) -> Result<Event, Failure> {
        Event::parse(self.kind, line).map_err(|unfit| match unfit {
            Unfit::Status(code, message) => Failure::Status {
                code: StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
                message,
                retry_after: None,
            },
            Unfit::Malformed(cause) => Failure::Decode(format!("the watch told no event: {cause}")),
        })
    }

    /// Tells what changes after `version`, until that is over or nobody listens.
    pub(super) async fn watch(
        self,
        mut version: String,
        mut connection: Option<Connection>,
        out: mpsc::Sender<Heard>,
    ) {
        let mut lived = false;
        let failure = loop {
            let began = Instant::now();
            let next = match connection.take() {
                Some(connection) => Ok(connection),
                None => self.connect(&format!("resourceVersion={version}")).await,
            };
            let ended = match next {
                Ok(connection) => self.follow(connection, &mut version, &out).await,
                Err(failure) => break failure,
            };
            lived |= began.elapsed() >= LIVED;
            match ended {
                // The end that it was asked for, or one that came in between.
                Ok(()) | Err(Failure::Transport(_)) if began.elapsed() >= LIVED => {}
                Ok(()) => break Failure::Decode("the watch ended as soon as it had begun".to_owned()),
                Err(failure) => break failure,
            }
        };
        let broken = Broken { reason: reason(&failure), error: self.call().error(&failure), lived };
        // Who does not listen any more does not want to know.
        let _ = out.send(Heard::Broken(broken)).await;
    }

    async fn follow(
        &self,
        mut connection: Connection,
        version: &mut String,
        out: &mpsc::Sender<Heard>,
    ) -> Result<(), Failure> {
        while let Some(line) = connection.line(self.silence).await? {
            let event = self.event(&line)?;
            event.version().clone_into(version);
            if out.send(Heard::Event(self.kind, event)).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
        Ok(())
    }
}

impl Connection {
    /// The next line; none where the server has ended the watch. A line that is not whole does not count.
    async fn line(&mut self, silence: Duration) -> Result<Option<Bytes>, Failure> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.read[self.searched..]) {
                let line = self.read.split_to(self.searched + end + 1).freeze();
                self.searched = 0;
                if !line.trim_ascii().is_empty() {
                    return Ok(Some(line));
                }
                continue;
            }
            self.searched = self.read.len();
            if self.searched > MAX_LINE {
                return Err(Failure::TooLarge);
            }
            let frame = tokio::time::timeout(silence, self.body.frame()).await;
            match frame.map_err(|_| Failure::Stalled(silence))? {
                Some(frame) => {
                    if let Ok(data) = frame.map_err(Failure::Transport)?.into_data() {
                        self.read.extend_from_slice(&data);
                    }
                }
                None => return Ok(None),
            }
        }
    }
}

fn reason(failure: &Failure) -> &'static str {
    match failure {
        Failure::Stalled(_) => "silent",
        Failure::Status { code: StatusCode::GONE, .. } => "expired",
        Failure::Status { .. } => "refused",
        Failure::Transport(_) => "cut",
        Failure::TooLarge | Failure::Decode(_) => "malformed",
    }
}
