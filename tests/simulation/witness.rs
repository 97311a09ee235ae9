//! What was seen in a run, in its order, and the first thing among it that must never happen.

use std::collections::BTreeMap;
use std::time::Duration;

use bellwether::snapshot::{Digest, Epoch, TermId, Version};

/// What everyone saw.
#[derive(Debug, Default)]
pub struct Witness {
    pub log: Vec<String>,
    pub violation: Option<String>,
    now: Duration,
    /// What each version was, wherever it was active.
    versions: BTreeMap<Version, (Version, Digest)>,
    terms: BTreeMap<Epoch, (TermId, &'static str)>,
    clients: BTreeMap<&'static str, Held>,
    /// What the source was, change by change.
    labels: Vec<u64>,
    pub tables: u64,
    pub polls: u64,
}

/// The table that a client has.
#[derive(Clone, Debug)]
pub struct Held {
    pub etag: String,
    version: Version,
    label: u64,
    /// The earliest change that can have made it, as far as the client has seen the source move.
    change: usize,
}

/// An answer to a poll.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub etag: Option<String>,
    pub version: Option<Version>,
    pub body: Vec<u8>,
}

impl Witness {
    /// The source has become this.
    pub fn became(&mut self, label: u64) {
        self.labels.push(label);
    }

    /// What comes now happens at `now`.
    pub fn at(&mut self, now: Duration) {
        self.now = now;
    }

    pub fn note(&mut self, what: String) {
        self.log.push(format!("{:9.3} {what}", self.now.as_secs_f64()));
    }

    fn violate(&mut self, what: String) {
        self.note(format!("VIOLATION {what}"));
        self.violation.get_or_insert(what);
    }

    /// The version is active on some replica.
    pub fn active(&mut self, replica: &str, version: Version, origin: Version, digest: Digest) {
        self.note(format!("{replica} activates {version}, read as {origin}: {digest:?}"));
        let first = *self.versions.entry(version).or_insert((origin, digest));
        if first != (origin, digest) {
            self.violate(format!(
                "fork: {version} is {digest:?} read as {origin} on {replica}, and {first:?}"
            ));
        }
    }

    /// What is active on a replica was read before what was.
    pub fn went_back(&mut self, replica: &str, from: Version, to: Version) {
        self.violate(format!("{replica} goes back from origin {from} to {to}"));
    }

    /// A replica leads this term.
    pub fn leads(&mut self, replica: &'static str, epoch: Epoch, term: TermId) {
        self.note(format!("{replica} leads epoch {epoch}"));
        let first = *self.terms.entry(epoch).or_insert((term, replica));
        if first != (term, replica) {
            self.violate(format!("fork: {replica} and {} lead epoch {epoch}", first.1));
        }
    }

    /// The terms of these replicas are valid at this instant.
    pub fn valid(&mut self, leaders: &[&str]) {
        if leaders.len() > 1 {
            self.violate(format!("two guards are open: {}", leaders.join(" and ")));
        }
    }

    pub fn holds(&self, client: &str) -> Option<Held> {
        self.clients.get(client).cloned()
    }

    /// Whether the client has the table of this change.
    pub fn has(&self, client: &str, label: u64) -> bool {
        self.clients.get(client).is_some_and(|held| held.label == label)
    }

    /// A client that asked `replica` got this.
    pub fn answered(&mut self, client: &'static str, replica: &str, answer: &Answer) {
        self.polls += 1;
        let Answer { status, etag, version, body } = answer;
        if *status != 200 {
            return;
        }
        self.tables += 1;
        let (Some(etag), Some(version)) = (etag, version) else {
            return self.violate(format!("{replica} sends {client} a table without ETag or version"));
        };
        self.note(format!("{client} gets {version} from {replica}"));
        let digest = Digest::of(body).to_string();
        if !etag.contains(&digest) {
            self.violate(format!("lie: {replica} sends {client} {etag}, whose body hashes to {digest}"));
        }
        let Some(label) = label(body) else {
            return self.violate(format!("wipe: {replica} sends {client} a table that is not whole"));
        };
        let before = self.clients.get(client).cloned();
        let seen = before.as_ref().map_or(0, |before| before.change);
        // The same content may come back (A, B, A): some change from there on must have made it.
        let made = self.labels.iter().skip(seen).position(|made| *made == label);
        let now = Held { etag: etag.clone(), version: *version, label, change: seen + made.unwrap_or(0) };
        self.clients.insert(client, now.clone());
        let lower = before.as_ref().is_some_and(|before| *version < before.version && before.etag != *etag);
        if made.is_none() || lower {
            self.violate(format!("step back: {client} had {before:?}, and gets {now:?} from {replica}"));
        }
    }
}

/// The label of what the table was made of, if it is whole.
fn label(body: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, rest) = text.split_once("/generation-")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let whole = text.matches("/steady").count() >= 15;
    digits.parse().ok().filter(|_| whole)
}
