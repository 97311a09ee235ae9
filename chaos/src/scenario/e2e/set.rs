//! The set: what stands on the stage before the first act.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use super::Server;
use crate::ground::Ground;
use crate::history::History;
use crate::observe::Observers;
use crate::observe::poller::Poller;
use crate::observe::traffic::Traffic;
use crate::observe::witness::Witness;
use crate::scenario::say;
use crate::stage::backend::Backend;
use crate::stage::cluster::{Apply, Cluster};
use crate::stage::fleet::Fleet;
use crate::stage::replica::Replica;
use crate::stage::rights::{self, Account};
use crate::stage::skipper::Skipper;
use crate::stage::vip::{Probe, Vip};
use crate::stage::{Folder, manifests, program};

/// Ingresses with a Service and endpoints each, for bulk.
const INGRESSES: usize = 20;

/// RouteGroups to the backend, for bulk.
const ROUTE_GROUPS: usize = 10;

/// How often the route server reads the API, and Skipper the route server.
const POLL: Duration = Duration::from_millis(500);

/// The Service whose address every Ingress has in its status.
pub const STATUS_FROM: &str = "bulk-0";

/// What the route server is told beside where things are: routesrv and Bellwether alike.
pub const FLAGS: [&str; 3] =
    ["-source-poll-timeout=500", "-enable-kubernetes-endpointslices", "-enable-kubernetes-external-names"];

/// Everything that runs. The order of the fields is the order of their end.
pub struct Set {
    /// The clients.
    pub observers: Observers,
    /// Who reads the replicas' logs.
    pub witness: Witness,
    /// The proxy of the traffic.
    pub skipper: Skipper,
    /// The Service's address.
    pub vip: Vip,
    /// The replicas.
    pub fleet: Fleet,
    /// The API.
    pub cluster: Cluster,
    /// Where requests end.
    pub backend: Backend,
    /// The URL of the table, at the Service's address.
    pub routes: String,
    /// What was seen.
    pub history: History,
    /// No table has fewer routes.
    pub least_routes: usize,
}

impl Set {
    /// Builds it, part by part.
    pub async fn build(
        server: Server,
        binary: Option<PathBuf>,
        folder: &Folder,
        history: History,
    ) -> Result<Self> {
        // Before anything runs: building may take its time.
        let binary = match server {
            Server::Bellwether => Some(program::bellwether(binary).await?),
            Server::Routesrv => None,
        };
        let ground = Ground::loopback();
        let backend = Backend::start(&ground.place("backend")?)?;
        let cluster = Cluster::start(&ground, folder).await?;
        say(&history, "etcd and the API server are ready");
        cluster.apply(&manifests::route_group_definition(), Apply::ForGood).await?;
        cluster.apply(&[manifests::namespace()], Apply::ForGood).await?;
        let objects = objects(&backend);
        cluster.apply(&objects, Apply::ForGood).await?;
        say(&history, format!("{} objects are applied", objects.len()));

        let mut fleet = match binary {
            Some(binary) => bellwethers(&ground, &binary, &cluster, folder, &history).await?,
            None => {
                program::routesrvs(&ground, 2, &cluster.api, &FLAGS.map(str::to_owned), folder, &history)?
            }
        };
        let least_routes = INGRESSES + ROUTE_GROUPS + 2;
        let names: Vec<&str> = fleet.replicas.iter().map(Replica::name).collect();
        history.stage("e2e", &names, least_routes);
        let witness = Witness::start(fleet.replicas.iter().map(Replica::watched), &history);
        fleet.start()?;
        fleet.ready(Duration::from_secs(30)).await?;
        say(&history, "all replicas are ready");
        let vip = Vip::start(&ground, fleet.targets(), Probe::default(), history.clone()).await?;
        vip.steady(Duration::from_secs(10)).await?;
        let routes = format!("http://{}/routes", vip.address());
        let skipper = Skipper::start(&ground.place("skipper")?, folder, &routes, POLL, "marker.test").await?;
        say(&history, "Skipper has routes");

        let observers = observers(&skipper, &vip, &history);
        Ok(Self { observers, witness, skipper, vip, fleet, cluster, backend, routes, history, least_routes })
    }
}

/// A few dozen objects: a marker, an Ingress and RouteGroups to the backend, and Ingresses with endpoints.
fn objects(backend: &Backend) -> Vec<Value> {
    let port = backend.address().port();
    let mut all = vec![
        manifests::marker(1),
        manifests::external_service("backend", "127.0.0.1", port),
        manifests::ingress("front", &["ingress.test"], "backend", port),
    ];
    for n in 0..ROUTE_GROUPS {
        let (name, host) = (format!("group-{n}"), format!("group-{n}.test"));
        all.push(manifests::network_route_group(&name, &host, &backend.url()));
    }
    for n in 0..INGRESSES {
        let (name, host) = (format!("bulk-{n}"), format!("bulk-{n}.test"));
        all.extend(manifests::service(&name, u8::try_from(1 + n % 3).unwrap_or(1)));
        all.push(manifests::ingress(&name, &[&host], &name, 80));
    }
    all
}

/// Three replicas which may do exactly what `deploy/` grants.
async fn bellwethers(
    ground: &Ground,
    binary: &Path,
    cluster: &Cluster,
    folder: &Folder,
    history: &History,
) -> Result<Fleet> {
    let account = rights::grant(cluster, &["base", "exec", "ingress-status"]).await?;
    let Account { namespace, kubeconfig, deployed, granted } = account;
    say(history, format!("deploy/: {deployed} objects pass a dry run, {granted} of them are applied"));
    let mut flags = FLAGS.map(str::to_owned).to_vec();
    flags.extend([
        "--source=kubernetes".to_owned(),
        // Long enough for the VIP to see that it stops.
        "-wait-for-healthcheck-interval=1s".to_owned(),
        format!("--lease=kubernetes:{namespace}/bellwether"),
        format!("-kubernetes-status-from-service={}/{STATUS_FROM}", manifests::NAMESPACE),
        format!("--kubeconfig={}", kubeconfig.display()),
    ]);
    program::bellwethers(ground, binary, 3, &flags, folder, history)
}

/// One client through Skipper, and two that poll as Skipper does, plain and compressed.
fn observers(skipper: &Skipper, vip: &Vip, history: &History) -> Observers {
    let mut observers = Observers::default();
    let hosts = ["marker.test", "ingress.test", "group-0.test", "group-9.test"].map(str::to_owned).to_vec();
    let traffic = Traffic { name: "traffic".into(), to: skipper.address(), hosts };
    observers.add(Duration::from_millis(5), |pace| traffic.run(history.clone(), pace));
    for (own, name, gzip) in [(2, "poller", false), (3, "poller-gzip", true)] {
        let (from, to) = (Ipv4Addr::new(127, 0, 0, own), vip.address());
        let poller = Poller { name: name.into(), from, to, gzip, ledger: vip.ledger() };
        observers.add(Duration::from_millis(20), |pace| poller.run(history.clone(), pace));
    }
    observers
}
