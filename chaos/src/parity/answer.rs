//! One exchange in raw bytes, so that nothing a client library knows better stands between; and what two answers
//! differ in.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use flate2::read::MultiGzDecoder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::requests::Request;

/// Each request asks for the end of its connection; a server that keeps it open all the same is seen by this.
const DEADLINE: Duration = Duration::from_secs(5);

/// What came back.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Answer {
    pub(super) status: String,
    pub(super) reason: String,
    /// Names in lower case; the values of one name joined by ` | `. Without `date`.
    pub(super) headers: BTreeMap<String, String>,
    /// Without its framing.
    pub(super) body: Vec<u8>,
}

/// What can differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Aspect {
    Status,
    Reason,
    Header(String),
    Body,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) aspect: Aspect,
    pub(super) peers: String,
    pub(super) ours: String,
}

impl Answer {
    /// What `to` answers.
    pub(super) async fn to(to: SocketAddr, request: &Request) -> Result<Self> {
        let mut bytes = Vec::new();
        let exchange = async {
            let mut stream = TcpStream::connect(to).await?;
            stream.write_all(&request.bytes).await?;
            // A reset after the answer is how a server ends a connection that it does not want to read from.
            let _ = stream.read_to_end(&mut bytes).await;
            std::io::Result::Ok(())
        };
        let ended = tokio::time::timeout(DEADLINE, exchange).await;
        let mut answer = Self::parse(&bytes);
        match ended {
            Ok(result) => result?,
            Err(_) => drop(answer.headers.insert("(connection)".to_owned(), "stays open".to_owned())),
        }
        Ok(answer)
    }

    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|it| it == b"\r\n\r\n").unwrap_or(bytes.len());
        let head = String::from_utf8_lossy(&bytes[..end]);
        let mut lines = head.split("\r\n");
        let mut first = lines.next().unwrap_or_default().splitn(3, ' ').skip(1).map(str::to_owned);
        let mut headers = BTreeMap::<String, String>::new();
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let values = headers.entry(name.to_ascii_lowercase()).or_default();
            let joint = if values.is_empty() { "" } else { " | " };
            *values = format!("{values}{joint}{}", value.trim());
        }
        headers.remove("date");
        let body = bytes.get(end + 4..).unwrap_or_default();
        let chunked = headers.get("transfer-encoding").is_some_and(|it| it == "chunked");
        let body =
            if chunked { unchunked(body).unwrap_or_else(|| b"(broken chunks)".into()) } else { body.into() };
        Self {
            status: first.next().unwrap_or_default(),
            reason: first.next().unwrap_or_default(),
            headers,
            body,
        }
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The body as the table that it stands for: two packings of one text are no difference.
    fn unpacked(&self) -> Vec<u8> {
        let mut text = Vec::new();
        let gzip = self.status == "200" && self.header("content-encoding") == "gzip";
        match MultiGzDecoder::new(&self.body[..]).read_to_end(&mut text) {
            Ok(_) if gzip => text,
            _ => self.body.clone(),
        }
    }
}

fn unchunked(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = bytes.windows(2).position(|it| it == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).ok()?, 16).ok()?;
        if length == 0 {
            return Some(body);
        }
        body.extend(bytes.get(end + 2..end + 2 + length)?);
        bytes = bytes.get(end + 4 + length..)?;
    }
}

/// What the two answers differ in.
pub(super) fn compare(peers: &Answer, ours: &Answer) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut look = |aspect: Aspect, peers: &str, ours: &str| {
        if peers != ours {
            let (peers, ours) = (peers.chars().take(120).collect(), ours.chars().take(120).collect());
            found.push(Difference { aspect, peers, ours });
        }
    };
    look(Aspect::Status, &peers.status, &ours.status);
    if peers.status == ours.status {
        look(Aspect::Reason, &peers.reason, &ours.reason);
    }
    let mut names: Vec<_> = peers.headers.keys().chain(ours.headers.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        look(Aspect::Header(name.clone()), peers.header(name), ours.header(name));
    }
    let text = |answer: &Answer| String::from_utf8_lossy(&without_boundary(answer)).into_owned();
    look(Aspect::Body, &text(peers), &text(ours));
    found
}

/// The body, with the same word for each boundary between parts: the peer draws lots for it.
fn without_boundary(answer: &Answer) -> Vec<u8> {
    let body = answer.unpacked();
    match answer.header("content-type").split_once("boundary=") {
        Some((_, boundary)) => String::from_utf8_lossy(&body).replace(boundary, "BOUNDARY").into_bytes(),
        None => body,
    }
}

impl fmt::Display for Aspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status => f.write_str("status"),
            Self::Reason => f.write_str("reason phrase"),
            Self::Header(name) => f.write_str(name),
            Self::Body => f.write_str("body"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aspects(peers: &[u8], ours: &[u8]) -> Vec<Aspect> {
        let found = compare(&Answer::parse(peers), &Answer::parse(ours));
        found.into_iter().map(|difference| difference.aspect).collect()
    }

    #[test]
    fn chunks_and_dates_make_no_difference_but_their_headers_do() {
        let peers =
            b"HTTP/1.1 200 OK\r\nDate: now\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        let ours = b"HTTP/1.1 200 OK\r\ndate: then\r\nContent-Length: 3\r\n\r\nabc";
        let header = |name: &str| Aspect::Header(name.to_owned());
        assert_eq!(aspects(peers, ours), [header("content-length"), header("transfer-encoding")]);
    }

    #[test]
    fn status_reason_header_and_body_are_compared() {
        let ok = b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nabc";
        assert_eq!(aspects(ok, ok), []);
        assert_eq!(aspects(ok, b"HTTP/1.1 404 Not Found\r\nA: b\r\n\r\nabc"), [Aspect::Status]);
        assert_eq!(aspects(ok, b"HTTP/1.1 200 Fine\r\nA: b\r\n\r\nabc"), [Aspect::Reason]);
        assert_eq!(
            aspects(ok, b"HTTP/1.1 200 OK\r\nA: b\r\nA: c\r\n\r\nabc"),
            [Aspect::Header("a".to_owned())]
        );
        assert_eq!(aspects(ok, b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nabd"), [Aspect::Body]);
        assert_eq!(aspects(ok, b""), [Aspect::Status, Aspect::Header("a".to_owned()), Aspect::Body]);
    }
}
