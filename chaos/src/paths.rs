//! The paths that cost, prepared: what is timed ([`chaos/benches/paths.rs`](../benches/paths.rs)) and what is counted
//! ([`instructions`]) is the call alone.

pub mod instructions;
mod material;

use std::fs;
use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context, Result};
use bellwether::compile::{Past, Settings, compile};
use bellwether::eskip;
use bellwether::replication::deliveries::Deliveries;
use bellwether::serve::{Filters, Limits, Metrics, RoutesServer, Served, Shards, answer};
use bellwether::snapshot::{Cell, Digest, Snapshot, Table, Version, View};
use bellwether::source::manifests;
use bellwether::time::ManualClock;
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Method};

use material::{objects, routes};

/// One run of a path for each call.
pub type Run = Box<dyn FnMut()>;

/// Prepares a path.
type Prepare = fn() -> Result<Run>;

/// Each path by its name, and what prepares it.
pub const PATHS: [(&str, Prepare); 7] = [
    ("parse", parse),
    ("print", print),
    ("compile", whole_compile),
    ("digest", digest),
    ("encode", encode),
    ("answer", answer_not_modified),
    ("glance", glance),
];

/// All that the path `name` needs is there; a call is one run of it.
///
/// # Errors
///
/// Where there is no such path, or something that it needs cannot be made.
pub fn prepared(name: &str) -> Result<Run> {
    let (_, prepare) =
        PATHS.iter().find(|(known, _)| *known == name).with_context(|| format!("no path {name}"))?;
    prepare().with_context(|| format!("prepare {name}"))
}

fn parse() -> Result<Run> {
    let text = routes(1_000);
    Ok(Box::new(move || drop(black_box(eskip::parse(&text)))))
}

fn print() -> Result<Run> {
    let routes = eskip::parse(&routes(1_000))?;
    Ok(Box::new(move || drop(black_box(eskip::print_document(&routes)))))
}

fn whole_compile() -> Result<Run> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("objects.yaml"), objects(100))?;
    let objects = manifests::read(folder.path())?.objects;
    let settings = Settings::default();
    Ok(Box::new(move || drop(black_box(compile(&objects, &settings, &Past::default())))))
}

fn digest() -> Result<Run> {
    let text = routes(1_000);
    Ok(Box::new(move || {
        black_box(Digest::of(text.as_bytes()));
    }))
}

fn encode() -> Result<Run> {
    let text = Bytes::from(routes(1_000));
    Ok(Box::new(move || drop(black_box(Table::new(text.clone(), 1_000, 1)))))
}

fn answer_not_modified() -> Result<Run> {
    let table = Table::new(routes(10), 10, 1_700_000_000);
    let tag = HeaderValue::from_maybe_shared(table.tag(true).clone())?;
    let gzip = HeaderValue::from_static("gzip");
    let headers = HeaderMap::from_iter([(IF_NONE_MATCH, tag), (ACCEPT_ENCODING, gzip)]);
    let version = Version::new(7, 3);
    Ok(Box::new(move || {
        let served = Served { table: &table, version, current: true, owed: false };
        drop(black_box(answer(&Method::GET, &headers, Some(served))));
    }))
}

/// The poll of a Skipper that has the table.
fn glance() -> Result<Run> {
    let snapshot = Snapshot::for_tests(Version::new(7, 3), &routes(10));
    let tag = String::from_utf8(snapshot.contents.table.tag(true).to_vec())?;
    let cell = Arc::<Cell>::default();
    cell.store(View { active: Some(Arc::new(snapshot)), ..View::default() });
    // Callgrind does not have what the real one asks the kernel through.
    let clock = Arc::new(ManualClock::default());
    let server = RoutesServer {
        cell,
        deliveries: Deliveries::new(clock.clone(), Default::default()),
        clock,
        metrics: Metrics::default(),
        clients: Default::default(),
        kick: Arc::default(),
        changed: tokio::sync::watch::channel(0).1,
        sharder: None,
        limits: Limits::default(),
        tls: None,
        shards: Shards::default(),
        filters: Filters::default(),
    };
    let head = format!(
        "GET /routes HTTP/1.1\r\nHost: routes:9090\r\nUser-Agent: Go-http-client/1.1\r\nIf-None-Match: {tag}\r\n\
         Accept-Encoding: gzip\r\n\r\n"
    );
    let (from, mut out) = (SocketAddr::from((Ipv4Addr::LOCALHOST, 1)), Vec::new());
    Ok(Box::new(move || {
        out.clear();
        assert_eq!(server.glance(head.as_bytes(), Some(from), false, &mut out), Some(false));
        black_box(&out);
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_runs_more_than_once() {
        for (name, _) in PATHS {
            let mut run = prepared(name).unwrap();
            run();
            run();
        }
        assert!(prepared("another").is_err());
    }
}
