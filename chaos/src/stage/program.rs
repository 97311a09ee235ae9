//! The route servers that can stand behind the VIP, and how each is started.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use crate::ground::{Ground, Place};
use crate::history::History;
use crate::peers;
use crate::stage::Folder;
use crate::stage::apiserver::{ADMIN_TOKEN, ApiServer};
use crate::stage::badges::Badges;
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

/// A release of `bellwether` with further `options` of Cargo, built in a `folder` of its own below the target folder: beside the ordinary
/// one, everything would be built anew, now and next time.
///
/// # Errors
///
/// Where it does not build.
pub async fn built_apart(folder: &str, options: &[&str]) -> Result<PathBuf> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target").join(folder);
    let mut build = cargo();
    build.args(["build", "--quiet", "--release", "--locked", "--package=bellwether", "--bin=bellwether"]);
    build.args(options).arg("--target-dir").arg(&target).current_dir(env!("CARGO_MANIFEST_DIR"));
    let status = build.status().await.context("run cargo")?;
    ensure!(status.success(), "cargo could not build bellwether with {} ({status})", options.join(" "));
    Ok(target.join("release/bellwether"))
}

/// Cargo: the one that runs the harness, where one does. It ends with us.
pub fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.stdin(Stdio::null()).kill_on_drop(true);
    cargo
}

/// `count` replicas of Bellwether, in places `r0` and so on. `flags` says what they read and where their Lease is; names, addresses, peers and
/// state folders are added here.
///
/// # Errors
///
/// Where there is no place or folder for one.
pub fn bellwethers(
    ground: &Ground,
    binary: &Path,
    count: usize,
    flags: &[String],
    folder: &Folder,
    history: &History,
) -> Result<Fleet> {
    let places: Vec<Place> =
        (0..count).map(|index| ground.place(&format!("r{index}"))).collect::<Result<_>>()?;
    let replication: Vec<_> = places.iter().map(|place| place.socket(9912)).collect::<Result<_>>()?;
    let peers = replication.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let badges = match ground.has_places() {
        true => {
            let names = places.iter().map(|place| place.name().to_owned()).collect();
            Some(Badges::make(&folder.sub("badges")?, names)?)
        }
        // On loopback nobody needs to prove anything.
        false => None,
    };
    let logs = folder.sub("logs")?;
    let mut replicas = Vec::new();
    for (place, replication) in places.into_iter().zip(replication) {
        let name = place.name().to_owned();
        let (serve, support) = (place.socket(9090)?, place.socket(9911)?);
        let mut args = vec!["serve".to_owned()];
        args.extend_from_slice(flags);
        args.extend([
            format!("--id={name}"),
            format!("--state-dir={}", folder.sub(&name)?.display()),
            // For the witness, who reads it.
            "--log-format=json".to_owned(),
            format!("--replication-listener={replication}"),
            format!("--peers={peers}"),
            format!("-address={serve}"),
            format!("-support-listener={support}"),
        ]);
        if let Some(badges) = &badges {
            args.extend(badges.flags(&name));
        }
        let launch = Launch {
            name,
            place,
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

/// `count` replicas of routesrv, in places `routesrv0` and so on, with the rights of an administrator.
///
/// # Errors
///
/// Where it is not built, or there is no place for one.
pub fn routesrvs(
    ground: &Ground,
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
        let place = ground.place(&format!("routesrv{index}"))?;
        let (serve, support) = (place.socket(9090)?, place.socket(9911)?);
        let mut args = flags.to_vec();
        args.extend([
            "-kubernetes".to_owned(),
            format!("-kubernetes-url={}", api.url()),
            format!("-kubernetes-token-file={}", token.display()),
            format!("-address={serve}"),
            format!("-support-listener={support}"),
        ]);
        let launch = Launch {
            name: place.name().to_owned(),
            place,
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
