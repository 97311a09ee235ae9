//! From a change that the API server has taken to all three replicas that serve it, with `--watch` and by polls.
//!
//! In: a real API server with a table of many routes, and replicas with the rights of `deploy/`. Out: a table, JSON where it is
//! asked for, and whether the limits are kept. What can go wrong: a replica that does not serve a change in time.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use futures::future::try_join_all;
use futures::{StreamExt, TryStreamExt, stream};
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use serde_json::Value;
use tokio::time::Instant;

use super::rig::{ROUTES, group};
use super::series::{Series, table};
use super::skew::first_200;
use crate::ground::Ground;
use crate::history::History;
use crate::stage::cluster::{Apply, Cluster};
use crate::stage::fleet::Fleet;
use crate::stage::rights::{self, Account};
use crate::stage::{Folder, manifests, program};

/// Until all replicas are current with one table.
const SETTLED: Duration = Duration::from_secs(120);

/// How many objects are written at once before anything is measured.
const WRITERS: usize = 8;

/// The options of `changes`.
#[derive(Args, Debug)]
pub struct ChangesArgs {
    /// Few changes and routes, for CI.
    #[arg(long)]
    short: bool,
    /// How many changes with --watch, one at a time.
    #[arg(long, default_value_t = 1000)]
    changes: usize,
    /// How many by polls.
    #[arg(long, default_value_t = 50)]
    polled: usize,
    /// About how many routes the table has.
    #[arg(long, default_value_t = 20_000)]
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

impl ChangesArgs {
    /// Measures; whether the limits are kept.
    ///
    /// # Errors
    ///
    /// Where the API server or a replica does not start, or a change is not served in time.
    pub async fn run(self) -> Result<bool> {
        let mut folder = Folder::new()?;
        let measured = self.measure(&folder).await;
        if self.keep {
            println!("state and logs are in {}", folder.keep().display());
        }
        let all = measured?;
        print!("{}", table(&all));
        if let Some(path) = &self.json {
            let text = serde_json::to_string_pretty(&all).expect("numbers and names are JSON");
            std::fs::write(path, text).with_context(|| format!("write {}", path.display()))?;
        }
        Ok(all.iter().all(Series::kept))
    }

    async fn measure(&self, folder: &Folder) -> Result<Vec<Series>> {
        let (changes, polled, routes) =
            if self.short { (20, 2, 2_000) } else { (self.changes, self.polled, self.routes) };
        let binary = program::bellwether(self.bellwether.clone()).await?;
        let ground = Ground::loopback();
        let cluster = Cluster::start(&ground, folder).await?;
        cluster.apply(&manifests::route_group_definition(), Apply::ForGood).await?;
        cluster.apply(&[manifests::namespace()], Apply::ForGood).await?;
        cluster.apply(&[manifests::marker(1)], Apply::ForGood).await?;
        let mut marker = Marker { groups: groups(&cluster), generation: 1 };
        marker.write_all((0..routes / ROUTES).map(group)).await?;
        let Account { namespace, kubeconfig, .. } = rights::grant(&cluster, &["base"]).await?;
        let flags = [
            "--source=kubernetes".to_owned(),
            "-enable-kubernetes-endpointslices".to_owned(),
            "-wait-for-healthcheck-interval=0s".to_owned(),
            format!("--lease=kubernetes:{namespace}/bellwether"),
            format!("--kubeconfig={}", kubeconfig.display()),
        ];
        // Of few changes the worst decides, on a machine that may do other things: so the limits are wide ones.
        let (most, half) = if self.short { (2000, 1000) } else { (500, 200) };
        let limit = |milliseconds| Some(Duration::from_millis(milliseconds));
        let mut watched =
            Series::new("with --watch: 99 of 100 changes, at the last replica", limit(most)).p99();
        let mut median = Series::new("with --watch: half of them", limit(half)).p50();
        let mut by_polls = Series::new("by polls each 3 s", limit(if self.short { 5000 } else { 3500 }));
        {
            let own = Folder::new()?;
            let flags = [&flags[..], &["--watch".to_owned()]].concat();
            let mut fleet =
                program::bellwethers(&Ground::loopback(), &binary, 3, &flags, &own, &History::default())?;
            fleet.start()?;
            for _ in 0..changes {
                let sample = marker.change(&fleet).await?;
                watched.push(sample);
                median.push(sample);
            }
            let leader = fleet.leader(SETTLED).await?;
            let active = fleet.replicas[leader].metric("bellwether_watch_active").await?;
            anyhow::ensure!(active == 1.0, "the leader does not watch");
        }
        let own = Folder::new()?;
        let mut fleet =
            program::bellwethers(&Ground::loopback(), &binary, 3, &flags, &own, &History::default())?;
        fleet.start()?;
        for _ in 0..polled {
            by_polls.push(marker.change(&fleet).await?);
        }
        Ok(vec![watched, median, by_polls])
    }
}

/// The RouteGroup that changes, among the others.
struct Marker {
    groups: Api<DynamicObject>,
    generation: u64,
}

impl Marker {
    /// Changes it when all is settled; the time from the API server's answer to the write until the last replica serves it.
    async fn change(&mut self, fleet: &Fleet) -> Result<Duration> {
        let old = format!("\"{}\"", fleet.settled(SETTLED).await?);
        self.generation += 1;
        self.write(&manifests::marker(self.generation)).await?;
        let committed = Instant::now();
        let replicas = fleet.replicas.iter().map(|replica| first_200(replica.serve(), &old));
        let last = try_join_all(replicas).await?.into_iter().max().context("there are replicas")?;
        Ok(last - committed)
    }

    async fn write(&self, manifest: &Value) -> Result<()> {
        let name = manifest["metadata"]["name"].as_str().context("a name")?;
        let params = PatchParams::apply("chaos").force();
        let written = self.groups.patch(name, &params, &Patch::Apply(manifest)).await;
        written.map(drop).with_context(|| format!("write {name}"))
    }

    async fn write_all(&self, manifests: impl Iterator<Item = Value>) -> Result<()> {
        let writes = stream::iter(manifests).map(async |manifest| self.write(&manifest).await);
        writes.buffer_unordered(WRITERS).try_collect::<()>().await
    }
}

fn groups(cluster: &Cluster) -> Api<DynamicObject> {
    let kind = manifests::kind(&manifests::marker(1)).expect("ours has one");
    let resource = ApiResource::from_gvk_with_plural(&kind, "routegroups");
    Api::namespaced_with(cluster.client(), manifests::NAMESPACE, &resource)
}
