//! The harness, started again in namespaces of its own.
//!
//! It is the first process of a process namespace in there: with it everything ends that it has started, and with the
//! last process the network and the mounts go. Its files are the machine's, so logs and reports stay where they are
//! written.

use std::ffi::OsString;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, geteuid, kill_process_group};
use tokio::process::{Child, Command};

use super::{Ground, group, tool};

/// Says to the harness that it is in there, and which [`run`] it is.
const MARK: &str = "BELLWETHER_CHAOS_INSIDE";

/// How long the harness in there may take to tidy up once it is asked to end.
const TIDY: Duration = Duration::from_secs(20);

/// The programs that places need, and the Debian packages that have them.
const TOOLS: [(&str, &str); 7] = [
    ("setpriv", "util-linux"),
    ("unshare", "util-linux"),
    ("nsenter", "util-linux"),
    ("mount", "mount"),
    ("ip", "iproute2"),
    ("bridge", "iproute2"),
    ("nft", "nftables"),
];

/// What came of [`Ground::enter`].
pub enum Entered {
    /// We are in there, and this is the ground.
    Inside(Ground),
    /// We are outside; the run in there is over. Whether it was a success.
    Over(bool),
}

/// A run in there, which ends when this is dropped.
struct Run {
    child: Child,
    group: Pid,
}

/// What tells this run from all others of the machine: the pid of the process that started it, outside, and which of its
/// runs it is. One process has several side by side: its tests.
pub(super) fn run() -> String {
    let started = std::env::var(MARK).ok().filter(|_| inside());
    started.unwrap_or_else(|| format!("{}-0", std::process::id()))
}

/// Whether this process is the harness in its own namespaces.
pub fn inside() -> bool {
    std::process::id() == 1 && std::env::var_os(MARK).is_some()
}

/// What this machine or this user lacks for places of their own; `None` where nothing does.
pub fn missing() -> Option<String> {
    if inside() {
        return None;
    }
    if !geteuid().is_root() {
        return Some("root".to_owned());
    }
    if let Some((tool, package)) = TOOLS.iter().find(|(tool, _)| tool::find(tool).is_none()) {
        return Some(format!("the program {tool} (Debian package {package})"));
    }
    let refused = tool::run("unshare", &["--net", "--mount", "--pid", "--fork", "true"], "").err()?;
    Some(format!("the right to make namespaces ({refused:#})"))
}

/// Starts this program again in there, with `args`, and waits for its end; whether that was a success. What it prints goes
/// where ours goes. Dropping the future ends it, as a signal to end would.
///
/// # Errors
///
/// Where something is [`missing`].
pub async fn again(args: &[OsString]) -> Result<bool> {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    let run = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    group::tidy(None);
    let mut command = command(args)?;
    command.env(MARK, &run);
    let _tidy = Tidy(run);
    to_its_end(command).await
}

/// Runs `command`, which starts this program again, and waits for its end; whether that was a success. Ctrl-C in the terminal
/// reaches us alone: dropping the future ends it, as a signal to end would.
///
/// # Errors
///
/// Where it cannot be started.
pub async fn to_its_end(mut command: Command) -> Result<bool> {
    let child = command.process_group(0).spawn().context("start the harness again")?;
    let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    let mut run = Run { child, group: group.context("a child that was just started has a pid")? };
    Ok(run.child.wait().await?.success())
}

/// What starts this program again in there, as the only run of this process.
///
/// # Errors
///
/// Where something is [`missing`].
pub(super) fn command(args: &[OsString]) -> Result<Command> {
    if let Some(missing) = missing() {
        bail!("places of their own need {missing}");
    }
    let mut command = Command::new(tool::find("setpriv").context("setpriv is not installed")?);
    command
        // Whatever ends us ends unshare, and with it all that is in there.
        .args(["--pdeathsig", "KILL", "unshare", "--net", "--mount", "--propagation", "private", "--pid"])
        .args(["--fork", "--kill-child", "--mount-proc"])
        .arg(std::env::current_exe().context("the harness has a path")?)
        .args(args)
        .env(MARK, run())
        .stdin(Stdio::null());
    Ok(command)
}

impl Drop for Run {
    fn drop(&mut self) {
        let runs = |child: &mut Child| matches!(child.try_wait(), Ok(None));
        if runs(&mut self.child) {
            // unshare waits on; the harness in there drops what it has started, and its folder.
            let _ = kill_process_group(self.group, Signal::TERM);
        }
        let step = Duration::from_millis(20);
        for _ in 0..TIDY.as_millis() / step.as_millis() {
            if !runs(&mut self.child) {
                return;
            }
            std::thread::sleep(step);
        }
        let _ = kill_process_group(self.group, Signal::KILL);
    }
}

/// Removes what the kernel does not, at the end of a run.
struct Tidy(String);

impl Drop for Tidy {
    fn drop(&mut self) {
        group::tidy(Some(&self.0));
    }
}
