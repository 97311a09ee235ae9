//! Steps back, counted: clients that poll round-robin over the replicas, with the ETag of what they hold, while the
//! upstream changes several times a second and replicas are killed, stopped for ten seconds, asked to end, and cut off from
//! each other and from the API. The same clients then poll two routesrv to which nothing happens at all.
//!
//! In: a number of polls. Out: what came of them, side by side. A step back is a 200 with a lower generation than that of
//! an earlier 200 to the same client. What can go wrong: a replica that does not come back.

mod client;
mod faults;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::fakeapi::FakeApi;
use crate::ground::{Entered, Ground};
use crate::history::History;
use crate::peers;
use crate::process::Process;
use crate::stage::{Folder, manifests, program};
use crate::table::render;
use client::{Client, Count};
use faults::Faults;

/// How often the upstream changes.
const CHANGE: Duration = Duration::from_millis(150);

/// How often a server reads it.
const READ: &str = "-source-poll-timeout=100";

/// The options of `polls`.
#[derive(Args, Debug)]
pub struct PollsArgs {
    /// Fewer polls, for CI.
    #[arg(long)]
    short: bool,
    /// How many polls Bellwether is asked.
    #[arg(long, default_value_t = 1_000_000)]
    polls: u64,
    /// How many clients poll at once.
    #[arg(long, default_value_t = 8)]
    clients: u32,
    /// How many polls a second, of all clients together.
    #[arg(long, default_value_t = 4_000)]
    rate: u32,
    /// The binary of Bellwether; by default the one that Cargo builds, in the same profile.
    #[arg(long)]
    bellwether: Option<PathBuf>,
}

impl PollsArgs {
    /// Polls; whether no client of Bellwether was moved back.
    ///
    /// # Errors
    ///
    /// Where a server does not start or does not come back.
    pub async fn run(self) -> Result<bool> {
        let ground = match Ground::best("partitions").await? {
            Entered::Inside(ground) => ground,
            Entered::Over(success) => return Ok(success),
        };
        // Long enough for each fault once; for the short form's shorter partitions.
        let (polls, rate) = if self.short { (54_000, 1_000) } else { (self.polls, self.rate) };
        let folder = Folder::new()?;
        let ours = self.bellwether(&ground, polls, rate, &folder).await?;
        let peers = self.routesrv(polls / 10, rate, &folder).await?;
        let heads = ["", "polls", "200", "304", "no answer", "faults", "steps back"];
        let heads = heads.iter().map(ToString::to_string).collect();
        print!("{}", render(&[heads, ours.row("3 Bellwether"), peers.row("2 routesrv, no faults")]));
        Ok(ours.count.back == 0 && ours.count.tables > 0)
    }

    async fn bellwether(&self, ground: &Ground, polls: u64, rate: u32, folder: &Folder) -> Result<Outcome> {
        let binary = program::bellwether(self.bellwether.clone()).await?;
        let place = ground.place("api")?;
        let api = FakeApi::start_in(&place, &objects(1))?;
        let flags = [
            format!("-kubernetes-url={}", api.url()),
            "--lease=kubernetes:default/bellwether".to_owned(),
            READ.to_owned(),
            "-wait-for-healthcheck-interval=1s".to_owned(),
        ];
        let mut fleet = program::bellwethers(ground, &binary, 3, &flags, folder, &History::default())?;
        fleet.start()?;
        fleet.settled(faults::BACK).await?;
        let to = fleet.replicas.iter().map(|replica| replica.serve()).collect();
        let clients = Clients::start(self.clients, to, polls, rate);
        let mut faults = Faults::new(fleet, place, self.short);
        let count = tokio::select! {
            count = clients.done() => count?,
            error = change(&api) => return error.map(|never| match never {}),
            error = faults.run() => return error.map(|never| match never {}),
        };
        Ok(Outcome { count, faults: faults.count() })
    }

    async fn routesrv(&self, polls: u64, rate: u32, folder: &Folder) -> Result<Outcome> {
        let api = FakeApi::start(&objects(1)).await?;
        let (mut running, mut to) = (Vec::new(), Vec::new());
        for number in 0..2 {
            let (serve, support) = (crate::ports::free()?, crate::ports::free()?);
            let mut command = tokio::process::Command::new(peers::ROUTESRV.binary()?);
            command.args([
                "-kubernetes".to_owned(),
                format!("-kubernetes-url={}", api.url()),
                format!("-address={serve}"),
                format!("-support-listener={support}"),
                READ.to_owned(),
            ]);
            let name = format!("routesrv{number}");
            running.push(Process::spawn(&name, command, &folder.sub("logs")?)?);
            crate::stage::until("routesrv ready", faults::BACK, CHANGE, async || {
                let reply = crate::http::Call::get(serve, "/health").send().await;
                reply.is_ok_and(|(_, reply)| reply.status.is_success()).then_some(())
            })
            .await?;
            to.push(serve);
        }
        let clients = Clients::start(self.clients, to, polls, rate);
        let count = tokio::select! {
            count = clients.done() => count?,
            error = change(&api) => return error.map(|never| match never {}),
        };
        Ok(Outcome { count, faults: 0 })
    }
}

/// What came of the polls of all clients.
struct Outcome {
    count: Count,
    faults: usize,
}

impl Outcome {
    fn row(&self, name: &str) -> Vec<String> {
        let Count { polls, tables, kept, failed, back } = self.count;
        let numbers = [polls, tables, kept, failed, self.faults as u64, back];
        std::iter::once(name.to_owned()).chain(numbers.iter().map(ToString::to_string)).collect()
    }
}

/// All clients, until they have polled as often as they should.
struct Clients(JoinSet<Count>);

impl Clients {
    fn start(number: u32, to: Vec<SocketAddr>, polls: u64, rate: u32) -> Self {
        let mut clients = JoinSet::new();
        let to: Arc<[_]> = to.into();
        for first in 0..number {
            let client = Client::new(to.clone(), first as usize);
            clients.spawn(client.poll(polls / u64::from(number), Duration::from_secs(1) * number / rate));
        }
        Self(clients)
    }

    async fn done(mut self) -> Result<Count> {
        let mut all = Count::default();
        while let Some(count) = self.0.join_next().await {
            all += count.context("a client has ended")?;
        }
        Ok(all)
    }
}

/// The objects of one generation: enough that no guard minds, and the marker that tells it.
fn objects(generation: u64) -> Vec<serde_json::Value> {
    let mut all: Vec<_> = (0..20)
        .map(|n| {
            manifests::network_route_group(&format!("g{n}"), &format!("g{n}.test"), "http://10.20.0.1:80")
        })
        .collect();
    all.push(manifests::marker(generation));
    all
}

/// Changes the upstream for as long as it is asked to.
async fn change(api: &FakeApi) -> Result<std::convert::Infallible> {
    let start = Instant::now();
    for generation in 2.. {
        tokio::time::sleep_until(start + CHANGE * (generation as u32 - 1)).await;
        api.replace(&objects(generation));
    }
    anyhow::bail!("there are no more generations")
}
