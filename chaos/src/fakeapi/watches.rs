//! Watches: what changes, as it changes, a line of JSON each
//! (<https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes>).
//!
//! In: the version that the client has seen; without one, what is there comes first, and a word that this is all where it was
//! asked for as a list. Out: events, and bookmarks where the client takes them. What can go wrong: the version is forgotten (an
//! event with 410), the client goes away, and whatever [`WatchFault`] says.

use std::io;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Shared;
use super::connection::gone;
use super::endpoint::Target;
use super::fault::WatchFault;
use super::lists::{matches, parameter, status};
use super::store::{Change, Refusal, Store};

/// How often a bookmark comes: more often than from a real API server, so that tests meet them.
const BOOKMARKS: Duration = Duration::from_secs(1);

/// How long a watch lasts where its client does not say.
const LONGEST: Duration = Duration::from_secs(300);

/// Sends events until the client has enough of them, its time is up, or what it has seen is forgotten.
pub(super) async fn serve(
    stream: &mut TcpStream,
    shared: &Shared,
    target: Target<'_>,
    query: &str,
) -> io::Result<()> {
    let store = &shared.store;
    let mut faults = shared.watches.subscribe();
    // No length: the watch ends with its connection.
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await?;
    let bookmarks = matches!(parameter(query, "allowWatchBookmarks"), Some("1" | "true"));
    let seconds = parameter(query, "timeoutSeconds").and_then(|seconds| seconds.parse().ok());
    let end = Instant::now() + seconds.map_or(LONGEST, Duration::from_secs);
    let mut mark = Instant::now() + BOOKMARKS;
    let mut versions = store.lock().versions();
    let seen = parameter(query, "resourceVersion").and_then(|version| version.parse::<u64>().ok());
    let mut seen = match seen.filter(|version| *version > 0) {
        Some(version) => version,
        None => {
            let (there, version) = all(&store.lock(), target, query);
            write(stream, &there).await?;
            if as_list(query) && *faults.borrow() != Some(WatchFault::Unmarked) {
                let mut all = bookmark(target, version);
                all["object"]["metadata"]["annotations"] = json!({"k8s.io/initial-events-end": "true"});
                write(stream, &[all]).await?;
            }
            version
        }
    };
    loop {
        tokio::select! {
            _ = faults.wait_for(|fault| *fault != Some(WatchFault::Frozen)) => {}
            () = gone(stream) => return Ok(()),
        }
        versions.mark_unchanged();
        let events = since(&store.lock(), target, query, seen);
        let Ok((events, version)) = events else {
            return write(stream, &[json!({"type": "ERROR", "object": status(410, "Expired")})]).await;
        };
        if *faults.borrow() != Some(WatchFault::Forgetful) {
            write(stream, &events).await?;
        }
        seen = version;
        tokio::select! {
            changed = versions.changed() => if changed.is_err() { return Ok(()) },
            () = tokio::time::sleep_until(mark), if bookmarks => {
                write(stream, &[bookmark(target, seen)]).await?;
                mark += BOOKMARKS;
            }
            _ = faults.changed() => {}
            () = tokio::time::sleep_until(end) => return Ok(()),
            () = gone(stream) => return Ok(()),
        }
    }
}

/// The status that a watch is refused with, if it is.
pub(super) fn refusal(faults: &watch::Sender<Option<WatchFault>>, query: &str) -> Option<u16> {
    match *faults.borrow() {
        Some(WatchFault::Status(code)) => Some(code),
        Some(WatchFault::NoStreams) if as_list(query) => Some(422),
        _ => None,
    }
}

/// Whether it is asked for as a list that goes on.
fn as_list(query: &str) -> bool {
    parameter(query, "sendInitialEvents") == Some("true")
}

fn all(store: &Store, target: Target<'_>, query: &str) -> (Vec<Value>, u64) {
    let objects = store.objects().iter().filter(|(key, _)| matches(target, query, key));
    (objects.map(|(_, object)| event("ADDED", (**object).clone())).collect(), store.version())
}

fn since(store: &Store, target: Target<'_>, query: &str, seen: u64) -> Result<(Vec<Value>, u64), Refusal> {
    let changes = store.since(seen)?.filter(|change| matches(target, query, &change.key));
    Ok((changes.filter_map(told).collect(), store.version()))
}

/// A change as its watchers hear of it. What is gone is told as it last was, under the version of its end.
fn told(change: &Change) -> Option<Value> {
    match (&change.before, &change.after) {
        (None, Some(object)) => Some(event("ADDED", (**object).clone())),
        (Some(_), Some(object)) => Some(event("MODIFIED", (**object).clone())),
        (Some(object), None) => {
            let mut object = (**object).clone();
            object["metadata"]["resourceVersion"] = json!(change.version.to_string());
            Some(event("DELETED", object))
        }
        (None, None) => None,
    }
}

fn event(name: &str, object: Value) -> Value {
    json!({"type": name, "object": object})
}

fn bookmark(target: Target<'_>, seen: u64) -> Value {
    let (kind, version) = (target.endpoint.kind(), target.endpoint.api_version());
    let metadata = json!({"resourceVersion": seen.to_string()});
    event("BOOKMARK", json!({"kind": kind, "apiVersion": version, "metadata": metadata}))
}

async fn write(stream: &mut TcpStream, events: &[Value]) -> io::Result<()> {
    let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
    stream.write_all(lines.as_bytes()).await
}
