//! What the peer serves, byte for byte, for every cluster of the conformance folder.
//!
//! The folder is no part of the repository: `BELLWETHER_CONFORMANCE` names it, or it stands beside the checkout. Without it
//! the tests say so and pass. `BELLWETHER_CONFORMANCE_DIFF=1` prints what differs in each failing case, another value only
//! for the cases whose name contains it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use bellwether::compile::{self, Compiled, Past, Settings};
use bellwether::flags::{self, Parsed};
use bellwether::object::Objects;
use serde::Deserialize;
use serde_json::Value;

/// Those of Skipper's own tests, and generated ones.
const FOLDERS: [&str; 2] = ["skipper", "clusters"];

/// One file of the folder.
#[derive(Deserialize)]
struct Case {
    name: String,
    flags: Vec<String>,
    objects: Vec<Value>,
    expect: Expected,
    #[serde(default, rename = "peerWarns")]
    peer_warns: bool,
}

/// What the peer answered.
#[derive(Deserialize)]
struct Expected {
    status: u16,
    /// None with status 404.
    routes: Option<String>,
    #[serde(default)]
    count: usize,
    #[serde(default)]
    zones: BTreeMap<String, String>,
    #[serde(default)]
    quarantined: BTreeSet<String>,
}

#[test]
fn every_cluster_is_served_as_the_peer_serves_it() {
    let Some(root) = root() else {
        say("conformance: no folder, nothing compared");
        return;
    };
    let cases: Vec<_> = FOLDERS.iter().flat_map(|folder| cases(&root.join(folder))).collect();
    let failures: Vec<_> =
        cases.iter().filter_map(|case| Some((case.name.as_str(), differences(case)?))).collect();
    let passed = cases.len() - failures.len();
    say(&format!("conformance: {passed} of {}", cases.len()));
    if let Ok(wanted) = std::env::var("BELLWETHER_CONFORMANCE_DIFF") {
        for (name, differences) in failures.iter().filter(|(name, _)| wanted == "1" || name.contains(&wanted))
        {
            say(&format!("{name}:\n{differences}"));
        }
    }
    assert!(failures.is_empty(), "set BELLWETHER_CONFORMANCE_DIFF=1 to see what differs");
    assert!(!cases.is_empty(), "{} has no cases", root.display());
}

/// Past the capture of the test's output, so that the numbers can be read without asking for them.
fn say(text: &str) {
    writeln!(std::io::stderr(), "{text}").expect("standard error is open");
}

fn root() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance");
    let root = std::env::var_os("BELLWETHER_CONFORMANCE").map_or_else(beside, PathBuf::from);
    root.is_dir().then_some(root)
}

fn cases(folder: &Path) -> Vec<Case> {
    let entries = std::fs::read_dir(folder).expect("the folder can be read");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry can be read").path()).collect();
    paths.sort();
    let read = |path: &PathBuf| {
        let text = std::fs::read(path).expect("a case can be read");
        serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    paths.iter().map(read).collect()
}

/// What is not as the peer has it; none if everything is.
fn differences(case: &Case) -> Option<String> {
    let settings = match settings(&case.flags) {
        Ok(settings) => settings,
        Err(error) => return Some(format!("  the flags are refused: {error}\n")),
    };
    let (objects, mut diagnostics) = Objects::from_values(case.objects.iter().cloned());
    let compiled = compile::compile(&objects, &settings, &Past::default());
    diagnostics.extend(compiled.diagnostics.iter().cloned());

    let mut out = String::new();
    let apart = compile::compile_in_groups(&objects, &settings, &Past::default(), 1);
    if (&apart.table, &apart.zones) != (&compiled.table, &compiled.zones) {
        out += "  another table where each part is made apart\n";
    }
    let status = if compiled.table.count == 0 { 404 } else { 200 };
    if status != case.expect.status {
        out += &format!("  status {status} instead of {}\n", case.expect.status);
    }
    if compiled.table.count != case.expect.count {
        out += &format!("  {} routes instead of {}\n", compiled.table.count, case.expect.count);
    }
    out += &text_difference(
        "routes",
        &compiled.table.eskip(),
        case.expect.routes.as_deref().unwrap_or_default(),
    );
    out += &zone_differences(&compiled, &case.expect.zones);
    let quarantined: BTreeSet<_> =
        compiled.quarantined.iter().map(|left_out| left_out.route.clone()).collect();
    if quarantined != case.expect.quarantined {
        out += &format!("  quarantined {quarantined:?} instead of {:?}\n", case.expect.quarantined);
    }
    if case.peer_warns && diagnostics.is_empty() {
        out += "  the peer complains, we do not\n";
    }
    (!out.is_empty()).then_some(out)
}

fn settings(flags: &[String]) -> Result<Settings, String> {
    let arguments: Vec<_> = ["-manifests=.".to_owned()].into_iter().chain(flags.iter().cloned()).collect();
    match flags::compile(&arguments) {
        Ok(Parsed::Run(options)) => Ok(options.compile),
        Ok(_) => Err("they ask for something else".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn zone_differences(compiled: &Compiled, expected: &BTreeMap<String, String>) -> String {
    let names: BTreeSet<_> = compiled.zones.keys().chain(expected.keys()).collect();
    let text = |zone: &str| compiled.table_for(Some(zone)).eskip();
    let main = compiled.table.eskip();
    let difference = |zone: &&String| {
        let expected = expected.get(*zone).unwrap_or(&main);
        text_difference(&format!("zone {zone}"), &text(zone), expected)
    };
    names.iter().map(difference).collect()
}

/// The first lines that only one of both has.
fn text_difference(what: &str, ours: &str, theirs: &str) -> String {
    if ours == theirs {
        return String::new();
    }
    let (our_lines, their_lines): (BTreeSet<_>, BTreeSet<_>) =
        (ours.lines().collect(), theirs.lines().collect());
    let only = |sign: char, left: &BTreeSet<&str>, right: &BTreeSet<&str>| -> String {
        left.difference(right).take(4).map(|line| format!("    {sign} {line}\n")).collect()
    };
    let (missing, surplus) = (only('-', &their_lines, &our_lines), only('+', &our_lines, &their_lines));
    format!("  {what} differ:\n{missing}{surplus}")
}
