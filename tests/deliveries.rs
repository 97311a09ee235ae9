//! Downloads that are cut, over real connections: each client has an address of its own, remembers an ETag as soon as it
//! has seen it, as a Skipper does, and must end up with the whole table all the same.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bellwether::election::{Leader, Role, Term};
use bellwether::phase::Phase;
use bellwether::replication::core::{Draft, Replica};
use bellwether::replication::hub::Hub;
use bellwether::replication::peer::Security;
use bellwether::replication::{follower, service};
use bellwether::serve::{Drain, DrainReport, Limits, Metrics, RoutesServer, Unfinished};
use bellwether::snapshot::{Cell, Contents, Digest, Epoch, Snapshot, Table, Version};
use bellwether::time::{BootClock, Clock, ManualClock, Moment};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(20);
const OLD: &str = "old: * -> <shunt>";

/// One replica that serves, and its part in the election.
struct Node {
    hub: Arc<Hub>,
    routes: SocketAddr,
    replication: String,
    role: watch::Sender<Role>,
    metrics: Metrics,
    drain: Drain,
    served: JoinHandle<std::io::Result<DrainReport>>,
}

impl Node {
    async fn start(name: &str, clock: &Shifted) -> Self {
        let (cell, clock) = (Arc::<Cell>::default(), Arc::new(clock.clone()));
        let hub =
            Hub::new(name.to_owned(), Replica::new(None), cell.clone(), clock.clone(), Default::default());
        let listen = async || TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let (routes, replication) = (listen().await, listen().await);
        let address = |listener: &TcpListener| listener.local_addr().expect("bound");
        let (role, roles) = watch::channel(Role::Follower(None));
        let metrics = Metrics::default();
        let server = RoutesServer {
            cell,
            clock,
            deliveries: hub.deliveries().clone(),
            metrics: metrics.clone(),
            clients: Default::default(),
            kick: Default::default(),
            changed: hub.changed(),
            sharder: None,
            limits: Limits::default(),
            tls: None,
            shards: Default::default(),
            filters: Default::default(),
        };
        let drain = Drain {
            begin: CancellationToken::new(),
            close: CancellationToken::new(),
            deadline: Duration::from_millis(50),
        };
        let node = Self {
            routes: address(&routes),
            replication: address(&replication).to_string(),
            role,
            metrics,
            served: tokio::spawn(server.run(routes, drain.clone())),
            drain,
            hub,
        };
        let (hub, security) = (node.hub.clone(), Security::default());
        tokio::spawn(async move {
            let phase = watch::channel(Phase::Serving).1;
            service::listen(hub, replication, &Security::default(), phase, CancellationToken::new()).await
        });
        tokio::spawn(follower::follow(node.hub.clone(), roles, security, Default::default()));
        tokio::spawn(node.hub.clone().activate());
        node
    }

    fn lead(&self, epoch: u64) -> Term {
        let until = (self.hub.now() + Duration::from_secs(3600)).as_nanos();
        let term = Term::for_tests(Epoch(epoch), until);
        self.role.send_replace(Role::Leader(term.clone()));
        self.hub.update(|core, now| {
            core.lead(term.clone()).expect("a newer epoch");
            core.caught_up(None, true, now).expect("leads");
        });
        term
    }

    fn follow(&self, leader: &Self, term: &Term) {
        self.role.send_replace(Role::Follower(Some(Leader {
            identity: leader.hub.identity().to_owned(),
            epoch: term.epoch(),
            term: term.id(),
            address: leader.replication.clone(),
        })));
    }

    async fn publish(&self, term: &Term, eskip: &str, everywhere: &[&Self]) {
        let contents = Contents::of(Arc::new(Table::new(eskip.to_owned(), 1, 7)));
        let draft = Draft { contents, read_at_millis: 1 };
        self.hub.update(|core, now| core.publish(term, draft, now)).expect("the term is valid");
        let digest = Digest::of(eskip.as_bytes());
        for node in everywhere {
            let serves = || node.hub.read(|core| core.view().active.map(|it| it.digest())) == Some(digest);
            node.until(|| serves() && node.hub.read(|core| core.view().is_current(node.hub.now()))).await;
        }
    }

    async fn until(&self, reached: impl Fn() -> bool) {
        let reached = async {
            while !reached() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let waited = timeout(PATIENCE, reached).await;
        assert!(waited.is_ok(), "{} did not come to it", self.hub.identity());
    }

    fn owes(&self, client: u8, table: &str) -> bool {
        self.owes_if(client, table, true)
    }

    /// What is owed whether the replica is current or not.
    fn knows_cut(&self, client: u8, table: &str) -> bool {
        self.owes_if(client, table, false)
    }

    fn owes_if(&self, client: u8, table: &str, current: bool) -> bool {
        let digest = Digest::of(table.as_bytes());
        self.hub.deliveries().owes(IpAddr::V4(address(client)), digest, current, self.hub.now())
    }
}

const fn address(client: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 0, client)
}

fn etag(table: &str) -> String {
    format!("\"{}\"", Digest::of(table.as_bytes()))
}

/// A connection of `client`, on which it has asked for the table and named `etag`.
async fn asked(client: u8, node: &Node, etag: Option<&str>, more: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::from((address(client), 0))).expect("all of 127/8 is this machine");
    let mut stream = socket.connect(node.routes).await.expect("it listens");
    let condition = etag.map(|etag| format!("If-None-Match: {etag}\r\n")).unwrap_or_default();
    let head = format!("GET /routes HTTP/1.1\r\nHost: x\r\n{condition}{more}\r\n");
    stream.write_all(head.as_bytes()).await.expect("it reads");
    stream
}

/// The status of the answer to a poll, and the table that came with it, whole.
async fn poll(client: u8, node: &Node, etag: Option<&str>) -> (u16, String) {
    let mut stream = asked(client, node, etag, "Connection: close\r\n").await;
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("in time").expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let length = format!("\r\nContent-Length: {}", body.len());
    let status = head[9..12].parse().expect("a status");
    assert!(status != 200 || head.contains(&length), "every 200 says how long it is: {head}");
    (status, body.to_owned())
}

/// Goes away in the middle of the body.
async fn cut(client: u8, node: &Node, etag: Option<&str>) {
    let mut stream = asked(client, node, etag, "").await;
    let mut piece = [0; 1000];
    timeout(PATIENCE, stream.read_exact(&mut piece)).await.expect("in time").expect("begun");
}

/// Larger than what the kernel takes for one connection.
fn large(name: &str) -> String {
    format!("{name}: Path(\"/{}\") -> <shunt>", "x".repeat(16 << 20))
}

/// The machine's clock, which can be set forward.
#[derive(Clone, Default)]
struct Shifted(ManualClock);

impl Clock for Shifted {
    fn now(&self) -> Moment {
        BootClock.now() + self.0.now().since(Moment::default())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_whose_download_was_cut_gets_the_whole_table_and_nobody_else_does() {
    let clock = Shifted::default();
    let node = Node::start("a", &clock).await;
    let term = node.lead(1);
    let table = large("new");
    let new = etag(&table);
    node.publish(&term, OLD, &[&node]).await;
    assert_eq!(poll(9, &node, Some(&etag(OLD))).await.0, 304, "who comes from elsewhere has it");
    node.publish(&term, &table, &[&node]).await;

    assert_eq!(poll(2, &node, Some(&etag(OLD))).await, (200, table.clone()));
    assert_eq!(poll(2, &node, Some(&new)).await.0, 304);
    cut(3, &node, Some(&etag(OLD))).await;
    node.until(|| node.metrics.bodies_unfinished(Unfinished::Client) == 1).await;
    assert_eq!(poll(2, &node, Some(&new)).await.0, 304);
    // A minute later, when the table is new to nobody.
    clock.0.advance(Duration::from_secs(60));
    assert_eq!(poll(4, &node, Some(&new)).await.0, 304);
    assert_eq!(poll(3, &node, Some(&new)).await, (200, table.clone()), "healed");
    assert_eq!(poll(3, &node, Some(&new)).await.0, 304);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_that_goes_away_with_something_unread_was_not_delivered_to() {
    let clock = Shifted::default();
    let node = Node::start("a", &clock).await;
    let term = node.lead(1);
    node.publish(&term, OLD, &[&node]).await;
    for (client, how_often) in [(2, 1), (3, 2)] {
        let stream = asked(client, &node, None, "").await;
        node.until(|| node.metrics.bodies_sent() == 2 * how_often - 1).await;
        stream.readable().await.expect("it is in our kernel");
        drop(stream);
        node.until(|| node.metrics.bodies_unfinished(Unfinished::Reset) == how_often).await;
        assert_eq!(poll(client, &node, Some(&etag(OLD))).await, (200, OLD.to_owned()));
        node.until(|| !node.owes(client, OLD)).await;
        assert_eq!(poll(client, &node, Some(&etag(OLD))).await.0, 304);
    }

    // One whose process has no time to read: its silence is believed, until it gives up.
    let new = "new: * -> <shunt>";
    node.publish(&term, new, &[&node]).await;
    let stream = asked(4, &node, Some(&etag(OLD)), "").await;
    stream.readable().await.expect("it is in our kernel");
    assert!(node.owes(4, new));
    node.until(|| !node.owes(4, new)).await;
    drop(stream);
    node.until(|| node.metrics.bodies_unfinished(Unfinished::Reset) == 3).await;
    assert_eq!(poll(4, &node, Some(&etag(new))).await, (200, new.to_owned()));
    node.until(|| !node.owes(4, new)).await;
    assert_eq!(poll(4, &node, Some(&etag(new))).await.0, 304);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn table_cut_by_one_replica_is_healed_by_another() {
    let clock = Shifted::default();
    let (a, b, c) =
        (Node::start("a", &clock).await, Node::start("b", &clock).await, Node::start("c", &clock).await);
    let term = a.lead(1);
    b.follow(&a, &term);
    c.follow(&a, &term);
    let table = large("new");
    let (old, new) = (etag(OLD), etag(&table));
    a.publish(&term, OLD, &[&a, &b, &c]).await;
    a.publish(&term, &table, &[&a, &b, &c]).await;
    for (client, from, to) in [(2, &a, &b), (3, &b, &a), (4, &b, &c)] {
        assert_eq!(poll(client, from, Some(&old)).await.0, 200);
        to.until(|| !to.owes(client, &table)).await;
        assert_eq!(poll(client, to, Some(&new)).await.0, 304, "{client}: delivered elsewhere");
        cut(client, from, Some(&old)).await;
        to.until(|| to.owes(client, &table)).await;
        assert_eq!(poll(client, to, Some(&new)).await, (200, table.clone()), "{client}");
        from.until(|| !from.owes(client, &table)).await;
        assert_eq!(poll(client, from, Some(&new)).await.0, 304, "{client}: healed elsewhere");
    }

    // The end of a drain is the only cut that is ours.
    let mut slow = asked(5, &b, Some(&old), "").await;
    timeout(PATIENCE, slow.read_exact(&mut [0; 1000])).await.expect("in time").expect("begun");
    b.drain.close.cancel();
    let report = timeout(PATIENCE, b.served).await.expect("it ends").expect("joined").expect("it listened");
    assert_eq!((report.cut, b.metrics.bodies_unfinished(Unfinished::Deadline)), (1, 1));
    a.until(|| a.knows_cut(5, &table)).await;
    assert_eq!(poll(5, &a, Some(&new)).await, (200, table));
}

#[test]
fn table_cut_by_a_crash_is_healed_by_those_who_never_heard_of_it() {
    let clock = Shifted::default();
    let [crashing, living] = [(); 2].map(|()| Runtime::new().expect("threads"));
    let table = large("new");
    let (old, new) = (etag(OLD), etag(&table));
    let a = crashing.block_on(Node::start("a", &clock));
    let b = living.block_on(Node::start("b", &clock));
    let mut half = living.block_on(async {
        let term = a.lead(1);
        b.follow(&a, &term);
        a.publish(&term, OLD, &[&a, &b]).await;
        a.publish(&term, &table, &[&a, &b]).await;
        assert_eq!(poll(2, &a, Some(&old)).await.0, 200);
        b.until(|| !b.owes(2, &table)).await;
        let mut half = asked(3, &a, Some(&old), "").await;
        timeout(PATIENCE, half.read_exact(&mut [0; 1000])).await.expect("in time").expect("begun");
        half
    });
    crashing.shutdown_background();
    living.block_on(async {
        let mut rest = Vec::new();
        let end = timeout(PATIENCE, half.read_to_end(&mut rest)).await.expect("it ends");
        assert!(end.is_err() || rest.len() < table.len(), "cut");
        // The next leader takes over what it has; its clients hold that, but for the one that was cut.
        let term = b.lead(2);
        assert_eq!(poll(3, &b, Some(&new)).await.0, 304, "not current: who knows what it has not heard");
        b.publish(&term, &table, &[&b]).await;
        assert_eq!(poll(2, &b, Some(&new)).await.0, 304, "its delivery was heard of");
        assert_eq!(poll(3, &b, Some(&new)).await, (200, table.clone()));
        assert_eq!(poll(3, &b, Some(&new)).await.0, 304);
        clock.0.advance(Duration::from_secs(30));
        assert_eq!(poll(4, &b, Some(&new)).await.0, 304, "a change of leader renews nothing");
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restart_of_everyone_and_a_change_of_leader_make_nobody_fetch_again() {
    let clock = Shifted::default();
    let (a, b) = (Node::start("a", &clock).await, Node::start("b", &clock).await);
    let disk = Snapshot::for_tests(Version::new(3, 4), OLD);
    for node in [&a, &b] {
        node.hub.update(|core, _| *core = Replica::new(Some(disk.clone())));
    }
    let term = a.lead(4);
    b.follow(&a, &term);
    a.publish(&term, OLD, &[&a, &b]).await;
    for node in [&a, &b] {
        assert_eq!(poll(2, node, Some(&etag(OLD))).await.0, 304);
    }
    let term = b.lead(5);
    a.follow(&b, &term);
    b.publish(&term, OLD, &[&a, &b]).await;
    for node in [&a, &b] {
        assert_eq!(poll(3, node, Some(&etag(OLD))).await.0, 304);
        assert_eq!(node.metrics.bodies_sent(), 0);
    }
}
