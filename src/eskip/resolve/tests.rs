use crate::eskip::{Backend, Endpoint, Problem, Route, parse};

fn route(text: &str) -> Route {
    parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).remove(0)
}

fn problem(text: &str) -> Problem {
    parse(text).expect_err(text).problem
}

#[test]
fn built_in_predicates_have_fields_of_their_own() {
    let route = route(
        r#"Z(1) && Path("/a") && Host(/h1/) && Host("h2") && PathRegexp(/p/) && Method("GET") && Any() && *
           && Header("k", "v") && HeaderRegexp("r", /2/) && HeaderRegexp("r", "1") && PathSubtree("/s") -> <shunt>"#,
    );
    assert_eq!(route.path.as_deref(), Some("/a"));
    assert_eq!(route.method.as_deref(), Some("GET"));
    assert_eq!(route.host_regexps, ["h1", "h2"]);
    assert_eq!(route.path_regexps, ["p"]);
    assert_eq!(route.headers["k"], "v");
    assert_eq!(route.header_regexps["r"], ["2", "1"]);
    let names: Vec<_> = route.predicates.iter().map(|predicate| predicate.name.as_str()).collect();
    assert_eq!(names, ["Z", "PathSubtree"]);
}

#[test]
fn an_empty_path_or_method_is_none() {
    let route = route(r#"Path("") && Method("") -> <shunt>"#);
    assert_eq!((route.path, route.method), (None, None));
    assert_eq!(problem(r#"Path("") && Path("/") -> <shunt>"#), Problem::Repeated("Path"));
}

#[test]
fn built_in_predicates_take_a_fixed_number_of_strings() {
    for (predicate, count) in
        [("Path", 1), ("Host", 1), ("PathRegexp", 1), ("Method", 1), ("Header", 2), ("HeaderRegexp", 2)]
    {
        for args in
            ["", "1", r#""a", 1"#, r#""a", "b", "c""#, if count == 1 { r#""a", "b""# } else { r#""a""# }]
        {
            let problem = problem(&format!("{predicate}({args}) -> <shunt>"));
            assert_eq!(problem, Problem::Arguments { predicate: predicate.to_owned(), count }, "{args}");
        }
    }
    assert_eq!(route(r#"Weight("x") && Traffic() -> <shunt>"#).predicates.len(), 2);
}

#[test]
fn what_may_appear_only_once_does() {
    assert_eq!(problem(r#"Path("/") && Path("/") -> <shunt>"#), Problem::Repeated("Path"));
    assert_eq!(problem(r#"Method("A") && Method("B") -> <shunt>"#), Problem::Repeated("Method"));
    let header = |name: &str| problem(&format!(r#"Header("X", "1") && Header("{name}", "2") -> <shunt>"#));
    assert_eq!(header("X"), Problem::RepeatedHeader("X".to_owned()));
    assert_eq!(route(r#"Header("X", "1") && Header("x", "2") -> <shunt>"#).headers.len(), 2);
}

#[test]
fn one_bad_route_refuses_the_document_and_is_named() {
    let error = parse("a: * -> <shunt>;\nb: Foo() && Method(1) -> <shunt>;\nc: * -> <shunt>").unwrap_err();
    assert_eq!(error.to_string(), "route b: line 2, column 13: Method takes 1 string argument");
}

#[test]
fn endpoints_are_urls_of_one_scheme() {
    let backend = |list: &str| parse(&format!("* -> <{list}>"));
    assert!(backend(r#""http://a", "HTTP://b""#).is_ok());
    assert!(backend(r#""/a", "/b""#).is_ok());
    assert_eq!(
        backend(r#""http://a", "fastcgi://a""#).unwrap_err().problem,
        Problem::MixedSchemes("fastcgi://a".to_owned())
    );
    for address in ["", "foo.example.org", "http://a:x", "http://[::1", "http ://a", "://a", "http://a b/"] {
        let error = backend(&format!("\"{address}\"")).unwrap_err();
        assert!(matches!(error.problem, Problem::Endpoint { .. }), "{address}: {error}");
    }
}

#[test]
fn endpoints_give_their_zone() {
    for (written, address, zone) in [
        ("http://a:1", "http://a:1", ""),
        ("http://a:1?zone=z", "http://a:1", "z"),
        ("http://a?zone=a+b%2Fc", "http://a", "a b/c"),
        ("http://a/p?y=2&zone=z&x=%20&zone=q", "http://a/p?x=+&y=2", "z"),
        ("http://a?zone=", "http://a?zone=", ""),
        ("http://a?y=2&x=1", "http://a?y=2&x=1", ""),
        ("http://a?zone=z#f", "http://a#f", "z"),
    ] {
        let Backend::LoadBalanced { endpoints, .. } = route(&format!("* -> <\"{written}\">")).backend else {
            panic!("{written}")
        };
        let expected = Endpoint { address: address.to_owned(), zone: zone.to_owned() };
        assert_eq!(*endpoints, [expected], "{written}");
    }
}
