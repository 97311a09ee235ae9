mod bodies;
mod holds;
mod http2;
mod polls;
mod sharded;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Drain, DrainReport, Filters, Limits, Metrics, Per, RoutesServer, ServerFilter, Shards, Store};
use crate::compile::ServiceName;
use crate::replication::deliveries::Deliveries;
use crate::serve::Clients;
use crate::snapshot::{Cell, Contents, Sharder, Snapshot, Standing, Table, Version, View};
use crate::time::{ManualClock, Moment};

const SMALL: &str = "a: * -> <shunt>";
const GET: &str = "GET /routes HTTP/1.1\r\nHost: x\r\n\r\n";
const PATIENCE: Duration = Duration::from_secs(20);

struct Lab {
    address: SocketAddr,
    cell: Arc<Cell>,
    metrics: Metrics,
    clients: Arc<Clients>,
    kick: Arc<Notify>,
    changed: watch::Sender<u64>,
    sharder: Arc<Sharder>,
    begin: CancellationToken,
    close: CancellationToken,
    server: JoinHandle<std::io::Result<DrainReport>>,
}

fn snapshot(text: impl Into<crate::snapshot::Packed>) -> Arc<Snapshot> {
    let zone = Arc::new(Table::new("z: * -> <shunt>", 1, 0));
    let contents = Contents {
        zones: BTreeMap::from([("zone-1".to_owned(), zone)]),
        ..Contents::of(Arc::new(Table::new(text, 1, 0)))
    };
    let version = Version::new(1, 1);
    Arc::new(Snapshot {
        version,
        term: crate::snapshot::TermId::default(),
        origin: version,
        read_at_millis: 0,
        contents: Arc::new(contents),
    })
}

impl Lab {
    async fn start(limits: Limits, deadline: Duration) -> Self {
        Self::behind(&[], limits, deadline).await
    }

    async fn behind(filters: &[ServerFilter], limits: Limits, deadline: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a port");
        let (begin, close) = (CancellationToken::new(), CancellationToken::new());
        let drain = Drain { begin: begin.clone(), close: close.clone(), deadline };
        let (cell, metrics, kick) = (Arc::<Cell>::default(), Metrics::default(), Arc::<Notify>::default());
        let address = listener.local_addr().expect("it is bound");
        let clock = Arc::new(ManualClock::default());
        let clients = Arc::<Clients>::default();
        let changed = watch::Sender::default();
        let sharder = Sharder::new(4);
        let server = RoutesServer {
            cell: cell.clone(),
            deliveries: Deliveries::new(clock.clone(), Default::default()),
            clock,
            metrics: metrics.clone(),
            clients: clients.clone(),
            kick: kick.clone(),
            changed: changed.subscribe(),
            sharder: Some(sharder.clone()),
            limits,
            tls: None,
            shards: Shards { redis: Some(redis()), valkey: None },
            filters: Filters::new(filters).expect("no files"),
        };
        let server = tokio::spawn(server.run(listener, drain));
        Self { address, cell, metrics, clients, kick, changed, sharder, begin, close, server }
    }

    async fn serving(text: impl Into<crate::snapshot::Packed>) -> Self {
        let lab = Self::start(Limits::default(), PATIENCE).await;
        lab.activate(text);
        lab
    }

    fn activate(&self, text: impl Into<crate::snapshot::Packed>) {
        let standing = Standing::InTouch { until: Moment::from_nanos(1), leader_current: true };
        let (active, known) = (Some(snapshot(text)), Version::new(1, 1));
        self.show(View { active, known, standing, ..View::default() });
    }

    /// What the replica's hub does.
    fn show(&self, view: View) {
        self.cell.store(view);
        self.changed.send_modify(|generation| *generation += 1);
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("it listens")
    }

    /// The whole of what comes back on a connection of its own.
    async fn ask(&self, head: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(head.as_bytes()).await.expect("it reads");
        rest(&mut stream).await
    }

    async fn stopped(self) -> DrainReport {
        let report = timeout(PATIENCE, self.server).await.expect("it stops").expect("it does not panic");
        report.expect("it listened")
    }
}

async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("it ends").expect("it ends well");
    String::from_utf8(bytes).expect("the lab serves text")
}

/// Reads one answer whose head ends and whose body has `length` bytes.
async fn one(stream: &mut TcpStream, length: usize) -> String {
    let mut bytes = Vec::new();
    while !bytes.windows(4).any(|end| end == b"\r\n\r\n") {
        bytes.push(timeout(PATIENCE, stream.read_u8()).await.expect("in time").expect("a head"));
    }
    let head = bytes.len();
    bytes.resize(head + length, 0);
    timeout(PATIENCE, stream.read_exact(&mut bytes[head..])).await.expect("in time").expect("a body");
    String::from_utf8(bytes).expect("the lab serves text")
}

fn closing(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
}

#[tokio::test]
async fn nothing_is_served_before_the_first_table() {
    let lab = Lab::start(Limits::default(), PATIENCE).await;
    for path in ["/routes", "/routes/zone-1", "/health"] {
        let answer = lab.ask(&closing(path)).await;
        assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{answer}");
        assert!(!answer.contains("X-Table-Version"), "{answer}");
    }
    lab.activate(SMALL);
    assert!(lab.ask(&closing("/routes")).await.ends_with(SMALL));
    assert!(lab.ask(&closing("/health")).await.starts_with("HTTP/1.1 204 No Content\r\n"));
}

#[tokio::test]
async fn zones_and_paths_are_told_apart() {
    let lab = Lab::serving(SMALL).await;
    assert!(lab.ask(&closing("/routes/zone-1")).await.ends_with("z: * -> <shunt>"));
    assert!(lab.ask(&closing("/routes/elsewhere")).await.ends_with(SMALL));
    assert!(lab.ask(&closing("/routes/")).await.ends_with("404 page not found\n"));
    let moved = lab.ask(&closing("//routes")).await;
    assert!(moved.starts_with("HTTP/1.1 307 Temporary Redirect\r\n"), "{moved}");
    let bad = lab.ask("GET /routes HTTP/1.1\r\n\r\n").await;
    assert!(bad.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{bad}");
}

#[tokio::test]
async fn connection_is_kept_alive_and_head_has_no_body() {
    let lab = Lab::serving(SMALL).await;
    let mut stream = lab.connect().await;
    for _ in 0..3 {
        stream.write_all(GET.as_bytes()).await.expect("open");
        let answer = one(&mut stream, SMALL.len()).await;
        assert!(answer.contains("\r\nX-Table-Version: 1.1\r\n") && answer.ends_with(SMALL), "{answer}");
        stream.write_all(GET.replace("GET", "HEAD").as_bytes()).await.expect("open");
        let answer = one(&mut stream, 0).await;
        assert!(answer.contains("\r\nContent-Length: 15\r\n"), "{answer}");
    }
    assert_eq!((lab.metrics.accepted.get(), lab.metrics.bodies.get()), (1, 3));
    assert_eq!(lab.metrics.body_bytes.get(), 3 * SMALL.len() as u64);
}

#[tokio::test]
async fn client_that_closes_its_sending_side_gets_its_answer() {
    let lab = Lab::serving(SMALL).await;
    let mut stream = lab.connect().await;
    stream.write_all(GET.as_bytes()).await.expect("open");
    stream.shutdown().await.expect("half closed");
    assert!(rest(&mut stream).await.ends_with(SMALL));
}

#[tokio::test]
async fn kept_client_kicks_the_catch_up() {
    let lab = Lab::serving(SMALL).await;
    lab.cell.store(View { standing: Standing::Alone, ..View::clone(&lab.cell.load()) });
    let head = closing("/routes").replace("Connection", "If-None-Match: \"newer\"\r\nConnection");
    let answer = lab.ask(&head).await;
    assert!(answer.starts_with("HTTP/1.1 304 Not Modified\r\n"), "{answer}");
    assert!(answer.contains("\r\nEtag: \"newer\"\r\n"), "{answer}");
    timeout(PATIENCE, lab.kick.notified()).await.expect("kicked");
    assert_eq!(lab.metrics.client_kept.get(), 1);
}

#[tokio::test]
async fn drain_finishes_what_a_slow_reader_began() {
    let large = "x".repeat(8 << 20);
    let lab = Lab::serving(large.clone()).await;
    let mut slow = lab.connect().await;
    slow.write_all(GET.as_bytes()).await.expect("open");
    // The body has begun: its first byte is here, and the kernel cannot hold all of it.
    slow.readable().await.expect("begun");
    lab.begin.cancel();
    lab.close.cancel();
    let answer = rest(&mut slow).await;
    assert!(answer.ends_with(&large[..1000]) && answer.len() > large.len());
    let metrics = lab.metrics.clone();
    assert_eq!(lab.stopped().await, DrainReport { open: 1, cut: 0 });
    assert_eq!(metrics.bodies.get(), 1);
}

#[tokio::test]
async fn body_is_cut_at_the_deadline_and_counted() {
    let lab = Lab::start(Limits::default(), Duration::from_millis(50)).await;
    lab.activate("x".repeat(8 << 20));
    let mut stalled = lab.connect().await;
    stalled.write_all(GET.as_bytes()).await.expect("open");
    stalled.readable().await.expect("begun");
    lab.close.cancel();
    assert_eq!(lab.stopped().await, DrainReport { open: 1, cut: 1 });
}

#[tokio::test]
async fn drain_serves_on_and_ends_each_connection_with_its_answer() {
    let lab = Lab::serving(SMALL).await;
    let mut old = lab.connect().await;
    old.write_all(GET.as_bytes()).await.expect("open");
    one(&mut old, SMALL.len()).await;
    lab.begin.cancel();
    // Idle connections stay until the close: a request that is on its way is not hung up on.
    old.write_all(GET.as_bytes()).await.expect("still open");
    let last = rest(&mut old).await;
    assert!(last.contains("\r\nConnection: close\r\n") && last.ends_with(SMALL), "{last}");
    let fresh = lab.ask(GET).await;
    assert!(fresh.contains("\r\nConnection: close\r\n") && fresh.ends_with(SMALL), "{fresh}");
}

#[tokio::test]
async fn close_ends_idle_connections_and_the_listener() {
    let lab = Lab::serving(SMALL).await;
    let mut idle = lab.connect().await;
    idle.write_all(GET.as_bytes()).await.expect("open");
    one(&mut idle, SMALL.len()).await;
    let address = lab.address;
    lab.close.cancel();
    assert_eq!(rest(&mut idle).await, "");
    assert_eq!(lab.stopped().await, DrainReport { open: 1, cut: 0 });
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn connection_made_before_the_close_may_still_ask() {
    let lab = Lab::serving(SMALL).await;
    let mut early = lab.connect().await;
    lab.begin.cancel();
    lab.close.cancel();
    early.write_all(GET.as_bytes()).await.expect("open");
    assert!(rest(&mut early).await.ends_with(SMALL));
}

#[tokio::test]
async fn limit_makes_connections_wait_and_loses_none() {
    let limits = Limits { connections: 1, ..Limits::default() };
    let lab = Lab::start(limits, PATIENCE).await;
    lab.activate(SMALL);
    let mut first = lab.connect().await;
    first.write_all(GET.as_bytes()).await.expect("open");
    one(&mut first, SMALL.len()).await;
    let mut second = lab.connect().await;
    second.write_all(closing("/routes").as_bytes()).await.expect("the kernel holds it");
    assert_eq!(lab.metrics.accepted.get(), 1);
    drop(first);
    assert!(rest(&mut second).await.ends_with(SMALL));
}

#[tokio::test]
async fn silent_connection_is_closed_after_the_head_timeout() {
    let limits = Limits { head_timeout: Duration::from_millis(20), ..Limits::default() };
    let lab = Lab::start(limits, PATIENCE).await;
    let mut silent = lab.connect().await;
    silent.write_all(b"GET /routes HT").await.expect("open");
    assert!(!rest(&mut silent).await.contains("200"));
}

#[tokio::test]
async fn filters_stand_before_everything_but_health() {
    let header = |name: &str, value: &str| (name.parse().expect("a name"), value.parse().expect("a value"));
    let (name, value) = header("X-Fleet", "a");
    let (etag, other) = header("Etag", "other");
    let window = Duration::from_secs(60);
    let once = ServerFilter::RateLimit {
        hits: 1,
        window,
        per: Per::Address,
        status: http::StatusCode::TOO_MANY_REQUESTS,
    };
    let filters = [ServerFilter::SetHeader(name, value), ServerFilter::SetHeader(etag, other), once];
    let lab = Lab::behind(&filters, Limits::default(), PATIENCE).await;
    lab.activate(SMALL);
    let first = lab.ask(&closing("/routes")).await;
    assert!(first.starts_with("HTTP/1.1 200 ") && first.ends_with(SMALL), "{first}");
    assert!(first.contains("X-Fleet: a\r\n") && !first.contains("other"), "{first}");
    for path in ["/routes", "/nothing"] {
        let second = lab.ask(&closing(path)).await;
        assert!(second.starts_with("HTTP/1.1 429 ") && second.contains("Retry-After: 60\r\n"), "{second}");
        assert!(second.contains("Content-Length: 0\r\n") && !second.contains("X-Fleet"), "{second}");
    }
    assert!(lab.ask(&closing("/health")).await.starts_with("HTTP/1.1 204 "));
}

fn redis() -> Store {
    let service = ServiceName { namespace: "swarm".to_owned(), name: "redis".to_owned() };
    Store { service, port: 6379 }
}

#[tokio::test]
async fn shards_are_those_of_the_active_snapshot() {
    let lab = Lab::start(Limits::default(), PATIENCE).await;
    let ask = async |path: &str| lab.ask(&closing(path)).await;
    assert!(ask("/swarm/redis/shards").await.starts_with("HTTP/1.1 503 "));
    assert!(ask("/swarm/valkey/shards").await.starts_with("HTTP/1.1 404 "), "no flag names one");
    let mut contents = snapshot("a: * -> <shunt>").contents.as_ref().clone();
    contents.addresses.insert("swarm/redis".to_owned(), vec!["10.2.5.7".to_owned()]);
    let active = Snapshot { contents: Arc::new(contents), ..snapshot("a: * -> <shunt>").as_ref().clone() };
    lab.cell.store(View { active: Some(Arc::new(active)), ..View::default() });
    let answer = ask("/swarm/redis/shards").await;
    assert!(answer.ends_with(r#"{"endpoints":[{"address":"10.2.5.7:6379"}]}"#), "{answer}");
    assert!(answer.contains("\r\nContent-Type: application/json\r\n"), "{answer}");
    let head = closing("/swarm/redis/shards").replacen("GET", "HEAD", 1);
    assert!(lab.ask(&head).await.starts_with("HTTP/1.1 405 "));
}
