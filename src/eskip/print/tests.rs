use std::collections::BTreeMap;

use crate::eskip::{Arg, Backend, Endpoint, Filter, Predicate, Route, parse, print_document};

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

#[test]
fn a_route_without_anything_is_a_star_and_its_backend() {
    assert_eq!(Route::default().to_string(), "* -> <shunt>");
    let network = Route { backend: Backend::Network(String::new()), ..Route::default() };
    assert_eq!(network.to_string(), r#"* -> """#);
}

#[test]
fn built_in_predicates_come_first_in_their_order_and_forms() {
    let route = Route {
        path: Some(r#"/some/"/path"#.to_owned()),
        host_regexps: texts(&["h2", "slash/h1"]),
        path_regexps: texts(&[r"^\/p", "p"]),
        method: Some("PUT".to_owned()),
        headers: BTreeMap::from([
            ("b".to_owned(), "1".to_owned()),
            (r#"a"/"#.to_owned(), r#"v"/"#.to_owned()),
        ]),
        header_regexps: BTreeMap::from([
            ("r".to_owned(), texts(&["z/", "a"])),
            ("q".to_owned(), texts(&["\""])),
        ]),
        predicates: vec![Predicate::new("Any", []), Predicate::new("Test", [3.5.into(), "x/".into()])],
        filters: vec![Filter::new("f", []), Filter::new("g", [Arg::from(-42.0), "\"".into()])],
        backend: Backend::Network("https://www.example.org".to_owned()),
        id: "not printed".to_owned(),
    };
    assert_eq!(
        route.to_string(),
        concat!(
            r#"Path("/some/\"/path") && Host(/h2/) && Host(/slash\/h1/) && PathRegexp(/^\\\/p/) && PathRegexp(/p/) && "#,
            r#"Method("PUT") && Header("a\"/", "v\"/") && Header("b", "1") && HeaderRegexp("q", /"/) && "#,
            r#"HeaderRegexp("r", /a/) && HeaderRegexp("r", /z\//) && Test(3.5, "x/") -> "#,
            r#"f() -> g(-42, "\"") -> "https://www.example.org""#
        )
    );
}

#[test]
fn headers_are_sorted_by_their_text() {
    // `"` sorts before `A`, and upper case before lower.
    let headers = [("A", "1"), ("AB", "2"), ("a", "3"), ("B", "4")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect();
    let printed = Route { headers, ..Route::default() }.to_string();
    assert_eq!(
        printed,
        r#"Header("A", "1") && Header("AB", "2") && Header("B", "4") && Header("a", "3") -> <shunt>"#
    );
}

#[test]
fn an_empty_path_or_method_is_not_printed() {
    let route = Route { path: Some(String::new()), method: Some(String::new()), ..Route::default() };
    assert_eq!(route.to_string(), "* -> <shunt>");
}

#[test]
fn seven_control_characters_and_the_delimiter_are_escaped() {
    let filter = Filter::new("f", ["\\\x07\x08\x0c\n\r\t\x0b\"/\x00\x7fé".into()]);
    assert_eq!(filter.to_string(), "f(\"\\\\\\a\\b\\f\\n\\r\\t\\v\\\"/\x00\x7fé\")");
    let route = Route { host_regexps: texts(&["\n\"/"]), ..Route::default() };
    assert_eq!(route.to_string(), r#"Host(/\n"\//) -> <shunt>"#);
}

#[test]
fn backends_have_their_forms() {
    let endpoint =
        |address: &str, zone: &str| Endpoint { address: address.to_owned(), zone: zone.to_owned() };
    let balanced = |algorithm: &str, endpoints: &[Endpoint]| {
        let backend = Backend::LoadBalanced { algorithm: algorithm.to_owned(), endpoints: endpoints.into() };
        backend.to_string()
    };
    assert_eq!(Backend::Network(r#"http://a"b"#.to_owned()).to_string(), r#""http://a"b""#);
    assert_eq!(Backend::Loopback.to_string(), "<loopback>");
    assert_eq!(Backend::Dynamic.to_string(), "<dynamic>");
    assert_eq!(Backend::Forward.to_string(), "");
    assert_eq!(balanced("", &[endpoint("http://a", "")]), r#"<"http://a">"#);
    assert_eq!(
        balanced("random", &[endpoint("http://b", "x y/é"), endpoint("http://a?q=1", "z")]),
        r#"<random, "http://b?zone=x+y%2F%C3%A9", "http://a?q=1?zone=z">"#
    );
    assert_eq!(balanced("random", &[]), "<random, >");
}

#[test]
fn a_document_has_a_line_for_each_route_and_no_newline_at_its_end() {
    let route = |id: &str| Route { id: id.to_owned(), ..Route::default() };
    assert_eq!(print_document(&[]), "");
    assert_eq!(print_document(&[route("")]), "* -> <shunt>");
    assert_eq!(print_document(&[route("a")]), "a: * -> <shunt>;");
    assert_eq!(print_document(&[route("a"), route("b")]), "a: * -> <shunt>;\nb: * -> <shunt>;");
}

#[test]
fn predicates_are_printed_alone_too() {
    assert_eq!(Predicate::new("Any", []).to_string(), "Any()");
    assert_eq!(Predicate::new("Host", [Arg::from("a/b")]).to_string(), r#"Host("a/b")"#);
    assert_eq!(format!("{:>8}|", Predicate::new("F", [])), "     F()|");
}

#[test]
fn spellings_of_one_value_print_alike() {
    let regexp = |text: &str| parse(&format!("PathRegexp({text}) -> <shunt>")).unwrap()[0].to_string();
    assert_eq!(regexp("/[/]/"), regexp(r"/[\/]/"));
    assert_eq!(regexp("/[/]/"), r"PathRegexp(/[\/]/) -> <shunt>");
    let filter = |text: &str| parse(&format!("* -> f({text}) -> <shunt>")).unwrap()[0].to_string();
    assert_eq!(filter(r#""\x""#), r#"* -> f("\\x") -> <shunt>"#);
    assert_eq!(filter(r#""\/""#), r#"* -> f("\\/") -> <shunt>"#);
    assert_eq!(filter("/x/"), r#"* -> f("x") -> <shunt>"#);
}
