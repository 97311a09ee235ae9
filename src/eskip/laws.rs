//! What holds for any text that is read as Eskip, and for any route that is printed.

use super::lexer::{Lexer, Token};
use super::{
    Arg, Backend, Endpoint, Filter, Predicate, Route, Verdict, parse, parse_filters, parse_predicates,
    print_definition, print_document, split, verify,
};

/// Tokens lie one behind the other inside the text, begin and end between characters, and come to an end.
pub fn lexer(text: &str) {
    let mut lexer = Lexer::new(text);
    let mut end = 0;
    // Each token has a byte at least; the end is one more.
    for _ in 0..=text.len() {
        let (token, start, reached) = lexer.next();
        assert!(end <= start && start <= reached && reached <= text.len(), "{token:?} at {start}..{reached}");
        assert!(
            text.is_char_boundary(start) && text.is_char_boundary(reached),
            "{token:?} at {start}..{reached}"
        );
        match token {
            Token::End => return assert_eq!((start, reached), (text.len(), text.len())),
            Token::Bad(_) => return,
            _ => assert!(start < reached, "{token:?} is empty"),
        }
        end = reached;
    }
    panic!("more tokens than bytes");
}

/// A text parses, or its error has a place inside it and says something. Whatever parses can be asked whether it
/// survives printing, and the answer is right.
pub fn parser(text: &str) {
    let routes = parse(text);
    let errors = [routes.as_ref().err().cloned(), parse_predicates(text).err(), parse_filters(text).err()];
    for error in errors.into_iter().flatten() {
        assert!(text.is_char_boundary(error.offset), "{error:?}");
        assert!(error.peer_position <= text.len(), "{error:?}");
        assert!(!error.to_string().is_empty(), "{error:?}");
    }
    // Whatever a text is, taking it apart comes to an end; a document means the same then.
    if let (Ok(pieces), Ok(routes)) = (split(text), &routes) {
        let apart = pieces.iter().flat_map(|piece| parse(&piece.text).unwrap_or_default());
        assert!(apart.eq(routes.iter().cloned()), "{pieces:?}");
    }
    for route in routes.unwrap_or_default() {
        let parsed = parse(&print_document(std::slice::from_ref(&route)));
        match verify(&route) {
            Verdict::Same => assert_eq!(parsed.map(|it| it.len()), Ok(1), "{route:?}"),
            Verdict::Different(other) => assert_eq!(parsed, Ok(vec![*other]), "{route:?}"),
            Verdict::Smuggles(_) | Verdict::Broken(_) => {}
        }
    }
}

/// Routes that are found to survive alone survive together: their document parses back to them, one by one. The routes
/// are those of `text`, and one that was never parsed, with the lines of `text` as its parts.
pub fn printer(text: &str) {
    let mut routes = parse(text).unwrap_or_default();
    routes.extend(assembled(text));
    routes.retain(|route| verify(route) == Verdict::Same);
    let alone = |route: &Route| {
        let mut definition = String::new();
        print_definition(&mut definition, route);
        parse(&definition).unwrap_or_else(|error| panic!("{definition}: {error}"))
    };
    let expected: Vec<_> = routes.iter().flat_map(alone).collect();
    let document = print_document(&routes);
    let parsed = parse(&document).unwrap_or_else(|error| panic!("{document}: {error}"));
    assert_eq!(parsed, expected);
    let ids = |routes: &[Route]| routes.iter().map(|route| route.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&parsed), ids(&routes));
    assert_eq!(print_document(&parsed), document);
    for (parsed, route) in parsed.iter().zip(&routes) {
        assert_eq!((&parsed.filters, &parsed.backend), (&route.filters, &route.backend));
        // Equal conditions of one name may change their places; without names that repeat there are none.
        if route.predicates.is_empty() {
            assert!(parsed.is_equivalent(route), "{parsed:?} is not {route:?}");
        }
    }
}

/// A route of the lines of `text`, in the order of a route's fields; `None` where there is no line.
fn assembled(text: &str) -> Option<Route> {
    let mut lines = text.split('\n').map(str::to_owned);
    let mut route = Route { id: lines.next()?, path: lines.next(), ..Route::default() };
    route.host_regexps.extend(lines.next());
    route.path_regexps.extend(lines.next());
    route.method = lines.next();
    route.headers.extend(lines.next().zip(lines.next()));
    route.header_regexps.extend(lines.next().zip(lines.next().map(|value| vec![value])));
    let argument = |line: String| line.parse().map_or(Arg::String(line), Arg::Number);
    route.filters.extend(lines.next().map(|name| Filter::new(name, lines.next().map(argument))));
    if let Some(address) = lines.next() {
        route.backend = match (lines.next(), lines.next()) {
            (Some(zone), algorithm) => Backend::LoadBalanced {
                algorithm: algorithm.unwrap_or_default(),
                endpoints: [Endpoint { address, zone }].into(),
            },
            _ => Backend::Network(address),
        };
    }
    route.predicates.extend(lines.next().map(|name| Predicate::new(name, lines.map(argument))));
    Some(route)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn of_any_text(text in "(.|\\n){0,64}") {
            super::lexer(&text);
            super::parser(&text);
            super::printer(&text);
        }

        #[test]
        fn of_lines_that_are_nearly_a_route(
            lines in vec(prop_oneof!["[a-z]{1,3}", "[A-Z]\"", "http://[a-z\"/?=%]{0,6}", "[/\\\\\\[\\]]{0,4}", "-?[0-9.]{1,9}", ".{0,3}"], 0..16),
        ) {
            super::printer(&lines.join("\n"));
        }
    }
}
