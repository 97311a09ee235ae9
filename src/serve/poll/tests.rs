use proptest::prelude::*;

use super::*;

const TAG: &str = "\"abc+gzip\"";

/// What a Skipper sends, to the byte.
fn skipper(path: &str, tag: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: routes:9090\r\nUser-Agent: Go-http-client/1.1\r\nIf-None-Match: {tag}\r\n\
         Accept-Encoding: gzip\r\n\r\n"
    )
}

#[test]
fn poll_of_a_skipper_is_read() {
    let poll = Poll { zone: None, tag: TAG.as_bytes(), gzip: true, last: false };
    assert_eq!(read(skipper("/routes", TAG).as_bytes()), Some(poll));
    let zone = Poll { zone: Some("eu-central-1a"), ..poll };
    assert_eq!(read(skipper("/routes/eu-central-1a", TAG).as_bytes()), Some(zone));
    let close = skipper("/routes", TAG).replace("Accept-E", "connection: Close\r\nAccept: */*\r\naccept-e");
    assert_eq!(read(close.as_bytes()), Some(Poll { last: true, ..poll }));
    let plain = skipper("/routes", TAG).replace(": gzip", ": identity");
    assert_eq!(read(plain.as_bytes()), Some(Poll { gzip: false, ..poll }));
}

#[test]
fn anything_else_is_left_alone() {
    let poll = skipper("/routes", TAG);
    let with = |line: &str| poll.replace("Accept-Encoding", &format!("{line}\r\nAccept-Encoding"));
    let others = [
        poll.replace("GET", "HEAD"),
        poll.replace("HTTP/1.1", "HTTP/1.0"),
        poll.replace("Host: routes:9090\r\n", ""),
        with("Host: other"),
        with("If-None-Match: \"x\""),
        with("If-Match: \"x\""),
        with("If-Modified-Since: Fri, 15 Jan 2027 08:00:00 GMT"),
        with("Range: bytes=0-0"),
        with("Content-Length: 1"),
        with("Transfer-Encoding: chunked"),
        with("Expect: 100-continue"),
        with("Upgrade: h2c"),
        with("Connection: upgrade"),
        poll.replace("If-None-Match", "X-None-Match"),
        format!("{poll}GET"),
        poll[..poll.len() - 1].to_owned(),
        String::new(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
    ];
    for other in others {
        assert_eq!(read(other.as_bytes()), None, "{other}");
    }
    for path in
        ["/", "/health", "/routes/", "/routes?a", "/routes/a/b", "/routes/..", "/routes/%61", "/routesx"]
    {
        assert_eq!(read(skipper(path, TAG).as_bytes()), None, "{path}");
    }
}

#[test]
fn date_is_that_of_the_second() {
    let at =
        |millis| String::from_utf8(date(UNIX_EPOCH + Duration::from_millis(millis)).to_vec()).expect("ASCII");
    assert_eq!(at(1_800_000_000_000), "Fri, 15 Jan 2027 08:00:00 GMT");
    assert_eq!(at(1_800_000_000_999), "Fri, 15 Jan 2027 08:00:00 GMT");
    assert_eq!(at(1_800_000_001_000), "Fri, 15 Jan 2027 08:00:01 GMT");
    assert_eq!(at(1_800_000_000_000), "Fri, 15 Jan 2027 08:00:00 GMT", "clocks go back");
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
    }
}
