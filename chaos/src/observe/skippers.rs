//! Simulated Skippers, by the hundred: to a route server they are what real ones are, at a thousandth of the cost.
//!
//! Each has an address of its own, polls on a timer of its own and on a new connection, takes no longer for a body than
//! it may, stores the ETag before it has the body, and reads whatever its file holds after a 304. So a cut
//! body harms it exactly as it harms the real one, and is written down as what it came to.

mod client;
mod document;
mod exchange;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinSet;

use crate::history::{History, Name};
use crate::stage::vip::Ledger;
use client::Client;
use document::Library;

/// How many addresses of loopback clients share among them, from 127.1.0.1 on.
const ADDRESSES: u32 = 1 << 16;

/// How the clients of one fleet are.
#[derive(Clone)]
pub struct Habits {
    /// What their names begin with.
    pub name: &'static str,
    /// The Service.
    pub to: SocketAddr,
    /// Between two polls (`-source-poll-timeout`).
    pub poll: Duration,
    /// For one exchange with its body; a real one takes as long for it as between two polls.
    pub patience: Duration,
    /// The address of the first one; the others follow.
    pub from: Ipv4Addr,
    /// Tells which replica took a connection, where that is known.
    pub ledger: Option<Ledger>,
    /// Whether all begin at one moment; else they are spread evenly over one poll.
    pub at_once: bool,
}

/// What one client has, as its own traffic would show it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// The digest of the table that it works with; none before the first.
    pub digest: Option<Name>,
    /// The number that the marker in it carries.
    pub generation: Option<u64>,
    /// The routes in it.
    pub routes: usize,
    /// Polls since a body was cut that its ETag has outlived; none where it has the table that its ETag names.
    pub poisoned: Option<u32>,
    /// The most of them before it was healed.
    pub longest_poisoned: u32,
}

/// A running fleet; ends when it is dropped.
pub struct Skippers {
    held: Vec<Arc<Mutex<Held>>>,
    _tasks: JoinSet<()>,
}

impl Skippers {
    /// Starts `count` of them.
    pub fn start(count: usize, habits: &Habits, history: &History) -> Self {
        let (library, mut tasks, mut held) = (Arc::new(Library::default()), JoinSet::new(), Vec::new());
        for number in 0..count {
            let state = Arc::new(Mutex::new(Held::default()));
            held.push(Arc::clone(&state));
            let client = Client::new(number, habits, Arc::clone(&library), state, history.clone());
            let part = if habits.at_once { 0.0 } else { number as f64 / count as f64 };
            let first = habits.poll.mul_f64(part);
            tasks.spawn(client.run(first));
        }
        Self { held, _tasks: tasks }
    }

    /// What each has now.
    pub fn held(&self) -> Vec<Held> {
        self.held.iter().map(|held| held.lock().clone()).collect()
    }

    /// Whether each works with the table of this digest and is sound.
    pub fn all_have(&self, digest: &str) -> bool {
        self.held.iter().all(|held| {
            let held = held.lock();
            held.poisoned.is_none() && held.digest.as_deref() == Some(digest)
        })
    }
}

/// The address of the client `number` after `first`.
fn address(first: Ipv4Addr, number: usize) -> Ipv4Addr {
    let offset = u32::try_from(number).unwrap_or_default() % ADDRESSES;
    Ipv4Addr::from(u32::from(first).wrapping_add(offset))
}

#[cfg(test)]
mod tests;
