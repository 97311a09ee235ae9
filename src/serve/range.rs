//! Byte ranges of a representation (RFC 9110 section 14), read and framed as Go's `http.ServeContent` does.

use bytes::Bytes;

use super::body::Piece;

/// Part of a representation: where it starts and how long it is, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub start: u64,
    pub length: u64,
}

/// Why a `Range` header cannot be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RangeError {
    /// It is not a list of byte ranges.
    Malformed,
    /// All of it lies behind the end.
    Outside,
}

impl RangeError {
    /// The text of the answer.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "invalid range",
            Self::Outside => "invalid range: failed to overlap",
        }
    }
}

/// The spans that `header` asks of `size` bytes. None means all of it: the header names no span, or more bytes than
/// there are.
///
/// # Errors
///
/// Where the answer is a 416.
pub(super) fn spans(header: &[u8], size: u64) -> Result<Vec<Span>, RangeError> {
    let text = std::str::from_utf8(header).map_err(|_| RangeError::Malformed)?;
    let list = text.strip_prefix("bytes=").ok_or(RangeError::Malformed)?;
    let (mut spans, mut outside) = (Vec::new(), false);
    for member in list.split(',').map(trim).filter(|member| !member.is_empty()) {
        match span(member, size)? {
            Some(span) => spans.push(span),
            None => outside = true,
        }
    }
    if spans.is_empty() && outside && size > 0 {
        return Err(RangeError::Outside);
    }
    let asked = spans.iter().try_fold(0u64, |sum, span| sum.checked_add(span.length));
    if asked.is_none_or(|asked| asked > size) {
        spans.clear();
    }
    Ok(spans)
}

/// One member of the list; `None` where it starts behind the end.
fn span(member: &str, size: u64) -> Result<Option<Span>, RangeError> {
    let (start, end) = member.split_once('-').ok_or(RangeError::Malformed)?;
    let (start, end) = (trim(start), trim(end));
    if start.is_empty() {
        let length = number(end)?.min(size);
        return Ok(Some(Span { start: size - length, length }));
    }
    let start = number(start)?;
    if start >= size {
        return Ok(None);
    }
    let end = if end.is_empty() { size - 1 } else { number(end)?.min(size - 1) };
    let length = (end + 1).checked_sub(start).filter(|&length| length > 0).ok_or(RangeError::Malformed)?;
    Ok(Some(Span { start, length }))
}

/// A number as Go reads it: a sign is allowed, more than 63 bits are not.
fn number(text: &str) -> Result<u64, RangeError> {
    text.parse::<i64>().ok().and_then(|n| u64::try_from(n).ok()).ok_or(RangeError::Malformed)
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\r', '\n'])
}

impl Span {
    /// Its `Content-Range` within `size` bytes.
    pub(super) fn content_range(self, size: u64) -> String {
        // An empty span ends before it starts, as `bytes=-0` asks for.
        let end = i128::from(self.start) + i128::from(self.length) - 1;
        format!("bytes {}-{end}/{size}", self.start)
    }

    /// Its bytes, shared.
    pub(super) fn of(self, content: &Piece) -> Piece {
        let start = usize::try_from(self.start).unwrap_or(usize::MAX);
        let length = usize::try_from(self.length).unwrap_or(usize::MAX);
        content.slice(start..start + length)
    }
}

/// The pieces of a `multipart/byteranges` body: the spans of `content`, each with its head.
pub(super) fn multipart(content: &Piece, spans: &[Span], content_type: &str, boundary: &str) -> Vec<Piece> {
    let size = content.len() as u64;
    let mut pieces = Vec::with_capacity(2 * spans.len() + 1);
    for (index, span) in spans.iter().enumerate() {
        let line = if index == 0 { "" } else { "\r\n" };
        let range = span.content_range(size);
        let head =
            format!("{line}--{boundary}\r\nContent-Range: {range}\r\nContent-Type: {content_type}\r\n\r\n");
        pieces.extend([Bytes::from(head).into(), span.of(content)]);
    }
    pieces.push(Bytes::from(format!("\r\n--{boundary}--\r\n")).into());
    pieces
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(header: &str, size: u64) -> Result<Vec<(u64, u64)>, RangeError> {
        spans(header.as_bytes(), size).map(|spans| spans.iter().map(|s| (s.start, s.length)).collect())
    }

    #[test]
    fn ranges_are_read_as_go_reads_them() {
        use RangeError::{Malformed, Outside};
        type Case = (&'static str, Result<&'static [(u64, u64)], RangeError>);
        let cases: &[Case] = &[
            ("bytes=0-0", Ok(&[(0, 1)])),
            ("bytes=2-4", Ok(&[(2, 3)])),
            ("bytes=7-", Ok(&[(7, 3)])),
            ("bytes=-3", Ok(&[(7, 3)])),
            ("bytes=-0", Ok(&[(10, 0)])),
            ("bytes=-99", Ok(&[(0, 10)])),
            ("bytes=8-99", Ok(&[(8, 2)])),
            ("bytes= 1 - 2 , 4-4", Ok(&[(1, 2), (4, 1)])),
            ("bytes=+1-2", Ok(&[(1, 2)])),
            ("bytes=0-1,99-", Ok(&[(0, 2)])),
            ("bytes=", Ok(&[])),
            ("bytes=,,", Ok(&[])),
            ("bytes=0-9,0-0", Ok(&[])),
            ("bytes=10-", Err(Outside)),
            ("bytes=99-1", Err(Outside)),
            ("bytes=4-2", Err(Malformed)),
            ("bytes=-", Err(Malformed)),
            ("bytes=--1", Err(Malformed)),
            ("bytes=1", Err(Malformed)),
            ("bytes=a-b", Err(Malformed)),
            ("bytes=0--1", Err(Malformed)),
            ("bytes=99999999999999999999-", Err(Malformed)),
            ("Bytes=0-1", Err(Malformed)),
            ("lines=0-1", Err(Malformed)),
            ("0-1", Err(Malformed)),
        ];
        for (header, expected) in cases {
            assert_eq!(read(header, 10), expected.map(<[_]>::to_vec), "{header}");
        }
        assert_eq!(read("bytes=0-", 0), Ok(vec![]), "nothing to cut up");
    }

    #[test]
    fn multipart_frames_each_span() {
        let pieces = multipart(
            &Bytes::from_static(b"0123456789").into(),
            &[Span { start: 0, length: 2 }, Span { start: 5, length: 1 }],
            "text/plain",
            "B",
        );
        let expected = "--B\r\nContent-Range: bytes 0-1/10\r\nContent-Type: text/plain\r\n\r\n01\r\n--B\r\n\
                        Content-Range: bytes 5-5/10\r\nContent-Type: text/plain\r\n\r\n5\r\n--B--\r\n";
        let bytes = |piece: &Piece| match piece {
            Piece::Whole(bytes) => bytes.clone(),
            Piece::Packed(..) => panic!("nothing was packed"),
        };
        assert_eq!(pieces.iter().map(bytes).collect::<Vec<_>>().concat(), expected.as_bytes());
    }

    proptest! {
        #[test]
        fn spans_lie_within(header in "bytes=[-0-9, +]{0,24}", size in 0u64..40) {
            for span in spans(header.as_bytes(), size).unwrap_or_default() {
                prop_assert!(span.start + span.length <= size);
            }
        }
    }
}
