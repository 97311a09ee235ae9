//! One route server and the fake API server that it reads.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::process::Command;
use tokio::time::Instant;

use super::{POLLS, cluster};
use crate::fakeapi::{Endpoint, FakeApi, Fault};
use crate::http::Call;
use crate::ports;
use crate::process::Process;
use crate::stage::{Folder, until};

/// How long either may take to serve, or to come back to its table.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often what is served is looked at: several times within a poll.
const LOOK: Duration = Duration::from_millis(15);

/// A server under test.
pub(super) struct Side {
    api: FakeApi,
    process: Process,
    serve: SocketAddr,
    tag: String,
}

impl Side {
    pub(super) async fn ours(binary: PathBuf, folder: &Folder) -> Result<Self> {
        let own = [
            "serve".to_owned(),
            "--id=ours".to_owned(),
            format!("--state-dir={}", folder.sub("state")?.display()),
            format!("--lease=file:{}", folder.path().join("lease").display()),
            format!("--replication-listener={}", ports::free()?),
        ];
        Self::start("bellwether", binary, &own, folder).await
    }

    pub(super) async fn peer(binary: PathBuf, folder: &Folder) -> Result<Self> {
        Self::start("routesrv", binary, &["-kubernetes".to_owned()], folder).await
    }

    async fn start(name: &str, binary: PathBuf, own: &[String], folder: &Folder) -> Result<Self> {
        let api = FakeApi::start(&cluster::objects()).await?;
        let serve = ports::free()?;
        let mut command = Command::new(binary);
        command.args(own).args([
            format!("-kubernetes-url={}", api.url()),
            format!("-address={serve}"),
            format!("-support-listener={}", ports::free()?),
            "-source-poll-timeout=100".to_owned(),
        ]);
        let process = Process::spawn(name, command, &folder.sub("logs")?)?;
        let mut side = Self { api, process, serve, tag: String::new() };
        let first = until("a first table", PATIENCE, LOOK, async || side.look().await);
        side.tag = first.await.map_err(|error| side.process.blame(&error))?;
        Ok(side)
    }

    /// The tag of the table that it serves without a fault.
    pub(super) fn tag(&self) -> &str {
        &self.tag
    }

    /// Whether its table changes while `calls` answer with `fault` for two polls, or after that.
    pub(super) async fn suffer(&mut self, calls: &[Endpoint], fault: Fault) -> Result<bool> {
        self.api.hold();
        let mut changed = self.next_poll().await?;
        for call in calls {
            self.api.break_with(*call, fault);
        }
        changed |= self.polls(POLLS).await?;
        self.api.heal();
        changed |= self.polls(POLLS).await?;
        let tag = self.look().await;
        ensure!(tag.as_ref() == Some(&self.tag), "it has not come back to its table but to {tag:?}");
        Ok(changed)
    }

    async fn polls(&mut self, number: usize) -> Result<bool> {
        let mut changed = false;
        for _ in 0..number {
            self.api.let_one_through();
            changed |= self.next_poll().await?;
        }
        Ok(changed)
    }

    /// Looks at what is served until another poll wants to begin: then the last one is over. Returns whether it ever was
    /// another table.
    async fn next_poll(&mut self) -> Result<bool> {
        let begins = self.api.held();
        tokio::pin!(begins);
        let end = Instant::now() + PATIENCE;
        let mut changed = false;
        loop {
            let begun = tokio::time::timeout(LOOK, &mut begins).await.is_ok();
            changed |= self.look().await.is_some_and(|tag| tag != self.tag);
            if begun {
                return Ok(changed);
            }
            if Instant::now() >= end {
                let error = anyhow::anyhow!("no other poll began within {PATIENCE:?}");
                return Err(self.process.blame(&error));
            }
        }
    }

    /// The tag of what it serves; none where there is no answer, or no table.
    async fn look(&self) -> Option<String> {
        let (_, reply) = Call::get(self.serve, "/routes").send().await.ok()?;
        (reply.status == 200).then(|| reply.header("etag").to_owned())
    }
}
