//! What the peer answers to the same requests, written down; it was asked (routesrv v0.27.65, Go 1.27).

use futures::FutureExt;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body_util::BodyExt;
use proptest::prelude::*;

use super::{Answer, Served, health, malformed, moved, nothing, routes};
use crate::snapshot::{Table, Version};

const EVERYTHING: &str = "a: * -> <shunt>;\nb: Path(\"/b\") -> \"http://10.0.0.1:80\"";
const MODIFIED: u64 = 1_800_000_000;
const BEFORE: &str = "Fri, 15 Jan 2027 07:59:59 GMT";
const AT: &str = "Fri, 15 Jan 2027 08:00:00 GMT";

fn table() -> Table {
    Table::new(EVERYTHING, 2, MODIFIED)
}

/// The tag of the table, as `$PLAIN` and `$GZIP` stand for it in the cases.
fn fill(text: &str, table: &Table) -> String {
    let hex = table.digest().to_string();
    text.replace("$PLAIN", &format!("\"{hex}\"")).replace("$GZIP", &format!("\"{hex}+gzip\""))
}

fn ask(method: &Method, headers: &[(&str, &str)], current: bool) -> Answer {
    ask_owed(method, headers, current, false)
}

fn ask_owed(method: &Method, headers: &[(&str, &str)], current: bool, owed: bool) -> Answer {
    let table = table();
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name = http::HeaderName::try_from(*name).unwrap();
        map.append(name, HeaderValue::try_from(fill(value, &table)).unwrap());
    }
    routes(method, &map, Some(Served { table: &table, version: Version::new(7, 3), current, owed }))
}

fn names(answer: &Answer) -> Vec<&str> {
    let mut names: Vec<_> = answer.headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    names
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).map_or("", |value| value.to_str().unwrap())
}

fn body(answer: Answer) -> Vec<u8> {
    let collected = answer.body.collect().now_or_never().expect("it lies in memory");
    collected.expect("infallible").to_bytes().to_vec()
}

#[test]
fn plain_table_has_the_headers_of_the_peer_and_its_version() {
    let answer = ask(&Method::GET, &[], true);
    assert_eq!(answer.status, StatusCode::OK);
    let expected = [
        ("accept-ranges", "bytes"),
        ("content-length", "54"),
        ("content-type", "text/plain; charset=utf-8"),
        ("etag", &fill("$PLAIN", &table())),
        ("last-modified", AT),
        ("x-count", "2"),
        ("x-table-version", "7.3"),
    ];
    assert_eq!(names(&answer), expected.map(|(name, _)| name));
    for (name, value) in expected {
        assert_eq!(header(&answer, name), value, "{name}");
    }
    assert_eq!(body(answer), EVERYTHING.as_bytes());
}

#[test]
fn gzip_is_chosen_by_the_word_alone() {
    for accepted in ["gzip", "gzip;q=0", "deflate, gzip", "x-gzip"] {
        let answer = ask(&Method::GET, &[("accept-encoding", accepted)], true);
        assert_eq!(header(&answer, "content-encoding"), "gzip", "{accepted}");
        assert_eq!(header(&answer, "etag"), fill("$GZIP", &table()));
        assert_eq!(header(&answer, "content-length"), table().gzip().len().to_string());
        assert_eq!(body(answer), table().gzip().to_vec());
    }
    for accepted in
        [&[("accept-encoding", "GZIP")][..], &[("accept-encoding", "br"), ("accept-encoding", "gzip")]]
    {
        assert_eq!(header(&ask(&Method::GET, accepted, true), "etag"), fill("$PLAIN", &table()));
    }
}

/// Status of the answer to one request header, first without `Accept-Encoding`, then with `gzip`.
#[test]
fn statuses_are_those_of_the_peer() {
    let cases: &[(&str, &str, u16, u16)] = &[
        ("if-none-match", "$PLAIN", 304, 200),
        ("if-none-match", "$GZIP", 200, 304),
        ("if-none-match", "W/$PLAIN", 304, 200),
        ("if-none-match", "\"x\", $GZIP", 200, 304),
        ("if-none-match", "*", 304, 304),
        ("if-none-match", "\"x\"", 200, 200),
        ("if-none-match", "garbage, $PLAIN", 200, 200),
        ("if-match", "$PLAIN", 200, 412),
        ("if-match", "W/$PLAIN", 412, 412),
        ("if-match", "*", 200, 200),
        ("if-match", "\"x\"", 412, 412),
        ("if-unmodified-since", BEFORE, 412, 412),
        ("if-unmodified-since", AT, 200, 200),
        ("if-modified-since", AT, 304, 304),
        ("if-modified-since", BEFORE, 200, 200),
        ("range", "bytes=0-3", 206, 206),
        ("range", "bytes=-0", 206, 206),
        ("range", "bytes=0-1,4-5", 206, 206),
        ("range", "bytes=0-53,0-0", 200, 206),
        ("range", "bytes=999-", 416, 416),
        ("range", "bytes=3-1", 416, 416),
        ("range", "lines=1-2", 416, 416),
        ("range", "bytes=", 200, 200),
    ];
    for &(name, value, plain, gzip) in cases {
        for method in [Method::GET, Method::HEAD] {
            let answer = ask(&method, &[(name, value)], true);
            assert_eq!(answer.status, plain, "{method} {name}: {value}");
            assert_eq!(header(&answer, "x-count"), "2", "{method} {name}: {value}");
            let answer = ask(&method, &[(name, value), ("accept-encoding", "gzip")], true);
            assert_eq!(answer.status, gzip, "{method} gzip {name}: {value}");
        }
    }
}

#[test]
fn not_modified_keeps_tag_and_count_only() {
    let answer = ask(&Method::GET, &[("if-none-match", "$GZIP"), ("accept-encoding", "gzip")], false);
    assert_eq!(answer.status, StatusCode::NOT_MODIFIED);
    assert_eq!(names(&answer), ["etag", "x-count", "x-table-version"]);
    assert_eq!(header(&answer, "etag"), fill("$GZIP", &table()));
    assert!(!answer.kept && answer.body.is_empty());
}

#[test]
fn failed_precondition_keeps_what_describes_the_table() {
    let answer = ask(&Method::GET, &[("if-match", "\"x\"")], true);
    assert_eq!(
        names(&answer),
        ["content-length", "content-type", "etag", "last-modified", "x-count", "x-table-version"]
    );
    assert_eq!(header(&answer, "content-length"), "0");
}

#[test]
fn ranges_are_cut_from_the_chosen_representation() {
    let answer = ask(&Method::GET, &[("range", "bytes=3-5")], true);
    assert_eq!(header(&answer, "content-range"), "bytes 3-5/54");
    assert_eq!(header(&answer, "content-length"), "3");
    assert_eq!(body(answer), b"* -");

    let answer = ask(&Method::GET, &[("range", "bytes=0-1"), ("accept-encoding", "gzip")], true);
    assert_eq!(body(answer), [0x1f, 0x8b]);

    let answer = ask(&Method::GET, &[("range", "bytes=0-1"), ("if-range", "\"x\"")], true);
    assert_eq!(answer.status, StatusCode::OK);

    let answer = ask(&Method::GET, &[("range", "bytes=0-0,-1")], true);
    let boundary = &table().digest().to_string()[..60];
    assert_eq!(header(&answer, "content-type"), format!("multipart/byteranges; boundary={boundary}"));
    let length = header(&answer, "content-length").to_owned();
    let body = body(answer);
    assert_eq!(length, body.len().to_string());
    assert!(body.starts_with(format!("--{boundary}\r\nContent-Range: bytes 0-0/54\r\n").as_bytes()));
}

#[test]
fn unsatisfiable_range_says_how_long_the_table_is() {
    let answer = ask(&Method::GET, &[("range", "bytes=54-"), ("accept-encoding", "br")], true);
    assert_eq!(
        names(&answer),
        [
            "content-length",
            "content-range",
            "content-type",
            "x-content-type-options",
            "x-count",
            "x-table-version"
        ]
    );
    assert_eq!(header(&answer, "content-range"), "bytes */54");
    assert_eq!(body(answer), b"invalid range: failed to overlap\n");
    let answer = ask(&Method::GET, &[("range", "bytes=x")], true);
    assert_eq!(header(&answer, "content-range"), "");
    assert_eq!(body(answer), b"invalid range\n");
}

#[test]
fn other_methods_are_refused_without_a_word() {
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS, Method::TRACE] {
        let answer = ask(&method, &[("if-none-match", "$PLAIN")], true);
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(names(&answer), ["content-length", "x-table-version"]);
        assert!(body(answer).is_empty());
    }
}

#[test]
fn replica_that_may_be_behind_moves_no_client() {
    for held in ["\"other\"", "W/\"other\"", "\"other\", \"older\""] {
        let answer = ask(&Method::GET, &[("if-none-match", held), ("range", "bytes=0-1")], false);
        assert_eq!(answer.status, StatusCode::NOT_MODIFIED, "{held}");
        assert!(answer.kept);
        assert_eq!(names(&answer), ["etag", "x-table-version"]);
        assert_eq!(header(&answer, "etag"), held.split(',').next().unwrap());
    }
    let answer = ask(&Method::GET, &[("if-none-match", "\"other\"")], true);
    assert_eq!((answer.status, answer.kept), (StatusCode::OK, false), "a current one does");
}

#[test]
fn replica_that_may_be_behind_still_starts_a_client() {
    let cases: &[&[(&str, &str)]] = &[
        &[],
        &[("if-none-match", "garbage")],
        &[("if-modified-since", BEFORE)],
        // It holds this very table, in the other encoding.
        &[("if-none-match", "$GZIP")],
    ];
    for headers in cases {
        let answer = ask(&Method::GET, headers, false);
        assert_eq!((answer.status, answer.kept), (StatusCode::OK, false), "{headers:?}");
    }
}

/// Statuses of the answers to a client that is owed the table, and to one that is not.
#[test]
fn client_that_may_not_have_all_of_the_table_it_names_gets_it_again() {
    type Case = (&'static [(&'static str, &'static str)], u16, u16);
    let cases: &[Case] = &[
        (&[("if-none-match", "$PLAIN")], 200, 304),
        (&[("if-none-match", "W/$PLAIN")], 200, 304),
        (&[("if-none-match", "$GZIP"), ("accept-encoding", "gzip")], 200, 304),
        (&[("if-none-match", "$PLAIN"), ("range", "bytes=0-3")], 200, 304),
        (&[("if-modified-since", AT)], 200, 304),
        // Its turn will come with the table that it names then.
        (&[("if-none-match", "\"other\"")], 200, 200),
        (&[("range", "bytes=0-3")], 206, 206),
        (&[("if-match", "\"x\"")], 412, 412),
    ];
    for (headers, owed, settled) in cases {
        let answer = ask_owed(&Method::GET, headers, true, true);
        assert_eq!(answer.status.as_u16(), *owed, "{headers:?}");
        assert_eq!(answer.healed, owed != settled, "{headers:?}");
        assert_eq!(answer.whole.is_some(), *owed == 200, "{headers:?}");
        if answer.healed {
            assert_eq!(header(&answer, "content-length"), answer.body.len().to_string());
        }
        assert_eq!(ask(&Method::GET, headers, true).status.as_u16(), *settled, "{headers:?}");
    }
    let head = ask_owed(&Method::HEAD, &[("if-none-match", "$PLAIN")], true, true);
    assert_eq!((head.status, head.healed), (StatusCode::NOT_MODIFIED, false), "a HEAD settles nothing");
    let kept = ask_owed(&Method::GET, &[("if-none-match", "\"other\"")], false, true);
    assert!(kept.kept, "no other table for whoever names another one, from a replica that may be behind");
}

#[test]
fn before_the_first_table_there_is_no_200() {
    let answer = routes(&Method::GET, &HeaderMap::new(), None);
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(names(&answer), ["content-length", "content-type", "x-content-type-options"]);
    assert_eq!(body(answer), b"no verified table yet\n");
    assert_eq!(routes(&Method::POST, &HeaderMap::new(), None).status, StatusCode::METHOD_NOT_ALLOWED);
}

#[test]
fn health_nothing_and_malformed_are_those_of_the_peer() {
    assert_eq!(health(true).status, StatusCode::NO_CONTENT);
    assert!(names(&health(true)).is_empty());
    let sick = health(false);
    assert_eq!(sick.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(names(&sick), ["content-length", "content-type", "x-content-type-options"]);
    assert_eq!(body(sick), b"routes were not initialized yet\n");
    assert_eq!(body(nothing()), b"404 page not found\n");
    assert_eq!(header(&malformed("x"), "connection"), "close");
}

#[test]
fn another_spelling_is_redirected() {
    let answer = moved(&Method::GET, "/routes?x=1&y='2'");
    assert_eq!(answer.status, StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(header(&answer, "location"), "/routes?x=1&y='2'");
    assert_eq!(header(&answer, "content-type"), "text/html; charset=utf-8");
    assert_eq!(body(answer), b"<a href=\"/routes?x=1&amp;y=&#39;2&#39;\">Temporary Redirect</a>.\n\n");
    assert!(moved(&Method::POST, "/routes").headers.get("content-type").is_none());
}

proptest! {
    /// Whatever a client sends, it gets the active table whole, part of it, or none; and from a replica that may be
    /// behind never a table where it named another one.
    #[test]
    fn no_request_gets_anything_but_the_table(
        none_match in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..60)),
        range in proptest::option::of("bytes=[-0-9,]{0,9}"),
        gzip: bool,
        current: bool,
        owed: bool,
    ) {
        let table = table();
        let mut headers = HeaderMap::new();
        let mut held = false;
        if let Some(value) = none_match.and_then(|bytes| HeaderValue::from_bytes(&bytes).ok()) {
            held = value.as_bytes().starts_with(b"\"") && value.as_bytes()[1..].first() == Some(&b'"');
            headers.insert("if-none-match", value);
        }
        if let Some(range) = &range {
            headers.insert("range", HeaderValue::try_from(range).unwrap());
        }
        if gzip {
            headers.insert("accept-encoding", HeaderValue::from_static("gzip"));
        }
        let served = Served { table: &table, version: Version::new(1, 1), current, owed };
        let answer = routes(&Method::GET, &headers, Some(served));
        let status = answer.status.as_u16();
        prop_assert!([200, 206, 304, 416].contains(&status), "{}", status);
        prop_assert!(!answer.kept || (!current && status == 304));
        prop_assert!(!answer.healed || (owed && status == 200));
        prop_assert_eq!(answer.whole.is_some(), status == 200);
        let length = answer.headers.get("content-length").map(|length| length.to_str().unwrap().to_owned());
        prop_assert!(status == 304 || length == Some(answer.body.len().to_string()));
        if held && !current {
            prop_assert_eq!(status, 304);
        }
        if status == 200 {
            let expected = if gzip { table.gzip().clone() } else { table.plain() };
            prop_assert_eq!(&body(answer), &expected.to_vec());
        }
    }
}
