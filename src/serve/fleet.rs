//! The whole fleet as one replica sees it: every replica's own word, and the clients of all of them (design, invariant 5).
//!
//! In: what this replica and its peers show of themselves. Out: one value, for `/fleet` and the page. What can go wrong: a
//! peer that does not answer is named with the reason, and its clients are missing.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::clients::{Client, Clients};
use super::publications::Published;
use super::status::Status;
use crate::replication::observe::Observation;
use crate::snapshot::{Digest, History, Kept, Version};
use crate::time::Moment;
use crate::wire;

/// The fleet.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fleet {
    /// The replica that looked.
    pub seen_by: String,
    /// When.
    pub at: Option<Timestamp>,
    /// This replica first, then its peers in the order of `--peers`.
    pub replicas: Vec<Member>,
    /// Who polls any of them, those that are behind first, then by address.
    pub clients: Vec<Polling>,
    /// The last publications, the newest first: the same on every replica that is in touch with the leader.
    pub publications: Vec<Published>,
    /// The tables that were active here lately, the newest first.
    pub tables: Vec<Recent>,
}

/// A replica.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Member {
    /// Where its replication listens; none for the replica that looks.
    pub address: Option<String>,
    /// What it answers to `/status`.
    pub status: Option<Value>,
    /// Why it does not.
    pub error: Option<String>,
}

/// A client.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Polling {
    /// Its address.
    pub address: IpAddr,
    /// The zone that it asks for; empty for the main table.
    pub zone: String,
    /// The digest of the table that it has.
    pub has: Option<String>,
    /// How that stands to the newest table here.
    pub standing: Standing,
    /// The status of its last answer.
    pub status: u16,
    /// Seconds since that.
    pub age_seconds: f64,
    /// The answers that it has had from all replicas.
    pub polls: u64,
}

/// What a client has, beside what is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It names a table that this replica does not remember.
    Unknown,
    /// It has none.
    Nothing,
    /// So many tables have come since.
    Behind(usize),
    /// It has the newest.
    Newest,
}

/// A table that was active.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recent {
    /// The version that it was active under first.
    pub version: String,
    /// The digest of the main table.
    pub digest: String,
    /// How many routes that has.
    pub routes: u64,
    /// How many more than the table before; none for the oldest.
    pub more: Option<i64>,
    /// When it was read from the upstream.
    pub read_at: Option<Timestamp>,
}

/// What a replica shows to others.
pub fn shown(status: &Status, clients: &Clients, now: Moment) -> wire::ObserveResponse {
    let clients = clients.list(now).into_iter().map(|(from, client)| {
        let Client { has, zone, status, at, polls } = client;
        wire::PollingClient {
            address: match from {
                IpAddr::V4(address) => address.octets().to_vec().into(),
                IpAddr::V6(address) => address.octets().to_vec().into(),
            },
            digest: has.map(Digest::to_wire).unwrap_or_default(),
            zone: zone.into_string(),
            status: status.as_u16().into(),
            age_millis: u64::try_from(now.since(at).as_millis()).unwrap_or(u64::MAX),
            polls,
        }
    });
    let status = serde_json::to_vec(status).expect("a status is plain values");
    wire::ObserveResponse { status: status.into(), clients: clients.collect(), ..Default::default() }
}

/// The fleet, as the replica `seen_by` sees it at `unix_millis`: its own word, what its peers answered, and the tables that it
/// and publications that it
/// remembers.
pub fn fleet(
    seen_by: &str,
    unix_millis: u64,
    own: wire::ObserveResponse,
    peers: Vec<Observation>,
    history: &History,
    publications: Vec<Published>,
) -> Fleet {
    let mut polling = BTreeMap::new();
    let mut take = |clients: Vec<wire::PollingClient>| {
        for client in clients {
            count(&mut polling, client, history);
        }
    };
    take(own.clients);
    let mut replicas = vec![Member::of(None, &own.status)];
    for Observation { address, seen } in peers {
        replicas.push(match seen {
            Ok(seen) => {
                take(seen.clients);
                Member::of(Some(address), &seen.status)
            }
            Err(error) => Member { address: Some(address), status: None, error: Some(error) },
        });
    }
    let mut clients: Vec<Polling> = polling.into_values().collect();
    clients.sort_by_key(|client| (client.standing, client.address));
    Fleet {
        seen_by: seen_by.to_owned(),
        at: timestamp(unix_millis),
        replicas,
        clients,
        publications,
        tables: recent(history),
    }
}

/// A client may have polled several replicas: the last answer tells what it has.
fn count(polling: &mut BTreeMap<(IpAddr, String), Polling>, client: wire::PollingClient, history: &History) {
    let octets = client.address.as_ref();
    let address = <[u8; 4]>::try_from(octets)
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from));
    let Ok(address) = address else { return };
    let has = Digest::from_wire(&client.digest);
    let seen = Polling {
        address,
        zone: client.zone,
        has: has.map(|digest| digest.to_string()),
        standing: standing(has, history),
        status: u16::try_from(client.status).unwrap_or_default(),
        age_seconds: client.age_millis as f64 / 1e3,
        polls: client.polls,
    };
    polling
        .entry((address, seen.zone.clone()))
        .and_modify(|known| {
            let polls = known.polls + seen.polls;
            if seen.age_seconds < known.age_seconds {
                *known = seen.clone();
            }
            known.polls = polls;
        })
        .or_insert(seen);
}

fn standing(has: Option<Digest>, history: &History) -> Standing {
    let Some(has) = has else { return Standing::Nothing };
    match history.later_than(has) {
        None => Standing::Unknown,
        Some(0) => Standing::Newest,
        Some(later) => Standing::Behind(later),
    }
}

fn recent(history: &History) -> Vec<Recent> {
    let mut before = None;
    let one = |kept: &Kept| {
        let routes = i64::try_from(kept.routes).unwrap_or(i64::MAX);
        let more = before.replace(routes).map(|before| routes - before);
        Recent {
            version: Version::to_string(&kept.first()),
            digest: kept.digest().to_string(),
            routes: kept.routes,
            more,
            read_at: timestamp(kept.read_at_millis),
        }
    };
    let mut all: Vec<Recent> = history.iter().map(one).collect();
    all.reverse();
    all
}

impl Member {
    fn of(address: Option<String>, status: &[u8]) -> Self {
        match serde_json::from_slice(status) {
            Ok(status) => Self { address, status: Some(status), error: None },
            Err(_) => Self { address, status: None, error: Some("it shows nothing".to_owned()) },
        }
    }
}

fn timestamp(unix_millis: u64) -> Option<Timestamp> {
    Timestamp::from_millisecond(i64::try_from(unix_millis).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use http::StatusCode;

    use super::*;
    use crate::serve::clients::Asked;
    use crate::snapshot::Snapshot;

    fn table(sequence: u64) -> Snapshot {
        Snapshot::for_tests(Version::new(7, sequence), &format!("t{sequence}: * -> <shunt>"))
    }

    fn history() -> History {
        let mut history = History::default();
        (1..=3).for_each(|sequence| history.add(&Arc::new(table(sequence))));
        history
    }

    fn polls(now: Moment, seen: &[(u8, Option<Digest>, u64)]) -> wire::ObserveResponse {
        let clients = Clients::default();
        for (last, has, ago) in seen {
            let asked = Asked { has: *has, zone: "", status: StatusCode::OK };
            clients.saw(IpAddr::from([10, 2, 0, *last]), asked, now - Duration::from_secs(*ago));
        }
        let clients = shown(&Status::default(), &clients, now).clients;
        wire::ObserveResponse {
            status: b"{\"replica\": \"r\"}".to_vec().into(),
            clients,
            ..Default::default()
        }
    }

    #[test]
    fn clients_of_all_replicas_are_one_list_with_who_is_behind_first() {
        let now = Moment::from_nanos(1_000_000_000_000);
        let digest = |sequence| Some(table(sequence).digest());
        let own = polls(now, &[(1, digest(3), 2), (2, digest(1), 5), (3, Some(Digest::of(b"?")), 1)]);
        let other = polls(now, &[(2, digest(3), 1), (4, digest(2), 1), (5, None, 1)]);
        let peers = vec![
            Observation { address: "r1:9912".to_owned(), seen: Ok(other) },
            Observation { address: "r2:9912".to_owned(), seen: Err("no answer in time".to_owned()) },
        ];
        let fleet = fleet("r0", 1_800_000_000_000, own, peers, &history(), Vec::new());
        let seen: Vec<_> =
            fleet.clients.iter().map(|it| (it.address.to_string(), it.standing, it.polls)).collect();
        let expected = [
            ("10.2.0.3", Standing::Unknown, 1),
            ("10.2.0.5", Standing::Nothing, 1),
            ("10.2.0.4", Standing::Behind(1), 1),
            ("10.2.0.1", Standing::Newest, 1),
            ("10.2.0.2", Standing::Newest, 2),
        ];
        assert_eq!(seen, expected.map(|(address, standing, polls)| (address.to_owned(), standing, polls)));
        assert_eq!(fleet.clients[4].age_seconds, 1.0, "its last poll went to the other replica");
        assert_eq!(fleet.replicas.len(), 3);
        assert_eq!(fleet.replicas[2].error.as_deref(), Some("no answer in time"));
        assert_eq!(fleet.replicas[1].status.as_ref().map(|status| &status["replica"]), Some(&"r".into()));
    }

    #[test]
    fn the_newest_table_is_first_and_counts_what_it_has_more() {
        let tables = fleet("r0", 0, Default::default(), Vec::new(), &history(), Vec::new()).tables;
        let seen: Vec<_> = tables.iter().map(|it| (it.version.as_str(), it.more)).collect();
        assert_eq!(seen, [("7.3", Some(0)), ("7.2", Some(0)), ("7.1", None)]);
    }
}
