//! The machines, as `chaos/cluster` makes them: built, switched on, cut off from their power, booted, switched off.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::geteuid;
use tokio::process::Command;

use crate::ground;
use crate::peers;

/// A cold build takes some minutes of two processors; one that takes this long hangs.
const BUILD: Duration = Duration::from_secs(3600);

/// How long any other command may take.
const PATIENCE: Duration = Duration::from_secs(180);

/// The machines; all of them are switched off when this is dropped.
pub struct Machines(());

/// What this machine lacks for a cluster; `None` where nothing does.
pub fn missing() -> Option<String> {
    let has = |program: &str| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
    };
    if !geteuid().is_root() {
        return Some("root".to_owned());
    }
    if !has("apt-get") || !has("dpkg") {
        return Some("Debian".to_owned());
    }
    let groups = Path::new("/sys/fs/cgroup");
    if !["memory", "cpu", "pids"].iter().all(|it| groups.join(it).is_dir()) {
        return Some("control groups of version 1, each in its place below /sys/fs/cgroup".to_owned());
    }
    ground::missing()
}

/// Builds what they are made of, with `bellwether` in its image. What is up to date stays.
///
/// # Errors
///
/// Where it cannot be built.
pub async fn build(bellwether: &Path) -> Result<()> {
    // The script goes into its own folder.
    let bellwether = bellwether.canonicalize().with_context(|| format!("find {}", bellwether.display()))?;
    let mut command = Command::new(folder().join("build"));
    command.env("BELLWETHER", bellwether).stdin(Stdio::null()).kill_on_drop(true);
    let status = tokio::time::timeout(BUILD, command.status()).await.context("chaos/cluster/build hangs")?;
    ensure!(status.context("run chaos/cluster/build")?.success(), "chaos/cluster/build failed");
    Ok(())
}

impl Machines {
    /// Switches on the control plane and so many nodes, until all are ready.
    ///
    /// # Errors
    ///
    /// Where there is a cluster already, or it does not come up.
    pub async fn up(nodes: usize) -> Result<Self> {
        ensure!(
            !run().exists(),
            "there is a cluster already, or what is left of one: chaos/cluster/cluster down"
        );
        let machines = Self(());
        // What it says is for people who wait for it.
        let mut command = Command::new(script());
        command.args(["up", &nodes.to_string()]).stdin(Stdio::null()).kill_on_drop(true);
        let status = tokio::time::timeout(PATIENCE, command.status()).await;
        let status = status.with_context(|| format!("the cluster is not up after {PATIENCE:?}"))?;
        ensure!(status?.success(), "the cluster does not come up: see {}", run().join("log").display());
        Ok(machines)
    }

    /// Runs this program again with `args` beside the nodes, where Services answer; whether that was a success.
    ///
    /// # Errors
    ///
    /// Where it cannot be started.
    pub async fn within(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<bool> {
        let mut command = Command::new(script());
        command.arg("within").arg(std::env::current_exe()?).args(args).stdin(Stdio::null());
        ground::to_its_end(command).await
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        let down = std::process::Command::new(script()).arg("down").stdin(Stdio::null()).status();
        if !down.is_ok_and(|status| status.success()) {
            eprintln!("the cluster is still up: chaos/cluster/cluster down");
        }
    }
}

/// A power cut for that node.
///
/// # Errors
///
/// Where it does not end.
pub async fn cut(node: &str) -> Result<()> {
    scripted("cut", node).await
}

/// Boots that node, with the disk that it had.
///
/// # Errors
///
/// Where it does not come up.
pub async fn boot(node: &str) -> Result<()> {
    scripted("boot", node).await
}

async fn scripted(what: &str, node: &str) -> Result<()> {
    let number =
        node.strip_prefix("node").with_context(|| format!("a node is called node1 and so on, not {node}"))?;
    let mut command = Command::new(script());
    command.args([what, number]);
    output(command, &format!("cluster {what} {number}")).await.map(drop)
}

/// `kubectl`, as the cluster's administrator. To be run beside the nodes, as all of what follows.
pub fn kubectl(args: &[&str]) -> Command {
    administrator(folder().join("bin/kubectl"), args)
}

/// `helm`, as the cluster's administrator.
///
/// # Errors
///
/// Where it is not built.
pub fn helm(args: &[&str]) -> Result<Command> {
    Ok(administrator(peers::HELM.binary()?, args))
}

fn administrator(program: PathBuf, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).env("KUBECONFIG", kubeconfig());
    command
}

/// What `command` prints, if it succeeds in time.
///
/// # Errors
///
/// Where it does not; with what it said.
pub async fn output(mut command: Command, what: &str) -> Result<String> {
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await;
    let output = output.with_context(|| format!("{what}: not done after {PATIENCE:?}"))?;
    let output = output.with_context(|| format!("run {what}"))?;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{what} ({}): {}{}", output.status, out.trim(), err.trim());
    Ok(out.into_owned())
}

/// The administrator's kubeconfig.
pub fn kubeconfig() -> PathBuf {
    run().join("kubeconfigs/admin")
}

/// The folder `chaos/cluster`.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster")
}

/// Where the cluster's state is.
pub fn run() -> PathBuf {
    folder().join("run")
}

fn script() -> PathBuf {
    folder().join("cluster")
}
