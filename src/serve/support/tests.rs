use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::compile::ServiceName;
use crate::serve::Store;
use crate::serve::readiness::Heartbeat;
use crate::snapshot::{Contents, Snapshot, Standing, Table, TermId, Version, View};
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
        let server = SupportServer {
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
            admin_token: None,
            shards: Shards { redis: Some(Store { service, port: 6379 }), valkey: None },
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a port");
        let address = listener.local_addr().expect("bound");
        let never = CancellationToken::new();
        let drain = Drain { begin: never.clone(), close: never, deadline: Duration::ZERO };
        tokio::spawn(server.run(listener, drain));
        Self { address, cell, clock, phase, role, another_ready, poll, metrics, gate }
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
async fn release_is_for_the_leader_and_for_what_is_held() {
    let lab = Lab::start().await;
    let (head, body) = lab.ask("POST", "/guard/release").await;
    assert!(head.starts_with("HTTP/1.1 409") && body.starts_with("nobody leads"), "{head}\n{body}");
    let leader = crate::election::Leader {
        identity: "r1_u_n".to_owned(),
        epoch: crate::snapshot::Epoch(7),
        term: TermId(7),
        address: "127.0.0.1:9912".to_owned(),
    };
    lab.role.send_replace(Role::Follower(Some(leader)));
    assert!(lab.ask("POST", "/guard/release").await.1.starts_with("this replica follows r1 "));

    lab.role.send_replace(Role::Leader(crate::election::Term::for_tests(crate::snapshot::Epoch(7), 9)));
    assert_eq!(lab.ask("POST", "/guard/release").await.1, "nothing is held\n");
    let counts = |number| crate::compile::Counts([(crate::compile::Measure::Addresses, number)].into());
    lab.gate.open(Some(counts(9)));
    assert!(!lab.gate.passes(&counts(1), false, 1_800_000_000_000));
    let status: serde_json::Value = serde_json::from_str(&lab.get("/status").await.1).expect("JSON");
    let expected = serde_json::json!({
        "since": "2027-01-15T08:00:00Z",
        "falls": [{"measure": "addresses", "from": 9, "to": 1, "equal_polls": 1, "needed": 3}],
    });
    assert_eq!(status["guard"], expected);
    assert_eq!(lab.code("/guard/release").await, 405, "looking changes nothing");
    let (head, body) = lab.ask("POST", "/guard/release").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&body).expect("JSON"), expected);
    assert!(lab.gate.passes(&counts(1), false, 1_800_000_000_001));
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
