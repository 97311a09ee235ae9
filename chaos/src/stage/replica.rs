//! One route server process, which can be killed, stopped and started again at the same addresses.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde::Deserialize;

use crate::ground::{Group, Place};
use crate::history::{History, LifeEvent};
use crate::http::Call;
use crate::observe::witness::Watched;
use crate::process::Process;
use crate::stage::vip::Target;

/// How a route server is started, and where it answers.
#[derive(Clone, Debug)]
pub struct Launch {
    /// Its name in logs and in the history.
    pub name: String,
    /// Where it runs.
    pub place: Place,
    /// The program.
    pub binary: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its environment, beside the harness's own.
    pub env: BTreeMap<String, String>,
    /// Where it serves `/routes`.
    pub serve: SocketAddr,
    /// Where it serves `/status` and `/metrics`.
    pub support: SocketAddr,
    /// Where it says whether it is ready.
    pub ready: (SocketAddr, &'static str),
}

/// A route server, running or not.
pub struct Replica {
    launch: Launch,
    logs: PathBuf,
    history: History,
    process: Option<Process>,
    pid: Arc<AtomicI32>,
    group: Option<Group>,
}

/// What `/status` says, as far as the harness reads it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Status {
    /// Its own name.
    pub replica: String,
    /// `leader` or `follower`.
    pub role: String,
    /// The epoch of its active table; `None` before the first.
    pub epoch: Option<u64>,
    /// The newest version that it knows of, announced or active: `EPOCH.SEQUENCE`.
    pub known: String,
    /// The digest of its active table; `None` before the first.
    pub digest: Option<String>,
    /// The routes in it.
    pub routes: usize,
    /// Whether it may be behind (design D4).
    pub current: bool,
    /// Whether it is ready.
    pub ready: bool,
}

impl Replica {
    /// One that is not started yet.
    pub fn new(launch: Launch, logs: PathBuf, history: History) -> Self {
        Self { launch, logs, history, process: None, group: None, pid: Arc::default() }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.launch.name
    }

    /// How it is started.
    pub fn launch(&self) -> &Launch {
        &self.launch
    }

    /// Where it runs.
    pub fn place(&self) -> &Place {
        &self.launch.place
    }

    /// Where it serves `/routes`.
    pub fn serve(&self) -> SocketAddr {
        self.launch.serve
    }

    /// Where it serves `/status`.
    pub fn support(&self) -> SocketAddr {
        self.launch.support
    }

    /// What the VIP needs to know of it.
    pub fn target(&self) -> Target {
        Target { name: self.launch.name.clone(), serve: self.launch.serve, ready: self.launch.ready }
    }

    /// What a witness needs to know of it.
    pub fn watched(&self) -> Watched {
        Watched {
            name: self.history.name(&self.launch.name),
            log: self.logs.join(format!("{}.log", self.launch.name)),
            support: self.launch.support,
            pid: Arc::clone(&self.pid),
        }
    }

    /// Changes how it is started, from its next start on: another binary, a flag more, a wall clock of its own.
    pub fn relaunch(&mut self, change: impl FnOnce(&mut Launch)) {
        change(&mut self.launch);
    }

    /// Its pid, if it was started.
    pub fn pid(&self) -> Option<i32> {
        self.process.as_ref().map(Process::pid)
    }

    /// Puts it into a group of its own, for this life and the next ones. The group's limits can be changed at any time.
    ///
    /// # Errors
    ///
    /// Where the machine lets us make none.
    pub fn group(&mut self) -> Result<&Group> {
        if self.group.is_none() {
            let group = Group::new(&self.launch.name)?;
            if let Some(process) = &mut self.process
                && process.exited().is_none()
            {
                group.add(process.pid())?;
            }
            self.group = Some(group);
        }
        self.group.as_ref().context("it was just made")
    }

    /// Starts it; it may take a while until it is ready.
    ///
    /// # Errors
    ///
    /// Where the program cannot be started.
    pub fn start(&mut self) -> Result<()> {
        let mut command = self.launch.place.command(&self.launch.binary);
        command.args(&self.launch.args).envs(&self.launch.env);
        // What it says may be there before we are told that it runs.
        self.history.life(&self.launch.name, LifeEvent::Started);
        let process = Process::spawn(&self.launch.name, command, &self.logs)?;
        self.pid.store(process.pid(), Ordering::Relaxed);
        if let Some(group) = &self.group {
            group.add(process.pid())?;
        }
        self.process = Some(process);
        Ok(())
    }

    /// Kills it as a power cut would. Returns once it is gone.
    ///
    /// # Errors
    ///
    /// Where it survives that.
    pub async fn kill(&mut self) -> Result<()> {
        self.history.life(&self.launch.name, LifeEvent::Killed);
        match &mut self.process {
            Some(process) => process.kill().await,
            None => Ok(()),
        }
    }

    /// Sends SIGKILL and does not wait; for the moment of the fault to be exact.
    pub fn kill_now(&mut self) {
        self.history.life(&self.launch.name, LifeEvent::Killed);
        self.signal(Signal::KILL);
    }

    /// Asks it to stop, with SIGTERM.
    pub fn terminate(&mut self) {
        self.history.life(&self.launch.name, LifeEvent::Terminated);
        self.signal(Signal::TERM);
    }

    /// Stops it in the middle of whatever it does, with SIGSTOP.
    pub fn pause(&mut self) {
        self.history.life(&self.launch.name, LifeEvent::Paused);
        self.signal(Signal::STOP);
    }

    /// Lets it run on, with SIGCONT: it does not know that time has passed.
    pub fn resume(&mut self) {
        self.signal(Signal::CONT);
        self.history.life(&self.launch.name, LifeEvent::Resumed);
    }

    /// Waits for its end after [`Replica::terminate`] or [`Replica::kill_now`].
    ///
    /// # Errors
    ///
    /// Where it still runs at the `deadline`.
    pub async fn ended(&mut self, deadline: Duration) -> Result<()> {
        if let Some(process) = &mut self.process {
            process.wait(deadline).await?;
            self.history.life(&self.launch.name, LifeEvent::Ended);
        }
        Ok(())
    }

    /// Whether it was started and has ended since.
    pub fn gone(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| process.exited().is_some())
    }

    /// What it says of itself.
    ///
    /// # Errors
    ///
    /// Where it does not answer, or not with JSON as it should be.
    pub async fn status(&self) -> Result<Status> {
        status(self.launch.support).await.with_context(|| format!("/status of {}", self.launch.name))
    }

    /// The value of the metric `name`, which has no labels.
    ///
    /// # Errors
    ///
    /// Where it does not answer, or has no such metric.
    pub async fn metric(&self, name: &str) -> Result<f64> {
        metric(self.launch.support, name).await.with_context(|| format!("ask {}", self.launch.name))
    }

    /// Whether it says that it is ready.
    pub async fn ready(&self) -> bool {
        let (address, path) = self.launch.ready;
        Call::get(address, path).send().await.is_ok_and(|(_, reply)| reply.status.is_success())
    }

    /// The end of its log, for an error message.
    pub fn tail(&self, lines: usize) -> String {
        self.process.as_ref().map(|process| process.tail(lines)).unwrap_or_default()
    }

    fn signal(&mut self, signal: Signal) {
        if let Some(process) = &mut self.process {
            process.signal(signal);
        }
    }
}

/// What the replica that answers at `support` says of itself.
///
/// # Errors
///
/// Where it does not answer, or not with JSON as it should be.
pub async fn status(support: SocketAddr) -> Result<Status> {
    let call = Call { deadline: Duration::from_millis(500), ..Call::get(support, "/status") };
    let call = Call { headers: &[(http::header::ACCEPT, "application/json")], ..call };
    let (_, reply) = call.send().await.map_err(|failure| anyhow::anyhow!(failure.cause))?;
    ensure!(reply.status.is_success(), "{}", reply.status);
    serde_json::from_slice(&reply.body).context("it is no status")
}

/// The value of the metric `name`, which has no labels, of the replica that answers at `support`.
///
/// # Errors
///
/// Where nobody answers, or there is no such metric.
pub async fn metric(support: SocketAddr, name: &str) -> Result<f64> {
    let sent = Call::get(support, "/metrics").send().await;
    let (_, reply) = sent.map_err(|failure| anyhow::anyhow!(failure.cause))?;
    let text = String::from_utf8_lossy(&reply.body);
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.with_context(|| format!("there is no metric {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_needs_no_field() {
        let status: Status =
            serde_json::from_str(r#"{"role": "leader", "digest": null, "more": 1}"#).unwrap();
        assert_eq!(status, Status { role: "leader".to_owned(), ..Status::default() });
    }
}
