//! The pure modules stay pure: what decides about routes and leadership names no runtime, no network, no clock.

use std::fs;
use std::path::{Path, PathBuf};

/// The pure modules, as paths below `src`.
const PURE: [&str; 23] = [
    "compare",
    "eskip",
    "object",
    "compile",
    "guard",
    "orders",
    "re2",
    "snapshot",
    "source/kubernetes/mirror",
    "source/remote/address",
    "source/remote/answer",
    "election/core",
    "replication/core",
    "replication/ledger",
    "replication/quorum",
    "rollout/judge",
    "rollout/meanings",
    "rollout/side",
    "serve/prefer",
    "traces/spans",
    "writes/event",
    "writes/plan",
    "writes/queue",
];

/// What none of them may name.
const FORBIDDEN: [&str; 9] = [
    "tokio::",
    "kube::",
    "tonic::",
    "axum::",
    "hyper::",
    "Instant::now",
    "SystemTime::now",
    "BootClock",
    "k8s_openapi",
];

fn sources(module: &str) -> Vec<PathBuf> {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = vec![base.join(format!("{module}.rs"))];
    let mut folders = vec![base.join(module)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found
}

#[test]
fn pure_modules_name_no_runtime_no_network_and_no_clock() {
    for module in PURE {
        for path in sources(module) {
            let text =
                fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            for (number, line) in text.lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                for forbidden in FORBIDDEN {
                    assert!(!code.contains(forbidden), "{}:{}: {forbidden}", path.display(), number + 1);
                }
            }
        }
    }
}

#[test]
fn no_file_holds_more_than_one_idea() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("src"), root.join("tests"), root.join("chaos/src")];
    let mut sizes = Vec::new();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let lines = fs::read_to_string(&path).unwrap_or_default().lines().count();
                assert!(lines <= 600, "{} has {lines} lines: which two ideas is it?", path.display());
                sizes.push(lines);
            }
        }
    }
    sizes.sort_unstable();
    assert!(sizes[sizes.len() / 2] <= 180, "the median file has {} lines", sizes[sizes.len() / 2]);
}
