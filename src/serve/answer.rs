//! The answers of the main listener: pure, from a request's head and the state at one instant.
//!
//! In: method, headers, the table that is asked for, whether this replica is current. Out: status, headers, body.
//! They are the peer's to the byte (Go's `http.ServeContent`), but for `X-Table-Version`, a `Content-Length` with
//! each body, 503 instead of 404 before the first table, and two rules: a replica that may be behind gives no client
//! another table than the one that it holds (design D4); a client that may not have got all of the table that it names
//! gets it again (design D11).

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, ETAG, HeaderName, LAST_MODIFIED, LOCATION, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::body::{Piece, Pieces};
use super::conditional::{self, Validators, Verdict};
use super::range;
use crate::snapshot::{Digest, Table, Version};

/// How many routes the table has that was asked for.
pub const X_COUNT: HeaderName = HeaderName::from_static("x-count");
/// The version of the answering replica's active table, as `EPOCH.SEQUENCE`.
pub const X_TABLE_VERSION: HeaderName = HeaderName::from_static("x-table-version");

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// An answer, not yet on the wire.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body; what answers a `HEAD` has the body that a `GET` would have got.
    pub body: Pieces,
    /// Whether the client was left with a table that is not the active one, because this replica may be behind.
    pub kept: bool,
    /// Whether the client was sent again what it says that it has.
    pub healed: bool,
    /// How long the table is that the client has and that would be sent; where it was told just that, with a 304.
    pub unchanged: Option<u64>,
    /// The table that the body is all of.
    pub whole: Option<Digest>,
}

/// The table that a request reads, and what stands around it.
#[derive(Clone, Copy, Debug)]
pub struct Served<'a> {
    /// The table of the zone that was asked for.
    pub table: &'a Table,
    /// The version of the snapshot that it is part of.
    pub version: Version,
    /// Whether this replica is current (design D4).
    pub current: bool,
    /// Whether the client is owed this table, should it name it (design D11).
    pub owed: bool,
}

/// Answers `/routes` and `/routes/{zone}`; `served` is `None` before the first verified table.
pub fn routes(method: &Method, headers: &HeaderMap, served: Option<Served<'_>>) -> Answer {
    let mut answer = match served {
        _ if method != Method::GET && method != Method::HEAD => Answer::bare(StatusCode::METHOD_NOT_ALLOWED),
        None => Answer::error(StatusCode::SERVICE_UNAVAILABLE, "no verified table yet\n"),
        // A HEAD delivers nothing, so nothing would be settled by its 200.
        Some(served) => {
            representation(headers, Served { owed: served.owed && method == Method::GET, ..served })
        }
    };
    if let Some(served) = served {
        answer.set(X_TABLE_VERSION, served.version.to_string());
    }
    answer
}

/// Answers `/health`.
pub fn health(has_table: bool) -> Answer {
    if has_table {
        Answer { body: Pieces::default(), ..Answer::new(StatusCode::NO_CONTENT) }
    } else {
        Answer::error(StatusCode::SERVICE_UNAVAILABLE, "routes were not initialized yet\n")
    }
}

/// Answers `/swarm/…/shards` with `body`, which is `None` before the addresses were read: no client is told that there
/// are none because nobody has looked.
pub fn shards(method: &Method, body: Option<String>) -> Answer {
    if method != Method::GET {
        return Answer::bare(StatusCode::METHOD_NOT_ALLOWED);
    }
    let Some(body) = body else {
        return Answer::error(StatusCode::SERVICE_UNAVAILABLE, "not read from the upstream yet\n");
    };
    let mut answer = Answer::new(StatusCode::OK).with(Bytes::from(body));
    answer.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// Answers a client whose turn to be sent a table did not come in time.
pub fn busy(version: Option<Version>) -> Answer {
    let mut answer = Answer::error(StatusCode::SERVICE_UNAVAILABLE, "too many tables are being sent\n");
    answer.headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    if let Some(version) = version {
        answer.set(X_TABLE_VERSION, version.to_string());
    }
    answer
}

/// Answers a path that has nothing.
pub fn nothing() -> Answer {
    Answer::error(StatusCode::NOT_FOUND, "404 page not found\n")
}

/// Answers a path of a shard that this replica does not have, which cuts its table into `number`.
pub fn no_shard(number: u16) -> Answer {
    let last = number - 1;
    let text = format!(
        "the table is cut into {number} shards here: ask for /routes/shards/0/{number} to /routes/shards/{last}/{number}\n"
    );
    Answer::error(StatusCode::NOT_FOUND, "").with(Bytes::from(text))
}

/// Answers a client that showed no certificate.
pub fn uncertified() -> Answer {
    Answer::error(StatusCode::FORBIDDEN, "a client certificate is needed\n")
}

/// Answers a request for the server itself, `*`.
pub fn server(method: &Method) -> Answer {
    if method == Method::OPTIONS { Answer::bare(StatusCode::OK) } else { closing("") }
}

/// Answers what is no request, and why it is none.
pub fn malformed(reason: &'static str) -> Answer {
    let mut answer = closing(reason);
    answer.headers.insert(CONTENT_TYPE, TEXT);
    answer
}

fn closing(text: &'static str) -> Answer {
    let mut answer = Answer::new(StatusCode::BAD_REQUEST).with(text);
    answer.headers.insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// Answers another spelling of the path `location`.
pub fn moved(method: &Method, location: &str) -> Answer {
    let mut answer = Answer::new(StatusCode::TEMPORARY_REDIRECT);
    if method == Method::GET || method == Method::HEAD {
        answer.headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    }
    if method == Method::GET {
        let link = html(location);
        answer.body = Bytes::from(format!("<a href=\"{link}\">Temporary Redirect</a>.\n\n")).into();
    }
    answer.set(LOCATION, location.to_owned());
    answer.measured()
}

/// Whether this `Accept-Encoding` gets gzip. The peer looks for the word and not at its weight, so `gzip;q=0` does too.
pub(super) fn takes_gzip(accepted: &[u8]) -> bool {
    accepted.windows(4).any(|word| word == b"gzip")
}

fn representation(headers: &HeaderMap, served: Served<'_>) -> Answer {
    let Served { table, current, owed, .. } = served;
    let gzip = conditional::first(headers, ACCEPT_ENCODING).is_some_and(takes_gzip);
    let etag = table.tag(gzip);
    let content: Piece = if gzip { table.gzip().clone().into() } else { table.packed().into() };
    let validators = Validators { etag, sibling: table.tag(!gzip), modified_secs: table.modified_secs() };

    let mut full = Answer::new(StatusCode::OK);
    full.headers.insert(CONTENT_TYPE, TEXT);
    full.headers.insert(X_COUNT, table.routes().into());
    if gzip {
        full.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    if table.modified_secs() != 0 {
        full.set(LAST_MODIFIED, http_date(table.modified_secs()));
    }
    full.headers.insert(ETAG, HeaderValue::from_maybe_shared(etag.clone()).expect("hex in quotes"));
    let whole = |mut full: Answer| {
        full.headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        Answer { whole: Some(table.digest()), ..full.with(content.clone()) }
    };
    match conditional::check(headers, validators) {
        Verdict::Failed => Answer { status: StatusCode::PRECONDITION_FAILED, ..full }.measured(),
        Verdict::Unchanged if owed => Answer { healed: true, ..whole(full) },
        Verdict::Unchanged => Answer { unchanged: Some(content.len() as u64), ..full.not_modified() },
        Verdict::Holds(tag) if !current => kept(tag),
        Verdict::Holds(_) | Verdict::Send => match conditional::range(headers, validators) {
            Some(header) => partial(whole(full), header, &content, &table.tag(false)[1..=60]),
            None => whole(full),
        },
    }
}

/// 304 for a client that holds another table, which may be newer: its own tag, and no count of a table not served.
fn kept(tag: &[u8]) -> Answer {
    let mut answer = Answer { kept: true, ..Answer::new(StatusCode::NOT_MODIFIED) };
    answer.headers.insert(ETAG, HeaderValue::from_bytes(tag).expect("it came in a header"));
    answer
}

/// 206, or 416, or all of it where the ranges ask for that.
fn partial(mut full: Answer, header: &[u8], content: &Piece, hex: &[u8]) -> Answer {
    let size = content.len() as u64;
    let spans = match range::spans(header, size) {
        Ok(spans) => spans,
        Err(error) => {
            let mut refused = Answer::error(StatusCode::RANGE_NOT_SATISFIABLE, "");
            if error == range::RangeError::Outside {
                refused.set(CONTENT_RANGE, format!("bytes */{size}"));
            }
            refused.headers.extend(full.headers.remove(X_COUNT).map(|count| (X_COUNT, count)));
            return refused.with(Bytes::from(format!("{}\n", error.as_str())));
        }
    };
    match spans[..] {
        [] => full,
        [span] => {
            (full.status, full.whole) = (StatusCode::PARTIAL_CONTENT, None);
            full.set(CONTENT_RANGE, span.content_range(size));
            full.with(span.of(content))
        }
        _ => {
            // No text contains a digest of itself, so no part can contain its boundary.
            let boundary = std::str::from_utf8(hex).expect("hex");
            (full.status, full.whole) = (StatusCode::PARTIAL_CONTENT, None);
            full.set(CONTENT_TYPE, format!("multipart/byteranges; boundary={boundary}"));
            full.with(range::multipart(content, &spans, "text/plain; charset=utf-8", boundary))
        }
    }
}

impl Answer {
    /// Whether its body is a table or a part of one, and goes out as such.
    pub(super) fn sends_table(&self, method: &Method) -> bool {
        method == Method::GET && matches!(self.status, StatusCode::OK | StatusCode::PARTIAL_CONTENT)
    }

    fn new(status: StatusCode) -> Self {
        Self {
            status,
            headers: HeaderMap::with_capacity(8),
            body: Pieces::default(),
            kept: false,
            healed: false,
            unchanged: None,
            whole: None,
        }
    }

    /// A text of any type.
    pub(super) fn inline(text: Bytes, mime: HeaderValue) -> Self {
        let mut answer = Self::new(StatusCode::OK);
        answer.headers.insert(CONTENT_TYPE, mime);
        answer.with(text)
    }

    /// A status and nothing else.
    pub(super) fn bare(status: StatusCode) -> Self {
        Self::new(status).measured()
    }

    /// What Go's `http.Error` writes.
    pub(super) fn error(status: StatusCode, text: &'static str) -> Self {
        let mut answer = Self::new(status);
        answer.headers.insert(CONTENT_TYPE, TEXT);
        answer.headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        answer.with(text)
    }

    fn with(self, body: impl Into<Pieces>) -> Self {
        Self { body: body.into(), ..self }.measured()
    }

    /// With the length of its body: a client that knows it can tell a body that was cut.
    fn measured(mut self) -> Self {
        self.headers.insert(CONTENT_LENGTH, self.body.len().into());
        self
    }

    fn not_modified(mut self) -> Self {
        for name in [CONTENT_TYPE, CONTENT_ENCODING, LAST_MODIFIED] {
            self.headers.remove(name);
        }
        Self { status: StatusCode::NOT_MODIFIED, ..self }
    }

    fn set(&mut self, name: HeaderName, value: String) {
        let value = HeaderValue::try_from(value).expect("numbers, hex and escaped paths are header text");
        self.headers.insert(name, value);
    }
}

fn html(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    escaped.replace('"', "&#34;").replace('\'', "&#39;")
}

fn http_date(unix_secs: u64) -> String {
    // What HTTP can write ends with the year 9999.
    let secs = unix_secs.min(253_402_300_799);
    httpdate::fmt_http_date(std::time::UNIX_EPOCH + std::time::Duration::from_secs(secs))
}

#[cfg(test)]
mod tests;
