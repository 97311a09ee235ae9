//! Files out of Go modules that nobody has to build: what Kubernetes says of its own kinds, and definitions of others'.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::process::Command;

use super::{DEADLINE, TOOLCHAIN, binaries};

/// The versions of Kubernetes that the chart is held against; the last but two is the one that the stage runs.
pub const KUBERNETES: [&str; 3] = ["v1.34.4", "v1.35.4", "v1.36.3"];

const PROMETHEUS_OPERATOR: (&str, &str) = ("github.com/prometheus-operator/prometheus-operator", "v0.85.0");
const CERT_MANAGER: (&str, &str) = ("github.com/cert-manager/cert-manager", "v1.21.2");

/// Definitions of kinds that the chart uses where they are installed.
const DEFINITIONS: [((&str, &str), &str); 4] = [
    (PROMETHEUS_OPERATOR, "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml"),
    (PROMETHEUS_OPERATOR, "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml"),
    (CERT_MANAGER, "deploy/crds/cert-manager.io_certificates.yaml"),
    (CERT_MANAGER, "deploy/crds/cert-manager.io_issuers.yaml"),
];

/// The OpenAPI document of a version of Kubernetes.
///
/// # Errors
///
/// Where it was never fetched.
pub fn openapi(version: &str) -> Result<PathBuf> {
    found(format!("openapi-{version}.json"))
}

/// The definitions of kinds that others bring.
///
/// # Errors
///
/// Where they were never fetched.
pub fn definitions() -> Result<Vec<PathBuf>> {
    DEFINITIONS.into_iter().map(|((_, version), path)| found(kept(version, path))).collect()
}

fn found(name: String) -> Result<PathBuf> {
    let path = binaries().join(name);
    ensure!(path.is_file(), "{} is not there; run: cargo run -p chaos -- peers", path.display());
    Ok(path)
}

/// Under which name a definition is kept.
fn kept(version: &str, path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".yaml");
    format!("{name}-{version}.yaml")
}

/// Fetches what is not there. Go checks each module against the public checksum database.
pub(super) async fn fetch(go: &Path) -> Result<()> {
    let openapi = KUBERNETES.map(|version| {
        (("k8s.io/kubernetes", version), "api/openapi-spec/swagger.json", format!("openapi-{version}.json"))
    });
    let definitions = DEFINITIONS.map(|(module, path)| (module, path, kept(module.1, path)));
    for ((module, version), path, name) in openapi.into_iter().chain(definitions) {
        let to = binaries().join(&name);
        if to.is_file() {
            continue;
        }
        let from = download(go, module, version).await?.join(path);
        let text = std::fs::read(&from).with_context(|| format!("read {}", from.display()))?;
        std::fs::write(&to, text).with_context(|| format!("write {}", to.display()))?;
        println!("{name:<40}fetched");
    }
    Ok(())
}

/// Where Go has put a module.
async fn download(go: &Path, module: &str, version: &str) -> Result<PathBuf> {
    let mut command = Command::new(go);
    command
        .args(["mod", "download", "-json", &format!("{module}@{version}")])
        .current_dir(std::env::temp_dir())
        .env("GOTOOLCHAIN", TOOLCHAIN)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let run = tokio::time::timeout(DEADLINE, command.output())
        .await
        .with_context(|| format!("download {module}: not done after {DEADLINE:?}"))??;
    let answer: Value = serde_json::from_slice(&run.stdout).context("what go says of a module")?;
    let folder = answer["Dir"].as_str();
    folder.map(PathBuf::from).with_context(|| format!("{module}@{version}: {}", answer["Error"]))
}
