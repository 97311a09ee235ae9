//! A child process: its log in a file, ended by pid, and never left behind.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

/// A running child. Dropping it kills it.
pub struct Process {
    name: String,
    child: Child,
    pid: Pid,
    log: PathBuf,
}

impl Process {
    /// Starts `command`, with both its outputs appended to `NAME.log` in `logs`.
    ///
    /// # Errors
    ///
    /// Where the log cannot be written or the program cannot be started.
    pub fn spawn(name: &str, mut command: Command, logs: &Path) -> Result<Self> {
        let log = logs.join(format!("{name}.log"));
        let file = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("open the log {}", log.display()))?;
        // A group of its own: Ctrl-C in the terminal reaches the harness alone, which then ends its children.
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {name} ({})", command.as_std().get_program().display()))?;
        let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let pid = pid.context("a child that was just started has a pid")?;
        Ok(Self { name: name.to_owned(), child, pid, log })
    }

    /// Its pid, as `ps` shows it.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Sends `signal`; nothing happens where it has ended already.
    pub fn signal(&mut self, signal: Signal) {
        // Not reaped yet, so the pid still is this child's.
        if self.exited().is_none() {
            let _ = kill_process(self.pid, signal);
        }
    }

    /// How it ended, if it has.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits for its end.
    ///
    /// # Errors
    ///
    /// Where it still runs at the `deadline`.
    pub async fn wait(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let status = tokio::time::timeout(deadline, self.child.wait()).await;
        Ok(status.with_context(|| format!("{} still runs after {deadline:?}", self.name))??)
    }

    /// Kills it as a power cut would, and waits until it is gone.
    ///
    /// # Errors
    ///
    /// Where it survives that for five seconds.
    pub async fn kill(&mut self) -> Result<()> {
        self.signal(Signal::KILL);
        self.wait(Duration::from_secs(5)).await.map(drop)
    }

    /// The error, with the end of the log of the process that it is about.
    pub fn blame(&self, error: &anyhow::Error) -> anyhow::Error {
        anyhow::anyhow!("{error:#}; the end of {}:\n{}", self.log.display(), self.tail(15))
    }

    /// The last `lines` lines of its log, for an error message.
    pub fn tail(&self, lines: usize) -> String {
        tail(&self.log, lines)
    }
}

/// The last `lines` lines of the file `log`; empty where it cannot be read.
pub fn tail(log: &Path, lines: usize) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_child_writes_its_log_and_can_be_killed() {
        let logs = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo started; exec sleep 60"]);
        let mut child = Process::spawn("sleeper", command, logs.path()).unwrap();
        while !child.tail(1).contains("started") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(child.exited().is_none());
        child.kill().await.unwrap();
        assert!(child.exited().is_some());
    }

    #[tokio::test]
    async fn a_dropped_child_is_gone() {
        let logs = tempfile::tempdir().unwrap();
        let mut command = Command::new("sleep");
        command.arg("60");
        let child = Process::spawn("sleeper", command, logs.path()).unwrap();
        let pid = child.pid;
        drop(child);
        let gone = || rustix::process::test_kill_process(pid).is_err();
        for _ in 0..200 {
            if gone() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the child survived");
    }
}
