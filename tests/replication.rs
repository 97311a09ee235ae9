//! Replicas in one process, over real connections on loopback: what a leader publishes, every follower serves.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bellwether::election::{Leader, Role, Term};
use bellwether::phase::Phase;
use bellwether::publish::{Notes, record};
use bellwether::replication::core::{Draft, Published, Refusal, Replica};
use bellwether::replication::hub::Hub;
use bellwether::replication::observe::observe;
use bellwether::replication::peer::Security;
use bellwether::replication::{catch_up, converge, follower, scrub, service};
use bellwether::snapshot::{
    Cell, Contents, Difference, Digest, Epoch, Packed, Publication, Snapshot, Table, Version,
};
use bellwether::time::{BootClock, Clock, Moment};
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// One replica: its hub, its server, and the role that an election would give it.
struct Node {
    hub: Arc<Hub>,
    cell: Arc<Cell>,
    address: String,
    role: watch::Sender<Role>,
    stop: CancellationToken,
}

impl Node {
    async fn start(name: &str, last_known_good: Option<Snapshot>) -> Self {
        Self::start_with(name, last_known_good, Security::default()).await
    }

    async fn start_with(name: &str, last_known_good: Option<Snapshot>, security: Security) -> Self {
        let cell = Arc::new(Cell::default());
        let replica = Replica::new(last_known_good);
        let hub = Hub::new(name.to_owned(), replica, cell.clone(), Arc::new(BootClock), Default::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound").to_string();
        let (role, roles) = watch::channel(Role::Follower(None));
        let stop = CancellationToken::new();
        let (served, stopped, secured) = (hub.clone(), stop.clone(), security.clone());
        let phase = watch::channel(Phase::Serving).1;
        tokio::spawn(async move { service::listen(served, listener, &secured, phase, stopped).await });
        tokio::spawn(follower::follow(hub.clone(), roles, security, Default::default()));
        tokio::spawn(hub.clone().activate());
        tokio::spawn(record(hub.clone(), Notes::default(), None));
        Self { hub, cell, address, role, stop }
    }

    /// Leads `epoch` from now on, as far as `peers` are told.
    async fn lead(&self, epoch: u64, peers: &[&Self]) -> Term {
        let term = term(epoch);
        self.role.send_replace(Role::Leader(term.clone()));
        self.hub.update(|core, _| core.lead(term.clone())).expect("a newer epoch");
        let addresses: Vec<String> = peers.iter().map(|peer| peer.address.clone()).collect();
        let caught_up = catch_up::ask(&self.hub, &term, &addresses, &Security::default()).await;
        assert_eq!(caught_up.outranked_by, None);
        let all = caught_up.all_answered;
        self.hub.update(|core, now| core.caught_up(caught_up.best, all, now)).expect("leads");
        peers.iter().for_each(|peer| peer.follows(self, &term));
        term
    }

    fn follows(&self, leader: &Self, term: &Term) {
        self.role.send_replace(Role::Follower(Some(Leader {
            identity: leader.hub.identity().to_owned(),
            epoch: term.epoch(),
            term: term.id(),
            address: leader.address.clone(),
        })));
    }

    fn publish(&self, term: &Term, eskip: &str) -> Published {
        self.publish_read_at(term, eskip, 1)
    }

    fn publish_read_at(&self, term: &Term, eskip: &str, read_at_millis: u64) -> Published {
        let draft = Draft { contents: contents(eskip), read_at_millis };
        self.hub.update(|core, now| core.publish(term, draft, now)).expect("the term is valid")
    }

    fn active(&self) -> Option<Arc<Snapshot>> {
        self.cell.load().active.clone()
    }

    /// Waits until this replica serves `version`, and is current where `current`.
    async fn serves(&self, version: Version, current: bool) {
        let version = Some(version);
        let reached = async {
            while self.active().map(|it| it.version) != version
                || (current && !self.cell.load().is_current(self.hub.now()))
            {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(10), reached).await;
        let has = self.active().map(|it| it.version);
        assert!(waited.is_ok(), "{} has {has:?}, not {version:?}", self.hub.identity());
    }
}

/// A term that is valid for a minute.
fn term(epoch: u64) -> Term {
    let until = BootClock.now() + Duration::from_secs(60);
    Term::for_tests(Epoch(epoch), until.since(Moment::from_nanos(0)).as_nanos() as u64)
}

fn contents(eskip: &str) -> Contents {
    Contents {
        zones: BTreeMap::from([("a".to_owned(), Arc::new(Table::new(format!("{eskip} // a"), 1, 7)))]),
        ..Contents::of(Arc::new(Table::new(eskip.to_owned(), 1, 7)))
    }
}

/// Three MiB that do not compress below one: several chunks.
fn large(seed: &str) -> String {
    let mut digest = Digest::of(seed.as_bytes());
    let mut text = String::new();
    while text.len() < 3 << 20 {
        digest = Digest::of(digest.as_bytes());
        text.push_str(&digest.to_string());
    }
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn followers_serve_the_leaders_bytes_and_are_current() {
    let (a, b, c) =
        (Node::start("a", None).await, Node::start("b", None).await, Node::start("c", None).await);
    let term = a.lead(1, &[&b, &c]).await;
    for (sequence, text) in [(1, large("x")), (2, large("y")), (3, "r: * -> <shunt>".to_owned())] {
        a.publish(&term, &text);
        for node in [&a, &b, &c] {
            node.serves(Version::new(1, sequence), true).await;
            let active = node.active().expect("active");
            assert_eq!(active.contents.table.plain(), text.as_bytes());
            assert_eq!(active.contents.zones["a"].plain(), format!("{text} // a").as_bytes());
        }
    }
}

/// The publications that a replica remembers, when it remembers that of `version`.
async fn remembers(node: &Node, version: Version) -> Vec<Publication> {
    let known = async {
        loop {
            let all = node.hub.publications().list();
            if all.iter().any(|it| it.version == version) {
                return all;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(10), known).await;
    waited.unwrap_or_else(|_| panic!("{} does not remember {version}", node.hub.identity()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_replica_remembers_the_same_publications_and_a_new_leader_goes_on_with_them() {
    let (a, b) = (Node::start("a", None).await, Node::start("b", None).await);
    let term = a.lead(1, &[&b]).await;
    for (sequence, text) in [(1, "r: * -> <shunt>;"), (2, "r: Path(\"/\") -> <shunt>;\ns: * -> <shunt>;")] {
        a.publish(&term, text);
        for node in [&a, &b] {
            node.serves(Version::new(1, sequence), true).await;
        }
    }
    let seen = remembers(&a, Version::new(1, 2)).await;
    assert_eq!(remembers(&b, Version::new(1, 2)).await, seen);
    let difference = seen[0].difference.as_ref().expect("there was a table before");
    assert_eq!((difference.added, difference.removed, difference.changed), (1, 0, 1));
    assert_eq!((seen[0].replicas, seen[0].by.as_str()), (2, "a"));

    // One that comes later is told all of it, also by a leader that heard it from another one.
    let c = Node::start("c", None).await;
    a.stop.cancel();
    let term = b.lead(2, &[&c]).await;
    b.publish(&term, "r: * -> <shunt>;");
    let told = remembers(&c, Version::new(2, 1)).await;
    assert_eq!(told, remembers(&b, Version::new(2, 1)).await);
    let versions: Vec<_> = told.iter().map(|it| (it.version.to_string(), it.cause.as_str())).collect();
    let expected = [("2.1", "change"), ("2.0", "new-term"), ("1.2", "change"), ("1.1", "change")];
    assert_eq!(versions, expected.map(|(version, cause)| (version.to_owned(), cause)));
}

/// The table of a large fleet: so many routes of about 500 bytes, each different, and one that says `word`.
fn fleet(routes: usize, word: &str) -> String {
    let mut text = String::new();
    for n in 0..routes {
        let hash = Digest::of(&n.to_le_bytes()).to_string();
        let word = if n == routes / 2 { word } else { "same" };
        let _ = writeln!(
            text,
            "kube_team__app_{n:05}__{}: Host(/^({}[.]example[.]org[.]?(:[0-9]+)?)$/) && PathSubtree(\"/{}\") \
             && Traffic(0.5) -> ratelimit(20, \"1m\") -> setRequestHeader(\"X-App\", \"{word}\") \
             -> setResponseHeader(\"Strict-Transport-Security\", \"max-age=31536000; includeSubDomains\") \
             -> compress(\"text/html\", \"text/css\", \"text/plain\", \"application/json\") -> oauthTokeninfoAnyScope(\"uid\", \"{}\") \
             -> <roundRobin, \"http://10.2.{}.{}:8080\", \"http://10.3.{}.{}:8080\", \"http://10.4.{}.{}:8080\">;",
            &hash[..8],
            &hash[8..20],
            &hash[20..32],
            &hash[32..48],
            n % 251,
            n % 239,
            n % 233,
            n % 229,
            n % 227,
            n % 223,
        );
    }
    text
}

/// With `--nocapture` it prints how long it takes to find what differs between two tables of so many routes.
#[test]
fn what_differs_between_two_large_tables_is_found_by_the_blocks_that_differ() {
    const ROUTES: usize = 40_000;
    let same = fleet(ROUTES, "same");
    let old = Packed::of(same.trim_end().as_bytes(), None);
    let compared = |text: &str| {
        let new = Packed::of(text.trim_end().as_bytes(), Some(&old));
        let started = tokio::time::Instant::now();
        let found = Difference::between(&old, &new).expect("nothing is damaged");
        (found, started.elapsed())
    };
    let (one, took_one) = compared(&fleet(ROUTES, "other"));
    let (all, took_all) = compared(&same.replace("\"same\"", "\"other\""));
    assert_eq!((one.total(), one.changed, one.named.len()), (1, 1, 1));
    assert_eq!((all.total(), all.changed), (ROUTES as u64, ROUTES as u64));
    println!("{ROUTES} routes, {} bytes: one differs {took_one:?}, all differ {took_all:?}", old.len());
    assert!(took_one < took_all, "it hangs on what has changed");
}

fn main_table(text: &str) -> Contents {
    Contents::of(Arc::new(Table::new(text.to_owned(), text.lines().count() as u64, 7)))
}

/// With `--nocapture` it prints the number that docs/numbers.md has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_changed_route_in_twenty_thousand_is_four_kib_to_each_follower() {
    let (a, b, c) =
        (Node::start("a", None).await, Node::start("b", None).await, Node::start("c", None).await);
    let term = a.lead(1, &[&b, &c]).await;
    let (mut said, mut sent) = (0, 0);
    for (sequence, word) in [(1, "one"), (2, "two"), (3, "three")] {
        let draft = Draft { contents: main_table(&fleet(20_000, word)), read_at_millis: 1 };
        let before = (a.hub.metrics().said_bytes(), a.hub.metrics().sent_bytes());
        a.hub.update(|core, now| core.publish(&term, draft, now)).expect("the term is valid");
        for node in [&b, &c] {
            node.serves(Version::new(1, sequence), true).await;
        }
        said = (a.hub.metrics().said_bytes() - before.0) / 2;
        sent = (a.hub.metrics().sent_bytes() - before.1) / 2;
    }
    let active = a.active().expect("active");
    let table = &active.contents.table;
    println!(
        "one changed route in {}: {said} bytes to each follower, {sent} of them the delta; the table has {} bytes, {} compressed",
        table.routes(),
        table.plain().len(),
        table.gzip().len(),
    );
    assert!(table.plain().len() > 10_000_000);
    assert!(said <= 4096, "{said} bytes");
    assert_eq!(a.hub.metrics().deltas(), 4, "the second and the third table, to each follower");
    for node in [&b, &c] {
        let theirs = node.active().expect("active").contents.table.clone();
        assert_eq!((theirs.plain(), theirs.gzip()), (table.plain(), table.gzip()));
        assert_eq!(node.hub.metrics().failed_deltas(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn zone_tables_travel_as_deltas_too() {
    let (a, b) = (Node::start("a", None).await, Node::start("b", None).await);
    let term = a.lead(1, &[&b]).await;
    for (sequence, word) in [(1, "one"), (2, "two")] {
        a.publish(&term, &fleet(1_000, word));
        b.serves(Version::new(1, sequence), true).await;
    }
    assert_eq!(a.hub.metrics().deltas(), 2);
    let (ours, theirs) = (a.active().expect("active"), b.active().expect("active"));
    assert_eq!(ours.contents.zones["a"].plain(), theirs.contents.zones["a"].plain());
    assert_eq!(ours.contents.zones["a"].gzip(), theirs.contents.zones["a"].gzip());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn follower_that_cannot_make_the_leaders_bytes_from_a_delta_asks_for_all_of_them() {
    let (a, b) = (Node::start("a", None).await, Node::start("b", None).await);
    let term = a.lead(1, &[&b]).await;
    for (sequence, word) in [(1, "one"), (2, "two"), (3, "three")] {
        // As another release may compress it.
        let text = fleet(1_000, word);
        let mut other = GzEncoder::new(Vec::new(), Compression::fast());
        other.write_all(text.as_bytes()).expect("memory");
        let gzip = other.finish().expect("memory").into();
        let (length, digest) = (text.len() as u64, Digest::of(text.as_bytes()));
        let table = Table::from_gzip(gzip, length, digest, 1_000, 7).expect("it is sound");
        let draft = Draft { contents: Contents::of(Arc::new(table)), read_at_millis: 1 };
        a.hub.update(|core, now| core.publish(&term, draft, now)).expect("the term is valid");
        b.serves(Version::new(1, sequence), true).await;
        let (ours, theirs) = (a.active().expect("active"), b.active().expect("active"));
        assert_eq!(ours.contents.table.gzip(), theirs.contents.table.gzip());
    }
    assert_eq!(b.hub.metrics().failed_deltas(), 1, "it does not try again with this leader");
    assert_eq!(a.hub.metrics().deltas(), 1);
    assert_eq!(b.hub.metrics().sessions(), 1, "the stream goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn followers_hear_that_the_upstream_is_unchanged() {
    let (a, b) = (Node::start("a", None).await, Node::start("b", None).await);
    let term = a.lead(1, &[&b]).await;
    a.publish(&term, "r: * -> <shunt>");
    b.serves(Version::new(1, 1), true).await;
    assert_eq!(a.publish_read_at(&term, "r: * -> <shunt>", 7_000), Published::Unchanged);
    let heard = async {
        while b.cell.load().confirmed_at_millis() != Some(7_000) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), heard).await.expect("the next answer to a ping tells it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn change_of_leader_moves_no_byte_and_keeps_the_highest_origin() {
    let (a, b, c) =
        (Node::start("a", None).await, Node::start("b", None).await, Node::start("c", None).await);
    let first = a.lead(1, &[&b, &c]).await;
    a.publish(&first, &large("x"));
    for node in [&a, &b, &c] {
        node.serves(Version::new(1, 1), true).await;
    }
    a.stop.cancel();
    let second = b.lead(2, &[&c]).await;
    c.serves(Version::new(2, 0), false).await;
    assert_eq!(c.active().expect("active").origin, Version::new(1, 1));
    assert!(!c.cell.load().is_current(c.hub.now()), "nothing was read in this term");
    b.publish(&second, &large("x"));
    c.serves(Version::new(2, 1), true).await;
    assert_eq!(b.hub.metrics().sent_bytes(), 0, "equal tables are adopted without a byte");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_leader_takes_over_what_a_peer_has_read_later() {
    let old = Snapshot::for_tests(Version::new(3, 1), "old: * -> <shunt>");
    let new = Snapshot::for_tests(Version::new(3, 2), &large("new"));
    let (a, b) = (Node::start("a", Some(old)).await, Node::start("b", Some(new)).await);
    a.lead(4, &[&b]).await;
    for node in [&a, &b] {
        node.serves(Version::new(4, 0), false).await;
        assert_eq!(node.active().expect("active").origin, Version::new(3, 2));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leader_of_an_older_epoch_hears_of_the_newer_one() {
    let seen = Snapshot::for_tests(Version::new(9, 1), "a: * -> <shunt>");
    let (a, b) = (Node::start("a", None).await, Node::start("b", Some(seen)).await);
    let mut outranked = a.hub.outranked();
    let term = term(4);
    a.hub.update(|core, _| core.lead(term.clone())).expect("newer to itself");
    let asked = catch_up::ask(&a.hub, &term, std::slice::from_ref(&b.address), &Security::default()).await;
    assert_eq!(asked.outranked_by, Some(Epoch(9)));
    b.follows(&a, &term);
    let heard = outranked.wait_for(|epoch| *epoch == Epoch(9));
    assert!(tokio::time::timeout(Duration::from_secs(10), heard).await.is_ok(), "the greeting tells it");
    assert_eq!(b.active().map(|it| it.version), Some(Version::new(9, 1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn follower_that_reads_the_lease_before_the_leader_does_is_taken_in() {
    let (a, b) = (Node::start("a", None).await, Node::start("b", None).await);
    let term = term(1);
    b.follows(&a, &term);
    // Time for its greeting to arrive: it must be waiting there, not between two attempts.
    tokio::time::sleep(Duration::from_millis(300)).await;
    a.hub.update(|core, _| core.lead(term.clone())).expect("first epoch");
    let taken_in = async {
        while b.hub.metrics().sessions() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), taken_in).await.expect("taken in");
    assert_eq!(a.hub.metrics().refusals(Refusal::NotLeader), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_leader_is_noticed_and_its_grant_runs_out() {
    let (a, b) = (Node::start("a", None).await, Node::start("b", None).await);
    let term = a.lead(1, &[&b]).await;
    a.publish(&term, "r: * -> <shunt>");
    b.serves(Version::new(1, 1), true).await;
    a.stop.cancel();
    let alone = async {
        while b.cell.load().is_current(b.hub.now()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(3), alone).await.expect("grants last a second at most");
    assert_eq!(b.active().map(|it| it.version), Some(Version::new(1, 1)), "it serves on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_leader_replicas_come_to_the_table_that_was_read_last() {
    let snapshot = |sequence, text: &str| Some(Snapshot::for_tests(Version::new(3, sequence), text));
    let (a, b, c) = (
        Node::start("a", snapshot(1, "old: * -> <shunt>")).await,
        Node::start("b", snapshot(2, &large("newest"))).await,
        Node::start("c", None).await,
    );
    let addresses: Vec<String> = [&a, &b, &c].iter().map(|node| node.address.clone()).collect();
    let another_current = Arc::new(AtomicBool::new(true));
    for node in [&a, &b, &c] {
        let (hub, peers, another) = (node.hub.clone(), addresses.clone(), another_current.clone());
        tokio::spawn(converge::converge(hub, peers, Security::default(), another));
    }
    for node in [&a, &b, &c] {
        node.serves(Version::new(3, 2), false).await;
        assert_eq!(node.active().expect("active").digest(), b.active().expect("active").digest());
    }
    assert!(!another_current.load(Ordering::Relaxed), "none of them is current");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replica_that_is_cut_off_sees_that_another_one_is_current() {
    let (a, b) = (Node::start("a", None).await, Node::start("b", None).await);
    let term = a.lead(1, &[]).await;
    a.publish(&term, "r: * -> <shunt>");
    a.serves(Version::new(1, 1), true).await;
    let another_current = Arc::new(AtomicBool::new(false));
    let (hub, another) = (b.hub.clone(), another_current.clone());
    tokio::spawn(converge::converge(hub, vec![a.address.clone()], Security::default(), another));
    let seen = async {
        while !another_current.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), seen).await.expect("it is asked each second");
    b.serves(Version::new(1, 1), false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flipped_bit_is_found_and_mended() {
    let mut damaged = Snapshot::for_tests(Version::new(3, 1), "a: * -> <shunt>");
    let sound = damaged.contents.table.clone();
    damaged.contents = Arc::new(Contents::of(Arc::new(sound.damaged_for_tests(1))));
    let a = Node::start("a", Some(damaged)).await;
    tokio::spawn(scrub::scrub(a.hub.clone()));
    let mended = async {
        while a.active().expect("active").contents.table.plain() != sound.plain() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), mended).await.expect("within ten seconds");
    assert_eq!(a.hub.metrics().damages(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_table_under_the_leaders_version_is_replaced_by_the_leaders() {
    let (a, b) = (Node::start("a", None).await, Node::start("b", None).await);
    let term = a.lead(1, &[&b]).await;
    a.publish(&term, "r: * -> <shunt>");
    b.serves(Version::new(1, 1), true).await;
    let wrong = Snapshot::for_tests(Version::new(1, 1), "w: * -> <shunt>");
    b.hub.update(|core, _| {
        *core = Replica::new(Some(Snapshot { term: term.id(), ..wrong }));
    });
    let leaders = a.active().expect("active").digest();
    let replaced = async {
        while b.active().expect("active").digest() != leaders || !b.cell.load().is_current(b.hub.now()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), replaced)
        .await
        .expect("the next answer to a ping tells it");
    assert_eq!(b.hub.metrics().damages(), 1);
}

#[tokio::test]
async fn each_replica_shows_itself_to_the_others() {
    let (own, shown, silent) = (
        Node::start("r0_u_n", None).await,
        Node::start("r1_u_n", None).await,
        Node::start("r2_u_n", None).await,
    );
    let word = bellwether::wire::ObserveResponse { status: "{}".into(), ..Default::default() };
    shown.hub.show(Box::new(move || word.clone()));
    silent.stop.cancel();
    let gone = "127.0.0.1:1".to_owned();
    let peers = [own.address.clone(), shown.address.clone(), gone.clone()];
    let seen = observe("r0_u_n", &peers, &Security::default()).await;
    assert_eq!(seen.len(), 2, "who asks is left out: {seen:?}");
    let first = seen[0].seen.as_ref().expect("it answers");
    assert_eq!((&*first.identity, &*first.status), ("r1_u_n", &b"{}"[..]));
    assert_eq!(seen[1].address, gone);
    assert!(seen[1].seen.is_err());
}
