//! From a change to real Skippers that route by it: by polls alone, with `--hold`, and with `--hold` and `--shards`.
//!
//! In: a fake API server with a table of many routes, three replicas that watch it, Skippers with the period that they have
//! by default. Out: how long it took, how many bytes each Skipper was sent for a change, and whether the limits are kept. What
//! can go wrong: Skipper is not built; one never has a change.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use futures::future::try_join_all;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::series::{Series, table};
use crate::fakeapi::FakeApi;
use crate::ground::{Ground, Place};
use crate::history::History;
use crate::http::Call;
use crate::stage::fleet::Fleet;
use crate::stage::skipper::Skipper;
use crate::stage::{Folder, manifests, program, until};

/// The period of a Skipper's polls, where nothing else is said.
const PERIOD: Duration = Duration::from_secs(3);

/// How often a Skipper is asked what it routes by.
const LOOK: Duration = Duration::from_millis(20);

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Into how many shards the table is cut.
const SHARDS: u16 = 16;

/// The options of `faster`.
#[derive(Args, Debug)]
pub struct FasterArgs {
    /// Few changes, for CI.
    #[arg(long)]
    short: bool,
    /// How many changes of one route, in each of the three ways.
    #[arg(long, default_value_t = 20)]
    changes: u64,
    /// How many Skippers.
    #[arg(long, default_value_t = 10)]
    skippers: usize,
    /// About how many routes the table has.
    #[arg(long, default_value_t = 1000)]
    routes: usize,
    /// Also write every sample here, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// The binary of Bellwether; by default the one that Cargo builds, in the same profile.
    #[arg(long)]
    bellwether: Option<PathBuf>,
    /// Keep state and logs.
    #[arg(long)]
    keep: bool,
}

/// A way in which Skippers come to a change.
struct Way {
    name: &'static str,
    flags: &'static [&'static str],
    shards: Option<u16>,
    /// What half of the changes must keep.
    limit: Option<Duration>,
}

const WAYS: [Way; 3] = [
    Way { name: "polls", flags: &[], shards: None, limit: None },
    Way { name: "--hold", flags: &["--hold=1.5s"], shards: None, limit: Some(Duration::from_secs(1)) },
    Way {
        name: "--hold, --shards=16",
        flags: &["--hold=1.5s", "--shards=16"],
        shards: Some(SHARDS),
        limit: Some(Duration::from_secs(1)),
    },
];

impl FasterArgs {
    /// Measures; whether the limits are kept.
    ///
    /// # Errors
    ///
    /// Where a replica or a Skipper does not start, or a Skipper does not have a change in time.
    pub async fn run(self) -> Result<bool> {
        let mut folder = Folder::new()?;
        let measured = self.measure(&folder).await;
        if self.keep {
            println!("state and logs are in {}", folder.keep().display());
        }
        let (all, bytes) = measured?;
        print!("{}", table(&all));
        for (Way { name, .. }, bytes) in WAYS.iter().zip(&bytes) {
            println!("{name}: {bytes:.0} bytes of bodies for a change and a Skipper");
        }
        if let Some(path) = &self.json {
            let text = serde_json::to_string_pretty(&all).expect("numbers and names are JSON");
            std::fs::write(path, text).with_context(|| format!("write {}", path.display()))?;
        }
        let fewer = bytes[2] * 10.0 <= bytes[0];
        if !fewer {
            println!("MISSED: with shards a change costs more than a tenth of the bytes");
        }
        Ok(fewer && all.iter().all(Series::kept))
    }

    async fn measure(&self, folder: &Folder) -> Result<(Vec<Series>, Vec<f64>)> {
        let binary = program::bellwether(self.bellwether.clone()).await?;
        let (mut all, mut bytes) = (Vec::new(), Vec::new());
        for (number, way) in WAYS.iter().enumerate() {
            let own = folder.sub(&format!("way-{number}"))?;
            let api = FakeApi::start(&self.objects(1)).await?;
            let mut flags = vec![
                format!("-kubernetes-url={}", api.url()),
                format!("--lease=file:{}", own.join("lease").display()),
                "--watch".to_owned(),
                "-wait-for-healthcheck-interval=0s".to_owned(),
            ];
            flags.extend(way.flags.iter().map(|flag| (*flag).to_owned()));
            let state = Folder::new()?;
            let mut fleet =
                program::bellwethers(&Ground::loopback(), &binary, 3, &flags, &state, &History::default())?;
            fleet.start()?;
            fleet.ready(PATIENCE).await?;
            fleet.settled(PATIENCE).await?;
            let (series, sent) = self.changes(&api, &fleet, way, &state).await?;
            all.push(series);
            bytes.push(sent);
        }
        Ok((all, bytes))
    }

    /// All changes in one way: how long each took to each Skipper, and the bytes for one of them to one.
    async fn changes(
        &self,
        api: &FakeApi,
        fleet: &Fleet,
        way: &Way,
        folder: &Folder,
    ) -> Result<(Series, f64)> {
        let targets: Vec<_> = fleet.targets().iter().map(|target| target.serve).collect();
        let mut skippers = Vec::new();
        for number in 0..self.skippers {
            let place = Place::on_loopback(&format!("skipper-{number}"));
            let urls = urls(targets[number % targets.len()], way.shards);
            skippers.push(Skipper::start(&place, folder, &urls, PERIOD, "marker.test").await?);
        }
        // A table that was new may be sent twice.
        sleep(Duration::from_secs(31)).await;
        let mut series = Series::new(way.name, way.limit).p50();
        let before = sent(fleet).await?;
        let changes = if self.short { 3 } else { self.changes };
        for change in 0..changes {
            // At another moment of the Skippers' periods each time.
            sleep(PERIOD + Duration::from_millis(370 * change % 3000)).await;
            api.put(&[manifests::marker(change + 2)]);
            let changed = Instant::now();
            let waits = skippers.iter().map(|skipper| arrival(skipper, change + 2, changed));
            try_join_all(waits).await?.into_iter().for_each(|took| series.push(took));
        }
        let bytes = sent(fleet).await? - before;
        Ok((series, bytes / (changes as f64 * self.skippers as f64)))
    }

    fn objects(&self, generation: u64) -> Vec<Value> {
        let bulk = (0..self.routes).map(|number| {
            let (name, host) = (format!("bulk-{number}"), format!("bulk-{number}.test"));
            let url = format!("http://10.20.{}.{}:8080", number / 250, number % 250);
            manifests::network_route_group(&name, &host, &url)
        });
        bulk.chain([manifests::marker(generation)]).collect()
    }
}

/// What a Skipper polls at one replica.
fn urls(target: SocketAddr, shards: Option<u16>) -> String {
    match shards {
        None => format!("http://{target}/routes"),
        Some(number) => {
            let urls = (0..number).map(|shard| format!("http://{target}/routes/shards/{shard}/{number}"));
            urls.collect::<Vec<_>>().join(",")
        }
    }
}

/// How long after `changed` it routes by this generation.
async fn arrival(skipper: &Skipper, generation: u64, changed: Instant) -> Result<Duration> {
    let expected = format!("generation {generation}");
    until("a Skipper with the change", PATIENCE, LOOK, async || {
        let call = Call { host: "marker.test", ..Call::get(skipper.address(), "/") };
        let (_, reply) = call.send().await.ok()?;
        (reply.body == expected).then(|| changed.elapsed())
    })
    .await
}

/// The bytes of bodies that all replicas have sent.
async fn sent(fleet: &Fleet) -> Result<f64> {
    let mut bytes = 0.0;
    for replica in &fleet.replicas {
        bytes += replica.metric("bellwether_body_bytes_total").await?;
    }
    Ok(bytes)
}
