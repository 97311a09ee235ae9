//! One replica as a process on loopback, and a folder for it to read.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

/// For what takes an election or a start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Replica {
    folder: tempfile::TempDir,
    /// Of clients, of people, of other replicas.
    ports: [SocketAddr; 3],
    flags: Vec<String>,
    process: Child,
}

/// An answer as it came.
#[derive(Debug, PartialEq)]
pub struct Answer {
    pub status: String,
    pub tag: String,
    pub count: String,
    pub body: String,
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Replica {
    /// Starts one that reads `source` each 100 ms, with further flags.
    pub fn start(source: &str, more: &[&str]) -> Self {
        // All are held until all are chosen, so that no two are the same.
        let held: Vec<TcpListener> =
            (0..3).map(|_| TcpListener::bind("127.0.0.1:0").expect("a port")).collect();
        let ports = [0, 1, 2].map(|place: usize| held[place].local_addr().expect("bound"));
        drop(held);
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name).display().to_string();
        let own = [
            ("source", source.to_owned()),
            ("lease", format!("file:{}", path("lease"))),
            ("id", "r0".to_owned()),
            ("state-dir", path("state")),
            ("replication-listener", ports[2].to_string()),
            ("address", ports[0].to_string()),
            ("support-listener", ports[1].to_string()),
            ("source-poll-timeout", "100".to_owned()),
        ];
        let own = own.map(|(name, value)| format!("-{name}={value}"));
        let flags: Vec<_> = own.into_iter().chain(more.iter().map(|&flag| flag.to_owned())).collect();
        let process = spawn(&folder, &flags);
        Self { folder, ports, flags, process }
    }

    pub fn kill(&mut self) {
        self.process.kill().and_then(|()| self.process.wait()).expect("it is ours");
    }

    /// Starts it anew, as it was.
    pub fn start_again(&mut self) {
        self.process = spawn(&self.folder, &self.flags);
    }

    /// Where its clients ask.
    pub fn url(&self) -> String {
        format!("http://{}", self.ports[0])
    }

    /// What its clients get; by the tag of what they have, if it is not empty.
    pub fn get(&self, path: &str, tag: &str) -> Option<Answer> {
        get(self.ports[0], path, tag)
    }

    /// What people get.
    pub fn support(&self, path: &str) -> Option<Answer> {
        get(self.ports[1], path, "")
    }

    pub fn status(&self) -> Option<Value> {
        serde_json::from_str(&self.support("/status")?.body).ok()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Whether it has taken part in an election.
    pub fn has_lease(&self) -> bool {
        self.folder.path().join("lease").exists()
    }

    /// Looks until something is seen.
    pub fn until<T>(&self, what: &str, look: impl Fn() -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(seen) = look() {
                return seen;
            }
            assert!(start.elapsed() < PATIENCE, "{what} does not come\n{:?}\n{}", self.status(), self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until its table has this part.
    pub fn serves(&self, part: &str) -> Answer {
        self.until(part, || self.get("/routes", "").filter(|answer| answer.body.contains(part)))
    }

    /// The exit code of a command that asks this replica, and all that it says.
    pub fn command(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let server = format!("--server=http://{}", self.ports[1]);
        let output = Command::new(env!("CARGO_BIN_EXE_bellwether")).args(arguments).arg(server).output();
        let Output { status, stdout, stderr } = output.expect("the program runs");
        (status.code(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
    }
}

fn spawn(folder: &tempfile::TempDir, flags: &[String]) -> Child {
    let log = fs::File::options().create(true).append(true).open(folder.path().join("log"));
    let process = Command::new(env!("CARGO_BIN_EXE_bellwether"))
        .arg("serve")
        .args(flags)
        .stdout(Stdio::null())
        .stderr(log.expect("a log"))
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
pub struct Upstream(tempfile::TempDir);

impl Upstream {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    /// Nobody reads half of it.
    pub fn write(&self, name: &str, text: &str) {
        let new = self.0.path().join(".new");
        fs::write(&new, text).and_then(|()| fs::rename(new, self.path(name))).expect("written");
    }

    pub fn source(&self, kind: &str) -> String {
        format!("{kind}:{}", self.0.path().display())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}
