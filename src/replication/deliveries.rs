//! The ledger of deliveries as the tasks of one replica share it, and its way to other replicas.
//!
//! In: what the listener delivered or had to leave cut, what other replicas say. Out: batches for them, each at most 40 ms
//! after what it tells, so that leader and followers know of a delivery within 100 ms; and the answer whether a client is
//! owed a body. What travels are ages: the clocks of two machines have nothing in common.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::ledger::{Item, Ledger, Outcome, Teller};
use crate::protection::Protection;
use crate::snapshot::{Contents, Digest, Version};
use crate::time::{Clock, Moment};
use crate::wire;

/// How long news may wait for more of it.
const BATCH: Duration = Duration::from_millis(40);

/// Items of one message: about 100 KiB.
const MOST_ITEMS: usize = 4096;

/// The ledger of this replica.
pub struct Deliveries {
    ledger: Mutex<Ledger>,
    clock: Arc<dyn Clock>,
    /// Nanoseconds of the moment until which anyone may be owed anything: most polls look at nothing else.
    owes_until: AtomicU64,
    changed: watch::Sender<()>,
    known: Gauge,
}

impl Deliveries {
    /// An empty ledger; `known` shows how many deliveries it holds.
    pub fn new(clock: Arc<dyn Clock>, known: Gauge) -> Arc<Self> {
        Arc::new(Self {
            ledger: Mutex::default(),
            clock,
            owes_until: AtomicU64::default(),
            changed: watch::Sender::default(),
            known,
        })
    }

    /// A delivery of `digest` to `client` by this replica has ended.
    pub fn ended(&self, client: IpAddr, digest: Digest, outcome: Outcome) {
        let at = self.clock.now();
        self.take([Item::Delivered { digest, client, outcome, at }], Teller::Here, at);
    }

    /// The leader, which this replica is, activates `contents`, read under `version`, in place of `before`: tables that
    /// were not active so far are so for the first time anywhere.
    pub fn activated(&self, before: &Contents, contents: &Contents, version: Version) {
        self.replaced(&before.digests().collect::<Vec<_>>(), contents.digests(), version);
    }

    /// The same for the shards of tables.
    pub fn replaced(&self, old: &[Digest], new: impl IntoIterator<Item = Digest>, version: Version) {
        let at = self.clock.now();
        let opened = new.into_iter().filter(|digest| !old.contains(digest));
        self.take(opened.map(|digest| Item::Opened { digest, version, at }), Teller::Here, at);
    }

    /// This replica starts with `contents` from its disk: tables that had changed just before still have what is left of
    /// their time, by the machine's calendar. Whoever has not stopped knows better.
    pub fn resumed(&self, contents: &Contents, unix_secs: u64) {
        let (now, version) = (self.clock.now(), Version::default());
        let tables = std::iter::once(&contents.table).chain(contents.zones.values());
        let opened = tables.filter_map(|table| {
            let age = unix_secs.checked_sub(table.modified_secs())?;
            Some(Item::Opened { digest: table.digest(), version, at: now - Duration::from_secs(age) })
        });
        self.take(opened, Teller::Here, now);
    }

    /// Whether the body of `digest` is owed to `client`, which names it.
    pub fn owes(&self, client: IpAddr, digest: Digest, current: bool, now: Moment) -> bool {
        !Protection::Ledger.is_off()
            && now.as_nanos() < self.owes_until.load(Ordering::Acquire)
            && self.ledger.lock().owes(client, digest, current, now)
    }

    /// When, from `since` on, the first client had `digest` whole; none where no delivery of it is known.
    pub fn first(&self, digest: Digest, since: Moment) -> Option<Moment> {
        self.ledger.lock().first(digest, since)
    }

    /// Changes with all that is learned.
    pub fn news(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Another replica says what it has learned. What makes no sense is passed over.
    pub fn heard(&self, message: &wire::Deliveries, teller: Teller) {
        let now = self.clock.now();
        self.take(decode(message, now), teller, now);
    }

    /// What `reader` is to be told, from the beginning on.
    pub fn feed(self: &Arc<Self>, reader: Teller) -> Feed {
        let (deliveries, changed) = (Arc::clone(self), self.changed.subscribe());
        Feed { deliveries, reader, changed, cursor: None, waiting: VecDeque::new(), due: None }
    }

    fn take(&self, items: impl IntoIterator<Item = Item>, teller: Teller, now: Moment) {
        let mut ledger = self.ledger.lock();
        let mut news = false;
        for item in items {
            news |= ledger.take(item, teller, now);
        }
        self.owes_until.store(ledger.owes_until().as_nanos(), Ordering::Release);
        self.known.set(i64::try_from(ledger.len()).unwrap_or(i64::MAX));
        drop(ledger);
        if news {
            self.changed.send_replace(());
        }
    }
}

/// What one other replica does not know yet.
pub struct Feed {
    deliveries: Arc<Deliveries>,
    reader: Teller,
    changed: watch::Receiver<()>,
    cursor: Option<u64>,
    waiting: VecDeque<Item>,
    due: Option<Instant>,
}

impl Feed {
    /// The next message, if there is anything to tell now.
    pub fn ready(&mut self) -> Option<wire::Deliveries> {
        if self.waiting.is_empty() {
            self.changed.mark_unchanged();
            let (items, cursor) = self.deliveries.ledger.lock().news(self.cursor, self.reader);
            self.cursor = Some(cursor);
            self.waiting = items.into();
        }
        let items: Vec<Item> = self.waiting.drain(..self.waiting.len().min(MOST_ITEMS)).collect();
        (!items.is_empty()).then(|| encode(&items, self.deliveries.clock.now()))
    }

    /// The next message, as soon as there is one. Loses nothing where it is dropped while it waits.
    pub async fn next(&mut self) -> wire::Deliveries {
        loop {
            if self.due.is_none() && self.waiting.is_empty() {
                if self.changed.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
                self.due = Some(Instant::now() + BATCH);
            }
            if let Some(due) = self.due {
                sleep_until(due).await;
                self.due = None;
            }
            if let Some(message) = self.ready() {
                return message;
            }
        }
    }
}

fn encode(items: &[Item], now: Moment) -> wire::Deliveries {
    let millis = |at: Moment| u64::try_from(now.since(at).as_millis()).unwrap_or(u64::MAX);
    let mut tables: BTreeMap<Digest, wire::TableDeliveries> = BTreeMap::new();
    for item in items {
        let (Item::Opened { digest, .. } | Item::Delivered { digest, .. }) = item;
        let new = || wire::TableDeliveries { digest: digest.to_wire(), ..Default::default() };
        let table = tables.entry(*digest).or_insert_with(new);
        match *item {
            Item::Opened { version, at, .. } => {
                table.opened = Some(wire::Opened { version: Some(version.into()), age_millis: millis(at) });
            }
            Item::Delivered { client, outcome, at, .. } => table.ended.push(wire::Ended {
                client: match client {
                    IpAddr::V4(address) => address.octets().to_vec().into(),
                    IpAddr::V6(address) => address.octets().to_vec().into(),
                },
                cut: outcome == Outcome::Cut,
                age_millis: millis(at),
            }),
        }
    }
    wire::Deliveries { tables: tables.into_values().collect() }
}

fn decode(message: &wire::Deliveries, now: Moment) -> Vec<Item> {
    let at = |age: u64| now - Duration::from_millis(age);
    let mut items = Vec::new();
    for table in &message.tables {
        let Some(digest) = Digest::from_wire(&table.digest) else { continue };
        items.extend(table.opened.as_ref().and_then(|opened| {
            let version = opened.version?.into();
            Some(Item::Opened { digest, version, at: at(opened.age_millis) })
        }));
        items.extend(table.ended.iter().filter_map(|ended| {
            let octets = ended.client.as_ref();
            let client = <[u8; 4]>::try_from(octets)
                .map(IpAddr::from)
                .or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from))
                .ok()?;
            let outcome = if ended.cut { Outcome::Cut } else { Outcome::Completed };
            Some(Item::Delivered { digest, client, outcome, at: at(ended.age_millis) })
        }));
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::ManualClock;

    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 2, 0, 7));

    fn replica(clock: &ManualClock) -> Arc<Deliveries> {
        Deliveries::new(Arc::new(clock.clone()), Gauge::default())
    }

    fn clock() -> ManualClock {
        let clock = ManualClock::default();
        clock.advance(Duration::from_secs(1000));
        clock
    }

    #[test]
    fn what_travels_arrives_with_its_age_whatever_the_clocks_say() {
        let (here, there) = (clock(), clock());
        there.advance(Duration::from_secs(77_777));
        let at = here.now();
        let digest = Digest::of(b"a");
        let items = [
            Item::Opened { digest, version: Version::new(3, 4), at },
            Item::Delivered { digest, client: CLIENT, outcome: Outcome::Completed, at },
            Item::Delivered {
                digest: Digest::of(b"b"),
                client: "fd00::7".parse().unwrap(),
                outcome: Outcome::Cut,
                at,
            },
        ];
        here.advance(Duration::from_secs(5));
        let mut arrived = decode(&encode(&items, here.now()), there.now());
        for item in &mut arrived {
            let (Item::Opened { at: moment, .. } | Item::Delivered { at: moment, .. }) = item;
            assert_eq!(there.now().since(*moment), Duration::from_secs(5));
            *moment = at;
        }
        arrived.sort_by_key(|item| items.iter().position(|it| it == item));
        assert_eq!(arrived, items);
    }

    #[test]
    fn what_makes_no_sense_is_passed_over() {
        let ended = wire::Ended { client: vec![1, 2, 3].into(), ..Default::default() };
        let opened = Some(wire::Opened::default());
        let digest = Digest::of(b"a").to_wire();
        let tables = vec![
            wire::TableDeliveries { digest, opened, ended: vec![ended] },
            wire::TableDeliveries::default(),
        ];
        assert_eq!(decode(&wire::Deliveries { tables }, Moment::default()), []);
    }

    #[tokio::test(start_paused = true)]
    async fn three_replicas_know_within_a_tenth_of_a_second_and_nothing_comes_back() {
        let clock = clock();
        let [first, leader, second] = [replica(&clock), replica(&clock), replica(&clock)];
        let (one, two) = (
            Teller::Follower(super::super::core::StreamId(1)),
            Teller::Follower(super::super::core::StreamId(2)),
        );
        let mut up = first.feed(Teller::Leader);
        let (mut down, mut back) = (leader.feed(two), leader.feed(one));
        assert!(up.ready().is_none() && down.ready().is_none() && back.ready().is_none());
        let digest = Digest::of(b"a");
        let started = Instant::now();
        first.ended(CLIENT, digest, Outcome::Cut);
        leader.heard(&up.next().await, one);
        second.heard(&down.next().await, Teller::Leader);
        assert!(started.elapsed() <= Duration::from_millis(100));
        for replica in [&first, &leader, &second] {
            assert!(replica.owes(CLIENT, digest, false, clock.now()));
        }
        assert!(back.ready().is_none(), "it came from there");
        assert!(second.feed(Teller::Leader).ready().is_some(), "a new stream begins with all there is");
        leader.heard(&second.feed(Teller::Leader).ready().expect("all"), two);
        assert!(down.ready().is_none() && back.ready().is_none(), "which is no news");
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_for_news_may_be_broken_off() {
        let clock = clock();
        let replica = replica(&clock);
        let mut feed = replica.feed(Teller::Leader);
        assert!(tokio::time::timeout(BATCH, feed.next()).await.is_err());
        replica.ended(CLIENT, Digest::of(b"a"), Outcome::Completed);
        for _ in 0..4 {
            let _ = tokio::time::timeout(BATCH / 5, feed.next()).await;
        }
        let told = tokio::time::timeout(BATCH, feed.next()).await.expect("not begun anew each time");
        assert_eq!(told.tables[0].ended.len(), 1);
    }

    #[test]
    fn only_a_replaced_table_opens_a_window_and_a_restart_opens_what_is_left() {
        let clock = clock();
        let table = |text: &str, modified| {
            Contents::of(Arc::new(crate::snapshot::Table::new(text.to_owned(), 1, modified)))
        };
        let (old, new) = (table("a: * -> <shunt>", 1_000_000), table("b: * -> <shunt>", 1_000_100));
        let owes = |replica: &Deliveries, contents: &Contents| {
            replica.owes(CLIENT, contents.table.digest(), true, clock.now())
        };
        let leader = replica(&clock);
        leader.activated(&old, &old, Version::new(2, 1));
        assert!(!owes(&leader, &old));
        leader.activated(&old, &new, Version::new(2, 2));
        assert!(owes(&leader, &new) && !owes(&leader, &old));

        let restarted = replica(&clock);
        restarted.resumed(&new, 1_000_099);
        assert!(!owes(&restarted, &new), "the calendar went back: nobody is owed anything");
        restarted.resumed(&new, 1_000_120);
        assert!(owes(&restarted, &new));
        clock.advance(Duration::from_secs(10));
        assert!(!owes(&restarted, &new), "the restart renewed nothing");
    }
}
