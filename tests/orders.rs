//! Three replicas as processes on loopback: what an operator orders at one of them holds everywhere, with and without a
//! leader, and after restarts.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bellwether::cli::client::Client;
use bellwether::orders::{OrdersFile, Target};
use bellwether::phase::Phase;
use bellwether::replication::clerk::Clerk;
use bellwether::replication::hub::Hub;
use bellwether::replication::peer::Security;
use bellwether::replication::{catch_up, service};
use bellwether::snapshot::{Snapshot, Version};
use bellwether::time::BootClock;
use serde_json::Value;
use tokio::time::Instant;

/// From an order to its effect on every replica.
const PROMPT: Duration = Duration::from_secs(2);

/// For what takes an election or a start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

struct Fleet {
    folder: tempfile::TempDir,
    client: Client,
    replicas: Vec<Replica>,
}

struct Replica {
    ports: [SocketAddr; 3],
    process: Option<Child>,
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Replica {
    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().and_then(|()| process.wait()).expect("it is ours");
        }
    }

    fn support(&self) -> String {
        format!("http://{}", self.ports[1])
    }
}

impl Fleet {
    fn start() -> Self {
        // All are held until all are chosen, so that no two are the same.
        let held: Vec<TcpListener> =
            (0..9).map(|_| TcpListener::bind("127.0.0.1:0").expect("a port")).collect();
        let ports: Vec<SocketAddr> =
            held.iter().map(|listener| listener.local_addr().expect("bound")).collect();
        drop(held);
        let replicas = ports
            .chunks(3)
            .map(|ports| Replica { ports: [ports[0], ports[1], ports[2]], process: None })
            .collect();
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["lease", "manifests"] {
            fs::create_dir(folder.path().join(name)).expect("made");
        }
        let mut fleet = Self { folder, client: Client::new(Duration::from_secs(1)), replicas };
        fleet.upstream("a");
        (0..3).for_each(|number| fleet.run(number));
        fleet
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn run(&mut self, number: usize) {
        let peers: Vec<String> = self.replicas.iter().map(|it| it.ports[2].to_string()).collect();
        let [routes, support, replication] = self.replicas[number].ports;
        let flags = [
            ("source", format!("manifests:{}", self.path("manifests"))),
            ("lease", format!("file:{}", self.path("lease/lease"))),
            ("id", format!("r{number}")),
            ("state-dir", self.path(&format!("r{number}"))),
            ("replication-listener", replication.to_string()),
            ("peers", peers.join(",")),
            ("address", routes.to_string()),
            ("support-listener", support.to_string()),
            ("source-poll-timeout", "200".to_owned()),
        ];
        let log = fs::File::options().create(true).append(true).open(self.path(&format!("r{number}.log")));
        let process = Command::new(env!("CARGO_BIN_EXE_bellwether"))
            .arg("serve")
            .args(flags.map(|(name, value)| format!("-{name}={value}")))
            .stdout(Stdio::null())
            .stderr(log.expect("a log"))
            .spawn();
        self.replicas[number].process = Some(process.expect("the program runs"));
    }

    /// From now on the upstream has one route, which answers under `path`.
    fn upstream(&self, path: &str) {
        let manifest = format!(
            "apiVersion: zalando.org/v1\nkind: RouteGroup\nmetadata: {{name: shop, namespace: default}}\n\
             spec:\n  hosts: [shop.example.org]\n  backends: [{{name: shunt, type: shunt}}]\n  \
             defaultBackends: [{{backendName: shunt}}]\n  routes: [{{path: /{path}}}]\n"
        );
        let (new, file) = (self.path("new"), self.path("manifests/shop.yaml"));
        fs::write(&new, manifest).and_then(|()| fs::rename(new, file)).expect("written");
    }

    /// Without its folder nobody can hold the lease.
    fn lease_is_there(&self, there: bool) {
        let (here, away) = (self.path("lease"), self.path("away"));
        let (from, to) = if there { (away, here) } else { (here, away) };
        fs::rename(from, to).expect("moved");
    }

    async fn status(&self, number: usize) -> Value {
        let body = self.client.get(&self.replicas[number].support(), "/status").await;
        body.ok().and_then(|body| serde_json::from_slice(&body).ok()).unwrap_or_default()
    }

    /// Whether the table of a replica has the route that answers under `path`.
    async fn serves(&self, number: usize, path: &str) -> bool {
        let address = format!("http://{}", self.replicas[number].ports[0]);
        let body = self.client.get(&address, "/routes").await.unwrap_or_default();
        String::from_utf8_lossy(&body).contains(&format!("Path(\"/{path}\")"))
    }

    /// Waits until `holds` for the status of every replica; how long that took.
    async fn everywhere(&self, what: &str, within: Duration, holds: impl Fn(&Value) -> bool) -> Duration {
        let start = Instant::now();
        loop {
            let mut statuses = Vec::new();
            for number in 0..self.replicas.len() {
                statuses.push(self.status(number).await);
            }
            if statuses.iter().all(&holds) {
                return start.elapsed();
            }
            assert!(start.elapsed() < within, "{what}: {statuses:#?}\n{}", self.logs());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn all_serve(&self, path: &str, within: Duration) {
        let start = Instant::now();
        for number in 0..self.replicas.len() {
            while !self.serves(number, path).await {
                assert!(start.elapsed() < within, "r{number} does not serve {path}\n{}", self.logs());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// For many polls nobody serves anything but `path`.
    async fn all_keep(&self, path: &str) {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(1) {
            for number in 0..self.replicas.len() {
                assert!(self.serves(number, path).await, "r{number} serves something else\n{}", self.logs());
            }
        }
    }

    /// Gives an order as an operator would; what the program printed.
    fn order(&self, at: usize, arguments: &[&str]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_bellwether"))
            .args(arguments)
            .args(["--server", &self.replicas[at].support()])
            .output()
            .expect("the program runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        said
    }

    /// What has changed since the table of `version`; there is something.
    fn difference(&self, at: usize, version: &str) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_bellwether"))
            .args(["diff", version, "--server", &self.replicas[at].support()])
            .output()
            .expect("the program runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}{}", String::from_utf8_lossy(&output.stderr));
        said
    }

    fn logs(&self) -> String {
        let log = |number| fs::read_to_string(Path::new(&self.path(&format!("r{number}.log"))));
        (0..3).filter_map(|number| log(number).ok()).collect::<Vec<_>>().join("\n---\n")
    }

    async fn leader(&self) -> usize {
        self.everywhere("a leader", PATIENCE, |status| status["leader"].is_string()).await;
        for number in 0..self.replicas.len() {
            if self.status(number).await["role"] == "leader" {
                return number;
            }
        }
        panic!("nobody leads\n{}", self.logs())
    }
}

fn is_frozen(status: &Value) -> bool {
    status["orders"]["frozen"].is_object()
}

fn is_pinned(status: &Value) -> bool {
    status["orders"]["pinned"]["carried_out"].is_object() && status["current"] == true
}

fn leaderless(status: &Value) -> bool {
    status["leader"].is_null() && status["role"] == "follower"
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_freeze_holds_everywhere_with_and_without_a_leader_and_after_a_restart() {
    let mut fleet = Fleet::start();
    fleet.all_serve("a", PATIENCE).await;
    let leader = fleet.leader().await;
    fleet.everywhere("current", PATIENCE, |status| status["current"] == true).await;

    let said = fleet.order((leader + 1) % 3, &["freeze", "--by=ann", "--why=a bad change"]);
    assert!(said.contains("2 other replicas know of it"), "{said}");
    fleet.everywhere("frozen", PROMPT, is_frozen).await;
    fleet.upstream("b");
    fleet.all_keep("a").await;
    fleet.everywhere("current with what it has", PROMPT, |status| status["current"] == true).await;

    for number in 0..3 {
        fleet.replicas[number].kill();
    }
    (0..3).for_each(|number| fleet.run(number));
    fleet.leader().await;
    fleet.everywhere("frozen after a restart", PATIENCE, is_frozen).await;
    fleet.all_keep("a").await;

    fleet.lease_is_there(false);
    fleet.everywhere("no leader", PATIENCE, leaderless).await;
    fleet.order(0, &["unfreeze"]);
    fleet.everywhere("free without a leader", PROMPT, |status| !is_frozen(status)).await;
    fleet.order(2, &["freeze"]);
    fleet.everywhere("frozen without a leader", PROMPT, is_frozen).await;
    fleet.order(1, &["unfreeze"]);
    fleet.lease_is_there(true);
    fleet.all_serve("b", PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_pinned_is_served_until_it_is_not_whoever_leads() {
    let mut fleet = Fleet::start();
    fleet.all_serve("a", PATIENCE).await;
    fleet.everywhere("current", PATIENCE, |status| status["current"] == true).await;
    let leader = fleet.leader().await;
    let status = fleet.status(leader).await;
    let first = format!("{}.{}", status["epoch"], status["sequence"]);
    fleet.upstream("b");
    fleet.all_serve("b", PATIENCE).await;
    fleet.everywhere("current", PATIENCE, |status| status["current"] == true).await;

    let follower = (leader + 1) % 3;
    let difference = fleet.difference(follower, &first);
    assert!(difference.contains("- Path(\"/a\")") && difference.contains("+ Path(\"/b\")"), "{difference}");
    assert!(difference.contains("2 changed, 4 the same"), "{difference}");
    let said = fleet.order(follower, &["rollback", "--why=b is bad"]);
    assert!(said.contains(&format!("carried out by r{leader} ")), "{said}");
    fleet.all_serve("a", PROMPT).await;
    fleet.everywhere("rolled back", PROMPT, is_pinned).await;
    fleet.upstream("c");
    fleet.all_keep("a").await;

    // The next leader publishes it as its own first table, and everyone is current again.
    fleet.replicas[leader].kill();
    fleet.run(leader);
    fleet.everywhere("rolled back under the next leader", PATIENCE, is_pinned).await;
    fleet.all_keep("a").await;

    fleet.order(follower, &["unfreeze"]);
    fleet.all_serve("c", PROMPT).await;

    fleet.lease_is_there(false);
    fleet.everywhere("no leader", PATIENCE, leaderless).await;
    let said = fleet.order(follower, &["pin", &first]);
    assert!(said.contains("there is no leader: the order is kept"), "{said}");
    let said = fleet.order(leader, &["guard", "release"]);
    assert!(said.contains("there is no leader: the order is kept"), "{said}");
    fleet.all_keep("c").await;
    for number in 0..3 {
        fleet.replicas[number].kill();
    }
    fleet.lease_is_there(true);
    (0..3).for_each(|number| fleet.run(number));
    fleet.everywhere("pinned by the next leader", PATIENCE, is_pinned).await;
    fleet.all_keep("a").await;
    fleet.order(leader, &["unfreeze"]);
    fleet.all_serve("c", PATIENCE).await;
    let released = |status: &Value| status["orders"]["guard_release"]["carried_out"].is_object();
    fleet.everywhere("the guard released", PATIENCE, released).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_only_a_peer_keeps_is_had_from_there() {
    let hub = |name: &str, active| {
        let replica = bellwether::replication::core::Replica::new(active);
        Hub::new(name.to_owned(), replica, Arc::default(), Arc::new(BootClock), Default::default())
    };
    let old = Snapshot::for_tests(Version::new(3, 1), "old: * -> <shunt>");
    let (a, b) = (hub("a", Some(old.clone())), hub("b", None));
    let new = Snapshot::for_tests(Version::new(3, 2), "new: * -> <shunt>");
    a.update(|core, now| core.converge(new, now)).expect("nobody leads");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let peers = vec![listener.local_addr().expect("bound").to_string()];
    let serving = a.clone();
    tokio::spawn(async move {
        let phase = tokio::sync::watch::channel(Phase::Serving).1;
        service::listen(serving, listener, &Security::default(), phase, Default::default()).await
    });
    let clerk = Clerk::open(
        b.clone(),
        OrdersFile::new(tempfile::tempdir().expect("a folder").path()),
        peers.clone(),
        Security::default(),
        Default::default(),
    );
    let target = clerk.find(old.version).await.expect("the peer has it");
    assert_eq!((target.origin, target.digest), (old.origin, old.digest()));
    let fetched =
        catch_up::fetch_kept(&b, &target, &peers, &Security::default()).await.expect("the peer has it");
    assert_eq!(fetched.contents.table.plain(), old.contents.table.plain());
    let another = Target { digest: bellwether::snapshot::Digest::of(b"another"), ..target };
    assert!(catch_up::fetch_kept(&b, &another, &peers, &Security::default()).await.is_none());
    assert!(clerk.find(Version::new(3, 3)).await.is_err(), "nobody has it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_much_a_replica_logs_changes_while_it_runs() {
    let fleet = Fleet::start();
    fleet.all_serve("a", PATIENCE).await;
    let leader = fleet.leader().await;
    let log = || fs::read_to_string(fleet.path(&format!("r{leader}.log"))).expect("a log");
    assert!(!log().contains(" DEBUG "), "{}", log());
    let said = fleet.order(leader, &["log", "debug"]);
    assert!(said.ends_with("logs from debug on\n"), "{said}");
    let start = Instant::now();
    while !log().contains(" DEBUG polled") {
        assert!(start.elapsed() < PROMPT, "a poll is not heard of: {}", log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    fleet.order(leader, &["log", "warn"]);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let heard = || log().matches(" DEBUG ").count();
    let before = heard();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(heard(), before, "polls are heard of all the same: {}", log());
}
