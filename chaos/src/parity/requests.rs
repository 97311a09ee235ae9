//! The questions: every path, method, condition and range that a client, a probe or a curious person may send.

use std::collections::HashSet;
use std::fmt;

use anyhow::{Context, Result};
use jiff::Timestamp;
use jiff::fmt::rfc2822;

use crate::http::Reply;

/// One request, as it goes over the wire.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) path: String,
    pub(super) version: &'static str,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) bytes: Vec<u8>,
}

/// The table that both serve.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    etag: String,
    modified: Timestamp,
    length: usize,
}

impl Subject {
    /// The table in `reply`.
    pub(super) fn of(reply: &Reply) -> Result<Self> {
        let date = reply.header("last-modified").replace("GMT", "+0000");
        let modified = rfc2822::parse(&date).context("the Last-Modified of the peer")?.timestamp();
        Ok(Self { etag: reply.header("etag").to_owned(), modified, length: reply.body.len() })
    }

    /// Its moment of change, moved by `secs`, in the strftime `format`.
    fn date(&self, secs: i64, format: &str) -> String {
        let at = Timestamp::from_second(self.modified.as_second() + secs).unwrap_or(self.modified);
        at.strftime(format).to_string()
    }

    fn packed_etag(&self) -> String {
        format!("{}+gzip\"", self.etag.trim_end_matches('"'))
    }
}

impl Request {
    fn new(method: &'static str, path: impl Into<String>, headers: &[(&'static str, &str)]) -> Self {
        Self::of("1.1", method, path.into(), headers, &[("Host", "localhost")])
    }

    fn get(headers: &[(&'static str, &str)]) -> Self {
        Self::new("GET", "/routes", headers)
    }

    fn of(
        version: &'static str,
        method: &'static str,
        path: String,
        headers: &[(&'static str, &str)],
        around: &[(&'static str, &str)],
    ) -> Self {
        let all = around.iter().chain(headers).map(|(name, value)| (*name, (*value).to_owned()));
        let headers: Vec<_> = all.chain([("Connection", "close".to_owned())]).collect();
        let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let bytes = format!("{method} {path} HTTP/{version}\r\n{lines}\r\n").into_bytes();
        Self { path, version, headers, bytes }
    }

    /// Bytes that are hardly a request.
    fn raw(bytes: &[u8]) -> Self {
        Self { path: String::new(), version: "", headers: Vec::new(), bytes: bytes.to_vec() }
    }

    /// The first value of the header `name`.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_str())
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = String::from_utf8_lossy(&self.bytes);
        f.write_str(text.trim_end().replace("\r\n", " | ").trim_end_matches(" | Connection: close"))
    }
}

/// What is asked while neither has a table.
pub(super) fn before_the_first_table() -> Vec<Request> {
    let paths = ["/routes", "/routes/zone-1", "/health", "/nothing", "//routes"];
    let both = |path| ["GET", "HEAD"].map(|method| Request::new(method, path, &[]));
    let mut all: Vec<_> = paths.into_iter().flat_map(both).collect();
    all.push(Request::new("POST", "/routes", &[]));
    all.push(Request::get(&[("If-None-Match", "\"x\"")]));
    all.push(Request::get(&[("Range", "bytes=0-9")]));
    all
}

/// What is asked about the table `subject`, each request once.
pub(super) fn about(subject: &Subject) -> Vec<Request> {
    let mut all = [paths(), encodings(), tags(subject), dates(subject), ranges(subject), odd()].concat();
    let mut seen = HashSet::new();
    all.retain(|request| seen.insert(request.bytes.clone()));
    all
}

/// What is asked about the shards of stores.
pub(super) fn about_shards() -> Vec<Request> {
    let paths = [
        "/swarm/redis/shards",
        "/swarm/valkey/shards",
        "/swarm/redis/shards/",
        "//swarm/redis/shards",
        "/swarm",
    ];
    let all = |path| ["GET", "HEAD", "POST"].map(|method| Request::new(method, path, &[]));
    let mut all: Vec<_> = paths.into_iter().flat_map(all).collect();
    all.push(Request::new(
        "GET",
        "/swarm/redis/shards",
        &[("Accept-Encoding", "gzip"), ("Range", "bytes=0-3")],
    ));
    all
}

#[rustfmt::skip]
const PATHS: [&str; 47] = [
    "/routes", "/routes/zone-1", "/routes/zone-2", "/routes/nowhere", "/routes/", "/routes/a/b", "/health", "/health/",
    "/", "/nothing", "/metrics", "/Routes", "/routes;x", "/routes/*", "//routes", "/x/../routes", "/./routes",
    "/routes//zone-1", "/routes/zone-1/..", "/routes/.", "/routes/..", "/routes//", "/../..", "/..//routes/zone-1",
    "/%72outes", "/routes/zone%2D1", "/routes/a%2Fb", "/routes/%zz", "/routes/%", "/routes/%20", "/routes/%2e%2e",
    "/routes/%2E", "//a%2Fb", "//a(b)", "//%20", "/health//", "/routes?", "/routes?x=1", "//routes?x=1&y='2'", "//routes?",
    "/routes?nopretty&offset=1", "/routes/zone-1?x", "/routes#x", "*", "http://other/routes", "http://other//routes",
    "/swarm/redis/shards",
];

fn paths() -> Vec<Request> {
    let mut all: Vec<_> = PATHS
        .iter()
        .flat_map(|path| ["GET", "HEAD"].map(|method| Request::new(method, *path, &[])))
        .collect();
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PURGE", "get"] {
        for path in ["/routes", "/routes/zone-1", "/health", "//routes", "/nothing"] {
            all.push(Request::new(method, path, &[]));
        }
    }
    all.push(Request::new("OPTIONS", "*", &[]));
    all
}

fn encodings() -> Vec<Request> {
    let accepted = ["gzip", "gzip;q=0", "deflate, gzip", "GZIP", "x-gzip", "*", "identity", ""];
    let ask = |accepted: &str| {
        let header = [("Accept-Encoding", accepted)];
        let zone = Request::new("GET", "/routes/zone-1", &header);
        [Request::get(&header), Request::new("HEAD", "/routes", &header), zone]
    };
    let mut all: Vec<_> = accepted.into_iter().flat_map(ask).collect();
    all.push(Request::get(&[("Accept-Encoding", "deflate"), ("Accept-Encoding", "gzip")]));
    all.push(Request::get(&[("Accept-Encoding", "gzip"), ("Accept-Encoding", "br")]));
    all
}

fn tags(subject: &Subject) -> Vec<Request> {
    let (tag, packed) = (subject.etag.as_str(), subject.packed_etag());
    let odd = [
        format!("W/{tag}"),
        format!("W/{packed}"),
        format!("\"x\", {tag}"),
        format!("{tag},\"x\""),
        format!("\"x\",,,{tag}"),
        format!("\"x\"{tag}"),
        format!("garbage, {tag}"),
        tag[1..].to_owned(),
        tag[..tag.len() - 1].to_owned(),
        tag.to_uppercase(),
        format!("w/{tag}"),
        format!("\t{tag} "),
    ];
    let plain =
        ["*", "\"x\"", "garbage", "\"\"", "\"a b\"", "", ",", "*,\"x\"", "\"x\", *", tag, packed.as_str()];
    let gzip = ("Accept-Encoding", "gzip");
    let mut all = Vec::new();
    for value in plain.into_iter().chain(odd.iter().map(String::as_str)) {
        for name in ["If-None-Match", "If-Match"] {
            all.push(Request::get(&[(name, value)]));
            all.push(Request::get(&[(name, value), gzip]));
        }
    }
    for value in [tag, packed.as_str()] {
        let held = ("If-None-Match", value);
        all.push(Request::new("HEAD", "/routes", &[held]));
        all.push(Request::new("HEAD", "/routes", &[held, gzip]));
        all.push(Request::new("GET", "/routes/zone-1", &[held]));
        all.push(Request::new("POST", "/routes", &[held]));
        all.push(Request::new("HEAD", "/routes", &[("If-Match", value)]));
    }
    all.push(Request::get(&[("If-None-Match", "\"x\""), ("If-None-Match", tag)]));
    all.push(Request::get(&[("If-Match", "\"x\""), ("If-None-Match", tag)]));
    all.push(Request::get(&[("If-Match", tag), ("If-None-Match", tag)]));
    all
}

fn dates(subject: &Subject) -> Vec<Request> {
    const IMF: &str = "%a, %d %b %Y %H:%M:%S GMT";
    let date = |secs, format| subject.date(secs, format);
    let exact = date(0, IMF);
    #[rustfmt::skip]
    let dates = [
        date(-1, IMF), exact.clone(), date(1, IMF), date(86_400, IMF),
        date(0, "%A, %d-%b-%y %H:%M:%S GMT"), date(0, "%a %b %e %H:%M:%S %Y"), date(0, "%a, %d %b %Y %H:%M:%S UTC"),
        date(0, "%a, %d %b %Y %H:%M:%S +0000"), date(0, "%a, %d %b %Y %H:%M:%S"), date(0, "Sun, %d %b %Y %H:%M:%S GMT"),
        date(0, "%a %d %b %Y %H:%M:%S GMT"), date(0, "%a, %d %b %y %H:%M:%S GMT"), date(0, "%a, %d %B %Y %H:%M:%S GMT"),
        date(0, "%A, %d %b %Y %H:%M:%S GMT"), date(0, "%a, %d-%b-%y %H:%M:%S GMT"), date(0, "%A, %d-%b-%y %H:%M:%S CET"),
        date(0, "%a,  %d %b %Y %H:%M:%S GMT"), date(0, "%a, %d %b %Y %H:%M:60 GMT"), exact.to_lowercase(),
        "Sunday, 06-Nov-94 08:49:37 GMT".into(), "Sun Nov  6 08:49:37 1994".into(), "Sun Nov 06 08:49:37 1994".into(),
        "Sun, 6 Nov 1994 08:49:37 GMT".into(), "Fri, 31 Feb 2026 08:49:37 GMT".into(),
        "Thu, 01 Jan 1970 00:00:00 GMT".into(), "Thu, 01 Jan 1960 00:00:00 GMT".into(),
        "Fri, 31 Dec 9999 23:59:59 GMT".into(), "yesterday".into(), "0".into(), String::new(),
    ];
    let mut all = Vec::new();
    for date in dates.iter().map(String::as_str) {
        all.push(Request::get(&[("If-Modified-Since", date)]));
        all.push(Request::get(&[("If-Unmodified-Since", date)]));
        all.push(Request::get(&[("Range", "bytes=0-9"), ("If-Range", date)]));
    }
    let since = ("If-Modified-Since", exact.as_str());
    all.push(Request::get(&[since, ("If-None-Match", "\"x\"")]));
    all.push(Request::new("HEAD", "/routes", &[since, ("Accept-Encoding", "gzip")]));
    all.push(Request::get(&[("If-Match", &subject.etag), ("If-Unmodified-Since", &date(-9, IMF))]));
    all
}

fn ranges(subject: &Subject) -> Vec<Request> {
    let n = subject.length;
    #[rustfmt::skip]
    let fixed = [
        "bytes=0-0", "bytes=0-99", "bytes=10-", "bytes=-5", "bytes=-0", "bytes=5-2", "bytes=", "bytes=,", "bytes=-",
        "bytes=--1", "bytes=a-b", "bytes=1", "Bytes=0-1", "lines=0-1", "0-1", "bytes=0-1,5-9", "bytes=0-0,-1",
        "bytes=0-1,99999-", "bytes=99999-,0-1", "bytes=99999-,5-2", "bytes= 1 - 2 ,\t4-4", "bytes=0-1,1-2,2-3,3-4",
        "bytes=+1-2", "bytes=99999999999999999999-", "bytes=9223372036854775807-", "bytes=0-9223372036854775807",
        "bytes=0-1,", "bytes = 0-1", "bytes=00-01", "",
    ];
    let ends = [
        format!("bytes=-{n}"),
        format!("bytes=-{}", n + 1),
        format!("bytes={}-", n - 1),
        format!("bytes={n}-"),
        format!("bytes=0-{n}"),
        format!("bytes=0-{},0-0", n - 1),
    ];
    let mut all = Vec::new();
    for range in fixed.into_iter().chain(ends.iter().map(String::as_str)) {
        all.push(Request::get(&[("Range", range)]));
        all.push(Request::get(&[("Range", range), ("Accept-Encoding", "gzip")]));
        all.push(Request::new("HEAD", "/routes", &[("Range", range)]));
    }
    let (packed, weak) = (subject.packed_etag(), format!("W/{}", subject.etag));
    for condition in [&subject.etag, &packed, &weak, "\"x\"", "garbage", "*", ""] {
        let conditional = [("Range", "bytes=0-9"), ("If-Range", condition)];
        all.push(Request::get(&conditional));
        all.push(Request::get(&[&conditional[..], &[("Accept-Encoding", "gzip")]].concat()));
    }
    all.push(Request::get(&[("Range", "bytes=0-9"), ("If-None-Match", &subject.etag)]));
    all.push(Request::new("GET", "/routes/zone-1", &[("Range", "bytes=0-9,20-29")]));
    all.push(Request::new("GET", "/health", &[("Range", "bytes=0-1")]));
    all
}

/// Other versions, hosts and bodies, and what is hardly HTTP.
fn odd() -> Vec<Request> {
    let routes = || "/routes".to_owned();
    let host = [("Host", "localhost")];
    vec![
        Request::of("1.0", "GET", routes(), &[], &host),
        Request::of("1.0", "GET", routes(), &[], &[]),
        Request::of("1.0", "HEAD", routes(), &[("Accept-Encoding", "gzip")], &host),
        Request::of("1.1", "GET", routes(), &[], &[]),
        Request::of("1.1", "GET", routes(), &[("Host", "other")], &host),
        Request::of("1.2", "GET", routes(), &[], &host),
        Request::of("2.0", "GET", routes(), &[], &host),
        Request::get(&[("Content-Length", "0")]),
        Request::raw(
            b"POST /routes HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
        ),
        Request::raw(b"garbage\r\n\r\n"),
        Request::raw(b"GET /routes\r\n\r\n"),
        Request::raw(b"GET /routes HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n"),
    ]
}
