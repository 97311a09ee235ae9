//! The poll of a client that has the table: nearly every request of a fleet.
//!
//! In: the bytes of a request, read once. Out: what it asks, where that is what a Skipper asks and no more; and the
//! bytes of the 304, put together without an allocation. Whatever else a request says, [`read`] leaves it alone: it is
//! then answered in the other way, and the same.

use std::cell::Cell;
use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use httparse::{EMPTY_HEADER, Request, Status};

use crate::snapshot::{Table, Version};

/// A poll that names a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Poll<'a> {
    /// Of which zone, if any.
    pub(super) zone: Option<&'a str>,
    /// The tag that the client has, or whatever else it sent in `If-None-Match`.
    pub(super) tag: &'a [u8],
    /// Whether the client takes gzip.
    pub(super) gzip: bool,
    /// Whether it wants nothing more on this connection.
    pub(super) last: bool,
}

/// The poll that `bytes` are, if they are one, whole, and nothing is behind it.
pub(super) fn read(bytes: &[u8]) -> Option<Poll<'_>> {
    let mut headers = [EMPTY_HEADER; 8];
    let mut request = Request::new(&mut headers);
    if request.parse(bytes) != Ok(Status::Complete(bytes.len())) {
        return None;
    }
    let (Some("GET"), Some(path), Some(1)) = (request.method, request.path, request.version) else {
        return None;
    };
    let zone = match path.strip_prefix("/routes")? {
        "" => None,
        rest => Some(rest.strip_prefix('/').filter(|zone| is_plain(zone))?),
    };
    let (mut host, mut tag, mut encoding, mut connection) = (None, None, None, None);
    for header in request.headers {
        let is = |name| header.name.eq_ignore_ascii_case(name);
        let place = match header.name.len() {
            4 if is("host") => &mut host,
            13 if is("if-none-match") => &mut tag,
            15 if is("accept-encoding") => &mut encoding,
            10 if is("connection") => &mut connection,
            10 if is("user-agent") => continue,
            6 if is("accept") => continue,
            _ => return None,
        };
        if place.replace(header.value).is_some() {
            return None;
        }
    }
    host?;
    let last = match connection {
        None => false,
        Some(value) if value.eq_ignore_ascii_case(b"close") => true,
        Some(value) if value.eq_ignore_ascii_case(b"keep-alive") => false,
        Some(_) => return None,
    };
    Some(Poll { zone, tag: tag?, gzip: encoding.is_some_and(super::answer::takes_gzip), last })
}

/// Whether a segment of a path stands for itself.
fn is_plain(segment: &str) -> bool {
    let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_');
    !segment.is_empty() && segment.bytes().all(plain)
}

/// Appends the 304 to a client that has `table`.
pub(super) fn unchanged(out: &mut Vec<u8>, table: &Table, gzip: bool, version: Version, last: bool) {
    out.extend_from_slice(b"HTTP/1.1 304 Not Modified\r\nX-Count: ");
    write!(out, "{}", table.routes()).expect("memory takes it");
    out.extend_from_slice(b"\r\nEtag: ");
    out.extend_from_slice(table.tag(gzip));
    out.extend_from_slice(b"\r\nX-Table-Version: ");
    write!(out, "{version}").expect("memory takes it");
    if last {
        out.extend_from_slice(b"\r\nConnection: close");
    }
    out.extend_from_slice(b"\r\nDate: ");
    out.extend_from_slice(&date(SystemTime::now()));
    out.extend_from_slice(b"\r\n\r\n");
}

/// `now` as HTTP writes it, put together once a second.
pub(super) fn date(now: SystemTime) -> [u8; 29] {
    thread_local! {
        static LAST: Cell<(u64, [u8; 29])> = const { Cell::new((u64::MAX, [0; 29])) };
    }
    let second = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (at, text) = LAST.get();
    if at == second {
        return text;
    }
    let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second));
    let text = text.into_bytes().try_into().expect("such dates are 29 bytes long");
    LAST.set((second, text));
    text
}

#[cfg(test)]
mod tests;
