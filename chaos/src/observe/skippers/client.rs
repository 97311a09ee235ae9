//! One simulated Skipper: its timer, its ETag, its file and its table.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use parking_lot::Mutex;
use tokio::time::{Instant, MissedTickBehavior};

use super::document::{Document, Library};
use super::exchange::{self, Received};
use super::{Habits, Held, address};
use crate::history::{Answer, Cut, History, Name, Poll, Record, Table};
use crate::observe::poller::digest_of;

pub struct Client {
    name: Name,
    from: IpAddr,
    habits: Habits,
    library: Arc<Library>,
    held: Arc<Mutex<Held>>,
    history: History,
    etag: String,
    /// What comes of the 200 under way.
    received: Option<Received>,
    file: Option<Arc<Document>>,
    /// Whether the next load is a whole one, as the first one is and the one after a failure.
    initial: bool,
}

/// How a download has ended.
enum End {
    /// 304, where that was asked for.
    Kept,
    /// 200, with all of its body.
    Whole,
    /// Another status.
    Status(u16),
    /// Not at all, or in the middle.
    Broken(Name),
}

impl Client {
    pub fn new(
        number: usize,
        habits: &Habits,
        library: Arc<Library>,
        held: Arc<Mutex<Held>>,
        history: History,
    ) -> Self {
        Self {
            name: history.name(&format!("{}{number}", habits.name)),
            from: address(habits.from, number).into(),
            habits: habits.clone(),
            library,
            held,
            history,
            etag: String::new(),
            received: None,
            file: None,
            initial: true,
        }
    }

    /// Polls for ever, from `first` on.
    pub async fn run(mut self, first: Duration) {
        let mut ticks = tokio::time::interval_at(Instant::now() + first, self.habits.poll);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            if !self.load().await && !self.initial {
                // A failed update is followed by a whole load at once; a failed whole load waits for its turn.
                self.initial = true;
                self.load().await;
            }
        }
    }

    /// One download, and what comes of it. False: it has failed, and the table is the one from before.
    async fn load(&mut self) -> bool {
        let (at, mut from) = (self.history.now(), None);
        let asked = tokio::time::timeout(self.habits.patience, self.download(&mut from)).await;
        let end = asked.unwrap_or_else(|_| {
            End::Broken(format!("no complete answer within {:?}", self.habits.patience).into())
        });
        let ended = self.history.now();
        let answer = match (end, self.received.take()) {
            (End::Whole, Some(received)) => {
                let (version, count) = (received.version, received.count);
                let document = self.write(received).await;
                self.table(&document, version, count)
            }
            (End::Broken(cause), Some(received)) => {
                self.write(received).await;
                let promised = self.history.name(digest_of(&self.etag));
                Answer::Cut(Box::new(Cut { promised, cause }))
            }
            (End::Broken(cause), None) => Answer::Failed(cause),
            (End::Status(status), _) => Answer::Status(status),
            (End::Kept | End::Whole, _) => Answer::Kept,
        };
        let installed = if answer.is_good() { self.install() } else { None };
        let answer = match &installed {
            // From now on it works with a table that nobody has published.
            Some(document) if answer == Answer::Kept && *document.digest != *digest_of(&self.etag) => {
                self.table(document, None, None)
            }
            _ => answer,
        };
        self.note_poison();
        let replica = self.habits.ledger.as_ref().zip(from).and_then(|(ledger, from)| ledger.taken_by(from));
        let (client, replica) = (self.name.clone(), replica.map(|name| self.history.name(&name)));
        self.history.push(Record::Poll(Poll { client, at, end: ended, replica, answer }));
        if installed.is_some() {
            self.initial = false;
        }
        installed.is_some()
    }

    async fn download(&mut self, from: &mut Option<SocketAddr>) -> End {
        let mut begun = match exchange::ask(self.from, self.habits.to, &self.etag, from).await {
            Ok(begun) => begun,
            Err(error) => return End::Broken(error.to_string().into()),
        };
        match begun.status {
            StatusCode::NOT_MODIFIED if !self.etag.is_empty() => return End::Kept,
            StatusCode::OK => {}
            status => return End::Status(status.as_u16()),
        }
        // Stored before there is a body, as Skipper does.
        self.etag = begun.text("etag").to_owned();
        let received = self.received.insert(begun.promised());
        loop {
            match begun.piece().await {
                Ok(Some(piece)) => received.body.extend_from_slice(&piece),
                Ok(None) => return End::Whole,
                Err(error) => return End::Broken(error.to_string().into()),
            }
        }
    }

    /// Puts what was received into the file, whole or not.
    async fn write(&mut self, received: Received) -> Arc<Document> {
        let promised = digest_of(&self.etag);
        let document = self.library.read(received.body, received.gzip, promised).await;
        self.file = Some(Arc::clone(&document));
        document
    }

    /// Works with what is in the file from now on, where that is a table.
    fn install(&mut self) -> Option<Arc<Document>> {
        let document = self.file.clone().filter(|document| document.parses)?;
        let mut held = self.held.lock();
        held.digest = Some(document.digest.clone());
        held.generation = document.generation;
        held.routes = document.routes;
        drop(held);
        Some(document)
    }

    fn note_poison(&self) {
        let sound = self.file.as_ref().is_none_or(|file| *file.digest == *digest_of(&self.etag));
        let mut held = self.held.lock();
        held.poisoned = (!sound).then(|| held.poisoned.map_or(0, |polls| polls + 1));
        held.longest_poisoned = held.longest_poisoned.max(held.poisoned.unwrap_or_default());
    }

    fn table(&self, document: &Document, version: Option<(u64, u64)>, count: Option<usize>) -> Answer {
        Answer::Table(Box::new(Table {
            version,
            promised: self.history.name(digest_of(&self.etag)),
            digest: document.digest.clone(),
            count,
            routes: document.routes,
            generation: document.generation,
        }))
    }
}
