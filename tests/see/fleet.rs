//! Three replicas as processes on loopback, over a folder of manifests.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use serde_json::Value;
use tokio::time::Instant;

/// For what takes an election or a start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Fleet {
    pub folder: tempfile::TempDir,
    ports: Vec<[SocketAddr; 3]>,
    processes: Vec<Child>,
    flags: Vec<String>,
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for process in &mut self.processes {
            process.kill().and_then(|()| process.wait()).expect("it is ours");
        }
    }
}

impl Fleet {
    /// Starts them over a shop with so many paths; JSON logs go to files.
    pub fn start(paths: &[&str]) -> Self {
        Self::start_with(paths, &[])
    }

    /// The same, with further flags.
    pub fn start_with(paths: &[&str], flags: &[String]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("manifests")).expect("made");
        // All are held until all are chosen, so that no two are the same.
        let held: Vec<_> = (0..9).map(|_| TcpListener::bind("127.0.0.1:0").expect("a port")).collect();
        let all: Vec<_> = held.iter().map(|it| it.local_addr().expect("bound")).collect();
        drop(held);
        let ports = all.chunks(3).map(|three| [three[0], three[1], three[2]]).collect();
        let mut fleet = Self { folder, ports, processes: Vec::new(), flags: flags.to_vec() };
        fleet.write(paths);
        for number in 0..3 {
            let process = fleet.spawn(number);
            fleet.processes.push(process);
        }
        fleet
    }

    fn spawn(&self, number: usize) -> Child {
        let [routes, support, replication] = self.ports[number];
        let peers: Vec<_> = self.ports.iter().map(|ports| ports[2].to_string()).collect();
        let in_folder = |name: &str| self.folder.path().join(name).display().to_string();
        let log = fs::File::create(self.log(number)).expect("a file");
        Command::new(env!("CARGO_BIN_EXE_bellwether"))
            .args(["serve", "-source-poll-timeout=200", "--stop-with-stdin", "--log-format=json"])
            .arg(format!("--source=manifests:{}", in_folder("manifests")))
            .arg(format!("--lease=file:{}", in_folder("lease")))
            .arg(format!("--state-dir={}", in_folder(&format!("r{number}"))))
            .arg(format!("--id=r{number}"))
            .arg(format!("--peers={}", peers.join(",")))
            .arg(format!("-address={routes}"))
            .arg(format!("-support-listener={support}"))
            .arg(format!("--replication-listener={replication}"))
            .arg("-default-filters-append=setRequestHeader(\"X-Secret\", \"s3cret\")")
            .args(&self.flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the program runs")
    }

    fn log(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("r{number}.log"))
    }

    /// The lines that a replica has logged.
    pub fn logged(&self, number: usize) -> Vec<Value> {
        let text = fs::read_to_string(self.log(number)).expect("it is there");
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The shop has these paths from now on.
    pub fn write(&self, paths: &[&str]) {
        let backend = "backend: { service: { name: shop, port: { number: 80 } } }";
        let paths: String = paths
            .iter()
            .map(|path| format!("      - {{ path: {path}, pathType: Prefix, {backend} }}\n"))
            .collect();
        let text = format!(
            "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{ name: cart, namespace: shop, uid: u-cart }}\n\
             spec:\n  rules:\n  - host: shop.example.org\n    http:\n      paths:\n{paths}---\n\
             apiVersion: v1\nkind: Service\nmetadata: {{ name: shop, namespace: shop }}\n\
             spec: {{ ports: [{{ port: 80, targetPort: 8080 }}] }}\n---\n\
             apiVersion: v1\nkind: Endpoints\nmetadata: {{ name: shop, namespace: shop }}\n\
             subsets: [{{ addresses: [{{ ip: 10.0.0.1 }}, {{ ip: 10.0.0.2 }}], ports: [{{ port: 8080 }}] }}]\n"
        );
        let new = self.folder.path().join("new.yaml");
        fs::write(&new, text).expect("written");
        fs::rename(new, self.folder.path().join("manifests/shop.yaml")).expect("in its place");
    }

    /// The support listener of a replica.
    pub fn support(&self, number: usize) -> String {
        format!("http://{}", self.ports[number][1])
    }

    pub fn json(&self, number: usize, path: &str) -> Option<Value> {
        serde_json::from_str(&ask(self.ports[number][1], "127.0.0.1", path)?).ok()
    }

    pub fn text(&self, number: usize, path: &str) -> String {
        ask(self.ports[number][1], "127.0.0.1", path).unwrap_or_default()
    }

    /// A client with its own address polls a replica.
    pub fn poll(&self, number: usize, from: &str) {
        drop(ask(self.ports[number][0], from, "/routes"));
    }

    /// Waits until every replica is current with the same version.
    pub fn in_step(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let all: Vec<_> = (0..3).filter_map(|number| self.json(number, "/status")).collect();
            let version = |it: &Value| (it["epoch"].clone(), it["sequence"].clone());
            let is_current = |it: &Value| it["current"] == true && it["ready"] == true;
            if all.len() == 3 && all.iter().all(|it| is_current(it) && version(it) == version(&all[0])) {
                return;
            }
            assert!(Instant::now() < deadline, "not in step: {all:#?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the newest publication on every replica satisfies `is_it`; the lists of all.
    pub fn published(&self, is_it: impl Fn(&Value) -> bool) -> Vec<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let lists: Vec<_> =
                (0..3).filter_map(|it| Some(self.json(it, "/status")?["publications"].clone())).collect();
            if lists.len() == 3 && lists.iter().all(|list| is_it(&list[0])) {
                return lists;
            }
            assert!(Instant::now() < deadline, "no such publication: {lists:#?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Runs a command against these replicas.
    pub fn command(&self, arguments: &[&str]) -> Output {
        let servers: Vec<_> = (0..3).map(|number| self.support(number)).collect();
        let arguments = arguments.iter().map(|argument| argument.replace("ALL", &servers.join(",")));
        Command::new(env!("CARGO_BIN_EXE_bellwether")).args(arguments).output().expect("it runs")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        Path::new(self.folder.path()).join(name)
    }
}

/// The body that `to` answers to a client at `from`.
fn ask(to: SocketAddr, from: &str, path: &str) -> Option<String> {
    let own = socket(AddressFamily::INET, SocketType::STREAM, None).ok()?;
    bind(&own, &SocketAddr::new(from.parse().ok()?, 0)).ok()?;
    connect(&own, &to).ok()?;
    let mut stream = TcpStream::from(own);
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nAccept: */*\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let chunked = head.to_lowercase().contains("transfer-encoding: chunked");
    assert!(!chunked, "answers have a length: {head}");
    Some(body.to_owned())
}
