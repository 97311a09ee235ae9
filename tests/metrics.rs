//! docs/metrics.md against what is registered, and against what a running replica answers.

#[path = "see/fleet.rs"]
#[allow(dead_code)]
mod fleet;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use fleet::Fleet;

/// A row of the page.
#[derive(Debug)]
struct Row {
    kind: String,
    buckets: usize,
    labels: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rows() -> BTreeMap<String, Row> {
    let text = fs::read_to_string(root().join("docs/metrics.md")).expect("it is there");
    let mut rows = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 4, "{line}");
        let (kind, buckets) = cells[1].split_once(", buckets ").unwrap_or((cells[1], ""));
        // "0.01 doubled up to 20.48" is as many as doublings.
        let buckets = match buckets.split_once(" doubled up to ") {
            Some((first, last)) => {
                let number = |text: &str| text.parse::<f64>().expect("a number");
                1 + (number(last) / number(first)).log2().round() as usize
            }
            None => buckets.split_whitespace().count(),
        };
        let name = cells[0].trim_matches('`').to_owned();
        let row = Row { kind: kind.to_owned(), buckets, labels: cells[2].to_owned() };
        assert!(rows.insert(name, row).is_none(), "twice: {line}");
        assert!(cells[3].len() > 2, "{line}");
    }
    rows
}

/// The names that the sources register, as they stand there: without prefix, unit and suffix.
fn registered() -> BTreeSet<String> {
    let mut folders = vec![root().join("src")];
    let mut files: Vec<PathBuf> = Vec::new();
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("one").path()) {
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    let mut names = BTreeSet::new();
    for file in
        files.iter().filter(|it| it.extension().is_some_and(|it| it == "rs") && !it.ends_with("tests.rs"))
    {
        let text = fs::read_to_string(file).expect("text");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        if !code.contains("registry::Registry") && !code.contains("registry::{Registry") {
            continue;
        }
        for after in code.split(".register").skip(1) {
            let arguments = after.trim_start_matches("_with_unit").trim_start_matches('(').trim_start();
            if let Some((name, _)) = arguments.strip_prefix('"').and_then(|rest| rest.split_once('"')) {
                names.insert(name.to_owned());
            }
        }
    }
    names
}

/// A documented name without prefix, unit and suffix: how it may be registered.
fn stems(name: &str, kind: &str) -> Vec<String> {
    let prefixes = ["bellwether_replication_", "bellwether_election_", "bellwether_", "routesrv_", ""];
    let bare = prefixes.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
    let bare = if kind == "counter" { bare.trim_end_matches("_total") } else { bare };
    let bare = bare.trim_end_matches("_info");
    let unitless = bare.trim_end_matches("_seconds").trim_end_matches("_bytes");
    vec![bare.to_owned(), unitless.to_owned()]
}

#[test]
fn each_registered_name_has_a_row_and_each_row_a_name() {
    let (rows, registered) = (rows(), registered());
    assert!(registered.len() > 50, "the sources are read: {registered:?}");
    let documented: BTreeSet<_> = rows.iter().flat_map(|(name, row)| stems(name, &row.kind)).collect();
    let missing: Vec<_> = registered.difference(&documented).collect();
    assert!(missing.is_empty(), "docs/metrics.md has no row for {missing:?}");
    for (name, row) in &rows {
        let known = stems(name, &row.kind).iter().any(|stem| registered.contains(stem));
        assert!(known, "nothing registers {name}, which docs/metrics.md has");
    }
}

#[test]
fn a_running_replica_answers_what_the_page_says() {
    let fleet = Fleet::start(&["/a"]);
    fleet.in_step();
    fleet.poll(0, "127.0.0.2");
    let rows = rows();
    let mut seen = BTreeSet::new();
    for number in 0..3 {
        let text = fleet.text(number, "/metrics");
        for line in text.lines() {
            let Some(described) = line.strip_prefix("# TYPE ") else { continue };
            let (name, kind) = described.split_once(' ').expect("a name and a type");
            let row = rows.get(name).unwrap_or_else(|| panic!("docs/metrics.md has no row for {name}"));
            assert_eq!(row.kind, kind, "{name}");
            seen.insert(name.to_owned());
            let sample = |line: &&str| line.starts_with(name) && !line.starts_with(&format!("{name}_bucket"));
            let labels = text.lines().find(sample).and_then(|it| it.split_once('{')).map(|it| it.1);
            for label in
                labels.into_iter().flat_map(|it| it.split("\",")).filter_map(|it| it.split('=').next())
            {
                assert!(row.labels.contains(&format!("`{label}`")), "{name} has the label {label}");
            }
            if kind == "histogram" {
                let buckets = text.lines().filter(|line| line.starts_with(&format!("{name}_bucket"))).count();
                assert_eq!(buckets, row.buckets + 1, "{name}");
            }
        }
    }
    let unseen: Vec<_> =
        rows.iter().filter(|(name, row)| !seen.contains(*name) && !row.labels.contains("*later*")).collect();
    assert!(unseen.is_empty(), "no replica answers {unseen:?}");
}
