//! What another route server has answered, judged: whether it is whole, and the table that it says it is.
//!
//! In: status, headers and body. Out: the text of a table with what its clients know it by; or that nothing has changed. What
//! can go wrong: another status, a body that is cut, too large or no text, or another one than its ETag says.

use std::io::Read as _;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http::{HeaderMap, HeaderName, StatusCode, header};

use crate::snapshot::{Digest, Version};

use super::RemoteError;

/// The largest text that is read, in bytes: the largest table that we would publish.
pub(super) const LARGEST: usize = 512 << 20;

/// The header that a Bellwether names the version of its table in.
const X_TABLE_VERSION: &str = "x-table-version";

/// An answer with its whole body.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// A table of another route server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) text: String,
    /// The ETag to ask with the next time.
    pub(super) tag: Option<String>,
    /// The version, if it is a Bellwether.
    pub(super) version: Option<Version>,
}

impl Answer {
    /// How long the table has been as it is: `Last-Modified`, by the clock of who answers.
    pub(super) fn unchanged_for(&self) -> Option<Duration> {
        date(&self.headers, header::DATE)?.duration_since(date(&self.headers, header::LAST_MODIFIED)?).ok()
    }

    /// The table; none where it is the one that was asked about by its tag.
    pub(super) fn table(self, asked_by_tag: bool) -> Result<Option<Table>, RemoteError> {
        match self.status {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED if asked_by_tag => return Ok(None),
            status => return Err(RemoteError::Status { status, retry_after: retry_after(&self.headers) }),
        }
        let header = |name| self.headers.get(name).and_then(|value| value.to_str().ok());
        let text = text(&self.body, header(header::CONTENT_ENCODING))?;
        let tag = header(header::ETAG);
        match tag.and_then(digest_in) {
            Some(said) => {
                let found = Digest::of(text.as_bytes()).to_string();
                if found != said {
                    return Err(RemoteError::Digest { found });
                }
            }
            // Without a length the end of the connection is that of the body, whatever ended it.
            None if header(header::CONTENT_LENGTH).or(header(header::TRANSFER_ENCODING)).is_none() => {
                return Err(RemoteError::Unbounded);
            }
            None => {}
        }
        let version = self.headers.get(X_TABLE_VERSION).and_then(|value| value.to_str().ok()?.parse().ok());
        Ok(Some(Table { text, tag: tag.map(str::to_owned), version }))
    }
}

/// The digest that an ETag of a route server is made of: 64 hexadecimal digits, and `+gzip` where the body is packed.
fn digest_in(tag: &str) -> Option<&str> {
    let tag = tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"')?.strip_suffix('"')?;
    let hex = tag.strip_suffix("+gzip").unwrap_or(tag);
    let is_digest = hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_digest.then_some(hex)
}

fn text(body: &Bytes, encoding: Option<&str>) -> Result<String, RemoteError> {
    let plain = match encoding {
        None | Some("identity") => body.to_vec(),
        Some("gzip") => {
            let mut plain = Vec::new();
            // A body that is cut has no end of a gzip file.
            let read = MultiGzDecoder::new(&body[..]).take(LARGEST as u64 + 1).read_to_end(&mut plain);
            read.map_err(|_| RemoteError::NoText("no whole gzip file, although it says so"))?;
            plain
        }
        Some(_) => return Err(RemoteError::NoText("packed in a way that was not asked for")),
    };
    if plain.len() > LARGEST {
        return Err(RemoteError::TooLarge(LARGEST));
    }
    String::from_utf8(plain).map_err(|_| RemoteError::NoText("no text"))
}

/// `Retry-After`: in seconds, or as a date by the clock of who answers (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    if let Ok(seconds) = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    date(headers, header::RETRY_AFTER)?.duration_since(date(headers, header::DATE)?).ok()
}

fn date(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?.trim()).ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    const TEXT: &str = "a: * -> <shunt>;";

    fn answer(status: u16, headers: &[(&'static str, &str)], body: &[u8]) -> Answer {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), value.parse().expect("a value"))
        };
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: headers.iter().map(pair).collect(),
            body: Bytes::copy_from_slice(body),
        }
    }

    fn packed(text: &str) -> Vec<u8> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(text.as_bytes()).unwrap();
        packer.finish().unwrap()
    }

    #[test]
    fn a_table_is_taken_by_its_digest() {
        let digest = Digest::of(TEXT.as_bytes()).to_string();
        let (plain, gzip) = (format!("\"{digest}\""), format!("W/\"{digest}+gzip\""));
        let version = ("x-table-version", "7.3");
        let table = answer(200, &[("etag", &plain), version], TEXT.as_bytes()).table(false).unwrap().unwrap();
        assert_eq!(
            (table.text.as_str(), table.tag, table.version),
            (TEXT, Some(plain.clone()), Some(Version::new(7, 3)))
        );
        let headers = [("etag", gzip.as_str()), ("content-encoding", "gzip")];
        let table = answer(200, &headers, &packed(TEXT)).table(true).unwrap().unwrap();
        assert_eq!((table.text.as_str(), table.tag, table.version), (TEXT, Some(gzip.clone()), None));
        let code = |answer: Answer| answer.table(true).unwrap_err().code();
        assert_eq!(code(answer(200, &[("etag", &plain)], b"a: * -> <loopback>;")), "digest");
        let packed = packed(TEXT);
        assert_eq!(code(answer(200, &headers, &packed[..packed.len() - 4])), "no-text");
    }

    #[test]
    fn without_a_digest_it_wants_a_length() {
        let code = |headers: &[_]| {
            answer(200, headers, TEXT.as_bytes()).table(false).map(drop).map_err(|it| it.code())
        };
        assert_eq!(code(&[]), Err("unbounded".to_owned()));
        assert_eq!(code(&[("etag", "\"1\"")]), Err("unbounded".to_owned()));
        assert_eq!(code(&[("content-length", "16")]), Ok(()));
        assert_eq!(code(&[("transfer-encoding", "chunked")]), Ok(()));
        assert_eq!(code(&[("content-length", "16"), ("content-encoding", "br")]), Err("no-text".to_owned()));
    }

    #[test]
    fn a_304_is_an_answer_to_a_tag_alone() {
        assert_eq!(answer(304, &[], b"").table(true).unwrap(), None);
        assert_eq!(answer(304, &[], b"").table(false).unwrap_err().code(), "304");
    }

    #[test]
    fn its_wish_to_be_left_alone_is_heard() {
        let wait = |headers: &[_]| answer(503, headers, b"").table(true).unwrap_err().retry_after();
        assert_eq!(wait(&[("retry-after", "7")]), Some(Duration::from_secs(7)));
        let date = ("date", "Sun, 06 Nov 1994 08:49:30 GMT");
        let later = ("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(wait(&[date, later]), Some(Duration::from_secs(7)));
        assert_eq!((wait(&[later]), wait(&[])), (None, None));
    }
}
