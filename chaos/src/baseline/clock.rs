//! Another wall clock, without setting one: the times that a candidate writes into Leases and reads there are moved.
//!
//! A program that only compares its wall clock with the times of a Lease, and writes it there, cannot tell this from a clock that
//! is ahead: it would write `now + ahead`, and `now + ahead > renewed + duration` is `now > (renewed - ahead) + duration`. No
//! rights and no preloaded library are needed, and all of it happens on the candidate's line.

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// Every `renewTime` and `acquireTime` in the JSON `text`, moved by `seconds`. What is not JSON stays as it is.
pub(super) fn shift(text: Bytes, seconds: i64) -> Bytes {
    if seconds == 0 {
        return text;
    }
    let Ok(mut value) = serde_json::from_slice::<Value>(&text) else { return text };
    walk(&mut value, SignedDuration::from_secs(seconds));
    let mut moved = value.to_string();
    if text.ends_with(b"\n") {
        moved.push('\n');
    }
    moved.into()
}

/// The same for an answer of the API server, which has one object on each line, however it is cut into pieces.
pub(super) fn by_line<S, E, F>(pieces: S, seconds: i64) -> impl Stream<Item = Result<Bytes, F>> + Send
where
    S: Stream<Item = Result<Bytes, E>> + Send + Unpin,
    E: Into<F>,
    F: Send,
{
    stream::unfold((pieces, BytesMut::new()), move |(mut pieces, mut rest)| async move {
        loop {
            if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line = rest.split_to(end + 1).freeze();
                return Some((Ok(shift(line, seconds)), (pieces, rest)));
            }
            match pieces.next().await {
                Some(Ok(piece)) => rest.extend_from_slice(&piece),
                Some(Err(error)) => return Some((Err(error.into()), (pieces, rest))),
                None if rest.is_empty() => return None,
                None => return Some((Ok(shift(rest.split().freeze(), seconds)), (pieces, rest))),
            }
        }
    })
}

fn walk(value: &mut Value, by: SignedDuration) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let time = value.as_str().filter(|_| name == "renewTime" || name == "acquireTime");
                match time.and_then(|time| time.parse::<Timestamp>().ok()) {
                    Some(time) => {
                        *value = Value::from(format!("{:.6}", time.saturating_add(by).unwrap_or(time)))
                    }
                    None => walk(value, by),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| walk(value, by)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = r#"{"object":{"metadata":{"managedFields":[{"time":"2026-01-01T00:00:00Z"}]},"spec":{"holderIdentity":"r0","renewTime":"2026-01-01T00:00:59.500000Z"}}}"#;

    #[test]
    fn the_times_of_a_lease_move_and_nothing_else_does() {
        let moved = shift(Bytes::from(EVENT), 30);
        let expected = EVENT.replace("00:00:59.500000", "00:01:29.500000");
        let parse = |text: &[u8]| serde_json::from_slice::<Value>(text).unwrap();
        assert_eq!(parse(&moved), parse(expected.as_bytes()));
        assert_eq!(shift(Bytes::from(EVENT), 0), EVENT);
        assert_eq!(shift(Bytes::from("renewTime"), 30), "renewTime");
    }

    #[tokio::test]
    async fn lines_are_found_however_they_are_cut() {
        let text = format!("{EVENT}\n{EVENT}\n{EVENT}");
        for length in [1, 7, 100, 1000] {
            let pieces =
                text.as_bytes().chunks(length).map(|piece| Ok::<_, String>(Bytes::copy_from_slice(piece)));
            let pieces: Vec<_> = pieces.collect();
            let lines: Vec<Result<Bytes, String>> = by_line(stream::iter(pieces), -30).collect().await;
            assert_eq!(lines.len(), 3);
            assert!(lines.iter().all(|line| line.as_ref().unwrap().windows(5).any(|part| part == b"00:29")));
        }
    }
}
