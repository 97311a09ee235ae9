use super::{Verdict, verify};
use crate::eskip::{Arg, Backend, Endpoint, Filter, Predicate, Route, parse, parse_predicates};

fn route() -> Route {
    Route { id: "r".to_owned(), ..Route::default() }
}

fn with_predicates(text: &str) -> Route {
    Route { predicates: parse_predicates(text).unwrap(), ..route() }
}

fn with_number(number: f64) -> Route {
    Route { filters: vec![Filter::new("f", [Arg::Number(number)])], ..route() }
}

fn to(address: &str) -> Route {
    Route { backend: Backend::Network(address.to_owned()), ..route() }
}

fn balanced(endpoints: &[(&str, &str)]) -> Route {
    let endpoint = |&(address, zone): &(&str, &str)| Endpoint { address: address.into(), zone: zone.into() };
    let endpoints = endpoints.iter().map(endpoint).collect();
    Route { backend: Backend::LoadBalanced { algorithm: "random".to_owned(), endpoints }, ..route() }
}

fn with_path_regexp(pattern: &str) -> Route {
    Route { path_regexps: vec![pattern.to_owned()], ..route() }
}

#[test]
fn what_survives_is_the_same() {
    for route in [
        route(),
        to("http://a"),
        with_predicates(r#"Host("a") && Header("b", "1") && Header("a", "2") && Any() && Z() && A("\n\"/")"#),
        with_predicates(r#"HeaderRegexp("a", /2/) && HeaderRegexp("a", /1/) && Method("GET") && Path("/")"#),
        with_number(0.0001),
        with_number(999_999.5),
        with_number(1e22),
        with_path_regexp(r"^/[a/b]\."),
        balanced(&[("http://b", "z 1"), ("http://a?x=1", "")]),
    ] {
        assert_eq!(verify(&route), Verdict::Same, "{route}");
    }
}

#[test]
fn what_would_break_the_table_is_found() {
    let path =
        |path: &str, predicates: &str| Route { path: Some(path.to_owned()), ..with_predicates(predicates) };
    for route in [
        // Arguments that only a route looks at.
        with_predicates(r#"Method("A", "B")"#),
        with_predicates(r#"Header("x")"#),
        with_predicates("Host(1)"),
        with_predicates("Path()"),
        // Twice what may be there once.
        path("/", r#"Path("/")"#),
        with_predicates(r#"Method("A") && Method("B")"#),
        with_predicates(r#"Header("X", "1") && Header("X", "1")"#),
        // Numbers that print with an exponent, or not as a number at all.
        with_number(0.00001),
        with_number(1_234_567.5),
        with_number(f64::INFINITY),
        with_number(f64::NEG_INFINITY),
        with_number(f64::NAN),
        // No text for a backend.
        Route { backend: Backend::Forward, ..route() },
        Route { backend: Backend::Forward, filters: vec![Filter::new("f", [])], ..route() },
        balanced(&[]),
        // Endpoints that are no URLs of one scheme.
        balanced(&[("foo.example.org", "")]),
        balanced(&[("http://a", ""), ("https://b", "")]),
        balanced(&[("ht tp://10.0.0.1:80", "")]),
        // Regular expressions that are not printed as they must be written.
        with_path_regexp(r"^/\[a"),
        with_path_regexp(""),
        // A quote in an address.
        to(r#"http://a"b"#),
        balanced(&[(r#"http://a"b"#, "")]),
        // A comment that swallows the semicolon, a text that goes on.
        to(r#"http://a" //"#),
        to(r#"http://a" -> "b"#),
        // Ids that are no names.
        Route { id: "a-b".to_owned(), ..route() },
        Route { id: String::new(), ..route() },
    ] {
        assert!(matches!(verify(&route), Verdict::Broken(_)), "{route}: {:?}", verify(&route));
    }
}

#[test]
fn what_parses_to_something_else_is_different() {
    for (route, back) in [
        (balanced(&[("http://a?x=1", "z")]), r#"<random, "http://a?x=1?zone=z">"#),
        (balanced(&[("http://a?zone=z", "")]), r#"<random, "http://a?zone=z">"#),
        (to(r#"http://a"; //"#), r#""http://a""#),
        (to(r"http://a\n"), "\"http://a\n\""),
        (to(r"a\\"), r#""a\""#),
    ] {
        match verify(&route) {
            Verdict::Different(parsed) => assert_eq!(parsed.backend.to_string(), back),
            other => panic!("{route}: {other:?}"),
        }
    }
    // A line break in a regular expression comes back as a backslash and an `n`.
    assert!(matches!(verify(&with_path_regexp("a\nb")), Verdict::Different(_)));
    // A name that is more than a name.
    let two = Route { predicates: vec![Predicate::new("A() && B", [])], ..route() };
    assert!(matches!(verify(&two), Verdict::Different(_)));
}

#[test]
fn routes_that_bring_others_along_are_found() {
    let ids = |route: &Route| match verify(route) {
        Verdict::Smuggles(ids) => ids,
        other => panic!("{route}: {other:?}"),
    };
    assert_eq!(ids(&to(r#"http://a"; evil: * -> "http://b"#)), ["r", "evil", super::NEXT]);
    let renamed = Route { id: "a: * -> <shunt>; b".to_owned(), ..route() };
    assert_eq!(ids(&renamed), ["a", "b", super::NEXT]);
    // Hides the route after it.
    let hiding = to("http://a\"; the_route_after_it: * -> <shunt>; x: * -> `");
    assert!(!matches!(verify(&hiding), Verdict::Same | Verdict::Different(_)), "{:?}", verify(&hiding));
}

#[test]
fn the_table_of_a_route_that_passes_parses_with_any_neighbours() {
    let table = "a: * -> <shunt>;\nr: * -> \"http://a\\\";\nb: * -> <shunt>;";
    assert!(parse(table).is_err());
    assert!(matches!(verify(&to(r"http://a\")), Verdict::Broken(_)));
}
