//! One route server and the fake API server that it reads.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::process::Command;
use tokio::time::Instant;

use super::{LONGEST, POLLS, cluster};
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
        let asked =
            |api: &FakeApi| -> usize { calls.iter().map(|call| api.asked(*call)).max().unwrap_or_default() };
        let before: Vec<_> = calls.iter().map(|call| self.api.asked(*call)).collect();
        for call in calls {
            self.api.break_with(*call, fault);
        }
        // A call that comes after a failed one may never be made.
        let polls = |api: &FakeApi| {
            let each = calls.iter().zip(&before).map(|(call, before)| api.asked(*call) - before);
            each.max().unwrap_or_default()
        };
        let mut changed = self.watch(LONGEST, |api| polls(api) > POLLS).await;
        self.api.heal();
        let healed = asked(&self.api);
        changed |= self.watch(PATIENCE, |api| asked(api) > healed + POLLS).await;
        let back = until("the table from before", PATIENCE, LOOK, async || {
            self.look().await.filter(|tag| *tag == self.tag)
        });
        back.await
            .map(|_| changed)
            .map_err(|error| self.process.blame(&error))
            .with_context(|| format!("after {calls:?} answered with {fault}"))
    }

    /// Looks at what is served until `done`, at most for `longest`. Returns whether it ever was another table.
    async fn watch(&self, longest: Duration, done: impl Fn(&FakeApi) -> bool) -> bool {
        let end = Instant::now() + longest;
        let mut changed = false;
        while !done(&self.api) && Instant::now() < end {
            changed |= self.look().await.is_some_and(|tag| tag != self.tag);
            tokio::time::sleep(LOOK).await;
        }
        changed | self.look().await.is_some_and(|tag| tag != self.tag)
    }

    /// The tag of what it serves; none where there is no answer, or no table.
    async fn look(&self) -> Option<String> {
        let (_, reply) = Call::get(self.serve, "/routes").send().await.ok()?;
        (reply.status == 200).then(|| reply.header("etag").to_owned())
    }
}
