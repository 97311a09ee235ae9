//! Every table of the conformance cases parses and prints back byte for byte, and each of its routes is verified.
//!
//! The cases are not part of the repository: without them this says so and passes. `BELLWETHER_CONFORMANCE` names
//! their folder where it is not `../shared/conformance`.

use std::path::{Path, PathBuf};

use bellwether::eskip::{Verdict, parse, print_document, verify};
use serde_json::Value;

fn folder() -> PathBuf {
    std::env::var_os("BELLWETHER_CONFORMANCE")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance"), PathBuf::from)
}

fn cases() -> Vec<PathBuf> {
    let list = |folder: &Path| -> Vec<PathBuf> {
        std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
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
    let (mut documents, mut routes) = (0, 0);
    for path in &cases {
        let case: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let name = path.display();
        for table in tables(&case) {
            let parsed = parse(table).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(print_document(&parsed), table, "{name}");
            for route in &parsed {
                assert_eq!(verify(route), Verdict::Same, "{name}");
            }
            documents += 1;
            routes += parsed.len();
        }
        if let (Some(count), Some(table)) = (case["expect"]["count"].as_u64(), case["expect"]["routes"].as_str())
        {
            assert_eq!(parse(table).unwrap().len() as u64, count, "{name}: one id, one route");
        }
    }
    println!("{documents} documents with {routes} routes");
    assert!(documents > cases.len() / 2, "most cases have a table: {documents}");
}
