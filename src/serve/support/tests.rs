use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::compile::ServiceName;
use crate::orders::{Act, OrdersFile, Outcome};
use crate::replication::core::Replica;
use crate::replication::hub::Hub;
use crate::serve::Store;
use crate::serve::readiness::Heartbeat;
use crate::snapshot::{Contents, Digest, Snapshot, Standing, Table, TermId, Version, View};
use crate::time::{ManualClock, Moment};

struct Lab {
    address: SocketAddr,
    cell: Arc<Cell>,
    clock: ManualClock,
    phase: watch::Sender<Phase>,
    role: watch::Sender<Role>,
    another_ready: Arc<AtomicBool>,
    poll: Heartbeat,
    metrics: Metrics,
    gate: Arc<Gate>,
    clerk: Arc<Clerk>,
    _folder: tempfile::TempDir,
}

impl Lab {
    async fn start() -> Self {
        let (role, role_seen) = watch::channel(Role::Follower(None));
        let (phase, phase_seen) = watch::channel(Phase::Starting);
        let (cell, clock, heartbeats) =
            (Arc::<Cell>::default(), ManualClock::default(), Heartbeats::default());
        let poll = heartbeats.register("poll", Duration::from_secs(30), clock.now());
        let (metrics, gauges, another_ready) =
            (Metrics::default(), Gauges::default(), Arc::<AtomicBool>::default());
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        gauges.register(&mut registry);
        let gate = Arc::new(Gate::new(crate::guard::Thresholds::default(), &mut registry));
        let service = ServiceName { namespace: "swarm".to_owned(), name: "redis".to_owned() };
        let hub = Hub::new(
            "r0_u_n".to_owned(),
            Replica::default(),
            Arc::default(),
            Arc::new(clock.clone()),
            Default::default(),
        );
        let folder = tempfile::tempdir().expect("a folder");
        let file = OrdersFile::new(folder.path());
        let clerk = Clerk::open(hub, file, Vec::new(), Default::default(), Default::default());
        let server = SupportServer {
            clerk: clerk.clone(),
            replica: "r0".to_owned(),
            cell: Arc::clone(&cell),
            clock: Arc::new(clock.clone()),
            role: role_seen,
            phase: phase_seen,
            heartbeats,
            another_ready: Arc::clone(&another_ready),
            registry: Arc::new(registry),
            gauges,
            gate: Arc::clone(&gate),
            mode: Mode::Exec,
            comparison: Latest::default(),
            admin_token: None,
            shards: Shards { redis: Some(Store { service, port: 6379 }), valkey: None },
            clients: Default::default(),
            peers: Vec::new(),
            security: Default::default(),
            settings: vec![Setting { flag: "address", value: ":9090".to_owned(), given: false }],
            doctor: None,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a port");
        let address = listener.local_addr().expect("bound");
        let never = CancellationToken::new();
        let drain = Drain { begin: never.clone(), close: never, deadline: Duration::ZERO };
        tokio::spawn(server.run(listener, drain));
        Self { address, cell, clock, phase, role, another_ready, poll, metrics, gate, clerk, _folder: folder }
    }

    fn activate(&self) {
        let version = Version::new(7, 3);
        let mut contents = Contents::of(Arc::new(Table::new("a: * -> <shunt>", 1, 1_800_000_000)));
        contents
            .addresses
            .insert("swarm/redis".to_owned(), vec!["10.2.5.7".to_owned(), "10.2.5.8".to_owned()]);
        let snapshot = Snapshot {
            version,
            term: TermId(7),
            origin: version,
            read_at_millis: 0,
            contents: Arc::new(contents),
        };
        let until = Moment::from_nanos(1_000_000_000);
        let standing = Standing::InTouch { until, leader_current: true };
        let active = Some(Arc::new(snapshot));
        self.cell.store(View { active, known: version, standing, ..View::default() });
    }

    /// Head and body of what `path` answers.
    async fn get(&self, path: &str) -> (String, String) {
        self.ask("GET", path).await
    }

    async fn ask(&self, method: &str, path: &str) -> (String, String) {
        let mut stream = TcpStream::connect(self.address).await.expect("it listens");
        let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("it answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        (head.to_owned(), body.to_owned())
    }

    async fn json(&self, method: &str, path: &str) -> serde_json::Value {
        let (head, body) = self.ask(method, path).await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}\n{body}");
        serde_json::from_str(&body).expect("JSON")
    }

    async fn code(&self, path: &str) -> u16 {
        self.get(path).await.0[9..12].parse().expect("a status")
    }
}

#[tokio::test]
async fn readiness_follows_table_and_phase() {
    let lab = Lab::start().await;
    assert_eq!(lab.get("/readyz").await.1, "no verified table yet\n");
    assert_eq!(lab.code("/readyz").await, 503);
    lab.activate();
    lab.phase.send_replace(Phase::Serving);
    assert_eq!(lab.code("/readyz").await, 200);
    lab.phase.send_replace(Phase::Draining);
    assert_eq!(lab.get("/readyz").await.1, "draining\n");
}

#[tokio::test]
async fn follower_behind_a_live_leader_steps_out_where_another_serves() {
    let lab = Lab::start().await;
    lab.activate();
    assert_eq!(lab.code("/readyz").await, 200);
    let leader = crate::election::Leader {
        identity: "r1_u_n".to_owned(),
        epoch: crate::snapshot::Epoch(7),
        term: TermId(7),
        address: "127.0.0.1:9912".to_owned(),
    };
    lab.role.send_replace(Role::Follower(Some(leader)));
    lab.clock.advance(Duration::from_secs(11));
    assert_eq!(lab.code("/readyz").await, 200, "nobody else serves");
    lab.another_ready.store(true, Ordering::Relaxed);
    assert_eq!(lab.code("/readyz").await, 503);
}

#[tokio::test]
async fn liveness_names_what_does_not_move() {
    let lab = Lab::start().await;
    assert_eq!(lab.get("/livez").await.1, "ok\n");
    lab.clock.advance(Duration::from_secs(31));
    assert_eq!(lab.get("/livez").await.1, "poll: silent for 31.0s, allowed 30.0s\n");
    assert_eq!(lab.code("/livez").await, 503);
    lab.poll.beat(lab.clock.now());
    assert_eq!(lab.code("/livez").await, 200);
}

#[tokio::test]
async fn status_is_json() {
    let lab = Lab::start().await;
    lab.activate();
    let (head, body) = lab.get("/status").await;
    assert!(head.to_lowercase().contains("content-type: application/json"), "{head}");
    let status: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!((&status["replica"], &status["role"]), (&"r0".into(), &"follower".into()));
    assert_eq!((&status["epoch"], &status["sequence"]), (&7.into(), &3.into()));
    assert_eq!(lab.code("/nothing").await, 404);
}

#[tokio::test]
async fn what_the_guard_holds_is_shown() {
    let lab = Lab::start().await;
    let counts = |number| crate::compile::Counts([(crate::compile::Measure::Addresses, number)].into());
    lab.gate.open(Some(counts(9)));
    assert!(!lab.gate.passes(&counts(1), false, 1_800_000_000_000));
    let expected = serde_json::json!({
        "since": "2027-01-15T08:00:00Z",
        "falls": [{"measure": "addresses", "from": 9, "to": 1, "equal_polls": 1, "needed": 3}],
    });
    assert_eq!(lab.json("GET", "/status").await["guard"], expected);
}

#[tokio::test]
async fn orders_are_taken_by_any_replica_and_shown() {
    let lab = Lab::start().await;
    assert!(lab.json("GET", "/status").await["orders"]["frozen"].is_null());
    assert_eq!(lab.code("/orders/freeze").await, 405, "looking changes nothing");
    let taken = lab.json("POST", "/orders/freeze?by=ann&why=bad+change").await;
    assert_eq!((&taken["order"]["number"], &taken["is_on_disk"]), (&1.into(), &true.into()));
    assert_eq!((&taken["leader"], &taken["told"]), (&serde_json::Value::Null, &0.into()));
    let frozen = &lab.json("GET", "/status").await["orders"]["frozen"];
    assert_eq!((&frozen["by"], &frozen["why"]), (&"ann".into(), &"bad change".into()));
    assert!(lab.get("/metrics").await.1.contains("\nbellwether_frozen 1\n"));

    let release = lab.json("POST", "/guard/release").await;
    assert_eq!(
        (&release["order"]["what"], &release["order"]["by"]),
        (&"guard release".into(), &"unknown".into())
    );
    assert!(release["order"]["carried_out"].is_null(), "nobody leads");
    let outcome =
        Outcome { number: 2, at_millis: 0, by: "r1".to_owned(), said: "nothing was held".to_owned() };
    lab.clerk.hub().order(|orders| orders.carried_out(outcome));
    let shown = &lab.json("GET", "/status").await["orders"];
    assert_eq!(shown["guard_release"]["carried_out"]["by"], "r1");
    assert!(shown["frozen"].is_object(), "a release ends no freeze");

    let (_, text) = lab.ask("POST", "/orders/unfreeze").await;
    assert!(text.contains("\"number\":3"), "{text}");
    assert!(lab.get("/metrics").await.1.contains("\nbellwether_frozen 0\n"));
}

#[tokio::test]
async fn what_cannot_be_ordered_is_refused() {
    let lab = Lab::start().await;
    for (path, status, reason) in [
        ("/orders/nothing", 404, "no such order"),
        ("/orders/pin", 400, "version=EPOCH.SEQUENCE is missing"),
        ("/orders/pin?version=7", 400, "write EPOCH.SEQUENCE"),
        ("/orders/pin?version=7.3", 409, "keeps 7.3 any more"),
        ("/orders/rollback", 409, "no table from before"),
    ] {
        let (head, body) = lab.ask("POST", path).await;
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status}")) && body.contains(reason),
            "{path}: {head} {body}"
        );
    }
    assert_eq!(lab.clerk.orders().highest(), 0);
}

#[tokio::test]
async fn tables_that_were_active_can_be_had() {
    let lab = Lab::start().await;
    for (sequence, text) in [(1, "a: * -> <shunt>"), (2, "b: * -> <shunt>")] {
        let snapshot = Arc::new(Snapshot::for_tests(Version::new(7, sequence), text));
        lab.clerk.hub().history(|history| history.add(&snapshot));
    }
    let listed = lab.json("GET", "/snapshots").await;
    assert_eq!((&listed[0]["versions"][0], &listed[1]["versions"][0]), (&"7.1".into(), &"7.2".into()));
    assert_eq!(lab.get("/snapshots/7.1").await.1, "a: * -> <shunt>");
    assert_eq!(lab.code("/snapshots/7.9").await, 404);
    assert_eq!(lab.code("/snapshots/x").await, 400);
    let taken = lab.json("POST", "/orders/rollback").await;
    assert_eq!(taken["order"]["what"], "rollback to 7.1");
    assert!(matches!(lab.clerk.orders().pin(), Some((order, _)) if matches!(order.act, Act::Rollback(_))));
    assert!(lab.get("/metrics").await.1.contains("\nbellwether_pinned 1\n"));
}

#[tokio::test]
async fn metrics_have_our_names_and_the_peers() {
    let lab = Lab::start().await;
    lab.activate();
    lab.metrics.answered(StatusCode::OK, Duration::from_millis(1));
    lab.metrics.answered(StatusCode::IM_A_TEAPOT, Duration::from_millis(1));
    let (head, body) = lab.get("/metrics").await;
    assert!(head.contains("version=0.0.4"), "{head}");
    let expected = [
        "bellwether_responses_total{code=\"200\"} 1",
        "bellwether_responses_total{code=\"304\"} 0",
        "bellwether_client_kept_total 0",
        "bellwether_table_epoch 7",
        "bellwether_table_sequence 3",
        "bellwether_table_bytes 15",
        "bellwether_objects_quarantined 0",
        "bellwether_table_age_seconds ",
        "bellwether_build_info{version=\"",
        "routesrv_custom_total{key=\"200\"} 1",
        "routesrv_custom_total{key=\"418\"} 1",
        "routesrv_custom_gauges{key=\"routes.total\"} 1.0",
        "routesrv_custom_gauges{key=\"routes.byte\"} 15.0",
        "routesrv_custom_gauges{key=\"redis_endpoints\"} 2.0",
        "routesrv_custom_gauges{key=\"routes.updated_timestamp\"} 1800000000.0",
        "routesrv_backend_combined_duration_seconds_count 2",
        "routesrv_backend_combined_duration_seconds_bucket{le=\"0.005\"} 2",
        "routesrv_backend_duration_seconds_count{host=\"\",route=\"routersv\",zone=\"\"} 2",
        "# TYPE bellwether_responses_total counter",
    ];
    for line in expected {
        assert!(body.lines().any(|found| found.starts_with(line)), "{line} is missing in\n{body}");
    }
}

#[tokio::test]
async fn a_browser_gets_the_page_and_programs_get_json() {
    let lab = Lab::start().await;
    lab.activate();
    let (head, body) = lab.get("/status").await;
    assert!(head.contains("Content-Type: application/json"), "{head}");
    assert!(body.contains("\"replica\":\"r0\""), "{body}");
    let mut stream = TcpStream::connect(lab.address).await.expect("it listens");
    let request = "GET /status HTTP/1.1\r\nHost: x\r\nAccept: text/html,*/*\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("it answers");
    assert!(answer.contains("Content-Security-Policy: default-src 'none'"), "{answer}");
    assert!(answer.contains("<!DOCTYPE html>") && answer.contains("<b>r0</b>"), "{answer}");
    let (_, fleet) = lab.get("/fleet").await;
    let fleet: serde_json::Value = serde_json::from_str(&fleet).expect("JSON");
    assert_eq!(
        (&fleet["seen_by"], &fleet["replicas"][0]["status"]["digest"]),
        (&"r0".into(), &Digest::of(b"a: * -> <shunt>").to_string().into())
    );
}
