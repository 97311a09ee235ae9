use super::{Url, query_escape};

/// Scheme, host, path, query and what is printed: as Go 1.27 has them.
#[test]
fn urls_are_taken_and_written_as_go_does() {
    for (text, scheme, host, path, query, printed) in [
        ("http://a:80/p?q#f", "http", "a:80", "/p", "q", "http://a:80/p?q#f"),
        ("HTTP://A", "http", "A", "", "", "http://A"),
        ("http:opaque?x", "http", "", "", "x", "http:opaque?x"),
        ("http:/p", "http", "", "/p", "", "http:/p"),
        ("http:////p", "http", "", "//p", "", "http:////p"),
        ("//h/p", "", "h", "/p", "", "//h/p"),
        ("///p", "", "", "///p", "", "///p"),
        ("p/a:b", "", "", "p/a:b", "", "p/a:b"),
        ("*", "", "", "*", "", "*"),
        ("http://a?", "http", "a", "", "", "http://a?"),
        ("http://a??", "http", "a", "", "?", "http://a??"),
        ("http://u%40:p%20@a", "http", "a", "", "", "http://u%40:p%20@a"),
        ("http://a/%2fb c\"", "http", "a", "/\u{2f}b c\"", "", "http://a//b%20c%22"),
        ("http://a\"<>b", "http", "a\"<>b", "", "", "http://a\"<>b"),
        ("http://[fe80::1%25e0]:8", "http", "[fe80::1%e0]:8", "", "", "http://[fe80::1%25e0]:8"),
        ("mongo://a:1,b:2", "mongo", "a:1,b:2", "", "", "mongo://a:1,b:2"),
        ("http://a#\"é", "http", "a", "", "", "http://a#%22%C3%A9"),
    ] {
        let url = Url::parse(text).unwrap();
        assert_eq!(
            (&url.scheme[..], &url.host[..], &url.path[..], &url.query[..], &url.to_string()[..]),
            (scheme, host.as_bytes(), path.as_bytes(), query, printed),
            "{text}"
        );
    }
}

#[test]
fn what_go_refuses_is_refused() {
    for text in [
        "http://a\n",
        "://a",
        ":",
        "é:b",
        "1:b",
        "http://a:x",
        "http://a:1:2",
        "http://[a]",
        "http://[1.2.3.4]",
        "http://[::1",
        "http://[::1]x",
        "http://a[::1]",
        "http://[fe80::1%25]",
        "http://a b",
        "http://a%20b",
        "http://a%2",
        "http://u ser@a",
        "http://a/%zz",
        "http://a#%zz",
    ] {
        assert!(Url::parse(text).is_err(), "{text:?}");
    }
    for text in ["", "a", "a/b", "?x", "#f"] {
        assert!(Url::parse(text).is_ok() && Url::parse_request(text).is_err(), "{text:?}");
    }
    assert_eq!(Url::parse_request("http://a/#f%20").map(|url| url.path), Ok(b"/#f ".to_vec()));
}

#[test]
fn the_host_name_is_without_port_and_brackets() {
    for (text, name) in [
        ("http://a:80", "a"),
        ("http://a", "a"),
        ("http://a:", "a"),
        ("http://[::1]:80", "::1"),
        ("http://[::1]", "::1"),
        ("http://", ""),
    ] {
        assert_eq!(Url::parse(text).unwrap().hostname(), name, "{text}");
    }
}

#[test]
fn a_query_is_escaped_but_for_letters_digits_and_four_marks() {
    assert_eq!(query_escape("aZ0-_.~ +/?&=é"), "aZ0-_.~+%2B%2F%3F%26%3D%C3%A9");
}
