//! An API server that costs next to nothing: every answer is rendered before anyone asks for it.
//!
//! In: a cluster. Out, over HTTP: its lists, whole or in pages of 500, and discovery. A pod can be replaced; each poll is
//! counted when it begins. Nothing is compressed, for anyone: a real API server would let routesrv unpack gzip, too.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use bytes::{Bytes, BytesMut};
use parking_lot::RwLock;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
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

/// A running one; it ends when it is dropped.
pub(super) struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    _task: JoinSet<()>,
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
    items: Vec<Bytes>,
    /// What its objects are when somebody writes them all.
    rewritten: Vec<Bytes>,
    version: u64,
    whole: Bytes,
    pages: Vec<Bytes>,
}

impl Upstream {
    /// Starts it on a free port of loopback.
    ///
    /// # Errors
    ///
    /// Where it cannot listen.
    pub(super) async fn start(cluster: Cluster) -> Result<Self> {
        let lists = vec![
            List::new(FIRST, "Ingress", cluster.ingresses, cluster.rewritten),
            List::new("/apis/zalando.org/v1/routegroups", "RouteGroup", cluster.route_groups, Vec::new()),
            List::new("/api/v1/services", "Service", cluster.services, Vec::new()),
            List::new(SLICES, "EndpointSlice", cluster.slices, Vec::new()),
        ];
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("listen")?;
        let address = listener.local_addr()?;
        let (lists, polls) = (RwLock::new(lists), watch::Sender::new(0));
        let shared = Arc::new(Shared { lists, changes: AtomicU64::new(0), polls });
        let mut task = JoinSet::new();
        task.spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, _task: task })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many bytes all lists have.
    pub(super) fn bytes(&self) -> usize {
        self.shared.lists.read().iter().map(|list| list.whole.len()).sum()
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
        slices.items[CHANGED] = cluster::slice(CHANGED, changes);
        slices.version += 1;
        slices.render();
    }

    /// Writes every Ingress, without changing anything that matters: each has another version, and must be looked at.
    pub(super) fn rewrite_ingresses(&self) {
        let mut lists = self.shared.lists.write();
        let list = lists.iter_mut().find(|list| list.path == FIRST).expect("it is one of the four");
        std::mem::swap(&mut list.items, &mut list.rewritten);
        list.version += 1;
        list.render();
    }
}

impl List {
    fn new(path: &'static str, kind: &'static str, items: Vec<Bytes>, rewritten: Vec<Bytes>) -> Self {
        let (whole, pages) = (Bytes::new(), Vec::new());
        let mut list = Self { path, kind, items, rewritten, version: 1_000_000, whole, pages };
        list.render();
        list
    }

    fn render(&mut self) {
        let parts = self.items.len().div_ceil(PAGE).max(1);
        let page = |at: usize| {
            let items = self.items.chunks(PAGE).nth(at).unwrap_or_default();
            self.rendered(items, (at + 1 < parts).then_some(at + 1))
        };
        self.pages = (0..parts).map(page).collect();
        self.whole = self.rendered(&self.items, None);
    }

    fn rendered(&self, items: &[Bytes], next: Option<usize>) -> Bytes {
        let (group, _) = self.path.rsplit_once('/').expect("a path has one");
        let version = group.trim_start_matches("/apis/").trim_start_matches("/api/");
        let next = next.map_or(String::new(), |next| format!(r#","continue":"{next}""#));
        let mut out = BytesMut::new();
        let head = format!(
            r#"{{"kind":"{}List","apiVersion":"{version}","metadata":{{"resourceVersion":"{}"{next}}},"items":["#,
            self.kind, self.version
        );
        out.extend_from_slice(head.as_bytes());
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                out.extend_from_slice(b",");
            }
            out.extend_from_slice(item);
        }
        out.extend_from_slice(b"]}");
        out.freeze()
    }
}

impl Shared {
    fn answer(&self, target: &str) -> Option<Bytes> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        if path == "/apis/zalando.org/v1" {
            return Some(Bytes::from_static(DISCOVERY.as_bytes()));
        }
        let lists = self.lists.read();
        let list = lists.iter().find(|list| list.path == path)?;
        let parameter = |name: &str| {
            query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default()
        };
        let from: usize = parameter("continue").parse().unwrap_or(0);
        if path == FIRST && from == 0 {
            self.polls.send_modify(|polls| *polls += 1);
        }
        if parameter("limit") == PAGE.to_string() {
            list.pages.get(from).cloned()
        } else {
            Some(list.whole.clone())
        }
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
        let body = shared.answer(head.split_whitespace().nth(1).unwrap_or_default());
        let status = if body.is_some() { "200 OK" } else { "404 Not Found" };
        let body = body.unwrap_or_else(|| Bytes::from_static(b"{}"));
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&body).await?;
    }
}
