//! A fake API server: lists as the real one answers them, and faults on command.
//!
//! In: manifests. Out, over HTTP: discovery and lists with `resourceVersion`, UIDs, namespaces and pages (`limit`,
//! `continue`, 410 for a page of a list that has changed since), 404 for what is not there. A [`Fault`] takes the place of
//! what one of the [`Endpoint`]s answers until it is healed. Every answer is the last one of its connection.

mod fault;
mod lists;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context, Result};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use fault::{Endpoint, Fault};
use lists::Lists;

/// No request of a client that only lists is longer, in bytes.
const MAX_REQUEST: usize = 16 << 10;

/// A running API server; it ends when it is dropped.
pub struct FakeApi {
    address: SocketAddr,
    shared: Arc<Shared>,
    _task: JoinSet<()>,
}

struct Shared {
    lists: Mutex<Lists>,
    faults: Mutex<BTreeMap<Endpoint, Fault>>,
    /// How often each endpoint was asked, faulty or not.
    asked: Mutex<BTreeMap<Endpoint, usize>>,
    /// Counts the times that everything was healed: what stalls ends with it.
    healed: watch::Sender<usize>,
}

/// What to do with a connection, once its request is read.
enum Reply {
    Answer(u16, String),
    /// So many bytes are promised, and these come.
    Cut(String, usize),
    Stall,
    Reset,
}

impl FakeApi {
    /// Starts it on a free port of loopback, with these objects.
    ///
    /// # Errors
    ///
    /// Where it cannot listen.
    pub async fn start(objects: &[Value]) -> Result<Self> {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("listen as the API server")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            lists: Mutex::new(Lists::new(objects)),
            faults: Mutex::default(),
            asked: Mutex::default(),
            healed: watch::Sender::new(0),
        });
        let mut task = JoinSet::new();
        task.spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, _task: task })
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on these are its objects, at a higher resource version.
    pub fn replace(&self, objects: &[Value]) {
        self.shared.lists.lock().replace(objects);
    }

    /// From now on `endpoint` answers so.
    pub fn break_with(&self, endpoint: Endpoint, fault: Fault) {
        self.shared.faults.lock().insert(endpoint, fault);
    }

    /// From now on everything answers as it should; connections that stall are closed.
    pub fn heal(&self) {
        self.shared.faults.lock().clear();
        self.shared.healed.send_modify(|times| *times += 1);
    }

    /// How often `endpoint` was asked so far.
    pub fn asked(&self, endpoint: Endpoint) -> usize {
        self.shared.asked.lock().get(&endpoint).copied().unwrap_or_default()
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

async fn converse(mut stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut healed = shared.healed.subscribe();
    healed.mark_unchanged();
    let Some((method, target)) = read_request(&mut stream).await? else { return Ok(()) };
    match shared.reply(&method, &target) {
        Reply::Answer(status, body) => {
            stream.write_all(head(status, body.len()).as_bytes()).await?;
            stream.write_all(body.as_bytes()).await?;
        }
        Reply::Cut(body, promised) => {
            stream.write_all(head(200, promised).as_bytes()).await?;
            stream.write_all(body.as_bytes()).await?;
        }
        Reply::Stall => drop(healed.changed().await),
        Reply::Reset => stream.set_zero_linger()?,
    }
    Ok(())
}

/// The method and the target of a request; none where the client closed instead.
async fn read_request(stream: &mut TcpStream) -> std::io::Result<Option<(String, String)>> {
    let mut text = Vec::new();
    while !text.windows(4).any(|end| end == b"\r\n\r\n") {
        if text.len() > MAX_REQUEST || stream.read_buf(&mut text).await? == 0 {
            return Ok(None);
        }
    }
    let text = String::from_utf8_lossy(&text);
    let mut words = text.split_whitespace().map(str::to_owned);
    Ok(words.next().zip(words.next()))
}

fn head(status: u16, length: usize) -> String {
    let reason = http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let retry = if status == 429 { "Retry-After: 1\r\n" } else { "" };
    format!(
        "HTTP/1.1 {status} {}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{retry}Connection: close\r\n\r\n",
        reason.unwrap_or_default()
    )
}

impl Shared {
    fn reply(&self, method: &str, target: &str) -> Reply {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let Some(endpoint) = Endpoint::of(path) else {
            return Reply::Answer(404, status_object(404));
        };
        if method != "GET" {
            return Reply::Answer(405, status_object(405));
        }
        *self.asked.lock().entry(endpoint).or_default() += 1;
        let (status, sound) = self.lists.lock().answer(endpoint, path, query);
        let fault = self.faults.lock().get(&endpoint).copied();
        fault.map_or(Reply::Answer(status, sound.to_string()), |fault| fault.instead_of(endpoint, &sound))
    }
}

/// What an API server says where it does not answer with an object.
fn status_object(code: u16) -> String {
    serde_json::json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code}).to_string()
}

#[cfg(test)]
mod tests;
