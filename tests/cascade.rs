//! Route servers behind route servers, as processes on loopback: the same bytes under the same ETag, whatever becomes of the upstream.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

/// For what takes an election or a start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Replica {
    folder: tempfile::TempDir,
    ports: [SocketAddr; 3],
    process: Child,
}

/// An answer as it came.
#[derive(Debug, PartialEq)]
struct Answer {
    status: String,
    tag: String,
    count: String,
    body: String,
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.process.kill().and_then(|()| self.process.wait()).expect("it is ours");
    }
}

impl Replica {
    fn start(source: &str, more: &[&str]) -> Self {
        // All are held until all are chosen, so that no two are the same.
        let held: Vec<TcpListener> =
            (0..3).map(|_| TcpListener::bind("127.0.0.1:0").expect("a port")).collect();
        let ports = [0, 1, 2].map(|place: usize| held[place].local_addr().expect("bound"));
        drop(held);
        let folder = tempfile::tempdir().expect("a folder");
        let process = spawn(&folder, ports, source, more);
        Self { folder, ports, process }
    }

    fn url(&self) -> String {
        format!("eskip+http://{}", self.ports[0])
    }

    fn get(&self, path: &str, tag: &str) -> Option<Answer> {
        get(self.ports[0], path, tag)
    }

    fn status(&self) -> Option<Value> {
        serde_json::from_str(&get(self.ports[1], "/status", "")?.body).ok()
    }

    fn until<T>(&self, what: &str, look: impl Fn() -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(seen) = look() {
                return seen;
            }
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(start.elapsed() < PATIENCE, "{what} does not come\n{:?}\n{log}", self.status());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn serves(&self, part: &str) -> Answer {
        self.until(part, || self.get("/routes", "").filter(|answer| answer.body.contains(part)))
    }
}

fn spawn(folder: &tempfile::TempDir, ports: [SocketAddr; 3], source: &str, more: &[&str]) -> Child {
    let path = |name: &str| folder.path().join(name).display().to_string();
    let flags = [
        ("source", source.to_owned()),
        ("lease", format!("file:{}", path("lease"))),
        ("id", "r0".to_owned()),
        ("state-dir", path("state")),
        ("replication-listener", ports[2].to_string()),
        ("address", ports[0].to_string()),
        ("support-listener", ports[1].to_string()),
        ("source-poll-timeout", "100".to_owned()),
        ("guard-equal-polls", "100000".to_owned()),
    ];
    let log = fs::File::options().create(true).append(true).open(path("log")).expect("a log");
    let process = Command::new(env!("CARGO_BIN_EXE_bellwether"))
        .arg("serve")
        .args(flags.map(|(name, value)| format!("-{name}={value}")))
        .args(more)
        .stdout(Stdio::null())
        .stderr(log)
        .spawn();
    process.expect("the program runs")
}

fn get(address: SocketAddr, path: &str, tag: &str) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let condition = if tag.is_empty() { String::new() } else { format!("If-None-Match: {tag}\r\n") };
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n{condition}Connection: close\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let header = |name: &str| {
        let line =
            head.lines().find_map(|line| line.split_once(": ").filter(|it| it.0.eq_ignore_ascii_case(name)));
        line.map(|(_, value)| value.to_owned()).unwrap_or_default()
    };
    let status = head.split(' ').nth(1)?.to_owned();
    Some(Answer { status, tag: header("etag"), count: header("x-count"), body: body.to_owned() })
}

/// A folder of its own for what a replica reads.
struct Upstream(tempfile::TempDir);

impl Upstream {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn write(&self, name: &str, text: &str) {
        let new = self.0.path().join(".new");
        fs::write(&new, text).and_then(|()| fs::rename(new, self.path(name))).expect("written");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn source(&self, kind: &str) -> String {
        format!("{kind}:{}", self.0.path().display())
    }
}

/// An Ingress for `path` whose Service has endpoints in two zones.
fn shop(path: &str) -> String {
    let backend = json!({"service": {"name": "shop", "port": {"number": 80}}});
    let rule = json!({"host": "shop.x", "http": {"paths": [{"path": path, "backend": backend}]}});
    let metadata = json!({"namespace": "n", "name": "shop", "labels": {"kubernetes.io/service-name": "shop"},
        "annotations": {"zalando.org/skipper-predicate": "Header(\"X-A\", \"b\") && Weight(1)"}});
    let endpoint =
        |n: usize| json!({"addresses": [format!("10.0.0.{n}")], "zone": if n < 4 { "za" } else { "zb" }});
    let endpoints: Vec<_> = (0..8).map(endpoint).collect();
    let objects = json!([
        {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": {"rules": [rule]}},
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": 80, "targetPort": 8080}]}},
        {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": metadata, "endpoints": endpoints,
            "ports": [{"port": 8080, "protocol": "TCP"}]},
    ]);
    objects.to_string()
}

#[test]
fn a_cascade_serves_the_same_bytes_and_outlives_its_upstream() {
    let objects = Upstream::new();
    objects.write("shop.json", &shop("/one"));
    let mut first = Replica::start(&objects.source("manifests"), &["-enable-kubernetes-endpointslices"]);
    let second = Replica::start(&first.url(), &[]);
    let third = Replica::start(&second.url(), &[]);

    for path in ["/one", "/two"] {
        objects.write("shop.json", &shop(path));
        let told = first.serves(path);
        assert!(told.body.contains("kube__redirect") && told.body.contains("Weight(1)"), "{told:?}");
        for behind in [&second, &third] {
            assert_eq!(behind.serves(path), told);
            let zone = |replica: &Replica| replica.get("/routes/za", "").expect("it answers");
            let (its, zoned) = (zone(&first), zone(behind));
            assert_eq!(zoned, its);
            assert_ne!(zoned.tag, told.tag);
            // A client that is moved from one to the other fetches nothing.
            for (path, tag) in [("/routes", &told.tag), ("/routes/za", &its.tag)] {
                assert_eq!(behind.get(path, tag).expect("it answers").status, "304", "{path}");
            }
        }
    }

    let before = second.serves("/two");
    first.process.kill().and_then(|()| first.process.wait()).expect("it is ours");
    let is_old = |status: &Value| status["age_seconds"].as_f64().is_some_and(|age| age > 1.5);
    let status = second.until("age", || second.status().filter(is_old));
    assert_eq!(status["ready"], true, "{status:#}");
    assert_eq!(second.get("/routes", "").expect("it answers"), before);
    objects.write("shop.json", &shop("/three"));
    first.process = spawn(
        &first.folder,
        first.ports,
        &objects.source("manifests"),
        &["-enable-kubernetes-endpointslices"],
    );
    assert_eq!(third.serves("/three"), first.serves("/three"));
}

#[test]
fn what_is_wrong_with_a_document_harms_its_own_route_only() {
    let documents = Upstream::new();
    let routes = |from: usize, to: usize| -> String {
        (from..to).map(|n| format!("r{n:02}: Path(\"/{n}\")\n  -> \"http://10.0.0.{n}\";\n")).collect()
    };
    let poisoned = |route: &str| routes(0, 5) + route + "\n" + &routes(6, 40);
    documents.write("a.eskip", &poisoned("r05: Path(\"/5\") -> \"http://10.0.0.5\"; // ours"));
    let first = Replica::start(&documents.source("eskip"), &[]);
    let second = Replica::start(&first.url(), &["-default-filters-append=f()"]);
    let whole = first.serves("Path(\"/39\")");
    assert_eq!(whole.count, "40");
    assert!(whole.body.starts_with("r00: Path(\"/0\") -> \"http://10.0.0.0\";\nr01: "), "{}", whole.body);
    let last = second.serves("Path(\"/39\") -> f() -> \"http://10.0.0.39\"");
    assert_eq!(last.count, "40");

    // One that no Skipper could parse keeps its last good route, and the others change.
    documents.write("b.eskip", "other: * -> <shunt>;");
    documents.write("a.eskip", &poisoned("r05: Path(\"/5) -> \"http://10.9.9.9\";"));
    let healed = first.serves("other: ");
    assert_eq!(healed.count, "41");
    assert!(healed.body.contains("r05: Path(\"/5\") -> \"http://10.0.0.5\";"), "{}", healed.body);
    let status =
        first.until("quarantine", || first.status().filter(|status| status["objects_quarantined"] == 1));
    let finding = &status["quarantined"]["items"][0];
    assert_eq!(finding["object"], "Definition a.eskip/r05", "{finding:#}");
    assert!(finding["reason"].as_str().is_some_and(|it| it.starts_with("a.eskip:11: ")), "{finding:#}");
    second.serves("other: * -> f() -> <shunt>;");

    // A document that is not whole changes nothing, and much less than before is held.
    documents.write("a.eskip", "r00: Path(\"/0\") -> \"http");
    documents.write("c.eskip", "more: * -> <shunt>;");
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(first.get("/routes", "").expect("it answers"), healed);
    documents.write("a.eskip", &routes(0, 2));
    let held = |status: &Value| status["guard"].to_string().contains("definitions");
    first.until("the guard", || first.status().filter(held));
    assert_eq!(first.get("/routes", "").expect("it answers"), healed);
    documents.write("a.eskip", &routes(0, 40));
    let mended = first.serves("more: ");
    assert_eq!((mended.count.as_str(), mended.body.contains("10.0.0.5\"")), ("42", true));
    assert_eq!(
        first.until("health", || first.status().filter(|it| it["objects_quarantined"] == 0))["guard"],
        Value::Null
    );
}
