//! The two processes on one store, and what each is expected to serve.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bellwether::compile::{Compiled, Past};
use tokio::process::Command;
use tokio::time::Instant;

use super::{Expected, Served};
use crate::differential::oracle::Answer;
use crate::fakeapi::FakeApi;
use crate::generate::Cluster;
use crate::ports;
use crate::process::Process;
use crate::stage::Folder;

/// How long a poll may take, with the start of the process before it.
const POLL: Duration = Duration::from_secs(30);

/// How often it is looked whether a process is still there, and what it serves now.
const LOOK: Duration = Duration::from_millis(5);

/// The two programs.
pub(super) struct Binaries {
    pub(super) ours: PathBuf,
    pub(super) peer: PathBuf,
}

/// One routesrv and one Bellwether, each with an API server of its own on one store.
pub(super) struct Pair {
    pub(super) ours: Server,
    pub(super) peer: Server,
    /// What our last compilation leaves to the next one.
    pub(super) past: Past,
    /// The folder of default filters, which both read.
    filters: PathBuf,
}

/// One of them.
pub(super) struct Server {
    pub(super) expected: Expected,
    api: FakeApi,
    process: Process,
    serve: SocketAddr,
}

impl Pair {
    /// Starts both. Their first polls wait.
    pub(super) async fn start(
        binaries: &Binaries,
        flags: &[String],
        folder: &Folder,
        number: usize,
    ) -> Result<Self> {
        let (filters, state) =
            (folder.sub(&format!("filters-{number}"))?, folder.sub(&format!("state-{number}"))?);
        let api = FakeApi::start(&[]).await?;
        let beside = api.beside().await?;
        let mut shared = flags.to_vec();
        shared.push(format!("-default-filters-dir={}", filters.display()));
        let own = [
            "serve".to_owned(),
            "--id=ours".to_owned(),
            format!("--state-dir={}", state.display()),
            "--lease=kubernetes:default/bellwether".to_owned(),
            format!("--replication-listener={}", ports::free()?),
            // The peer has no guard. Ours lets everything pass at once, what falls to nothing too.
            "--guard-equal-polls=1".to_owned(),
            "--guard-zero-polls=1".to_owned(),
        ];
        let ours =
            Server::start(&format!("bellwether-{number}"), &binaries.ours, &own, &shared, api, folder)?;
        let own = ["-kubernetes".to_owned()];
        let peer =
            Server::start(&format!("routesrv-{number}"), &binaries.peer, &own, &shared, beside, folder)?;
        Ok(Self { ours, peer, past: Past::default(), filters })
    }

    /// Gives the cluster to both, who wait for it. Returns it as they see it.
    pub(super) fn show(&self, cluster: &Cluster) -> Result<Cluster> {
        self.ours.api.replace(&cluster.objects);
        for file in std::fs::read_dir(&self.filters).context("list the default filters")? {
            std::fs::remove_file(file?.path()).context("remove a file of default filters")?;
        }
        for (name, text) in &cluster.default_filters {
            std::fs::write(self.filters.join(name), text).context("write a file of default filters")?;
        }
        Ok(Cluster { objects: self.ours.api.objects(), ..cluster.clone() })
    }

    /// What both should serve from now on.
    pub(super) fn expects(&mut self, ours: Compiled, theirs: Vec<Answer>) {
        self.ours.expected.compiled(&ours);
        self.peer.expected.answered(theirs);
        if ours.table.count > 0 {
            let zones = ours.zones.into_iter().map(|(zone, table)| (zone, table.packed)).collect();
            self.past = Past::compiled(ours.table.packed, zones, ours.ledger, ours.quarantined);
        }
    }

    /// Lets each poll once, and waits until the polls are over. Returns whether the peer has survived its own.
    pub(super) async fn poll(&mut self) -> Result<bool> {
        let (ours, peer) = tokio::try_join!(self.ours.poll(), self.peer.poll())?;
        if !ours {
            bail!("Bellwether has ended; the end of its log:\n{}", self.ours.process.tail(15));
        }
        Ok(peer)
    }
}

impl Server {
    fn start(
        name: &str,
        binary: &PathBuf,
        own: &[String],
        shared: &[String],
        api: FakeApi,
        folder: &Folder,
    ) -> Result<Self> {
        api.hold();
        let serve = ports::free()?;
        let mut command = Command::new(binary);
        command.args(own).args(shared).args([
            format!("-kubernetes-url={}", api.url()),
            format!("-address={serve}"),
            format!("-support-listener={}", ports::free()?),
            "-source-poll-timeout=10".to_owned(),
        ]);
        let process = Process::spawn(name, command, &folder.sub("logs")?)?;
        Ok(Self { expected: Expected::default(), api, process, serve })
    }

    /// Whether it has survived the poll.
    async fn poll(&mut self) -> Result<bool> {
        self.api.let_one_through();
        let end = Instant::now() + POLL;
        while tokio::time::timeout(LOOK, self.api.held()).await.is_err() {
            if self.process.exited().is_some() {
                return Ok(false);
            }
            if Instant::now() >= end {
                let error = anyhow::anyhow!("no poll was over within {POLL:?}");
                return Err(self.process.blame(&error));
            }
        }
        Ok(true)
    }

    /// What it serves now.
    pub(super) async fn serves(&self, zone: Option<&str>) -> Result<Served> {
        Served::by(self.serve, zone).await.map_err(|error| self.process.blame(&error))
    }

    /// What it serves as soon as that is what is expected, or when `patience` is over: a publication ends after its poll.
    pub(super) async fn comes_to_serve(&self, zone: Option<&str>, patience: Duration) -> Result<Served> {
        let end = Instant::now() + patience;
        loop {
            let served = self.serves(zone).await?;
            if served.differs_from(&self.expected, zone).is_empty() || Instant::now() >= end {
                return Ok(served);
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}
