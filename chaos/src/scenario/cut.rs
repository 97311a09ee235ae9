//! A download that is cut: one real Skipper before three replicas of Bellwether, one before a routesrv, each behind a line
//! that breaks in the middle of a new table.
//!
//! In: nothing; a fake API server has the objects. Out: when each Skipper had the new table, if ever. What can go wrong:
//! a binary is missing; the routesrv's Skipper heals too, and then the line has not broken what it should.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args;
use serde_json::Value;
use tokio::process::Command;
use tokio::time::Instant;

use crate::fakeapi::FakeApi;
use crate::ground::{Ground, Place};
use crate::history::History;
use crate::http::Call;
use crate::peers::ROUTESRV;
use crate::ports;
use crate::process::Process;
use crate::scenario::say;
use crate::stage::line::Line;
use crate::stage::skipper::Skipper;
use crate::stage::{Folder, manifests, program, until};

/// How often the Skippers poll.
const POLL: Duration = Duration::from_secs(1);

/// How long a Skipper that was cut may go without the new table: the poll that was cut, the one that heals, and a busy
/// machine.
const HEALED: Duration = Duration::from_secs(5);

/// How long the routesrv's Skipper is watched.
const PINNED: Duration = Duration::from_secs(15);

/// How long anything else may take.
const PATIENCE: Duration = Duration::from_secs(60);

const LOOK: Duration = Duration::from_millis(50);

/// RouteGroups beside the marker, so that a table does not fit into what the line lets through.
const BULK: usize = 300;

/// The options of `cut`.
#[derive(Args, Debug)]
pub struct CutArgs {
    /// The binary of Bellwether; by default the one that Cargo builds.
    #[arg(long)]
    bellwether: Option<PathBuf>,
    /// Keep state and logs.
    #[arg(long)]
    keep: bool,
}

impl CutArgs {
    /// Plays it; whether Bellwether's Skipper was healed.
    ///
    /// # Errors
    ///
    /// Where a server or a Skipper does not start, or routesrv's Skipper was healed too.
    pub async fn run(self) -> Result<bool> {
        let mut folder = Folder::new()?;
        let played = self.play(&folder).await;
        if self.keep {
            println!("state and logs are in {}", folder.keep().display());
        }
        played
    }

    async fn play(&self, folder: &Folder) -> Result<bool> {
        let (api, history) = (FakeApi::start(&objects(1)).await?, History::default());
        let flags = [format!("-kubernetes-url={}", api.url()), "-source-poll-timeout=200".to_owned()];
        let lease = format!("--lease=file:{}", folder.path().join("lease").display());
        let binary = program::bellwether(self.bellwether.clone()).await?;
        let ours = [&flags[..], &[lease]].concat();
        let mut fleet = program::bellwethers(&Ground::loopback(), &binary, 3, &ours, folder, &history)?;
        fleet.start()?;
        let serve = ports::free()?;
        let mut command = Command::new(ROUTESRV.binary()?);
        command
            .arg("-kubernetes")
            .args(&flags)
            .args([format!("-address={serve}"), format!("-support-listener={}", ports::free()?)]);
        let peer = Process::spawn("routesrv", command, &folder.sub("logs")?)?;
        fleet.ready(PATIENCE).await?;
        fleet.settled(PATIENCE).await?;
        let up = until("a table of routesrv", PATIENCE, LOOK, async || {
            Call::get(serve, "/health").send().await.ok().filter(|(_, it)| it.status == 204).map(drop)
        });
        up.await.map_err(|error| peer.blame(&error))?;

        let targets = fleet.targets().iter().map(|target| target.serve).collect();
        let mut before_ours = Client::start("bellwether", 11, targets, folder).await?;
        let mut before_peer = Client::start("routesrv", 12, vec![serve], folder).await?;
        for client in [&before_ours, &before_peer] {
            client.line.break_next();
        }
        api.replace(&objects(2));
        before_ours.cut().await?;
        before_peer.cut().await?;
        say(&history, "both downloads of the new table were cut");

        let healed = before_ours.generation(2, HEALED).await;
        let pinned = before_peer.generation(2, PINNED).await;
        println!("| behind the line | the new table is in Skipper |");
        println!("| --- | --- |");
        for (client, healed) in [(&before_ours, healed), (&before_peer, pinned)] {
            let text = healed.map_or("never, while it was watched".to_owned(), |after| {
                format!("{:.1} s after the cut", after.as_secs_f64())
            });
            println!("| {} | {text} |", client.name);
        }
        ensure!(pinned.is_none(), "routesrv's Skipper got the table all the same: nothing was broken");
        Ok(healed.is_some())
    }
}

/// A Skipper and its line.
struct Client {
    name: &'static str,
    line: Line,
    skipper: Skipper,
    cut_at: Instant,
}

impl Client {
    async fn start(
        name: &'static str,
        address: u8,
        servers: Vec<SocketAddr>,
        folder: &Folder,
    ) -> Result<Self> {
        let line = Line::start(Ipv4Addr::new(127, 0, 0, address), servers).await?;
        let url = format!("http://{}/routes", line.address());
        let place = Place::on_loopback(&format!("skipper-{name}"));
        let skipper = Skipper::start(&place, folder, &url, POLL, "marker.test").await?;
        Ok(Self { name, line, skipper, cut_at: Instant::now() })
    }

    async fn cut(&mut self) -> Result<()> {
        until("a table that is cut", PATIENCE, LOOK / 10, async || (self.line.broken() == 1).then_some(()))
            .await?;
        self.cut_at = Instant::now();
        Ok(())
    }

    /// How long after the cut it had the routes of `generation`; none where it had not within `patience`.
    async fn generation(&self, generation: u64, patience: Duration) -> Option<Duration> {
        let expected = format!("generation {generation}");
        let there = until("the new table", patience, LOOK, async || {
            let call = Call { host: "marker.test", ..Call::get(self.skipper.address(), "/") };
            let (_, reply) = call.send().await.ok()?;
            (reply.body == expected).then(|| self.cut_at.elapsed())
        });
        there.await.ok()
    }
}

fn objects(generation: u64) -> Vec<Value> {
    let bulk = (0..BULK).map(|number| {
        let (name, host) = (format!("bulk-{number}"), format!("bulk-{number}.test"));
        manifests::network_route_group(
            &name,
            &host,
            &format!("http://10.20.{}.{}:8080", number / 250, number % 250),
        )
    });
    bulk.chain([manifests::marker(generation)]).collect()
}
