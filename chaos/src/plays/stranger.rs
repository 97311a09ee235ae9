//! Somebody else at a replica's address: its pod is gone, and its address was given to a pod of another cluster.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::set::{START, Set};
use crate::catalogue::Extent;
use crate::history::History;
use crate::scenario::say;
use crate::stage::badges::Badges;
use crate::stage::replica::{Launch, Replica};
use crate::stage::{manifests, until};

/// A stranger answers where a replica did.
pub const REUSED: &str = "a stranger is at a replica's address";

/// How long it is there: longer than a failover, and than anything that replicas tell each other takes.
const THERE: Duration = Duration::from_secs(8);

/// Kills a follower and then the leader; each time a replica of another set starts at its address, under its name, and
/// leads a Lease of its own. Nothing upstream changes meanwhile.
pub async fn reuse(set: &mut Set, extent: Extent) -> Result<()> {
    for _ in 0..extent.times() {
        for victim in [set.follower().await?, set.leader().await?] {
            let ours = set.agreed().await?;
            set.kill(victim).await?;
            let mut stranger = Stranger::start(set, victim).await?;
            ensure!(stranger.table != ours, "the stranger has our table");
            set.begin(REUSED, &[victim]);
            say(&set.history, format!("a replica of another set is at the address of {}", set.name(victim)));
            tokio::time::sleep(THERE).await;
            // With the one that was killed two are left: they have one leader, and it is one of them.
            let leader = set.leader().await?;
            ensure!(leader != victim, "{} leads", set.name(victim));
            stranger.is_as_it_was().await?;
            stranger.replica.kill().await?;
            set.heal().await?;
            set.settle().await?;
        }
        set.change_arrives(START).await?;
    }
    Ok(())
}

/// A replica of another set: other certificates, another Lease, another table.
struct Stranger {
    replica: Replica,
    table: String,
}

impl Stranger {
    /// Starts it, and waits until it leads.
    async fn start(set: &Set, victim: usize) -> Result<Self> {
        let (name, place) = (set.name(victim), set.places[victim].clone());
        let folder = set.folder.sub(&format!("stranger-{}", set.history.now().as_millis()))?;
        let objects = sub(&folder, "objects")?;
        let route_group =
            manifests::network_route_group("stranger", "stranger.test", "http://10.20.0.9:8080");
        std::fs::write(objects.join("stranger.yaml"), route_group.to_string())
            .context("write the stranger's objects")?;
        let badges = Badges::make(&sub(&folder, "badges")?, vec![name.clone()])?;
        let own = set.to_replica[victim].address();
        let peers: Vec<_> = set.to_replica.iter().map(|path| path.address().to_string()).collect();
        // No client and no probe of ours asks there: an address that is reused has left our Service.
        let (serve, support) = (place.socket(8090)?, place.socket(8911)?);
        let mut args = vec![
            "serve".to_owned(),
            format!("--source=manifests:{}", objects.display()),
            // On the same API server: its epochs, and so its tables, are above ours.
            "--lease=kubernetes:default/another".to_owned(),
            format!("-kubernetes-url=http://{}", set.to_api[victim].address()),
            format!("--id={name}"),
            format!("--state-dir={}", sub(&folder, "state")?.display()),
            format!("--replication-listener={own}"),
            format!("--replication-address={own}"),
            format!("--peers={}", peers.join(",")),
            "--log-format=json".to_owned(),
            format!("-address={serve}"),
            format!("-support-listener={support}"),
        ];
        args.extend(badges.flags(&name));
        let binary = set.fleet.replicas[victim].launch().binary.clone();
        let ready = (support, "/readyz");
        let launch = Launch {
            name: format!("stranger-at-{name}"),
            place,
            binary,
            args,
            env: Default::default(),
            serve,
            support,
            ready,
        };
        // What becomes of it is no part of our history.
        let mut replica = Replica::new(launch, set.folder.sub("logs")?, History::default());
        replica.start()?;
        let leads = until("the stranger to lead its own", START, Duration::from_millis(50), async || {
            let status = replica.status().await.ok()?;
            (status.role == "leader").then_some(status.digest?)
        });
        let table = leads.await.with_context(|| replica.tail(12))?;
        Ok(Self { replica, table })
    }

    /// Whether it still leads its own, and serves what it served.
    async fn is_as_it_was(&self) -> Result<()> {
        let status = self.replica.status().await?;
        let serves = status.digest.unwrap_or_default();
        ensure!(status.role == "leader", "the stranger is a {} now", status.role);
        ensure!(serves == self.table, "the stranger's table {} became {serves}", self.table);
        Ok(())
    }
}

fn sub(folder: &std::path::Path, name: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    std::fs::create_dir_all(&path).with_context(|| format!("make {}", path.display()))?;
    Ok(path)
}
