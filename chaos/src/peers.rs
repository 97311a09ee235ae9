//! The peers: etcd, kube-apiserver, Skipper and routesrv, built from Go's module proxy, and the oracle that asks routesrv;
//! with them Helm and Kustomize, which install Bellwether.
//!
//! Each has a `go.mod` of its own, since their requirements collide. What is up to date is not
//! built again. What can go wrong: no Go, no way to the module proxy; the message says which.

pub mod files;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};
use tokio::process::Command;
use tokio::time::Instant;

/// The toolchain that all peers are built with; Go fetches it where another one is installed.
const TOOLCHAIN: &str = "go1.27.0";

/// A cold build of the API server takes some minutes; one that takes this long hangs.
const DEADLINE: Duration = Duration::from_secs(3600);

/// One of the programs that the stage is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The name of its binary.
    pub name: &'static str,
    /// Where its `go.mod` is, below `chaos`.
    module: &'static str,
    package: &'static str,
    /// Variables set by the linker: without them the API server calls itself v0.0.0-master.
    variables: &'static [(&'static str, &'static str)],
}

/// The API server's store.
pub const ETCD: Peer =
    Peer { name: "etcd", module: "peers/etcd", package: "go.etcd.io/etcd/server/v3", variables: &[] };

/// The API server.
pub const KUBE_APISERVER: Peer = Peer {
    name: "kube-apiserver",
    module: "peers/kube-apiserver",
    package: "k8s.io/kubernetes/cmd/kube-apiserver",
    variables: &[
        ("k8s.io/component-base/version.gitVersion", "v1.34.4"),
        ("k8s.io/component-base/version.gitMajor", "1"),
        ("k8s.io/component-base/version.gitMinor", "34"),
        ("k8s.io/component-base/version.gitTreeState", "clean"),
    ],
};

/// The client: the proxy that polls `/routes`.
pub const SKIPPER: Peer = Peer {
    name: "skipper",
    module: "peers/skipper",
    package: "github.com/zalando/skipper/cmd/skipper",
    variables: &[],
};

/// What Bellwether replaces.
pub const ROUTESRV: Peer = Peer {
    name: "routesrv",
    module: "peers/routesrv",
    package: "github.com/zalando/skipper/cmd/routesrv",
    variables: &[],
};

/// Says what routesrv serves for a cluster: a program of ours around the peer's packages.
pub const ORACLE: Peer = Peer { name: "oracle", module: "oracle", package: ".", variables: &[] };

/// What installs the chart.
pub const HELM: Peer =
    Peer { name: "helm", module: "peers/helm", package: "helm.sh/helm/v4/cmd/helm", variables: &[] };

/// What puts manifests together.
pub const KUSTOMIZE: Peer = Peer {
    name: "kustomize",
    module: "peers/kustomize",
    package: "sigs.k8s.io/kustomize/kustomize/v5",
    variables: &[],
};

/// All of them, the small ones first.
pub const ALL: [Peer; 7] = [KUSTOMIZE, HELM, ETCD, ROUTESRV, ORACLE, SKIPPER, KUBE_APISERVER];

impl Peer {
    /// Its binary.
    ///
    /// # Errors
    ///
    /// Where it was never built.
    pub fn binary(&self) -> Result<PathBuf> {
        let path = binaries().join(self.name);
        ensure!(path.is_file(), "{} is not built; run: cargo run -p chaos -- peers", self.name);
        Ok(path)
    }

    /// Builds it, unless its binary is of these very sources. Returns whether it had to.
    async fn build(&self, go: &Path) -> Result<bool> {
        let stamp_file = binaries().join(format!("{}.stamp", self.name));
        let stamp = self.stamp()?;
        if self.binary().is_ok() && std::fs::read_to_string(&stamp_file).is_ok_and(|old| old == stamp) {
            return Ok(false);
        }
        let mut command = Command::new(go);
        command
            .args(["build", "-buildvcs=false", "-ldflags", &self.ldflags(), "-o"])
            .arg(binaries().join(self.name))
            .arg(self.package)
            .current_dir(self.folder())
            .env("CGO_ENABLED", "0")
            .env("GOTOOLCHAIN", TOOLCHAIN)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        // The linker writes some hundred megabytes: five times as fast in memory as on a slow disk.
        if Path::new("/dev/shm").is_dir() {
            command.env("GOTMPDIR", "/dev/shm");
        }
        let status = tokio::time::timeout(DEADLINE, command.status())
            .await
            .with_context(|| format!("build {}: not done after {DEADLINE:?}", self.name))?
            .with_context(|| format!("run {}", go.display()))?;
        ensure!(
            status.success(),
            "go could not build {} ({status}); it needs a way to a Go module proxy (see `go env GOPROXY`)",
            self.name
        );
        std::fs::write(&stamp_file, stamp).with_context(|| format!("write {}", stamp_file.display()))?;
        Ok(true)
    }

    /// `go.mod`, `go.sum`, and the Go files where the program is ours, sorted.
    fn sources(&self) -> Result<Vec<PathBuf>> {
        let folder = self.folder();
        let entries = std::fs::read_dir(&folder).with_context(|| format!("read {}", folder.display()))?;
        let is_source = |path: &PathBuf| {
            path.extension()
                .is_some_and(|extension| ["mod", "sum", "go"].iter().any(|known| extension == *known))
        };
        let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).filter(is_source).collect();
        paths.sort();
        Ok(paths)
    }

    fn folder(&self) -> PathBuf {
        root().join(self.module)
    }

    fn ldflags(&self) -> String {
        let variables = self.variables.iter().map(|(name, value)| format!(" -X {name}={value}"));
        format!("-s -w{}", variables.collect::<String>())
    }

    /// What the binary is made from, as one word.
    fn stamp(&self) -> Result<String> {
        let mut hash = Sha256::new();
        for path in self.sources()? {
            hash.update(std::fs::read(&path).with_context(|| format!("read {}", path.display()))?);
        }
        hash.update(TOOLCHAIN);
        hash.update(self.package);
        hash.update(self.ldflags());
        Ok(hex::encode(hash.finalize()))
    }
}

/// Builds every peer that is not up to date, one after the other, and says so.
///
/// # Errors
///
/// Where Go is missing or a build fails.
pub async fn build() -> Result<()> {
    let go = go()?;
    std::fs::create_dir_all(binaries()).context("make the folder of the binaries")?;
    for peer in ALL {
        let start = Instant::now();
        let built = peer.build(&go).await?;
        let how = if built { "built" } else { "up to date" };
        println!("{:<16}{how:<12}{:>6.1} s", peer.name, start.elapsed().as_secs_f64());
    }
    files::fetch(&go).await
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder of what is built and fetched.
pub(crate) fn binaries() -> PathBuf {
    root().join("peers/bin")
}

/// Where the Go command is: on the path, or where its own installer puts it.
fn go() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = PathBuf::from("/usr/local/go/bin");
    match std::env::split_paths(&path).chain([usual]).map(|dir| dir.join("go")).find(|go| go.is_file()) {
        Some(go) => Ok(go),
        None => {
            bail!("go is not installed: the peers need Go 1.21 or later, which fetches {TOOLCHAIN} itself")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_peer_is_the_tool_of_its_module() {
        for peer in ALL.into_iter().filter(|peer| *peer != ORACLE) {
            let module = std::fs::read_to_string(peer.folder().join("go.mod")).unwrap();
            assert!(module.lines().any(|line| line == format!("tool {}", peer.package)), "{}", peer.name);
        }
    }

    #[test]
    fn the_oracle_asks_the_very_routesrv_that_is_built() {
        let version = |peer: Peer| {
            let module = std::fs::read_to_string(peer.folder().join("go.mod")).unwrap();
            let line = module.lines().find(|line| line.contains("github.com/zalando/skipper v")).unwrap();
            line.split_whitespace().nth(1).unwrap().to_owned()
        };
        assert_eq!(version(ORACLE), version(ROUTESRV));
    }

    #[test]
    fn a_program_of_ours_is_built_again_after_a_change_of_its_code() {
        let sources = ORACLE.sources().unwrap();
        for name in ["go.mod", "go.sum", "main.go"] {
            assert!(sources.iter().any(|path| path.ends_with(name)), "{name}");
        }
    }

    #[test]
    fn a_stamp_changes_with_what_the_linker_sets() {
        let other = Peer { variables: &[("a.b", "c")], ..ETCD };
        assert_ne!(ETCD.stamp().unwrap(), other.stamp().unwrap());
        assert_eq!(ETCD.stamp().unwrap(), ETCD.stamp().unwrap());
    }
}
