//! `chaos/kubernetes`, without a cluster: the judge against records that must pass and records that must fail, each script
//! against a server and a `kubectl` of the test's own, and the manifests against each other.

#![allow(clippy::unwrap_used)]

#[path = "kubernetes/judge.rs"]
mod judge;
#[path = "kubernetes/manifests.rs"]
mod manifests;
#[path = "kubernetes/scripts.rs"]
mod scripts;

use std::path::{Path, PathBuf};

/// The folder of the scripts and the manifests.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("kubernetes")
}

/// Name and default of each setting.
fn settings() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(folder().join("settings.env")).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| line.split_once('=').unwrap_or_else(|| panic!("NAME=VALUE in {line:?}")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn setting(name: &str) -> String {
    let found = settings().into_iter().find(|setting| setting.0 == name);
    found.unwrap_or_else(|| panic!("a setting {name}")).1
}
