//! The dependency graph, from the lock file: one of each kind, and nothing that breaks at run time.
//!
//! `deny.toml` says more, and needs a tool; this needs nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Two versions of these do not work together: their types do not meet.
const ONE_VERSION: [&str; 12] = [
    "axum",
    "h2",
    "http",
    "hyper",
    "k8s-openapi",
    "kube-client",
    "prost",
    "prometheus-client",
    "rustls",
    "sha2",
    "tokio",
    "tonic",
];

/// None of these: a second TLS provider makes rustls panic at run time; the others double what is there.
const NEVER: [&str; 5] = ["aws-lc-rs", "openssl", "native-tls", "reqwest", "serde_yml"];

fn locked() -> BTreeMap<String, Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock");
    let text = fs::read_to_string(path).expect("the lock file is committed");
    let mut packages: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let value = |line: &str| line.split('"').nth(1).unwrap_or_default().to_owned();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("name = ") {
            let version = lines.next().map(value).unwrap_or_default();
            packages.entry(value(line)).or_default().push(version);
        }
    }
    packages
}

#[test]
fn one_of_each_kind_is_locked() {
    let packages = locked();
    for name in ONE_VERSION {
        let versions = packages.get(name).unwrap_or_else(|| panic!("{name} is not used any more"));
        assert_eq!(versions.len(), 1, "{name}: {versions:?}");
    }
    for name in NEVER {
        assert!(!packages.contains_key(name), "{name} is in the graph");
    }
}
