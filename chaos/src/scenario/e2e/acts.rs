//! The acts: what is changed, what is broken, and what must come of it.

use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use serde_json::json;
use tokio::time::Instant;

use super::Server;
use super::set::{FLAGS, STATUS_FROM, Set};
use crate::faults;
use crate::ground::{Ground, Place};
use crate::http::Call;
use crate::observe::traffic::ask;
use crate::scenario::say;
use crate::stage::cluster::Apply;
use crate::stage::skipper::Skipper;
use crate::stage::{Folder, manifests, program, until};

/// From a change at the API to an answer by it through Skipper: two polls of half a second, a leader that may have
/// to be replaced first, and a busy machine.
const ARRIVAL: Duration = Duration::from_secs(30);

/// From the start of a replica until it is ready.
const START: Duration = Duration::from_secs(30);

/// Plays every act on `set`.
pub async fn play(set: &mut Set, server: Server, folder: &Folder) -> Result<()> {
    change(set, 2).await?;
    match server {
        Server::Bellwether => {
            events(set).await?;
            statuses(set).await?;
            leader_dies(set).await?;
            roll_out(set).await?;
            power_cut_without_api(set, folder).await?;
            same_as_routesrv(set, folder).await
        }
        Server::Routesrv => one_dies(set).await,
    }
}

/// A RouteGroup and an Ingress change; both arrive.
async fn change(set: &Set, generation: u64) -> Result<()> {
    let host = format!("new-{generation}.test");
    let port = set.backend.address().port();
    let ingress = manifests::ingress("front", &["ingress.test", &host], "backend", port);
    let start = Instant::now();
    set.history.change(generation);
    set.cluster.apply(&[manifests::marker(generation), ingress], Apply::ForGood).await?;
    let skipper = set.skipper.address();
    let every = Duration::from_millis(10);
    until(&format!("generation {generation} through Skipper"), ARRIVAL, every, async || {
        (ask(skipper, "marker.test").await == Ok(Some(generation))).then_some(())
    })
    .await?;
    until(&format!("{host} through Skipper"), ARRIVAL, every, async || ask(skipper, &host).await.ok())
        .await?;
    let after = start.elapsed().as_secs_f64();
    say(
        &set.history,
        format!("a changed RouteGroup and Ingress have arrived through Skipper after {after:.3} s"),
    );
    Ok(())
}

/// An Ingress goes bad and is mended: its owner reads of both on it, and of the leader on the Lease.
async fn events(set: &Set) -> Result<()> {
    let (name, every) = ("bulk-0", Duration::from_millis(100));
    let told = async |namespace: &str, name: &str, reason: &str| {
        let what = format!("an Event {reason} on {namespace}/{name}");
        until(&what, ARRIVAL, every, async || {
            let events = set.cluster.events_about(namespace, name).await.ok()?;
            events.into_iter().find(|event| event.reason.as_deref() == Some(reason))
        })
        .await
    };
    let good = manifests::ingress(name, &[&format!("{name}.test")], name, 80);
    let mut bad = good.clone();
    // A number that is printed in a way that no client can read.
    bad["metadata"]["annotations"] = json!({"zalando.org/skipper-filter": "ratelimit(0.00001)"});
    set.cluster.apply(&[bad], Apply::ForGood).await?;
    let event = told(manifests::NAMESPACE, name, "Quarantined").await?;
    ensure!(event.type_.as_deref() == Some("Warning"), "{event:?}");
    ensure!(event.involved_object.uid.is_some(), "kubectl describe asks for the UID: {event:?}");
    say(&set.history, format!("a bad Ingress is told of: {}", event.message.unwrap_or_default()));
    set.cluster.apply(&[good], Apply::ForGood).await?;
    told(manifests::NAMESPACE, name, "Mended").await?;
    let elected = told("bellwether", "bellwether", "LeaderElected").await?;
    say(
        &set.history,
        format!("it is mended, and told of; on the Lease: {}", elected.message.unwrap_or_default()),
    );
    Ok(())
}

/// Every Ingress has the address of one Service in its status.
async fn statuses(set: &Set) -> Result<()> {
    let service = &manifests::service(STATUS_FROM, 1)[0];
    let service = set.cluster.get(service).await?;
    let ip = service.data["spec"]["clusterIP"].clone();
    ensure!(ip.is_string(), "the API server gives every Service an address");
    let every = Duration::from_millis(100);
    for name in ["front", "bulk-0", "bulk-7"] {
        let ingress = manifests::ingress(name, &[], "", 0);
        until(&format!("{ip} in the status of {name}"), ARRIVAL, every, async || {
            let ingress = set.cluster.get(&ingress).await.ok()?;
            (ingress.data["status"]["loadBalancer"]["ingress"] == json!([{"ip": ip}])).then_some(())
        })
        .await?;
    }
    say(&set.history, format!("the status of Ingresses says {ip}"));
    Ok(())
}

/// The leader is killed: another one leads, changes still arrive, and the dead one joins again.
async fn leader_dies(set: &mut Set) -> Result<()> {
    let leader = set.fleet.leader(ARRIVAL).await?;
    let name = set.fleet.replicas[leader].name().to_owned();
    set.fleet.replicas[leader].kill().await?;
    say(&set.history, format!("{name}, the leader, is killed"));
    let next = set.fleet.leader(ARRIVAL).await?;
    say(&set.history, format!("{} leads", set.fleet.replicas[next].name()));
    change(set, 3).await?;
    set.fleet.replicas[leader].start()?;
    set.fleet.ready(START).await?;
    set.fleet.settled(START).await?;
    say(&set.history, format!("{name} is back"));
    Ok(())
}

/// Every replica is stopped and started again, one after the other.
async fn roll_out(set: &mut Set) -> Result<()> {
    let before = set.fleet.settled(START).await?;
    faults::rolling_restart(&mut set.fleet, START).await?;
    let after = set.fleet.settled(START).await?;
    ensure!(after == before, "a roll-out changed the table: {before} became {after}");
    say(&set.history, "all replicas were restarted, one after the other");
    Ok(())
}

/// All replicas lose power while the API server is down: they serve from disk what they served before, and go on
/// when it is back.
async fn power_cut_without_api(set: &mut Set, folder: &Folder) -> Result<()> {
    let before = set.fleet.settled(START).await?;
    let down = set.history.fault("API server down", &["API server"]);
    set.cluster.api.down().await?;
    say(&set.history, "the API server is down");
    faults::power_cut(&mut set.fleet.replicas).await?;
    say(&set.history, "all replicas were killed and started again");
    set.fleet.ready(START).await?;
    for status in set.fleet.statuses().await.into_iter().flatten() {
        let digest = status.digest.unwrap_or_default();
        ensure!(digest == before, "{} serves {digest} from disk, not {before}", status.replica);
    }
    say(&set.history, "all serve the same table from disk");
    set.vip.steady(START).await?;
    let late = Place::on_loopback("skipper-late");
    Skipper::start(&late, folder, &set.routes, Duration::from_millis(100), "marker.test").await?;
    say(&set.history, "a Skipper that starts now gets its routes");
    // Long enough for the clients to meet them, and for a Lease to be missed.
    tokio::time::sleep(Duration::from_secs(5)).await;
    set.cluster.up().await?;
    set.history.healed(&down);
    say(&set.history, "the API server is back");
    change(set, 4).await?;
    set.fleet.settled(START).await.map(drop)
}

/// The peer compiles the same cluster to the same table, under the same ETag.
async fn same_as_routesrv(set: &mut Set, folder: &Folder) -> Result<()> {
    let ours = set.fleet.settled(START).await?;
    let flags = FLAGS.map(str::to_owned);
    let mut peer =
        program::routesrvs(&Ground::loopback(), 1, &set.cluster.api, &flags, folder, &set.history)?;
    peer.start()?;
    peer.ready(START).await?;
    let (_, reply) = Call::get(peer.replicas[0].serve(), "/routes")
        .send()
        .await
        .map_err(|failure| anyhow!(failure.cause))?;
    let theirs = reply.header("etag");
    ensure!(theirs == format!("\"{ours}\""), "routesrv's ETag is {theirs}, ours \"{ours}\"");
    say(&set.history, "routesrv has the same ETag for this cluster");
    Ok(())
}

/// What routesrv is asked for: one of two replicas dies, changes still arrive.
async fn one_dies(set: &mut Set) -> Result<()> {
    set.fleet.replicas[0].kill().await?;
    say(&set.history, "one replica is killed");
    change(set, 3).await?;
    set.fleet.replicas[0].start()?;
    set.fleet.ready(START).await?;
    for generation in 4..10 {
        change(set, generation).await?;
    }
    Ok(())
}
