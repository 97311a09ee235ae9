//! The three modes as processes on loopback: one that stands by, and one that compares itself with another route server.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use bellwether::cli::client::Client;
use http::StatusCode;
use serde_json::Value;
use tokio::time::Instant;

/// For what takes an election, a start and a settle time on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Replica {
    folder: tempfile::TempDir,
    ports: [SocketAddr; 3],
    process: Child,
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.process.kill().and_then(|()| self.process.wait()).expect("it is ours");
    }
}

impl Replica {
    fn start(paths: &[&str], more: &[String]) -> Self {
        // All are held until all are chosen, so that no two are the same.
        let held: Vec<TcpListener> =
            (0..3).map(|_| TcpListener::bind("127.0.0.1:0").expect("a port")).collect();
        let ports = [0, 1, 2].map(|place: usize| held[place].local_addr().expect("bound"));
        drop(held);
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name).display().to_string();
        fs::create_dir(path("manifests")).expect("made");
        write(&folder, paths);
        let flags = [
            ("source", format!("manifests:{}", path("manifests"))),
            ("lease", format!("file:{}", path("lease"))),
            ("id", "r0".to_owned()),
            ("state-dir", path("state")),
            ("replication-listener", ports[2].to_string()),
            ("address", ports[0].to_string()),
            ("support-listener", ports[1].to_string()),
            ("source-poll-timeout", "100".to_owned()),
            // A leader that comes to nothing for seconds on a busy machine would begin to compare anew.
            ("election-preset", "careful".to_owned()),
        ];
        let log = fs::File::options().create(true).append(true).open(path("log"));
        let process = Command::new(env!("CARGO_BIN_EXE_bellwether"))
            .arg("serve")
            .args(flags.map(|(name, value)| format!("-{name}={value}")))
            .args(more)
            .stdout(Stdio::null())
            .stderr(log.expect("a log"))
            .spawn();
        Self { folder, ports, process: process.expect("the program runs") }
    }

    fn routes(&self) -> String {
        format!("http://{}/routes", self.ports[0])
    }

    async fn ask(&self, port: usize, path: &str) -> Option<(StatusCode, String)> {
        let address = format!("http://{}", self.ports[port]);
        let (status, body) = Client::new(Duration::from_secs(2)).answer(&address, path).await.ok()?;
        Some((status, String::from_utf8_lossy(&body).into_owned()))
    }

    async fn until<T>(&self, what: &str, look: impl AsyncFn() -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(start.elapsed() < PATIENCE, "{what} does not come\n{log}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn serves(&self, path: &str) {
        let route = format!("Path(\"/{path}\")");
        self.until(&route, async || self.ask(0, "/routes").await.filter(|(_, text)| text.contains(&route)))
            .await;
    }

    fn program(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let server = format!("--server=http://{}", self.ports[1]);
        let output = Command::new(env!("CARGO_BIN_EXE_bellwether")).args(arguments).arg(server).output();
        let Output { status, stdout, stderr } = output.expect("the program runs");
        (status.code(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
    }

    async fn checked(&self, code: i32, what: &str) -> String {
        self.until(what, async || {
            let (said, text) = self.program(&["rollout", "check"]);
            (said == Some(code) && text.contains(what)).then_some(text)
        })
        .await
    }
}

/// From now on the upstream has a route for each of `paths`.
fn write(folder: &tempfile::TempDir, paths: &[&str]) {
    let routes: String = paths.iter().map(|path| format!("    - path: /{path}\n")).collect();
    let manifest = format!(
        "apiVersion: zalando.org/v1\nkind: RouteGroup\nmetadata: {{name: shop, namespace: default}}\n\
         spec:\n  hosts: [shop.example.org]\n  backends: [{{name: shunt, type: shunt}}]\n  \
         defaultBackends: [{{backendName: shunt}}]\n  routes:\n{routes}"
    );
    let (new, file) = (folder.path().join("new"), folder.path().join("manifests/shop.yaml"));
    fs::write(&new, manifest).and_then(|()| fs::rename(new, file)).expect("written");
}

#[tokio::test]
async fn off_stands_by_reads_nothing_and_serves_nothing() {
    let replica = Replica::start(&["a"], &["--rollout=off".to_owned()]);
    let answer = replica.until("an answer", async || replica.ask(0, "/routes").await).await;
    assert_eq!(answer.0, StatusCode::SERVICE_UNAVAILABLE);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(replica.ask(0, "/routes").await.map(|it| it.0), Some(StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(replica.ask(1, "/livez").await.map(|it| it.0), Some(StatusCode::OK));
    let (status, why) = replica.ask(1, "/readyz").await.expect("an answer");
    assert!(status == StatusCode::SERVICE_UNAVAILABLE && why.contains("--rollout=off"), "{status} {why}");
    let (_, status) = replica.ask(1, "/status").await.expect("an answer");
    let status: Value = serde_json::from_str(&status).expect("JSON");
    assert_eq!((&status["role"], &status["rollout"]["mode"]), (&"follower".into(), &"off".into()));
    assert!(!replica.folder.path().join("lease").exists(), "it takes no part in the election");
    let (code, said) = replica.program(&["rollout", "check"]);
    assert!(code == Some(2) && said.contains("--rollout=off"), "{code:?} {said}");
}

#[tokio::test]
async fn pre_says_when_it_is_safe_and_what_differs() {
    let peer = Replica::start(&["a", "b"], &[]);
    peer.serves("a").await;
    let (code, said) = peer.program(&["rollout", "check"]);
    assert!(code == Some(2) && said.contains("--rollout=exec"), "{code:?} {said}");
    let compare = [
        "--rollout=pre".to_owned(),
        format!("--rollout-compare={}", peer.routes()),
        "--rollout-every=100ms".to_owned(),
        "--rollout-settle=2s".to_owned(),
        "--rollout-safe-after=6s".to_owned(),
        "--rollout-safe-changes=1".to_owned(),
    ];
    let replica = Replica::start(&["a", "b"], &compare);
    replica.serves("a").await;
    replica.checked(1, "0 changes without a difference; 1 are asked for").await;
    assert_eq!(replica.program(&["diff", &peer.routes(), &replica.routes()]).0, Some(0));
    for side in [&peer, &replica] {
        write(&side.folder, &["a", "b", "c"]);
    }
    let said = replica.checked(0, "safe\n  no difference for").await;
    assert!(said.contains(&peer.routes()), "{said}");

    write(&peer.folder, &["a", "b"]);
    // What of them differs is read again at the next look.
    let said = replica.checked(1, "Path(\"/c\")").await;
    assert!(said.starts_with("different\n") && said.contains(" differ\n"), "{said}");
    let (code, said) = replica.program(&["diff", &peer.routes(), &replica.routes()]);
    assert!(code == Some(1) && said.contains(" added, 0 missing, 0 changed"), "{code:?} {said}");
    let (_, metrics) = replica.ask(1, "/metrics").await.expect("an answer");
    let gauge = format!("bellwether_rollout_routes{{peer=\"{}\",state=\"different\"}} ", peer.routes());
    let counted = metrics.lines().find_map(|line| line.strip_prefix(&gauge)?.parse::<u64>().ok());
    assert!(counted > Some(0) && metrics.contains("rollout_verdict{verdict=\"different\"} 1"), "{metrics}");

    drop(peer);
    replica.checked(1, "not-yet\n").await;
}
