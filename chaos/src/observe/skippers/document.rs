//! What bytes that were downloaded come to, worked out once for all clients that got the same ones.

use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;

use bellwether::eskip;
use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use crate::history::Name;
use crate::observe::generation;

/// How many documents are remembered: more than one change at a time has, and few enough for memory.
const REMEMBERED: usize = 64;

/// The content of a client's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Of the plain text.
    pub digest: Name,
    /// Its lines.
    pub routes: usize,
    /// The number that the marker in it carries.
    pub generation: Option<u64>,
    /// Whether it is a table: whole, or cut where a route ends.
    pub parses: bool,
}

/// The documents of all clients.
#[derive(Default)]
pub struct Library(Mutex<HashMap<[u8; 32], Arc<Document>>>);

impl Library {
    /// What `body` comes to, as far as it arrived. `promised` is the digest that its ETag names.
    pub async fn read(&self, body: Vec<u8>, gzip: bool, promised: &str) -> Arc<Document> {
        let key: [u8; 32] = Sha256::digest(&body).into();
        // Whoever has the same bytes waits for the first one.
        let mut known = self.0.lock().await;
        if let Some(document) = known.get(&key) {
            return Arc::clone(document);
        }
        let promised = promised.to_owned();
        let reading = tokio::task::spawn_blocking(move || Document::of(&body, gzip, &promised));
        let document = Arc::new(reading.await.unwrap_or_else(|_| Document::of(&[], false, "")));
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(key, Arc::clone(&document));
        document
    }
}

impl Document {
    fn of(body: &[u8], gzip: bool, promised: &str) -> Self {
        let mut plain = Vec::new();
        if gzip {
            // As Go's client does: what could be unpacked before the end is in the file.
            let _ = MultiGzDecoder::new(body).read_to_end(&mut plain);
        } else {
            plain.extend_from_slice(body);
        }
        let digest = hex::encode(Sha256::digest(&plain));
        let text = String::from_utf8_lossy(&plain);
        // What a route server vouches for is not parsed again, and an empty document is a table.
        let parses = digest == promised || eskip::parse(&text).is_ok();
        Self {
            routes: text.lines().filter(|line| !line.trim().is_empty()).count(),
            generation: generation(&text),
            digest: digest.into(),
            parses,
        }
    }
}
