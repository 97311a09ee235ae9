//! The set: everything that scenarios play on, built once and mended between them.
//!
//! In: which route server, which API server, and how large. Out: three replicas behind the Service's address, real
//! Skippers with traffic through them, simulated ones beside them, each with a line of its own. What can go wrong: a part
//! does not start, or does not come back after a scenario; the error has the end of its log.

mod objects;
pub mod path;
mod replicas;
mod settle;
mod upstream;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;
use serde_json::Value;

pub use objects::{groups, poison};
use path::Path;
pub use upstream::{Api, Upstream, lease};

use crate::ground::{Ground, Place};
use crate::history::{FaultId, History};
use crate::observe::Observers;
use crate::observe::poller::Poller;
use crate::observe::skippers::{Habits, Skippers};
use crate::observe::traffic::Traffic;
use crate::observe::witness::Witness;
use crate::scenario::say;
use crate::stage::backend::Backend;
use crate::stage::badges::Badges;
use crate::stage::cluster::Cluster;
use crate::stage::fleet::Fleet;
use crate::stage::line::Line;
use crate::stage::skipper::Skipper;
use crate::stage::vip::{Probe, Vip};
use crate::stage::{Folder, manifests, program};

/// From the start of a replica until it is ready, with the largest table and on a busy machine.
pub const START: Duration = Duration::from_secs(60);

/// Between two polls of a client that watches closely.
const CLOSELY: Duration = Duration::from_millis(100);

/// Between two requests of one client through one Skipper.
const TRAFFIC: Duration = Duration::from_millis(20);

/// The number of the first real Skipper's address among the harness's own, and of the first simulated one's. Below them
/// are those of whoever watches closely.
const LINES: u16 = 100;
const CLIENTS: u16 = 200;

/// The seed of a random play that is not given another one.
const SEED: u64 = 1;

/// Which route server stands behind the Service's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Server {
    /// Bellwether.
    Bellwether,
    /// The peer.
    Routesrv,
}

/// How large a set is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// The replicas.
    pub replicas: usize,
    /// About so many routes.
    pub routes: usize,
    /// Real Skippers.
    pub skippers: usize,
    /// Simulated ones.
    pub simulated: usize,
    /// How often the route server reads the API, and Skippers the route server.
    pub poll: Duration,
    /// How long a replica that was asked to stop goes on serving.
    pub drain: Duration,
}

/// Everything that runs. The order of the fields is the order of their end.
pub struct Set {
    /// Reads the replicas' logs and states.
    pub witness: Witness,
    /// The clients that watch closely, and those of the Skippers.
    pub observers: Observers,
    /// The simulated Skippers.
    pub clients: Skippers,
    /// The real ones.
    pub skippers: Vec<Skipper>,
    /// Each real one's line to the Service.
    pub lines: Vec<Line>,
    /// The Service's address.
    pub vip: Vip,
    /// The replicas.
    pub fleet: Fleet,
    /// Where each replica runs.
    pub places: Vec<Place>,
    /// Each replica's way to the API server.
    pub to_api: Vec<Path>,
    /// The others' way to each replica; none for routesrv.
    pub to_replica: Vec<Path>,
    /// The API.
    pub upstream: Upstream,
    /// What was seen.
    pub history: History,
    /// What it is.
    pub server: Server,
    /// How large it is.
    pub sizes: Sizes,
    /// The namespace of the Lease.
    pub namespace: String,
    /// What the API server holds when nothing is wrong, but the marker.
    pub objects: Vec<Value>,
    /// No table has fewer routes.
    pub least_routes: usize,
    /// The marker's.
    pub generation: u64,
    /// Where everything runs.
    pub ground: Ground,
    /// State and logs.
    pub folder: Folder,
    /// What replicas prove to each other with; none on loopback.
    pub badges: Option<Badges>,
    /// What a random play begins with.
    pub seed: u64,
    /// The binary of an older version, where there is one.
    pub before: Option<PathBuf>,
    /// What is broken now.
    open: Vec<FaultId>,
    /// What the API server lacks now.
    deleted: Vec<Value>,
    /// Which replicas are stopped now.
    paused: Vec<usize>,
    _backend: Backend,
}

impl Set {
    /// Builds it, part by part, and waits until everybody has the first table. `env` is Bellwether's, beside what the stage
    /// gives it.
    ///
    /// # Errors
    ///
    /// Where a part does not start.
    pub async fn build(
        ground: Ground,
        server: Server,
        api: Api,
        sizes: Sizes,
        binary: Option<PathBuf>,
        env: BTreeMap<String, String>,
    ) -> Result<Self> {
        let history = History::default();
        // Before anything runs: building may take its time.
        let binary = match server {
            Server::Bellwether => Some(program::bellwether(binary).await?),
            Server::Routesrv => None,
        };
        let folder = Folder::new()?;
        let backend = Backend::start(&ground.place("backend")?)?;
        let upstream = match api {
            Api::Real => Upstream::Real(Box::new(Cluster::start(&ground, &folder).await?)),
            Api::Fake => Upstream::fake(sizes.replicas).await?,
        };
        let objects = objects::bulk(sizes.routes, &backend.url());
        upstream.put(&manifests::route_group_definition()).await?;
        upstream.put(&[manifests::namespace()]).await?;
        upstream.put(&objects).await?;
        upstream.put(&[manifests::marker(1)]).await?;
        say(&history, format!("the API server has {} objects", objects.len() + 1));

        let made = replicas::make(&replicas::Wanted {
            server,
            binary: binary.as_deref(),
            upstream: &upstream,
            sizes: &sizes,
            ground: &ground,
            folder: &folder,
            history: &history,
            env: &env,
        })
        .await?;
        let replicas::Replicas { mut fleet, places, to_api, to_replica, namespace, badges } = made;
        fleet.start()?;
        fleet.ready(START).await?;
        let probe = if ground.has_places() { Probe::cluster() } else { Probe::default() };
        let vip = Vip::start(&ground, fleet.targets(), probe, history.clone()).await?;
        vip.whole(START).await?;
        say(&history, "all replicas are ready");

        let (mut skippers, mut lines, mut observers) = (Vec::new(), Vec::new(), Observers::default());
        for number in 0..sizes.skippers {
            let own = ground.own(LINES + u16::try_from(number)?);
            let line = Line::start_at(ground.address(), own, vec![vip.address()]).await?;
            let (name, url) = (format!("skipper{number}"), format!("http://{}/routes", line.address()));
            let skipper =
                Skipper::start(&ground.place(&name)?, &folder, &url, sizes.poll, "marker.test").await?;
            let hosts = objects::SERVED.map(str::to_owned).to_vec();
            let traffic = Traffic { name: history.name(&name), to: skipper.address(), hosts };
            observers.add(TRAFFIC, |pace| traffic.run(history.clone(), pace));
            skippers.push(skipper);
            lines.push(line);
        }
        for (own, name, gzip) in [(0, "poller", false), (1, "poller-gzip", true)] {
            let (from, to) = (ground.own(own), vip.address());
            let poller = Poller { name: history.name(name), from, to, gzip, ledger: vip.ledger() };
            observers.add(CLOSELY, |pace| poller.run(history.clone(), pace));
        }
        let habits = Habits {
            name: "s",
            to: vip.address(),
            poll: sizes.poll,
            patience: sizes.poll,
            from: ground.own(CLIENTS),
            ledger: Some(vip.ledger()),
            at_once: false,
        };
        let clients = Skippers::start(sizes.simulated, &habits, &history);
        let watched = fleet.replicas.iter().map(crate::stage::replica::Replica::watched);
        let witness = Witness::start(watched.collect::<Vec<_>>(), &history);
        let mut set = Self {
            witness,
            observers,
            clients,
            skippers,
            lines,
            vip,
            fleet,
            places,
            to_api,
            to_replica,
            upstream,
            history,
            server,
            sizes,
            namespace,
            least_routes: sizes.routes * 9 / 10,
            objects,
            generation: 1,
            ground,
            folder,
            badges,
            seed: SEED,
            before: None,
            open: Vec::new(),
            deleted: Vec::new(),
            paused: Vec::new(),
            _backend: backend,
        };
        set.settle().await?;
        Ok(set)
    }
}
