//! A client that polls `/routes` as Skipper does: with the ETag of its last table, and each time on a new
//! connection.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};

use flate2::read::GzDecoder;
use http::{StatusCode, header};
use sha2::{Digest, Sha256};

use super::{Pace, generation};
use crate::history::{Answer, Cut, History, Name, Poll, Record, Table};
use crate::http::{Call, Failure, Reply};
use crate::stage::vip::Ledger;

/// One such client.
pub struct Poller {
    /// Its name in the history.
    pub name: Name,
    /// Its own address on loopback.
    pub from: Ipv4Addr,
    /// The VIP.
    pub to: SocketAddr,
    /// Whether it asks for gzip, as Go's client does unless told otherwise.
    pub gzip: bool,
    /// Tells which replica its connections went to.
    pub ledger: Ledger,
}

impl Poller {
    /// Polls until `pace` ends it.
    pub async fn run(self, history: History, mut pace: Pace) {
        let mut etag = String::new();
        while pace.next().await {
            let poll = self.poll(&history, &mut etag).await;
            history.push(Record::Poll(poll));
        }
    }

    async fn poll(&self, history: &History, etag: &mut String) -> Poll {
        let mut headers = Vec::new();
        if !etag.is_empty() {
            headers.push((header::IF_NONE_MATCH, etag.as_str()));
        }
        if self.gzip {
            headers.push((header::ACCEPT_ENCODING, "gzip"));
        }
        let at = history.now();
        let sent =
            Call { from: self.from.into(), headers: &headers, ..Call::get(self.to, "/routes") }.send().await;
        let (from, answer) = match sent {
            Ok((from, reply)) => {
                let answer = read(&reply, history);
                if matches!(answer, Answer::Table(_)) {
                    *etag = reply.header("etag").to_owned();
                }
                (Some(from), answer)
            }
            Err(failure) => (failure.from, failed(&failure)),
        };
        let replica = from.and_then(|from| self.ledger.taken_by(from)).map(|replica| history.name(&replica));
        Poll { client: self.name.clone(), at, end: history.now(), replica, answer }
    }
}

/// What an answer of `/routes` holds.
pub(super) fn read(reply: &Reply, history: &History) -> Answer {
    match reply.status {
        StatusCode::NOT_MODIFIED => Answer::Kept,
        StatusCode::OK => match table(reply, history) {
            Ok(table) => Answer::Table(Box::new(table)),
            Err(cause) => Answer::Failed(cause.into()),
        },
        status => Answer::Status(status.as_u16()),
    }
}

/// What a poll without a complete answer comes to.
pub fn failed(failure: &Failure) -> Answer {
    let cause = Name::from(failure.cause.as_str());
    match &failure.cut {
        Some((StatusCode::OK, headers)) => {
            let etag = headers.get(header::ETAG).and_then(|etag| etag.to_str().ok()).unwrap_or_default();
            Answer::Cut(Box::new(Cut { promised: digest_of(etag).into(), cause }))
        }
        _ => Answer::Failed(cause),
    }
}

/// The table in a 200. Its digests are shared through `history`.
///
/// # Errors
///
/// Where its encoding is broken or its version is none.
pub fn table(reply: &Reply, history: &History) -> Result<Table, String> {
    let mut body = reply.body.to_vec();
    if reply.header("content-encoding") == "gzip" {
        let mut plain = Vec::new();
        GzDecoder::new(&*body).read_to_end(&mut plain).map_err(|error| format!("gzip: {error}"))?;
        body = plain;
    }
    let text = String::from_utf8(body).map_err(|error| error.to_string())?;
    let version = match reply.header("x-table-version") {
        "" => None,
        version => Some(version_of(version).ok_or_else(|| format!("X-Table-Version: {version}"))?),
    };
    Ok(Table {
        version,
        promised: history.name(digest_of(reply.header("etag"))),
        digest: history.name(&hex::encode(Sha256::digest(&text))),
        count: reply.header("x-count").parse().ok(),
        routes: text.lines().filter(|line| !line.is_empty()).count(),
        generation: generation(&text),
    })
}

/// `EPOCH.SEQUENCE` as two numbers.
pub fn version_of(text: &str) -> Option<(u64, u64)> {
    let (epoch, sequence) = text.split_once('.')?;
    Some((epoch.parse().ok()?, sequence.parse().ok()?))
}

/// The digest in an ETag, which ends in `+gzip` for a compressed body.
pub fn digest_of(etag: &str) -> &str {
    let etag = etag.trim_matches('"');
    etag.strip_suffix("+gzip").unwrap_or(etag)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use bytes::Bytes;
    use flate2::{Compression, write::GzEncoder};
    use http::{HeaderMap, HeaderValue};

    use super::*;

    const BODY: &str = "a: * -> <shunt>;\nb: * -> inlineContent(\"generation 4\") -> <shunt>;";

    fn reply(headers: &[(&'static str, &str)], body: &[u8]) -> Reply {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_str(value).unwrap());
        }
        Reply { status: StatusCode::OK, headers: map, body: Bytes::copy_from_slice(body) }
    }

    #[test]
    fn a_table_is_read_plain_and_compressed() {
        let (history, digest) = (History::default(), hex::encode(Sha256::digest(BODY)));
        let plain_etag = format!("\"{digest}\"");
        let plain = [("etag", plain_etag.as_str()), ("x-count", "2"), ("x-table-version", "3.7")];
        let expected = Table {
            version: Some((3, 7)),
            promised: digest.as_str().into(),
            digest: digest.as_str().into(),
            count: Some(2),
            routes: 2,
            generation: Some(4),
        };
        assert_eq!(table(&reply(&plain, BODY.as_bytes()), &history).unwrap(), expected);

        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(BODY.as_bytes()).unwrap();
        let body = encoder.finish().unwrap();
        let etag = format!("\"{digest}+gzip\"");
        let gzip = [("etag", etag.as_str()), ("content-encoding", "gzip")];
        let expected = Table { version: None, count: None, ..expected };
        assert_eq!(table(&reply(&gzip, &body), &history).unwrap(), expected);
        assert!(table(&reply(&gzip, &body[..body.len() / 2]), &history).is_err());
    }

    #[test]
    fn a_body_that_was_begun_and_not_finished_is_cut() {
        let failure = |cut| Failure { from: None, cause: "closed".to_owned(), cut };
        let head = reply(&[("etag", "\"aa+gzip\"")], b"").headers;
        let cut = Cut { promised: "aa".into(), cause: "closed".into() };
        assert_eq!(failed(&failure(Some((StatusCode::OK, head.clone())))), Answer::Cut(Box::new(cut)));
        assert_eq!(failed(&failure(Some((StatusCode::BAD_GATEWAY, head)))), Answer::Failed("closed".into()));
        assert_eq!(failed(&failure(None)), Answer::Failed("closed".into()));
    }

    #[test]
    fn a_version_that_is_none_is_a_failure() {
        assert!(matches!(
            read(&reply(&[("x-table-version", "new")], b""), &History::default()),
            Answer::Failed(_)
        ));
    }
}
