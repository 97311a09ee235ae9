//! What holds for any request for a table.

use std::sync::LazyLock;

use futures::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt;

use super::answer::{Answer, Served, X_COUNT, X_TABLE_VERSION, routes};
use crate::snapshot::{Table, Version};

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    Table::new("a: * -> <shunt>;\nb: Path(\"/b\") -> \"http://10.0.0.1:80\";", 2, 1_800_000_000)
});

/// A request is a line with its method, and lines of headers; `$TAG` stands for the table's digest.
///
/// Whatever it asks, it gets the table, ranges of it or nothing, with the length and the tag of what it gets; and from
/// a replica that may be behind the same, or the word to keep what it has. A client that is owed the table gets it whole
/// in place of a 304.
pub fn request(text: &str) {
    let text = text.replace("$TAG", &TABLE.digest().to_string());
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let method = Method::from_bytes(first.as_bytes()).unwrap_or(Method::GET);
    let mut headers = HeaderMap::new();
    for (name, value) in rest.lines().filter_map(|line| line.split_once(": ")) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.append(name, value);
        }
    }
    let ask = |current, owed| {
        let version = Version::new(7, 3);
        routes(&method, &headers, Some(Served { table: &TABLE, version, current, owed }))
    };
    let (current, behind, owed) = (ask(true, false), ask(false, false), ask(true, true));
    if owed.healed {
        assert_eq!((&method, owed.status), (&Method::GET, StatusCode::OK));
        assert_eq!(current.status, StatusCode::NOT_MODIFIED, "only a 304 becomes another answer");
    } else {
        assert_eq!((owed.status, &owed.headers), (current.status, &current.headers));
    }
    answered(&method, owed);
    assert!(!current.kept);
    assert_eq!(
        behind.kept,
        behind.status != current.status || behind.headers != current.headers,
        "{behind:?}"
    );
    if behind.kept {
        assert_eq!(behind.status, StatusCode::NOT_MODIFIED);
        assert!(
            [200, 206, 416].contains(&current.status.as_u16()),
            "it was to keep what the other left alone"
        );
        let held = headers[header::IF_NONE_MATCH].as_bytes();
        let tag = behind.headers[header::ETAG].as_bytes();
        assert!(held.windows(tag.len()).any(|part| part == tag), "a tag that the client has not named");
    } else {
        assert_eq!(body(behind), body(current.clone()));
    }
    answered(&method, current);
}

fn answered(method: &Method, answer: Answer) {
    let text =
        |name: HeaderName| answer.headers.get(name).map(|value| value.to_str().expect("ours are ASCII"));
    let (status, range) = (answer.status, text(header::CONTENT_RANGE).map(str::to_owned));
    let packed = text(header::CONTENT_ENCODING) == Some("gzip");
    let kind = text(header::CONTENT_TYPE).unwrap_or_default().to_owned();
    let length = text(header::CONTENT_LENGTH).map(str::to_owned);
    assert_eq!(text(X_TABLE_VERSION), Some("7.3"));
    if let Some(tag) = text(header::ETAG) {
        let ending = tag.ends_with("+gzip\"");
        assert_eq!(tag, format!("\"{}{}\"", TABLE.digest(), if ending { "+gzip" } else { "" }));
        assert!(ending == packed || status == StatusCode::NOT_MODIFIED);
        assert_eq!(text(X_COUNT), Some("2"));
    }
    let body = body(answer);
    assert_eq!(length, (status != StatusCode::NOT_MODIFIED).then(|| body.len().to_string()));
    let whole = &if packed { TABLE.gzip().clone() } else { TABLE.plain() };
    match status.as_u16() {
        200 => assert_eq!(body, whole.as_ref()),
        206 => match range {
            Some(range) => {
                let range =
                    range.strip_prefix("bytes ").and_then(|it| it.strip_suffix(&format!("/{}", whole.len())));
                let (start, end) =
                    range.and_then(|it| it.split_once('-')).expect("it names its place and the whole");
                // An empty range ends before it starts, at -1 even.
                let (start, end) =
                    (start.parse::<usize>().expect("a number"), end.parse::<i64>().expect("a number"));
                assert_eq!(body, whole[start..(end + 1) as usize]);
            }
            None => parts(&kind, &body, whole),
        },
        304 | 412 => assert!(body.is_empty()),
        405 => assert!(body.is_empty() && method != Method::GET && method != Method::HEAD),
        416 => assert!(body.starts_with(b"invalid range")),
        status => panic!("{status} for a request"),
    }
}

/// Each part is a range of the whole, and together they are no more than it.
fn parts(kind: &str, body: &[u8], whole: &[u8]) {
    let boundary = kind.strip_prefix("multipart/byteranges; boundary=").expect("several parts");
    let mark = format!("--{boundary}");
    let at: Vec<_> = (0..body.len()).filter(|&at| body[at..].starts_with(mark.as_bytes())).collect();
    assert!(at.len() > 2 && body.ends_with(format!("{mark}--\r\n").as_bytes()));
    let mut sum = 0;
    for pair in at.windows(2) {
        let part = &body[pair[0]..pair[1]];
        let head = part.windows(4).position(|it| it == b"\r\n\r\n").expect("a head") + 4;
        let content = part[head..].strip_suffix(b"\r\n").expect("a line of its own for the next boundary");
        assert!(content.is_empty() || whole.windows(content.len()).any(|it| it == content));
        sum += content.len();
    }
    assert!(sum <= whole.len());
}

fn body(answer: Answer) -> Vec<u8> {
    let collected = answer.body.collect().now_or_never().expect("it lies in memory");
    collected.expect("memory does not fail").to_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn line() -> impl Strategy<Value = String> {
        let name = prop::sample::select(vec![
            "If-None-Match",
            "If-Match",
            "Range",
            "If-Range",
            "If-Modified-Since",
            "If-Unmodified-Since",
            "Accept-Encoding",
        ]);
        let value = prop_oneof![
            "(W/)?\"(\\$TAG(\\+gzip)?|[a-z]{0,2})\"(, ?(W/)?\"(\\$TAG(\\+gzip)?|[a-z]{0,2})\"){0,2}",
            "bytes=([0-9]{0,2}-[0-9]{0,2},? ?){0,4}",
            "(Fri|Sun), 15 Jan 20(26|27) 0[78]:[0-5]9:59 GMT",
            Just("Fri, 15 Jan 2027 08:00:00 GMT".to_owned()),
            "(gzip|br|\\*|identity)(;q=[01])?",
            "[ -~é]{0,12}",
        ];
        (name, value).prop_map(|(name, value)| format!("{name}: {value}"))
    }

    proptest! {
        #[test]
        fn of_requests(
            method in prop_oneof![4 => Just("GET"), 2 => Just("HEAD"), 1 => Just("POST"), 1 => Just("*")],
            lines in vec(line(), 0..5),
        ) {
            super::request(&format!("{method}\n{}", lines.join("\n")));
        }
    }
}
