//! What stands on the stage: a fake API server, routesrv, three replicas in `pre`, and two Skippers, one of them behind a Service
//! that can be led elsewhere.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::process::Command;

use super::{LOOK, PATIENCE};
use crate::fakeapi::FakeApi;
use crate::ground::{Ground, Place};
use crate::history::History;
use crate::http::Call;
use crate::peers::ROUTESRV;
use crate::ports;
use crate::process::Process;
use crate::stage::fleet::Fleet;
use crate::stage::skipper::Skipper;
use crate::stage::switch::Switch;
use crate::stage::{Folder, manifests, program, until};

/// How often everybody polls.
const POLL: Duration = Duration::from_millis(500);

/// How old what anybody shows can be: two polls in a row, and a busy machine. It is safe after three times that.
const SETTLE: Duration = Duration::from_secs(5);

/// RouteGroups and Ingresses beside the marker.
const BULK: usize = 40;

/// Everything that runs. The order of the fields is the order of their end.
pub struct Set {
    /// The Skipper behind the Service.
    pub moved: Skipper,
    /// Its Service.
    pub switch: Switch,
    stays: Skipper,
    routesrv: Process,
    routesrv_serves: SocketAddr,
    fleet: Fleet,
    binary: PathBuf,
    api: FakeApi,
    changes: u64,
}

impl Set {
    /// Starts all, and waits until they have one table.
    pub async fn start(binary: Option<PathBuf>, folder: &Folder, history: &History) -> Result<Self> {
        let binary = program::bellwether(binary).await?;
        let api = FakeApi::start(&objects()).await?;
        let serve = ports::free()?;
        let routesrv = start_routesrv(&api, serve, &[], folder).await?;
        let url = format!("http://{serve}/routes");
        let switch = Switch::start(vec![serve]).await?;
        let behind = format!("http://{}/routes", switch.address());
        let place = Place::on_loopback("skipper-moved");
        let moved = Skipper::start(&place, folder, &behind, POLL, "marker.test").await?;
        let place = Place::on_loopback("skipper-stays");
        let stays = Skipper::start(&place, folder, &url, POLL, "marker.test").await?;

        let flags = [
            format!("-kubernetes-url={}", api.url()),
            format!("-source-poll-timeout={}", POLL.as_millis()),
            "-enable-kubernetes-endpointslices".to_owned(),
            format!("--lease=file:{}", folder.path().join("lease").display()),
            "--rollout=pre".to_owned(),
            format!("--rollout-compare={url},http://{}", stays.support()),
            format!("--rollout-every={}ms", POLL.as_millis()),
            format!("--rollout-settle={}s", SETTLE.as_secs()),
            format!("--rollout-safe-after={}s", 3 * SETTLE.as_secs()),
            "--rollout-safe-changes=5".to_owned(),
        ];
        let mut fleet = program::bellwethers(&Ground::loopback(), &binary, 3, &flags, folder, history)?;
        fleet.start()?;
        fleet.ready(PATIENCE).await?;
        let set =
            Self { moved, switch, stays, routesrv, routesrv_serves: serve, fleet, binary, api, changes: 0 };
        set.same_everywhere(PATIENCE).await?;
        Ok(set)
    }

    /// Where the replicas serve.
    pub fn replicas(&self) -> Vec<SocketAddr> {
        self.fleet.targets().iter().map(|target| target.serve).collect()
    }

    /// How often the upstream was changed.
    pub const fn changes(&self) -> u64 {
        self.changes
    }

    /// Changes the upstream in one place: another backend, endpoints that come and go, a route more or less.
    pub fn change(&mut self) {
        self.changes += 1;
        let number = self.changes as usize;
        let name = format!("bulk-{}", number * 7 % BULK);
        match number % 4 {
            0 => self.api.put(&manifests::service(&name, u8::try_from(1 + number % 5).unwrap_or(1))),
            1 => self.api.put(&[group(&name, number)]),
            2 => self.api.put(&[group("comes-and-goes", number)]),
            _ => self.api.delete(&[group("comes-and-goes", number)]),
        }
    }

    /// Changes what the marker says; what it says.
    pub fn change_marker(&mut self) -> u64 {
        self.changes += 1;
        self.api.put(&[manifests::marker(self.changes)]);
        self.changes
    }

    /// Whether `skipper` runs the marker of `generation`.
    pub async fn has(&self, skipper: &Skipper, generation: u64) -> bool {
        let call = Call { host: "marker.test", ..Call::get(skipper.address(), "/") };
        call.send().await.is_ok_and(|(_, reply)| reply.body == format!("generation {generation}"))
    }

    /// Waits until routesrv and all replicas have one table.
    pub async fn same_everywhere(&self, patience: Duration) -> Result<()> {
        let tag = async |serve: SocketAddr| {
            let (_, reply) = Call::get(serve, "/routes").send().await.ok()?;
            (reply.status == 200).then(|| reply.header("etag").to_owned())
        };
        until("one table everywhere", patience, LOOK, async || {
            let theirs = tag(self.routesrv_serves).await?;
            for serve in self.replicas() {
                if tag(serve).await? != theirs {
                    return None;
                }
            }
            Some(())
        })
        .await
    }

    /// What the leader's comparison has come to; nothing where nobody answers.
    pub async fn report(&self) -> Value {
        for replica in &self.fleet.replicas {
            let Ok((_, reply)) = Call::get(replica.support(), "/status").send().await else { continue };
            let status: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
            let report = &status["rollout"]["comparison"];
            if !report.is_null() {
                return report.clone();
            }
        }
        Value::Null
    }

    /// What `bellwether rollout check` prints, and its exit code.
    pub async fn check(&self) -> Result<(String, Option<i32>)> {
        let mut command = Command::new(&self.binary);
        let server = format!("--server=http://{}", self.fleet.replicas[1].support());
        command.args(["rollout", "check", &server]).kill_on_drop(true);
        let output = tokio::time::timeout(PATIENCE, command.output()).await.context("rollout check")??;
        let said = [output.stdout, output.stderr].concat();
        Ok((String::from_utf8_lossy(&said).into_owned(), output.status.code()))
    }

    /// Starts routesrv and the second Skipper anew, at their addresses, with flags that change their routes.
    pub async fn other_flags(&mut self, folder: &Folder) -> Result<()> {
        self.routesrv.kill().await?;
        let flag = ["-default-filters-append=setRequestHeader(\"X-Appended\", \"1\")"];
        self.routesrv = start_routesrv(&self.api, self.routesrv_serves, &flag, folder).await?;
        let flag = ["-default-filters-prepend=setRequestHeader(\"X-Prepended\", \"1\")"];
        self.stays.restart(&flag, folder).await
    }
}

async fn start_routesrv(api: &FakeApi, serve: SocketAddr, more: &[&str], folder: &Folder) -> Result<Process> {
    let mut command = Command::new(ROUTESRV.binary()?);
    command.args(["-kubernetes", "-enable-kubernetes-endpointslices"]).args(more).args([
        format!("-kubernetes-url={}", api.url()),
        format!("-source-poll-timeout={}", POLL.as_millis()),
        format!("-address={serve}"),
        format!("-support-listener={}", ports::free()?),
    ]);
    let process = Process::spawn("routesrv", command, &folder.sub("logs")?)?;
    let up = until("a table of routesrv", PATIENCE, LOOK, async || {
        Call::get(serve, "/health").send().await.ok().filter(|(_, it)| it.status == 204).map(drop)
    });
    up.await.map_err(|error| process.blame(&error))?;
    Ok(process)
}

fn objects() -> Vec<Value> {
    let mut all = vec![manifests::marker(0)];
    for number in 0..BULK {
        let name = format!("bulk-{number}");
        all.push(group(&name, number));
        all.extend(manifests::service(&name, 2));
        all.push(manifests::ingress(&name, &[&format!("{name}.ingress.test")], &name, 80));
    }
    all
}

fn group(name: &str, number: usize) -> Value {
    let url = format!("http://10.20.{}.{}:8080", number / 250, number % 250);
    manifests::network_route_group(name, &format!("{name}.test"), &url)
}
