use crate::eskip::{ParseError, Problem, parse, parse_filters, parse_predicates, print_document};

fn reprinted(text: &str) -> String {
    print_document(&parse(text).unwrap_or_else(|error| panic!("{text}: {error}")))
}

fn error(text: &str) -> ParseError {
    parse(text).expect_err(text)
}

#[test]
fn a_document_is_definitions_or_one_route() {
    assert_eq!(reprinted(""), "");
    assert_eq!(reprinted(" ;; ;"), "");
    assert_eq!(reprinted("* -> <shunt>"), "* -> <shunt>");
    assert_eq!(reprinted("F() -> <shunt>"), "F() -> <shunt>");
    assert_eq!(reprinted("a: * -> <shunt>"), "a: * -> <shunt>;");
    assert_eq!(
        reprinted("; a: * -> <shunt>;; _b1: F() -> <loopback>;"),
        "a: * -> <shunt>;\n_b1: F() -> <loopback>;"
    );
    for text in [
        "* -> <shunt>;",
        "; * -> <shunt>",
        "a: * -> <shunt> b: * -> <shunt>",
        "a: * -> <shunt>; * -> <shunt>",
        "a-b: * -> <shunt>",
        "1: * -> <shunt>",
        "a: b: * -> <shunt>",
        "a:",
        "a",
        "a: -> <shunt>",
        "a: *",
        "a: * && -> <shunt>",
        "a: * ->",
        "a: * -> ;",
        "a: * -> f()",
        "a: * -> f -> <shunt>",
        "a: * -> * -> <shunt>",
        "a: * -> <shunt> -> f()",
    ] {
        assert!(parse(text).is_err(), "{text}");
    }
}

#[test]
fn arguments_are_parted_by_commas_and_may_begin_with_one() {
    assert_eq!(
        reprinted("* -> f() -> g(1, /x/, `y`) -> <shunt>"),
        r#"* -> f() -> g(1, "x", "y") -> <shunt>"#
    );
    assert_eq!(reprinted("* -> f(,1) -> <shunt>"), "* -> f(1) -> <shunt>");
    for args in ["1,", ",", ",,1", "1 2", "1,,2", "x", "(1)"] {
        assert!(parse(&format!("* -> f({args}) -> <shunt>")).is_err(), "{args}");
    }
}

#[test]
fn backends_are_addresses_words_and_lists_of_endpoints() {
    for backend in [
        r#""http://a""#,
        r#""""#,
        "<shunt>",
        "<loopback>",
        "<dynamic>",
        r#"<"http://a">"#,
        r#"<roundRobin, "http://a", "http://b">"#,
    ] {
        let text = format!("* -> {backend}");
        assert_eq!(reprinted(&text), text);
    }
    assert_eq!(reprinted("* -> <forward>"), "* -> ");
    for backend in [
        "<>",
        "< >",
        "<roundRobin>",
        "<roundRobin,>",
        r#"<, "http://a">"#,
        r#"<"http://a",>"#,
        r#"<"http://a" "http://b">"#,
        r#"<"http://a", roundRobin>"#,
        "</http:\\/\\/a/>",
        "/x/",
        "<other>",
        "1",
    ] {
        assert!(parse(&format!("* -> {backend}")).is_err(), "{backend}");
    }
}

#[test]
fn predicate_lists_stay_generic_and_lose_their_star() {
    let printed = |text| {
        let texts: Vec<_> = parse_predicates(text).unwrap().iter().map(ToString::to_string).collect();
        texts.join(" && ")
    };
    assert_eq!(printed(""), "");
    assert_eq!(printed(" // a comment"), "");
    assert_eq!(printed("*"), "");
    assert_eq!(printed("* && Any() && F(1)"), "Any() && F(1)");
    // What a route would refuse is not looked at.
    assert_eq!(
        printed(r#"Path("/") && Path("/") && Method(1) && Header() && Host(/a/)"#),
        r#"Path("/") && Path("/") && Method(1) && Header() && Host("a")"#
    );
    assert_eq!(printed("\u{2003}F()\u{a0}"), "F()");
    for text in ["F() -> <shunt>", "F() &&", "F", "F() G()", ";", "\u{2003}//\n\u{2003}F()"] {
        assert!(parse_predicates(text).is_err(), "{text}");
    }
}

#[test]
fn filter_lists_are_joined_by_arrows() {
    assert_eq!(parse_filters("").unwrap(), []);
    assert_eq!(parse_filters(" \t").unwrap(), []);
    assert_eq!(parse_filters("// a comment").unwrap(), []);
    let filters = parse_filters("// before\nf(3.14) -> g(\"key\", -42) // after").unwrap();
    assert_eq!(filters[0].to_string(), "f(3.14)");
    assert_eq!(filters[1].to_string(), r#"g("key", -42)"#);
    for text in ["f() ->", "-> f()", "f() && g()", "*", "f() -> <shunt>", "f-g()"] {
        assert!(parse_filters(text).is_err(), "{text}");
    }
}

#[test]
fn errors_say_where_they_are_and_where_skipper_sees_them() {
    // Skipper's position is behind a token that is wrong, and before what is no token.
    for (text, offset, peer, route) in [
        ("fooId: * -> #", 12, 12, "fooId"),
        (r#"r1: Path("/foo") -> <shunt>; r2: Path("/bar") -> #"#, 49, 49, "r2"),
        ("* -> #", 5, 5, ""),
        ("a: * -> <shunt> b", 16, 17, "a"),
        ("a: * -> f(\"x", 10, 12, "a"),
        ("a: *", 4, 4, "a"),
    ] {
        let error = error(text);
        assert_eq!((error.offset, error.peer_position, &error.route[..]), (offset, peer, route), "{text}");
    }
    let error = error("a: * -> <shunt>;\nbé: * ->\n  ü");
    assert_eq!((error.line, error.column, error.offset), (2, 2, 18));
    let error = parse_filters(" \u{a0}f() -> \u{fc}").unwrap_err();
    assert_eq!((error.offset, error.column, error.peer_position), (10, 10, 7));
}

#[test]
fn errors_read_well() {
    assert_eq!(
        error("a: * -> <shunt>;\nb: * -> f(1e5) -> <shunt>").to_string(),
        "route b: line 2, column 12: expected `,` or `)`, found `e5`; Eskip has no exponents: write the number in full"
    );
    assert_eq!(
        error("* -> f(x)").to_string(),
        "line 1, column 8: expected an argument, found `x`; a string stands in double quotes"
    );
    let long = error(&format!("* -> f() {}", "x".repeat(100)));
    let Problem::Syntax { found, .. } = &long.problem else { panic!("{long}") };
    assert_eq!(*found, format!("`{}…`", "x".repeat(40)));
}

#[test]
fn hints_guess_what_was_meant() {
    for (text, hint) in [
        ("r: * -> f(\"x) -> <shunt>", "backslash"),
        ("r: PathRegexp(/[/) -> <shunt>", "bracket"),
        ("r: * -> f(3.) -> <shunt>", "dot"),
        ("r: * -> f(/", "between slashes"),
        ("r: PathRegexp(//) -> <shunt>", "begins a comment"),
        ("r: * -> f(+1) -> <shunt>", "no sign"),
        ("r: * -> f(- 1) -> <shunt>", "minus"),
        ("r: * -> f(NaN) -> <shunt>", "finite"),
        ("r: * -> ;", "ends in a backend"),
        ("r: * -> f();", "ends in a backend"),
        ("r: * -> <round>", "double quotes"),
        ("r: * -> <shunt> s: * -> <shunt>", "separated by `;`"),
        ("r-s: * -> <shunt>", "letters, digits"),
        ("r: * & A() -> <shunt>", "`&&`"),
        ("r: A() || B() -> <shunt>", "two routes"),
        ("r: * -> f('x') -> <shunt>", "double quotes"),
        ("r: * -> f(“x”) -> <shunt>", "double quotes"),
        ("r: *\u{a0}-> <shunt>", "white space"),
        ("\u{feff}r: * -> <shunt>", "byte order mark"),
        ("# r\nr: * -> <shunt>", "`//`"),
        ("; 1: * -> <shunt>", "begins with a letter"),
    ] {
        let error = error(text);
        assert!(error.hint.contains(hint), "{text}: {error}");
    }
}
