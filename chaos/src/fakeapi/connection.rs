//! One connection: one request, and what comes of it. Every answer is the last one of its connection, so that a client
//! asks once for each answer that it gets, faulty or not.

use std::io;
use std::sync::atomic::Ordering;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::endpoint::Target;
use super::fault::{Fault, Instead};
use super::lists::{answer, answer_as_of, parameter, status};
use super::{Shared, watches};

/// No head of a request is longer, in bytes.
const MAX_HEAD: usize = 16 << 10;

/// No object is larger, in bytes: the real store's limit.
const MAX_BODY: usize = 3 << 19;

/// A request, as far as it matters.
struct Request {
    method: String,
    target: String,
    body: Vec<u8>,
}

/// Reads a request, and answers it.
///
/// # Errors
///
/// Where the client goes away; that is no concern of an API server.
pub(super) async fn converse(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let Some(request) = Request::read(&mut stream).await? else { return Ok(()) };
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let Some(target) = Target::of(path) else {
        return send(&mut stream, 404, &status(404, "NotFound")).await;
    };
    shared.count(target.endpoint, &request.method);
    tokio::select! {
        () = shared.turnstile.pass(target.endpoint) => {}
        () = gone(&stream) => return Ok(()),
    }
    let mut healed = shared.healed.subscribe();
    let fault = shared.faults.lock().get(&target.endpoint).copied();
    if let Some(fault) = fault {
        let sound = match request.method.as_str() {
            "GET" => match fault {
                Fault::Frozen(version) => answer_as_of(&shared.store.lock(), target, query, version).1,
                _ => answer(&mut shared.store.lock(), "GET", target, query, &[]).1,
            },
            // What fails is not written.
            _ => Value::Null,
        };
        match fault.instead_of(target.endpoint, &sound) {
            Instead::Answer(code, body) => return send(&mut stream, code, &body).await,
            Instead::Cut(text, promised) => {
                stream.write_all(head(200, promised).as_bytes()).await?;
                stream.write_all(text.as_bytes()).await?;
            }
            Instead::Stall => tokio::select! {
                _ = healed.changed() => {}
                () = tokio::time::sleep(super::STALL) => {}
                () = gone(&stream) => {}
            },
            Instead::Reset => stream.set_zero_linger()?,
        }
        return Ok(());
    }
    if request.method == "GET" && matches!(parameter(query, "watch"), Some("1" | "true")) {
        shared.watched.fetch_add(1, Ordering::Relaxed);
        return match watches::refusal(&shared.watches, query) {
            Some(code) => send(&mut stream, code, &status(code, "Refused")).await,
            None => watches::serve(&mut stream, shared, target, query).await,
        };
    }
    let (code, body) = answer(&mut shared.store.lock(), &request.method, target, query, &request.body);
    send(&mut stream, code, &body).await
}

impl Request {
    /// None where the client closed instead, or says what no client says.
    async fn read(stream: &mut TcpStream) -> io::Result<Option<Self>> {
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(end) = bytes.windows(4).position(|end| end == b"\r\n\r\n") {
                break end + 4;
            }
            if bytes.len() > MAX_HEAD || stream.read_buf(&mut bytes).await? == 0 {
                return Ok(None);
            }
        };
        let mut body = bytes.split_off(end);
        let head = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
        if length > MAX_BODY {
            return Ok(None);
        }
        while body.len() < length {
            if stream.read_buf(&mut body).await? == 0 {
                return Ok(None);
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        let mut words = text.split_whitespace().map(str::to_owned);
        let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(None) };
        Ok(Some(Self { method, target, body }))
    }
}

async fn send(stream: &mut TcpStream, code: u16, body: &Value) -> io::Result<()> {
    let body = body.to_string();
    stream.write_all(head(code, body.len()).as_bytes()).await?;
    stream.write_all(body.as_bytes()).await
}

fn head(code: u16, length: usize) -> String {
    let reason = http::StatusCode::from_u16(code).ok().and_then(|status| status.canonical_reason());
    let retry = if code == 429 { "Retry-After: 1\r\n" } else { "" };
    format!(
        "HTTP/1.1 {code} {}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{retry}Connection: close\r\n\r\n",
        reason.unwrap_or_default()
    )
}

/// Waits until the client has closed, or says more than it may before it has its answer.
pub(super) async fn gone(stream: &TcpStream) {
    let mut byte = [0];
    // Readable, an error, or the end: a client that waits for its answer causes none of them.
    let _ = stream.peek(&mut byte).await;
}
