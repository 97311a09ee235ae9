//! The route servers that can stand behind the VIP, and how each is started.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use crate::history::History;
use crate::peers;
use crate::ports;
use crate::stage::Folder;
use crate::stage::apiserver::{ADMIN_TOKEN, ApiServer};
use crate::stage::fleet::Fleet;
use crate::stage::replica::{Launch, Replica};

/// The binary `bellwether`: the one given, or the one that Cargo builds in the harness's own profile.
///
/// # Errors
///
/// Where it is not there or does not build.
pub async fn bellwether(given: Option<PathBuf>) -> Result<PathBuf> {
    if let Some(path) = given {
        ensure!(path.is_file(), "{} is not there", path.display());
        return Ok(path);
    }
    let folder = std::env::current_exe()?.parent().context("a program lies in a folder")?.to_owned();
    // Cargo sets this for what it runs. Without it we were copied somewhere, and take what lies beside us.
    if let Some(cargo) = std::env::var_os("CARGO") {
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--package=bellwether", "--bin=bellwether"]);
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        // What Cargo says about the harness's own package would make build scripts run again, now and next time.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CARGO_PKG_")
                || name.to_string_lossy().starts_with("CARGO_MANIFEST_")
            {
                build.env_remove(name);
            }
        }
        build.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null()).kill_on_drop(true);
        let status = build.status().await.context("run cargo")?;
        ensure!(status.success(), "cargo could not build bellwether ({status})");
    }
    let path = folder.join("bellwether");
    ensure!(path.is_file(), "{} is not there; run: cargo build --bin bellwether", path.display());
    Ok(path)
}

/// `count` replicas of Bellwether. `flags` says what they read and where their Lease is; names, addresses, peers and
/// state folders are added here.
///
/// # Errors
///
/// Where there is no port or folder for one.
pub fn bellwethers(
    binary: &Path,
    count: usize,
    flags: &[String],
    folder: &Folder,
    history: &History,
) -> Result<Fleet> {
    let replication: Vec<_> = (0..count).map(|_| ports::free()).collect::<Result<_>>()?;
    let peers = replication.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let logs = folder.sub("logs")?;
    let mut replicas = Vec::new();
    for (index, replication) in replication.iter().enumerate() {
        let name = format!("r{index}");
        let (serve, support) = (ports::free()?, ports::free()?);
        let mut args = vec!["serve".to_owned()];
        args.extend_from_slice(flags);
        args.extend([
            format!("--id={name}"),
            format!("--state-dir={}", folder.sub(&name)?.display()),
            format!("--replication-listener={replication}"),
            format!("--peers={peers}"),
            format!("-address={serve}"),
            format!("-support-listener={support}"),
        ]);
        let launch = Launch {
            name,
            binary: binary.to_owned(),
            args,
            env: BTreeMap::new(),
            serve,
            support,
            ready: (support, "/readyz"),
        };
        replicas.push(Replica::new(launch, logs.clone(), history.clone()));
    }
    Ok(Fleet { replicas })
}

/// `count` replicas of routesrv, with the rights of an administrator.
///
/// # Errors
///
/// Where it is not built, or there is no port for one.
pub fn routesrvs(
    count: usize,
    api: &ApiServer,
    flags: &[String],
    folder: &Folder,
    history: &History,
) -> Result<Fleet> {
    let token = folder.path().join("admin.token");
    std::fs::write(&token, ADMIN_TOKEN).context("write the admin's token")?;
    let logs = folder.sub("logs")?;
    let mut replicas = Vec::new();
    for index in 0..count {
        let (serve, support) = (ports::free()?, ports::free()?);
        let mut args = flags.to_vec();
        args.extend([
            "-kubernetes".to_owned(),
            format!("-kubernetes-url={}", api.url()),
            format!("-kubernetes-token-file={}", token.display()),
            format!("-address={serve}"),
            format!("-support-listener={support}"),
        ]);
        let launch = Launch {
            name: format!("routesrv{index}"),
            binary: peers::ROUTESRV.binary()?,
            args,
            // Outside a cluster it trusts what the system trusts; this is how Go is told otherwise.
            env: BTreeMap::from([("SSL_CERT_FILE".to_owned(), api.ca().display().to_string())]),
            serve,
            support,
            ready: (serve, "/health"),
        };
        replicas.push(Replica::new(launch, logs.clone(), history.clone()));
    }
    Ok(Fleet { replicas })
}
