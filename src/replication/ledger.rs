//! The ledger of deliveries: which client has which table whole (design D11).
//!
//! A Skipper remembers the ETag of a 200 before it has the body. If the body is cut, a 304 to that ETag would leave it
//! with half a table until the next change. In: deliveries that were completed or cut, at any replica, and tables that
//! became active somewhere for the first time, each with its moment. Out: whether a client that names a table is owed
//! its body again, and what other replicas do not know yet. What can go wrong: more clients than there is room for.
//! Then nobody is owed anything on suspicion: a needless 200 to each of so many would be the greater harm.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::journal::Journal;
use crate::snapshot::{Digest, Version};
use crate::time::Moment;

/// How long after a table's first activation a client that no delivery is known for is owed one.
pub const WINDOW: Duration = Duration::from_secs(30);

/// How long a cut delivery is owed, whoever knows of it. Each poll of the client that was cut ends the debt; who has
/// not polled for so long is gone.
pub const CUT_KEPT: Duration = Duration::from_secs(600);

/// How long a completed delivery counts: longer than any window that began before it, as late as it may be heard of.
const COMPLETED_KEPT: Duration = Duration::from_secs(40);

/// What two replicas may differ by about one moment: what they tell each other is a little under way.
const JITTER: Duration = Duration::from_millis(200);

/// A delivery of the same table to the same client so much later is another one.
const ANOTHER: Duration = Duration::from_secs(1);

/// Deliveries that are known at once; about 150 bytes each.
const MOST_DELIVERIES: usize = 65_536;

/// Windows that are open at once: one for each table of a publication, zones too.
const MOST_WINDOWS: usize = 256;

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The last byte was handed to the client's connection, and that did not break afterwards.
    Completed,
    /// The body was begun, and the connection ended before its end.
    Cut,
}

/// Who told it: nobody is told again what came from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Teller {
    /// This replica's own listener, or its own activation.
    Here,
    /// The leader that this replica follows.
    Leader,
    /// The follower on this stream.
    Follower(super::core::StreamId),
}

/// What replicas tell each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// A table became active for the first time, under this version.
    Opened {
        /// The table.
        digest: Digest,
        /// The version; a later one for the same table means that it was replaced meanwhile, and came back.
        version: Version,
        /// When.
        at: Moment,
    },
    /// A delivery ended.
    Delivered {
        /// The table.
        digest: Digest,
        /// The client's address.
        client: IpAddr,
        /// How.
        outcome: Outcome,
        /// When.
        at: Moment,
    },
}

/// What is known of one delivery.
#[derive(Clone, Copy, Debug)]
struct Delivery {
    outcome: Outcome,
    at: Moment,
}

/// The ledger of one replica.
#[derive(Debug, Default)]
pub struct Ledger {
    windows: BTreeMap<Digest, (Version, Moment)>,
    deliveries: BTreeMap<(Digest, IpAddr), Delivery>,
    journal: Journal,
    swept: Moment,
    /// When a completed delivery last found no room.
    forgot: Option<Moment>,
    owes_until: Moment,
}

impl Ledger {
    /// Takes in what `teller` says; whether that is news. Older than what is known, it is not.
    pub fn take(&mut self, item: Item, teller: Teller, now: Moment) -> bool {
        let news = match item {
            Item::Opened { digest, version, at } => self.open(digest, version, at, now),
            Item::Delivered { digest, client, outcome, at } => {
                self.note((digest, client), Delivery { outcome, at }, now)
            }
        };
        if news {
            self.journal.add(item.key(), teller);
        }
        news
    }

    /// Whether the body of `digest` is owed to `client`, which says that it has it. A delivery that is known to have been
    /// cut is owed by any replica: the client asks for just what it already names. Whether one is unknown that should be
    /// known, only a `current` replica can tell, which hears of all.
    pub fn owes(&self, client: IpAddr, digest: Digest, current: bool, now: Moment) -> bool {
        let known = self.deliveries.get(&(digest, client));
        if known.is_some_and(|it| it.outcome == Outcome::Cut && now.since(it.at) < CUT_KEPT) {
            return true;
        }
        let Some((_, opened)) = self.windows.get(&digest).filter(|(_, at)| now.since(*at) < WINDOW) else {
            return false;
        };
        let since = |at: Moment| at + JITTER >= *opened;
        let completed = known.is_some_and(|it| it.outcome == Outcome::Completed && since(it.at));
        current && !completed && !self.forgot.is_some_and(since)
    }

    /// When, from `since` on, the first client had `digest` whole; none where no delivery of it is known.
    pub fn first(&self, digest: Digest, since: Moment) -> Option<Moment> {
        let from = (digest, IpAddr::from([0, 0, 0, 0]));
        let of_it = self.deliveries.range(from..).take_while(|((of, _), _)| *of == digest);
        let whole = of_it.filter(|(_, it)| it.outcome == Outcome::Completed && it.at >= since);
        whole.map(|(_, it)| it.at).min()
    }

    /// Until when it may owe anyone anything; nothing has to be looked up after that.
    pub const fn owes_until(&self) -> Moment {
        self.owes_until
    }

    /// How many deliveries are known.
    pub fn len(&self) -> usize {
        self.deliveries.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.deliveries.is_empty()
    }

    /// What came after `cursor` and not from `reader`, each thing once and as it is known now, with the cursor for the next
    /// time. Everything, where the cursor is `None` or too old.
    pub fn news(&self, cursor: Option<u64>, reader: Teller) -> (Vec<Item>, u64) {
        let keys = cursor.and_then(|cursor| self.journal.since(cursor, reader));
        let items = match keys {
            Some(keys) => keys.into_iter().filter_map(|key| self.item(key)).collect(),
            None => self.all(),
        };
        (items, self.journal.end())
    }

    fn all(&self) -> Vec<Item> {
        let windows = self.windows.keys().map(|digest| Key { digest: *digest, client: None });
        let deliveries =
            self.deliveries.keys().map(|(digest, client)| Key { digest: *digest, client: Some(*client) });
        windows.chain(deliveries).filter_map(|key| self.item(key)).collect()
    }

    fn item(&self, Key { digest, client }: Key) -> Option<Item> {
        let Some(client) = client else {
            return self.windows.get(&digest).map(|&(version, at)| Item::Opened { digest, version, at });
        };
        let Delivery { outcome, at } = *self.deliveries.get(&(digest, client))?;
        Some(Item::Delivered { digest, client, outcome, at })
    }

    /// The earliest moment counts: whoever hears of it late, or again from a new leader or after a restart, renews nothing.
    fn open(&mut self, digest: Digest, version: Version, at: Moment, now: Moment) -> bool {
        if now.since(at) >= WINDOW {
            return false;
        }
        match self.windows.get_mut(&digest) {
            Some((known, _)) if *known > version => return false,
            Some((known, since)) if *known == version => {
                *since = at.min(*since);
                return false;
            }
            _ => {}
        }
        self.windows.retain(|_, (_, at)| now.since(*at) < WINDOW);
        self.windows.insert(digest, (version, at));
        self.owes_until = self.owes_until.max(at + WINDOW);
        while self.windows.len() > MOST_WINDOWS {
            let oldest = self.windows.iter().min_by_key(|(_, (_, at))| *at).map(|(digest, _)| *digest);
            oldest.map(|digest| self.windows.remove(&digest));
        }
        true
    }

    fn note(&mut self, key: (Digest, IpAddr), delivery: Delivery, now: Moment) -> bool {
        let Delivery { outcome, at } = delivery;
        if now.since(at) >= kept(outcome) {
            return false;
        }
        match self.deliveries.get(&key) {
            Some(known) if known.outcome == outcome && at < known.at + ANOTHER => return false,
            // Of two that seem to be of one moment the cut one counts: an extra body does no harm.
            Some(known) if known.at > at || (known.at == at && outcome == Outcome::Completed) => {
                return false;
            }
            Some(_) => {}
            None => {
                let full = self.deliveries.len() >= MOST_DELIVERIES;
                if now.since(self.swept) >= ANOTHER {
                    self.swept = now;
                    self.deliveries.retain(|_, it| now.since(it.at) < kept(it.outcome));
                }
                if full && self.deliveries.len() >= MOST_DELIVERIES {
                    self.forgot = Some(at.max(self.forgot.unwrap_or_default()));
                    return false;
                }
            }
        }
        self.deliveries.insert(key, delivery);
        if outcome == Outcome::Cut {
            self.owes_until = self.owes_until.max(at + CUT_KEPT);
        }
        true
    }
}

const fn kept(outcome: Outcome) -> Duration {
    match outcome {
        Outcome::Completed => COMPLETED_KEPT,
        Outcome::Cut => CUT_KEPT,
    }
}

/// What an item is about: a table's window, or a client's delivery of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    digest: Digest,
    client: Option<IpAddr>,
}

impl Item {
    const fn key(&self) -> Key {
        match *self {
            Self::Opened { digest, .. } => Key { digest, client: None },
            Self::Delivered { digest, client, .. } => Key { digest, client: Some(client) },
        }
    }
}

#[cfg(test)]
mod tests;
