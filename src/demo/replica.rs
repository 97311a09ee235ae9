//! One replica: a child process of the demo, with its log in a file.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::ports::Ports;

/// How long a replica may take to stop before it is killed.
const PATIENCE: Duration = Duration::from_secs(5);

/// What every replica is started with.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    /// The program: this one.
    pub program: PathBuf,
    /// The folder of manifests.
    pub manifests: PathBuf,
    /// The demo's own folder: lease, state and logs.
    pub scratch: PathBuf,
    /// Where all replicas listen.
    pub ports: Vec<Ports>,
}

/// A replica, running or not.
#[derive(Debug)]
pub(super) struct Replica {
    /// Its number; it is called `r` and the number.
    pub number: usize,
    child: Option<Child>,
}

impl Setting {
    /// The arguments of one replica's process.
    fn arguments(&self, number: usize) -> Vec<String> {
        let ports = self.ports[number];
        let peers: Vec<String> = self.ports.iter().map(|ports| ports.replication.to_string()).collect();
        let flags = [
            ("source", format!("manifests:{}", self.manifests.display())),
            ("lease", format!("file:{}", self.scratch.join("lease").display())),
            ("id", format!("r{number}")),
            ("state-dir", self.scratch.join(format!("r{number}")).display().to_string()),
            ("replication-listener", ports.replication.to_string()),
            ("peers", peers.join(",")),
            ("address", ports.routes.to_string()),
            ("support-listener", ports.support.to_string()),
            ("source-poll-timeout", "500".to_owned()),
            // Nobody balances load over these, so nobody has to notice first.
            ("wait-for-healthcheck-interval", "0s".to_owned()),
            ("drain-timeout", "2s".to_owned()),
            ("stop-with-stdin", "true".to_owned()),
        ];
        let flags = flags.into_iter().map(|(name, value)| format!("-{name}={value}"));
        std::iter::once("serve".to_owned()).chain(flags).collect()
    }

    /// Where a replica's log is.
    pub(super) fn log(&self, number: usize) -> PathBuf {
        self.scratch.join(format!("r{number}.log"))
    }
}

impl Replica {
    /// A replica that is not running yet.
    pub(super) const fn new(number: usize) -> Self {
        Self { number, child: None }
    }

    /// Starts it, in a process group of its own: Ctrl-C is for the demo alone, which stops its children itself.
    /// Should the demo be killed, standard input ends and the replica stops.
    ///
    /// # Errors
    ///
    /// Where the system gives no process or no log file.
    pub(super) fn start(&mut self, setting: &Setting) -> io::Result<()> {
        let log = File::options().create(true).append(true).open(setting.log(self.number))?;
        let child = Command::new(&setting.program)
            .args(setting.arguments(self.number))
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        self.child = Some(child);
        Ok(())
    }

    /// The process id; `None` where it does not run.
    pub(super) fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    /// How it ended, if it did since the last question.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.as_mut()?.try_wait().ok()??;
        self.child = None;
        Some(status)
    }

    /// Kills it at once, as a lost machine would.
    pub(super) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Asks it to stop; kills it where it does not.
    pub(super) async fn stop(&mut self) {
        self.signal(Signal::TERM);
        let Some(mut child) = self.child.take() else { return };
        if timeout(PATIENCE, child.wait()).await.is_err() {
            // Kills and waits, so that nothing is left when this returns.
            let _ = child.kill().await;
        }
    }

    fn signal(&self, signal: Signal) {
        let pid = self.pid().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It may have ended just now; then there is nobody to tell.
            let _ = kill_process(pid, signal);
        }
    }
}

/// The last lines of a log, for a replica that did not start.
pub(super) fn last_lines(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(5)..].join("\n")
}
