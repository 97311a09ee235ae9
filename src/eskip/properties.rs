//! What holds for any text and any route.

use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;

use super::{
    Arg, Backend, Endpoint, Filter, Predicate, Route, Verdict, parse, parse_filters, parse_predicates,
    print_document, split, verify,
};

/// Texts with what matters to the lexer, and anything else.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![r#"[a/\\"`\[\]n\n\t é]{0,8}"#, ".{0,8}"]
}

/// Regular expressions whose brackets are closed, without what the printer escapes and the lexer does not.
fn pattern() -> impl Strategy<Value = String> {
    r#"([a-z/.^$é"]|\\[.dw/]|\[[^\]\[\\\pC]{1,3}\]){1,6}"#
}

fn name() -> impl Strategy<Value = String> {
    "[A-Z][A-Za-z0-9_]{0,5}[0-9]"
}

fn args() -> impl Strategy<Value = Vec<Arg>> {
    // Anything that Go prints without an exponent.
    let number = prop_oneof![
        any::<i32>().prop_map(f64::from),
        (0.001..999_999.0_f64),
        (-999_999.0..-0.001_f64),
        (1e15..1e30_f64).prop_map(f64::floor),
    ];
    vec(prop_oneof![text().prop_map(Arg::String), number.prop_map(Arg::Number)], 0..4)
}

fn backend() -> impl Strategy<Value = Backend> {
    let endpoint = ("http://[a-z0-9.]{1,8}(:[0-9]{1,4})?(/[a-z]{0,3})?", text())
        .prop_map(|(address, zone)| Endpoint { address, zone });
    prop_oneof![
        "https?://[a-z0-9.:/é]{0,10}".prop_map(Backend::Network),
        Just(Backend::Shunt),
        Just(Backend::Loopback),
        Just(Backend::Dynamic),
        ("([a-z][a-zA-Z]{0,5})?", vec(endpoint, 1..5)).prop_map(|(algorithm, endpoints)| {
            Backend::LoadBalanced { algorithm, endpoints: endpoints.into() }
        }),
    ]
}

/// Routes that survive printing.
fn route() -> impl Strategy<Value = Route> {
    let built_in = (
        of(".{1,8}"),
        vec(pattern(), 0..3),
        vec(pattern(), 0..2),
        of("[A-Z]{1,4}"),
        btree_map(text(), text(), 0..3),
        btree_map(text(), pattern().prop_map(|pattern| vec![pattern]), 0..3),
    );
    let predicates = vec((name(), args()).prop_map(|(name, args)| Predicate { name, args }), 0..3);
    let filters = vec((name(), args()).prop_map(|(name, args)| Filter { name, args }), 0..3);
    ("[a-z_][a-zA-Z0-9_]{0,8}", built_in, predicates, filters, backend()).prop_map(
        |(
            id,
            (path, host_regexps, path_regexps, method, headers, header_regexps),
            predicates,
            filters,
            backend,
        )| {
            Route {
                id,
                path,
                host_regexps,
                path_regexps,
                method,
                headers,
                header_regexps,
                predicates,
                filters,
                backend,
            }
        },
    )
}

/// Text that is often nearly Eskip.
fn document() -> impl Strategy<Value = String> {
    let atom = prop::sample::select(vec![
        "r: ",
        "*",
        " && ",
        " -> ",
        "(",
        ")",
        ",",
        ";",
        "<",
        ">",
        "<shunt>",
        "\"a\"",
        "\"",
        "`",
        "/[/]/",
        "/",
        "//",
        "\n",
        "1.5",
        "-.5",
        "3.",
        "Path(\"/\")",
        "Method(",
        "f()",
        "é",
        "\u{a0}",
        "\\",
        "\"http://a?zone=é\"",
        "::",
    ]);
    vec(atom, 0..16).prop_map(|atoms| atoms.concat())
}

proptest! {
    #[test]
    fn a_printed_route_is_parsed_back_to_itself(route in route()) {
        let text = print_document(std::slice::from_ref(&route));
        prop_assert_eq!(parse(&text).map_err(|error| error.to_string()), Ok(vec![route.clone()]), "{}", text);
        prop_assert_eq!(verify(&route), Verdict::Same);
        prop_assert!(route.canonical().is_equivalent(&route));
        prop_assert_eq!(verify(&route.canonical()), Verdict::Same);
    }

    #[test]
    fn tables_are_parsed_back_in_their_order(routes in vec(route(), 2..6)) {
        prop_assert_eq!(parse(&print_document(&routes)).unwrap(), routes);
    }

    #[test]
    fn a_printed_table_is_split_into_its_definitions(routes in vec(route(), 1..6)) {
        let text = print_document(&routes);
        let pieces: Vec<_> = split(&text).unwrap().into_iter().map(|piece| piece.text.into_owned()).collect();
        prop_assert_eq!(pieces.join("\n"), text);
        let apart: Vec<_> = pieces.iter().flat_map(|piece| parse(piece).unwrap()).collect();
        prop_assert_eq!(apart, routes);
    }

    #[test]
    fn a_broken_definition_leaves_the_others(
        routes in vec(route(), 1..5),
        at in any::<prop::sample::Index>(),
        rest in document(),
    ) {
        let broken = format!("the_broken_one: {}", rest.replace(['\n', ';'], " "));
        prop_assume!(parse(&broken).is_err());
        let mut lines: Vec<_> = routes.iter().map(|route| print_document(&[route.clone(), Route::default()])).collect();
        lines.iter_mut().for_each(|line| line.truncate(line.rfind('\n').unwrap()));
        let mut document = lines.clone();
        document.insert(at.index(lines.len()), format!("{broken};"));
        let document = document.join("\n");
        let pieces = split(&document).unwrap();
        let (bad, good): (Vec<_>, Vec<_>) = pieces.into_iter().partition(|piece| piece.id == "the_broken_one");
        prop_assert_eq!(bad.len(), 1, "{}", document);
        let good: Vec<_> = good.into_iter().map(|piece| piece.text.into_owned()).collect();
        prop_assert_eq!(good, lines, "{}", document);
    }

    #[test]
    fn a_document_that_parses_means_the_same_taken_apart(text in document()) {
        if let (Ok(whole), Ok(pieces)) = (parse(&text), split(&text)) {
            let apart: Vec<_> = pieces.iter().flat_map(|piece| parse(&piece.text).unwrap()).collect();
            prop_assert_eq!(apart, whole);
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic_and_positions_are_inside(text in prop_oneof![document(), any::<String>()]) {
        let errors = [parse(&text).err(), parse_predicates(&text).err(), parse_filters(&text).err()];
        let _ = split(&text);
        for error in errors.into_iter().flatten() {
            prop_assert!(text.is_char_boundary(error.offset));
            prop_assert!(error.peer_position <= text.len());
            prop_assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn bytes_that_were_made_text_do_not_make_it_panic(bytes in vec(any::<u8>(), 0..64)) {
        let _ = parse(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn what_parses_prints_stably_if_it_prints_parseably(text in document()) {
        if let Ok(routes) = parse(&text) {
            let once = print_document(&routes);
            if let Ok(again) = parse(&once) {
                prop_assert_eq!(print_document(&again), once);
            }
        }
    }

    #[test]
    fn no_route_makes_verify_panic(id in text(), address in text(), pattern in text(), zone in text()) {
        let endpoints = [Endpoint { address: address.clone(), zone }].into();
        let balanced = Backend::LoadBalanced { algorithm: String::new(), endpoints };
        for backend in [balanced, Backend::Network(address)] {
            let route = Route { id: id.clone(), path_regexps: vec![pattern.clone()], backend, ..Route::default() };
            verify(&route);
        }
    }
}
