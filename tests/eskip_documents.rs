//! Every table of the conformance cases parses and prints back, and each of its routes is verified.
//!
//! To the byte, but for one thing: the peer prints `Host("…")`, and in another place, for a route that has it as a
//! generic predicate, and the text does not tell such a predicate from the built-in one. There the same predicates
//! must be back, and filters and backend to the byte.
//!
//! The cases are not part of the repository: without them this says so and passes. `BELLWETHER_CONFORMANCE` names
//! their folder where it is not `../shared/conformance`.

use std::path::{Path, PathBuf};

use bellwether::eskip::{
    Backend, Predicate, Route, Verdict, parse, parse_predicates, print_definition, print_document, verify,
};
use serde_json::Value;

fn folder() -> PathBuf {
    std::env::var_os("BELLWETHER_CONFORMANCE")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance"), PathBuf::from)
}

fn cases() -> Vec<PathBuf> {
    let list = |folder: &Path| -> Vec<PathBuf> {
        std::fs::read_dir(folder)
            .into_iter()
            .flatten()
            .map(|entry| entry.expect("the folder can be read").path())
            .collect()
    };
    let suites = list(&folder());
    suites
        .iter()
        .flat_map(|suite| list(suite))
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect()
}

/// The main table and those of the zones.
fn tables(case: &Value) -> impl Iterator<Item = &str> {
    let zones = case["expect"]["zones"].as_object().into_iter().flat_map(|zones| zones.values());
    std::iter::once(&case["expect"]["routes"]).chain(zones).filter_map(Value::as_str)
}

#[test]
fn tables_of_the_peer_print_back_to_the_byte() {
    let cases = cases();
    if cases.is_empty() {
        println!("skipped: there are no conformance cases in {}", folder().display());
        return;
    }
    let (mut documents, mut routes, mut generic) = (0, 0, 0);
    for path in &cases {
        let case: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let name = path.display();
        for table in tables(&case) {
            let parsed = parse(table).unwrap_or_else(|error| panic!("{name}: {error}"));
            let lines: Vec<_> = table.split('\n').collect();
            assert_eq!(lines.len(), parsed.len(), "{name}: one line, one route");
            for (line, route) in lines.iter().zip(&parsed) {
                let mut printed = String::new();
                print_definition(&mut printed, route);
                if printed != *line {
                    assert_same_but_for_generic(line, route);
                    generic += 1;
                }
                assert_eq!(verify(route), Verdict::Same, "{name}");
            }
            let printed = print_document(&parsed);
            assert_eq!(print_document(&parse(&printed).unwrap()), printed, "{name}: printing is stable");
            documents += 1;
            routes += parsed.len();
        }
        if let (Some(count), Some(table)) =
            (case["expect"]["count"].as_u64(), case["expect"]["routes"].as_str())
        {
            assert_eq!(table.lines().count() as u64, count, "{name}: as many routes as the peer says");
        }
    }
    println!("{documents} documents with {routes} routes, {generic} of them with generic built-ins");
    assert!(documents > cases.len() / 2, "most cases have a table: {documents}");
    assert!(generic < routes / 4 * 3, "many routes print back to the byte: all but {generic} of {routes}");
}

/// `line` has the predicates of `route` in whatever order and form, then its filters and backend to the byte.
fn assert_same_but_for_generic(line: &str, route: &Route) {
    let head = Route { filters: Vec::new(), backend: Backend::Forward, ..route.clone() }.to_string();
    let whole = route.to_string();
    let tail = format!("{};", &whole[head.len() - " -> ".len()..]);
    let head = line.strip_prefix(&format!("{}: ", route.id)).and_then(|line| line.strip_suffix(&tail));
    let texts = |predicates: Vec<Predicate>| {
        let mut texts: Vec<_> = predicates.iter().map(ToString::to_string).collect();
        texts.sort();
        texts
    };
    let written = parse_predicates(head.unwrap_or_else(|| panic!("{line}\ndoes not end in\n{tail}")))
        .expect("it is from a table");
    assert_eq!(texts(written), texts(route.canonical().predicates));
}
