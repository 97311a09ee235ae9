//! An API server that costs next to nothing: every answer is rendered before anyone asks for it.
//!
//! In: a cluster. Out, over HTTP: its lists, whole or in pages of 500, and discovery. A pod can be replaced; each poll is
//! counted when it begins. Nothing is compressed, for anyone: a real API server would let routesrv unpack gzip, too. It has a
//! thread of its own, which stands back: a real one is on another machine, and delays no answer of this one.

use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use anyhow::{Context, Result};
use bytes::{Bytes, BytesMut};
use parking_lot::RwLock;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use super::cluster::{self, Cluster};

/// How many objects a page has.
const PAGE: usize = 500;

/// Which of the slices changes.
const CHANGED: usize = 1;

const SLICES: &str = "/apis/discovery.k8s.io/v1/endpointslices";

/// What is asked for first in each poll.
const FIRST: &str = "/apis/networking.k8s.io/v1/ingresses";

const DISCOVERY: &str = r#"{"kind":"APIResourceList","groupVersion":"zalando.org/v1","resources":[{"name":"routegroups","kind":"RouteGroup","namespaced":true,"verbs":["list"]}]}"#;

/// A nice value: that of what long takes in the servers.
const STANDS_BACK: i32 = 10;

/// A running one; it ends when it is dropped.
pub(super) struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    _end: oneshot::Sender<()>,
}

struct Shared {
    lists: RwLock<Vec<List>>,
    changes: AtomicU64,
    polls: watch::Sender<u64>,
}

/// A list, as it is answered.
struct List {
    path: &'static str,
    kind: &'static str,
    version: u64,
    items: Items,
    /// What its objects are when somebody writes them all.
    rewritten: Items,
}

/// Objects one behind the other, with a comma between each two.
struct Items {
    bytes: Bytes,
    /// Where each begins.
    begins: Vec<usize>,
}

/// An answer: a head, and what follows it from a list.
struct Answer {
    head: String,
    items: Bytes,
}

const END: &[u8] = b"]}";

impl Upstream {
    /// Starts it on a free port of loopback.
    ///
    /// # Errors
    ///
    /// Where it cannot listen.
    pub(super) fn start(cluster: Cluster) -> Result<Self> {
        let list = |path, kind, items: &[Bytes], rewritten: &[Bytes]| List {
            path,
            kind,
            version: 1_000_000,
            items: Items::of(items),
            rewritten: Items::of(rewritten),
        };
        let lists = vec![
            list(FIRST, "Ingress", &cluster.ingresses, &cluster.rewritten),
            list("/apis/zalando.org/v1/routegroups", "RouteGroup", &cluster.route_groups, &[]),
            list("/api/v1/services", "Service", &cluster.services, &[]),
            list(SLICES, "EndpointSlice", &cluster.slices, &[]),
        ];
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("listen")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (lists, polls) = (RwLock::new(lists), watch::Sender::new(0));
        let shared = Arc::new(Shared { lists, changes: AtomicU64::new(0), polls });
        let (end, ended) = oneshot::channel::<()>();
        let serving = Arc::clone(&shared);
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let serve = move || {
            let _ = rustix::process::setpriority_process(None, STANDS_BACK);
            runtime.block_on(async {
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                tokio::select! {
                    () = accept(listener, serving) => {}
                    _ = ended => {}
                }
            });
        };
        thread::Builder::new().name("upstream".to_owned()).spawn(serve)?;
        Ok(Self { address, shared, _end: end })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many bytes all lists have.
    pub(super) fn bytes(&self) -> usize {
        self.shared.lists.read().iter().map(|list| list.items.bytes.len()).sum()
    }

    /// How many polls have begun.
    pub(super) fn polls(&self) -> watch::Receiver<u64> {
        self.shared.polls.subscribe()
    }

    /// Replaces a pod.
    pub(super) fn replace_a_pod(&self) {
        let changes = 1 + self.shared.changes.fetch_add(1, Ordering::Relaxed);
        let mut lists = self.shared.lists.write();
        let slices = lists.iter_mut().find(|list| list.path == SLICES).expect("it is one of the four");
        slices.items = slices.items.with(CHANGED, &cluster::slice(CHANGED, changes));
        slices.version += 1;
    }

    /// Writes every Ingress, without changing anything that matters: each has another version, and must be looked at.
    pub(super) fn rewrite_ingresses(&self) {
        let mut lists = self.shared.lists.write();
        let list = lists.iter_mut().find(|list| list.path == FIRST).expect("it is one of the four");
        std::mem::swap(&mut list.items, &mut list.rewritten);
        list.version += 1;
    }
}

impl Items {
    fn of(items: &[Bytes]) -> Self {
        let mut bytes = BytesMut::with_capacity(items.iter().map(|item| item.len() + 1).sum());
        let mut begins = Vec::with_capacity(items.len());
        for item in items {
            if !begins.is_empty() {
                bytes.extend_from_slice(b",");
            }
            begins.push(bytes.len());
            bytes.extend_from_slice(item);
        }
        Self { bytes: bytes.freeze(), begins }
    }

    /// The same with another one in that place.
    fn with(&self, place: usize, item: &Bytes) -> Self {
        let one = |at: usize| if at == place { item.clone() } else { self.range(at, at + 1) };
        Self::of(&(0..self.begins.len()).map(one).collect::<Vec<_>>())
    }

    /// Those from one to before another one.
    fn range(&self, from: usize, to: usize) -> Bytes {
        let begin = self.begins.get(from).copied().unwrap_or(self.bytes.len());
        let end = self.begins.get(to).map_or(self.bytes.len(), |next| next - 1);
        self.bytes.slice(begin..end)
    }
}

impl List {
    /// All of it, or the page of that number.
    fn answer(&self, page: Option<usize>) -> Answer {
        let count = self.items.begins.len();
        let (from, to) = page.map_or((0, count), |page| (page * PAGE, (page + 1) * PAGE));
        let (group, _) = self.path.rsplit_once('/').expect("a path has one");
        let group = group.trim_start_matches("/apis/").trim_start_matches("/api/");
        let next = page.filter(|_| to < count).map(|page| format!(r#","continue":"{}""#, page + 1));
        let head = format!(
            r#"{{"kind":"{}List","apiVersion":"{group}","metadata":{{"resourceVersion":"{}"{}}},"items":["#,
            self.kind,
            self.version,
            next.unwrap_or_default()
        );
        Answer { head, items: self.items.range(from, to) }
    }
}

impl Shared {
    /// None where nothing is known of the target.
    fn answer(&self, target: &str) -> Option<Answer> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let lists = self.lists.read();
        let list = lists.iter().find(|list| list.path == path)?;
        let parameter = |name: &str| {
            query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default()
        };
        let from: usize = parameter("continue").parse().unwrap_or(0);
        if path == FIRST && from == 0 {
            self.polls.send_modify(|polls| *polls += 1);
        }
        Some(list.answer((parameter("limit") == PAGE.to_string()).then_some(from)))
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                let shared = Arc::clone(&shared);
                // A client that goes away is no concern of an API server.
                connections.spawn(async move { drop(converse(stream, &shared).await) });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    let (mut head, mut line) = (String::new(), String::new());
    loop {
        head.clear();
        if stream.read_line(&mut head).await? == 0 {
            return Ok(());
        }
        loop {
            line.clear();
            if stream.read_line(&mut line).await? <= 2 {
                break;
            }
        }
        let target = head.split_whitespace().nth(1).unwrap_or_default();
        let (status, head, items, end) = match shared.answer(target) {
            Some(Answer { head, items }) => ("200 OK", head, items, END),
            None if target == "/apis/zalando.org/v1" => {
                ("200 OK", DISCOVERY.to_owned(), Bytes::new(), &b""[..])
            }
            None => ("404 Not Found", "{}".to_owned(), Bytes::new(), &b""[..]),
        };
        let length = head.len() + items.len() + end.len();
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{head}"
        );
        let mut parts = [IoSlice::new(head.as_bytes()), IoSlice::new(&items), IoSlice::new(end)];
        let mut left = &mut parts[..];
        while !left.is_empty() {
            let written = stream.write_vectored(left).await?;
            IoSlice::advance_slices(&mut left, written);
        }
    }
}
