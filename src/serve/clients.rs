//! Who polls this replica, and what each of them has: so that whoever looks can tell which client runs what (design,
//! invariant 5).
//!
//! In: each answer about a table, with its client's address. Out: the clients of the last ten minutes. What can go wrong:
//! more of them than are kept; the others are served all the same, and counted. Clients behind one source NAT are one.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use http::StatusCode;
use parking_lot::Mutex;

use crate::snapshot::Digest;
use crate::time::Moment;

/// How long a client is remembered that does not poll any more.
const KEPT: Duration = Duration::from_secs(600);

/// How many are kept: twice the largest fleet.
const MOST: usize = 20_000;

/// Between two looks for clients that are gone, where there is no room.
const LOOK: Duration = Duration::from_secs(1);

/// One client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// What it named, or was sent: the table that it has, or is about to have. None where it has neither.
    pub has: Option<Digest>,
    /// The zone that it asks for; empty for the main table.
    pub zone: Box<str>,
    /// How it was answered last.
    pub status: StatusCode,
    /// When that was.
    pub at: Moment,
    /// How many answers it has had from this replica.
    pub polls: u64,
}

/// What a client asked, and how it was answered.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The table that it has now, as far as is known.
    pub has: Option<Digest>,
    /// The zone; empty for the main table.
    pub zone: &'a str,
    /// The answer.
    pub status: StatusCode,
}

/// The clients of this replica.
#[derive(Debug, Default)]
pub struct Clients(Mutex<Roll>);

#[derive(Debug, Default)]
struct Roll {
    clients: HashMap<IpAddr, Client>,
    looked: Moment,
}

impl Clients {
    /// The client at `from` was answered.
    pub fn saw(&self, from: IpAddr, asked: Asked<'_>, now: Moment) {
        self.0.lock().saw(from, asked, now, MOST);
    }

    /// All that polled lately, by address.
    pub fn list(&self, now: Moment) -> Vec<(IpAddr, Client)> {
        let mut roll = self.0.lock();
        roll.forget(now);
        let mut all: Vec<_> = roll.clients.iter().map(|(from, client)| (*from, client.clone())).collect();
        drop(roll);
        all.sort_unstable_by_key(|(from, _)| *from);
        all
    }
}

impl Roll {
    fn saw(&mut self, from: IpAddr, asked: Asked<'_>, now: Moment, most: usize) {
        let Asked { has, zone, status } = asked;
        if let Some(client) = self.clients.get_mut(&from) {
            if *client.zone != *zone {
                client.zone = zone.into();
            }
            (client.has, client.status, client.at) = (has, status, now);
            client.polls += 1;
            return;
        }
        if self.clients.len() >= most {
            if now.since(self.looked) < LOOK {
                return;
            }
            self.forget(now);
            if self.clients.len() >= most {
                return;
            }
        }
        self.clients.insert(from, Client { has, zone: zone.into(), status, at: now, polls: 1 });
    }

    fn forget(&mut self, now: Moment) {
        self.looked = now;
        self.clients.retain(|_, client| now.since(client.at) < KEPT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::from_nanos(seconds * 1_000_000_000)
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([10, 2, 0, last])
    }

    fn asked(text: &str) -> Asked<'static> {
        Asked { has: Some(Digest::of(text.as_bytes())), zone: "", status: StatusCode::NOT_MODIFIED }
    }

    #[test]
    fn the_last_answer_counts() {
        let clients = Clients::default();
        clients.saw(address(1), asked("old"), at(1));
        clients.saw(address(2), asked("old"), at(2));
        let new = Asked { zone: "a", status: StatusCode::OK, ..asked("new") };
        clients.saw(address(1), new, at(3));
        let list = clients.list(at(4));
        let expected = Client {
            has: Some(Digest::of(b"new")),
            zone: "a".into(),
            status: StatusCode::OK,
            at: at(3),
            polls: 2,
        };
        assert_eq!(list[0], (address(1), expected));
        assert_eq!((list.len(), list[1].1.polls), (2, 1));
    }

    #[test]
    fn whoever_is_gone_is_forgotten() {
        let clients = Clients::default();
        clients.saw(address(1), asked("a"), at(1));
        assert_eq!(clients.list(at(600)).len(), 1);
        assert_eq!(clients.list(at(601)), []);
    }

    #[test]
    fn there_is_room_for_so_many_and_the_gone_make_room() {
        let mut roll = Roll::default();
        for last in 1..=4 {
            roll.saw(address(last), asked("a"), at(u64::from(last)), 3);
        }
        assert_eq!(roll.clients.len(), 3, "the fourth is not listed");
        roll.saw(address(2), asked("a"), at(500), 3);
        roll.saw(address(5), asked("a"), at(700), 3);
        let mut left: Vec<_> = roll.clients.keys().copied().collect();
        left.sort_unstable();
        assert_eq!(left, [address(2), address(5)]);
    }
}
