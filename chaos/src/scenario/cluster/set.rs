//! The set: the chart installed as a user would, objects to serve, Skippers that poll the Service, and clients beside the nodes.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1;
use kube::Api;
use kube::api::{DynamicObject, ListParams, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::Value;
use tokio::time::Instant;

use super::follow::Pods;
use super::limits::{FIRST_TABLE, INSTALLED};
use super::{NAMESPACE, machines};
use crate::history::{History, Record};
use crate::http::Call;
use crate::observe::poller::Poller;
use crate::observe::traffic::{Traffic, ask};
use crate::observe::{Observers, Pace};
use crate::scenario::say;
use crate::stage::cluster::{Apply, api_of, apply};
use crate::stage::vip::Ledger;
use crate::stage::{manifests, until};

/// How many replicas the chart has by default.
pub const REPLICAS: usize = 3;

/// The node that the Skippers are on, and that nobody touches: `chaos/cluster/manifests/steady`.
pub const STEADY: &str = "node1";

/// How long anything may take that has no limit of its own.
pub const PATIENCE: Duration = Duration::from_secs(240);

/// Ingresses with a Service and endpoints each, for bulk.
const INGRESSES: usize = 100;

/// The fewest routes in any table: those of the Ingresses, and the marker's.
pub const LEAST_ROUTES: usize = INGRESSES + 1;

/// The address of the Skippers' Service.
const SKIPPERS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 96, 0, 80)), 80);

/// The host of the marker, and that of the Service whose pods the Skippers' requests reach.
const MARKER: &str = "marker.test";
const HELLO: &str = "hello.example";

/// So many answers in a row say that kube-proxy has followed on every node.
const IN_A_ROW: usize = 50;

/// How often the marker changes.
const CHANGE: Duration = Duration::from_secs(2);

const LOOK: Duration = Duration::from_millis(50);

/// An address that leads to a Skipper, and a host that it answers for.
type Way = (SocketAddr, &'static str);

/// Everything that runs.
pub struct Set {
    /// An administrator's client.
    pub client: kube::Client,
    /// The replicas.
    pub pods: Pods,
    /// The clients.
    pub clients: Observers,
    /// Whoever changes the marker.
    changes: Observers,
    /// What the clients reach Skippers by: each of them, and their Service.
    ways: Vec<Way>,
    /// What was seen.
    pub history: History,
}

impl Set {
    /// Builds it in a cluster that has nothing yet.
    ///
    /// # Errors
    ///
    /// Where what must come does not come.
    pub async fn build(history: History) -> Result<Self> {
        let kubeconfig = Kubeconfig::read_from(machines::kubeconfig())?;
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        let client = kube::Client::try_from(config)?;
        apply(&client, &manifests::route_group_definition(), Apply::ForGood).await?;
        apply(&client, &[manifests::namespace()], Apply::ForGood).await?;
        let objects = objects();
        apply(&client, &objects, Apply::ForGood).await?;
        say(&history, format!("{} objects are applied", objects.len()));

        let (pods, service) = install(&client, &history).await?;
        let leader = pods.settled(REPLICAS, PATIENCE).await?;
        say(&history, format!("three replicas are of one mind; {} leads", leader.name));
        lease(&client, &history).await?;
        let skippers = skippers(&client, &history).await?;
        let ledger = Ledger::of_service(service, pods.addresses());
        let markers = api_of(&client, &manifests::marker(1)).await?;
        let ways = ways(&skippers);
        lead_there(&ways).await?;
        let clients = clients(service, &skippers, &ledger, &history);
        let mut changes = Observers::default();
        changes.add(CHANGE, |pace| change(markers, history.clone(), pace));
        Ok(Self { client, pods, clients, changes, ways, history })
    }

    /// Ends the changes, waits until the last of them is what every Skipper answers, and ends the clients; gives the pods back.
    ///
    /// # Errors
    ///
    /// Where it does not come.
    pub async fn stop(self) -> (Pods, Result<()>) {
        self.changes.stop().await;
        let changes = self.history.records().into_iter().filter_map(|record| match record {
            Record::Change(change) => Some(change.generation),
            _ => None,
        });
        let last = changes.max();
        let skippers = self.ways.iter().filter(|(_, host)| *host == MARKER);
        let arrived = async || {
            let answers = skippers.clone().map(|(at, host)| ask(*at, host));
            let answers = futures::future::join_all(answers).await;
            answers.iter().all(|it| it.as_ref().is_ok_and(|generation| *generation >= last)).then_some(())
        };
        let arrived = until("the last change at every Skipper", PATIENCE, LOOK, arrived).await;
        // Their clients hear of it too.
        tokio::time::sleep(CHANGE).await;
        self.clients.stop().await;
        (self.pods, arrived)
    }
}

/// All ways to all Skippers.
fn ways(skippers: &[SocketAddr]) -> Vec<Way> {
    let each = skippers.iter().flat_map(|at| [MARKER, HELLO].map(|host| (*at, host)));
    each.chain([(SKIPPERS, HELLO)]).collect()
}

/// Waits until every way leads to an answer so often in a row: what fails from then on, somebody has broken.
async fn lead_there(ways: &[Way]) -> Result<()> {
    futures::future::try_join_all(ways.iter().map(async |(at, host)| {
        let mut row = 0;
        let what = format!("answers for {host} from {at}, {IN_A_ROW} in a row");
        until(&what, PATIENCE, LOOK, async || {
            row = if ask(*at, host).await.is_ok() { row + 1 } else { 0 };
            (row >= IN_A_ROW).then_some(())
        })
        .await
    }))
    .await
    .map(drop)
}

/// Installs the chart by the two commands of `deploy/README.md`; returns the pods and the Service's address.
async fn install(client: &kube::Client, history: &History) -> Result<(Pods, SocketAddr)> {
    let start = Instant::now();
    let chart = machines::folder().join("../../deploy/chart").display().to_string();
    let args = ["install", NAMESPACE, &chart, "--namespace", NAMESPACE, "--create-namespace"];
    // The witness reads logs as JSON.
    let helm = machines::helm(&[&args[..], &["--set", "flags.log-format=json"]].concat())?;
    machines::output(helm, "helm install").await?;
    let pods = Pods::follow(client, history);
    let services: Api<v1::Service> = Api::namespaced(client.clone(), NAMESPACE);
    let spec = services.get(NAMESPACE).await.context("the Service")?.spec;
    let address = spec.and_then(|spec| spec.cluster_ip).context("the Service has no address")?;
    let service = SocketAddr::new(address.parse().context("the Service's address")?, 80);
    let first = until("a table from the Service", PATIENCE, LOOK, async || {
        let (_, reply) = Call::get(service, "/routes").send().await.ok()?;
        (reply.status == 200).then(|| start.elapsed().as_secs_f64())
    });
    let first = first.await?;
    history.measured(FIRST_TABLE, "", first);
    say(history, format!("the chart is installed, and the first table came after {first:.1} s"));
    rolled_out().await?;
    history.measured(INSTALLED, "", start.elapsed().as_secs_f64());
    Ok((pods, service))
}

/// Waits until the StatefulSet is as it was asked to be.
///
/// # Errors
///
/// Where it is not in time.
pub async fn rolled_out() -> Result<()> {
    let status = machines::kubectl(&["-n", NAMESPACE, "rollout", "status", "statefulset/bellwether"]);
    machines::output(status, "kubectl rollout status").await.map(drop)
}

/// The Lease is held by a pod, under the ServiceAccount that the chart gives the right to; another one has it not.
async fn lease(client: &kube::Client, history: &History) -> Result<()> {
    let leases: Api<Lease> = Api::namespaced(client.clone(), NAMESPACE);
    let spec = leases.get(NAMESPACE).await.context("the Lease")?.spec;
    let holder = spec.and_then(|spec| spec.holder_identity).context("nobody holds the Lease")?;
    let name = holder.split('_').next().unwrap_or_default();
    let pods: Api<v1::Pod> = Api::namespaced(client.clone(), NAMESPACE);
    let pod = pods.get(name).await.with_context(|| format!("the holder of the Lease, {holder}"))?;
    let account = pod.spec.and_then(|spec| spec.service_account_name).unwrap_or_default();
    for (account, may) in [(account.as_str(), true), ("default", false)] {
        let identity = format!("--as=system:serviceaccount:{NAMESPACE}:{account}");
        let args = ["-n", NAMESPACE, "auth", "can-i", "update", "leases/bellwether", &identity];
        let said = machines::output(machines::kubectl(&args), "kubectl auth can-i").await;
        ensure!(said.is_ok() == may, "the ServiceAccount {account} and the Lease: {said:?}");
    }
    say(history, format!("{name} took the Lease as the ServiceAccount {account}"));
    Ok(())
}

/// Two Skippers that poll the Service; their addresses.
async fn skippers(client: &kube::Client, history: &History) -> Result<Vec<SocketAddr>> {
    let overlay = machines::folder().join("manifests/steady").display().to_string();
    machines::output(machines::kubectl(&["apply", "-k", &overlay]), "kubectl apply Skippers").await?;
    let status = machines::kubectl(&["rollout", "status", "deployment/skipper"]);
    machines::output(status, "the Skippers' roll-out").await?;
    let pods: Api<v1::Pod> = Api::namespaced(client.clone(), "default");
    let ours = ListParams::default().labels("app.kubernetes.io/name=skipper");
    let mut all = Vec::new();
    for pod in pods.list(&ours).await?.items {
        let ip = pod.status.and_then(|status| status.pod_ip).context("a Skipper without an address")?;
        let skipper = SocketAddr::new(ip.parse()?, 9090);
        until("a Skipper with routes", PATIENCE, LOOK, async || ask(skipper, MARKER).await.ok()).await?;
        all.push(skipper);
    }
    ensure!(all.len() == 2, "there are {} Skippers", all.len());
    say(history, "two Skippers have their routes");
    Ok(all)
}

/// A marker, and Ingresses whose endpoints nobody asks.
fn objects() -> Vec<Value> {
    let mut all = vec![manifests::marker(1)];
    for n in 0..INGRESSES {
        let (name, host) = (format!("bulk-{n}"), format!("bulk-{n}.test"));
        all.extend(manifests::service(&name, u8::try_from(1 + n % 3).unwrap_or(1)));
        all.push(manifests::ingress(&name, &[&host], &name, 80));
    }
    all
}

/// Clients of the Service, plain and compressed; clients of each Skipper, and of the Skippers' Service.
fn clients(service: SocketAddr, skippers: &[SocketAddr], ledger: &Ledger, history: &History) -> Observers {
    let mut clients = Observers::default();
    for (name, gzip) in [("poller", false), ("poller-gzip", true)] {
        let (name, ledger) = (name.into(), ledger.clone());
        let poller = Poller { name, from: Ipv4Addr::LOCALHOST, to: service, gzip, ledger };
        clients.add(Duration::from_millis(40), |pace| poller.run(history.clone(), pace));
    }
    // Two Skippers may be one poll apart: who asks both in turn sees that, and not a step back.
    let marker = || [MARKER, HELLO].map(str::to_owned).to_vec();
    let each = skippers.iter().enumerate().map(|(n, to)| (format!("traffic-{n}"), *to, marker()));
    let hello = ("traffic".to_owned(), SKIPPERS, vec![HELLO.to_owned()]);
    for (name, to, hosts) in each.chain([hello]) {
        let traffic = Traffic { name: name.into(), to, hosts };
        clients.add(Duration::from_millis(20), |pace| traffic.run(history.clone(), pace));
    }
    clients
}

/// Changes the marker until `pace` ends it. What the API server does not take at once is tried again.
async fn change(markers: Api<DynamicObject>, history: History, mut pace: Pace) {
    let (params, mut generation) = (PatchParams::apply("chaos").force(), 1);
    while pace.next().await {
        generation += 1;
        history.change(generation);
        let marker = Patch::Apply(manifests::marker(generation));
        while markers.patch("marker", &params, &marker).await.is_err() {
            if !pace.next().await {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_skippers_are_where_the_manifests_put_them() {
        let steady = include_str!("../../../cluster/manifests/steady/kustomization.yaml");
        assert!(steady.contains(&format!("{{kubernetes.io/hostname: {STEADY}}}")));
        let skippers = include_str!("../../../cluster/manifests/skipper/skipper.yaml");
        assert!(skippers.contains(&format!("clusterIP: {}\n", SKIPPERS.ip())));
        assert!(skippers.contains(&format!("host: {HELLO}")));
    }
}
