//! The two that are compared, and what both of them serve.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use futures::future::try_join;
use tokio::process::Command;

use super::answer::Answer;
use super::cluster;
use super::requests::{Request, Subject};
use crate::fakeapi::{Endpoint, FakeApi, Fault};
use crate::http::{Call, Reply};
use crate::peers;
use crate::ports;
use crate::process::Process;
use crate::stage::program::bellwether;
use crate::stage::{Folder, until};

/// How long either may take to serve, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often the table is changed until both see the change within one second of the clock.
const ATTEMPTS: usize = 20;

/// One routesrv and one Bellwether on one API server.
pub(super) struct Pair {
    binaries: [PathBuf; 2],
    api: FakeApi,
    changes: u64,
    peer: Side,
    ours: Side,
}

struct Side {
    process: Process,
    serve: SocketAddr,
}

/// A Service that is there, and one that is not.
const SHARDS: [&str; 5] = [
    "-kubernetes-redis-service-namespace=default",
    "-kubernetes-redis-service-name=svc",
    "-kubernetes-valkey-service-namespace=default",
    "-kubernetes-valkey-service-name=nowhere",
    "-kubernetes-valkey-service-port=7000",
];

/// The peer and Bellwether, listening, with the `more` flags.
async fn sides(
    binaries: &[PathBuf; 2],
    api: &FakeApi,
    folder: &Folder,
    run: &str,
    more: &[&str],
) -> Result<[Side; 2]> {
    let logs = folder.sub("logs")?;
    let side = |name: &str, binary: &PathBuf, own: Vec<String>| {
        let serve = ports::free()?;
        let mut command = Command::new(binary);
        command.args(own).args(more).args([
            format!("-kubernetes-url={}", api.url()),
            format!("-address={serve}"),
            format!("-support-listener={}", ports::free()?),
            "-enable-kubernetes-endpointslices".to_owned(),
            "-source-poll-timeout=100".to_owned(),
        ]);
        anyhow::Ok(Side { process: Process::spawn(&format!("{name}-{run}"), command, &logs)?, serve })
    };
    let state = folder.sub(&format!("state-{run}"))?;
    let own = vec![
        "serve".to_owned(),
        "--id=ours".to_owned(),
        format!("--state-dir={}", state.display()),
        format!("--lease=file:{}", state.join("lease").display()),
        format!("--replication-listener={}", ports::free()?),
    ];
    let mut both = [
        side("routesrv", &binaries[0], vec!["-kubernetes".to_owned()])?,
        side("bellwether", &binaries[1], own)?,
    ];
    for side in &mut both {
        side.listens().await?;
    }
    Ok(both)
}

impl Pair {
    /// Starts both. The API server is down, so neither has a table yet.
    pub(super) async fn start(binary: Option<PathBuf>, folder: &Folder) -> Result<Self> {
        let binaries = [peers::ROUTESRV.binary()?, bellwether(binary).await?];
        let api = FakeApi::start(&cluster::objects(0)).await?;
        for endpoint in Endpoint::ALL {
            api.break_with(endpoint, Fault::Status(503));
        }
        let [peer, ours] = sides(&binaries, &api, folder, "plain", &[]).await?;
        Ok(Self { binaries, api, changes: 0, peer, ours })
    }

    /// Starts both anew, with shards to tell: the peer needs the API server for that.
    pub(super) async fn with_shards(&mut self, folder: &Folder) -> Result<()> {
        [self.peer, self.ours] = sides(&self.binaries, &self.api, folder, "shards", &SHARDS).await?;
        for side in [&self.peer, &self.ours] {
            side.changed("").await?;
        }
        Ok(())
    }

    /// Brings the API server up, and has both serve one table that came to both within one second of the clock:
    /// `Last-Modified` is then the same too.
    pub(super) async fn serve(&mut self) -> Result<Subject> {
        let mut before = String::new();
        for _ in 0..ATTEMPTS {
            let into = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            // At the beginning of a second there is most time left of it.
            tokio::time::sleep(Duration::from_millis(1000 - u64::from(into.subsec_millis()))).await;
            self.changes += 1;
            self.api.replace(&cluster::objects(self.changes));
            self.api.heal();
            let (peers, ours) = (self.peer.changed(&before).await?, self.ours.changed(&before).await?);
            ensure!(
                peers.header("etag") == ours.header("etag"),
                "the tables differ:\n--- routesrv\n{}\n--- Bellwether\n{}",
                String::from_utf8_lossy(&peers.body),
                String::from_utf8_lossy(&ours.body)
            );
            if peers.header("last-modified") == ours.header("last-modified") {
                return Subject::of(&peers);
            }
            before = peers.header("etag").to_owned();
        }
        bail!(
            "in {ATTEMPTS} attempts the two never changed within the same second; is the machine this busy?"
        )
    }

    /// What each answers.
    pub(super) async fn ask(&self, request: &Request) -> Result<(Answer, Answer)> {
        let of = async |side: &Side| Answer::to(side.serve, request).await;
        try_join(of(&self.peer), of(&self.ours)).await.with_context(|| request.to_string())
    }
}

impl Side {
    async fn listens(&mut self) -> Result<()> {
        let listening = until("an answer to /health", PATIENCE, Duration::from_millis(20), async || {
            if let Some(status) = self.process.exited() {
                return Some(Err(anyhow::anyhow!("it has ended ({status})")));
            }
            Call::get(self.serve, "/health").send().await.is_ok().then_some(Ok(()))
        });
        listening.await.flatten().map_err(|error| self.process.blame(&error))
    }

    /// Its table, as soon as that has another tag than `before`.
    async fn changed(&self, before: &str) -> Result<Reply> {
        let changed = until("another table", PATIENCE, Duration::from_millis(5), async || {
            let (_, reply) = Call::get(self.serve, "/routes").send().await.ok()?;
            (reply.status == 200 && reply.header("etag") != before).then_some(reply)
        });
        changed.await.map_err(|error| self.process.blame(&error))
    }
}
