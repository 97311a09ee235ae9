//! The acts: what becomes of pods and nodes, and that all are of one mind after each.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use k8s_openapi::api::core::v1;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::Api;
use kube::api::{EvictParams, PostParams};
use tokio::time::{Instant, sleep};

use super::limits::{
    DELETED, DRAIN, KILLED, NODE, NODE_OUT, PAUSED, ROLLING, SCALE, SECOND_EVICTION, UNREADY,
};
use super::pods::Pod;
use super::set::{PATIENCE, REPLICAS, STEADY, Set, rolled_out};
use super::{NAMESPACE, machines};
use crate::scenario::say;
use crate::stage::until;

const LOOK: Duration = Duration::from_millis(50);

/// How long a fault lasts once it is seen, for clients to meet it.
const MET: Duration = Duration::from_secs(3);

/// How often a second eviction is tried while one pod is away: well within the time that one lingers.
const EVICTIONS: usize = 5;

/// Plays every act on `set`, the first one so often.
pub async fn play(set: &Set, deletions: usize) -> Result<()> {
    for round in 0..deletions {
        if round % 2 == 1 {
            leader_killed(set).await?;
        }
        leader_deleted(set).await?;
    }
    follower_stands_still(set).await?;
    node_without_power(set).await?;
    drained(set).await?;
    rolling_update(set).await?;
    scaled(set, 5).await?;
    scaled(set, REPLICAS).await
}

/// The leader's pod is deleted: it hands over, lingers, ends, and comes again.
async fn leader_deleted(set: &Set) -> Result<()> {
    let leader = set.pods.settled(REPLICAS, PATIENCE).await?;
    set.history.struck(DELETED, &[&leader.name]);
    set.pods.delete(&leader).await?;
    let gone = || set.pods.all().iter().all(|pod| pod.uid != leader.uid);
    until("a pod that is gone", PATIENCE, LOOK, async || gone().then_some(())).await?;
    let next = set.pods.settled(REPLICAS, PATIENCE).await?;
    say(&set.history, format!("{}, the leader, was deleted; {} leads", leader.name, next.name));
    Ok(())
}

/// The leader's process is killed; its kubelet starts another one in the same pod.
async fn leader_killed(set: &Set) -> Result<()> {
    let leader = set.pods.settled(REPLICAS, PATIENCE).await?;
    set.history.struck(KILLED, &[&leader.name]);
    set.pods.kill(&leader)?;
    let another = |pod: &Pod| {
        pod.uid == leader.uid
            && pod.container.as_ref().is_some_and(|it| Some(it) != leader.container.as_ref())
    };
    until("another container", PATIENCE, LOOK, async || set.pods.all().iter().any(another).then_some(()))
        .await?;
    let next = set.pods.settled(REPLICAS, PATIENCE).await?;
    say(&set.history, format!("{}, the leader, was killed; {} leads", leader.name, next.name));
    Ok(())
}

/// A follower is stopped in the middle of whatever it does: its readiness fails, and it leaves the EndpointSlices.
async fn follower_stands_still(set: &Set) -> Result<()> {
    let leader = set.pods.settled(REPLICAS, PATIENCE).await?;
    let Some(follower) = set.pods.all().into_iter().find(|pod| pod.uid != leader.uid) else {
        bail!("there is no follower");
    };
    let fault = set.history.fault(PAUSED, &[&follower.name]);
    set.pods.pause(&follower)?;
    let out = leaves(set, std::slice::from_ref(&follower)).await;
    // Whatever came of it: it must not stay so.
    set.pods.resume(&follower)?;
    set.history.measured(UNREADY, &follower.name, out?);
    set.pods.settled(REPLICAS, PATIENCE).await?;
    set.history.healed(&fault);
    say(&set.history, format!("{} stood still, left the EndpointSlices, and came back", follower.name));
    Ok(())
}

/// The leader's node loses its power, and gets it back.
async fn node_without_power(set: &Set) -> Result<()> {
    let leader = leader_elsewhere(set).await?;
    let there: Vec<Pod> = set.pods.all().into_iter().filter(|pod| pod.node == leader.node).collect();
    let names: Vec<&str> = there.iter().map(|pod| pod.name.as_str()).collect();
    let fault = set.history.fault(NODE, &names);
    there.iter().for_each(|pod| set.pods.dies(pod));
    machines::cut(&leader.node).await?;
    say(&set.history, format!("{} is without power, and with it {}", leader.node, names.join(", ")));
    let out = leaves(set, &there).await?;
    set.history.measured(NODE_OUT, &leader.node, out);
    say(&set.history, format!("its pods have left the EndpointSlices after {out:.1} s"));
    sleep(MET).await;
    machines::boot(&leader.node).await?;
    say(&set.history, format!("{} is booted", leader.node));
    set.pods.settled(REPLICAS, PATIENCE).await?;
    set.history.healed(&fault);
    Ok(())
}

/// Has another replica lead until one does that is not on the Skippers' node.
async fn leader_elsewhere(set: &Set) -> Result<Pod> {
    for _ in 0..5 {
        let leader = set.pods.settled(REPLICAS, PATIENCE).await?;
        if leader.node != STEADY {
            return Ok(leader);
        }
        leader_deleted(set).await?;
    }
    bail!("nobody leads but on {STEADY}");
}

/// A node is drained: its pod goes elsewhere, and meanwhile no other one may be evicted.
async fn drained(set: &Set) -> Result<()> {
    let leader = leader_elsewhere(set).await?;
    let node = leader.node.clone();
    let fault = set.history.fault(DRAIN, &[&leader.name]);
    let args = ["drain", &node, "--ignore-daemonsets", "--delete-emptydir-data"];
    let drain = machines::output(machines::kubectl(&args), "kubectl drain");
    let refused = async {
        let leaving = || !set.pods.all().iter().any(|pod| pod.uid == leader.uid && !pod.leaving);
        until("the eviction of the leader", PATIENCE, LOOK, async || leaving().then_some(())).await?;
        for _ in 0..EVICTIONS {
            let other = set.pods.all().into_iter().find(|pod| pod.node != node && set.pods.is_ready(pod));
            let Some(other) = other else { bail!("nobody is ready elsewhere") };
            let passed = second_eviction(set, &other).await?;
            set.history.measured(SECOND_EVICTION, &other.name, f64::from(u8::from(passed)));
            sleep(Duration::from_secs(1)).await;
        }
        anyhow::Ok(())
    };
    tokio::try_join!(drain, refused)?;
    let left: Vec<_> = set.pods.all().into_iter().filter(|pod| pod.node == node && !pod.leaving).collect();
    ensure!(left.is_empty(), "{node} is drained, and has {left:?}");
    let leader = set.pods.settled(REPLICAS, PATIENCE).await?;
    // All are back: the budget has something to give again.
    let may = async || evicted(set, &leader).await.is_ok_and(|passed| passed).then_some(());
    until("an eviction that is let pass", PATIENCE, LOOK, may).await?;
    machines::output(machines::kubectl(&["uncordon", &node]), "kubectl uncordon").await?;
    set.history.healed(&fault);
    say(&set.history, format!("{node} was drained; no other pod could be evicted meanwhile"));
    Ok(())
}

/// Whether `pod`, which serves, could be evicted while another one is away. One that is not ready may always be: the budget
/// says so, as it serves nobody.
async fn second_eviction(set: &Set, pod: &Pod) -> Result<bool> {
    if !evicted(set, pod).await? {
        return Ok(false);
    }
    let pods: Api<v1::Pod> = Api::namespaced(set.client.clone(), NAMESPACE);
    let conditions = pods.get(&pod.name).await?.status.and_then(|status| status.conditions);
    let ready = conditions.into_iter().flatten().any(|it| it.type_ == "Ready" && it.status == "True");
    let budgets: Api<PodDisruptionBudget> = Api::namespaced(set.client.clone(), NAMESPACE);
    let budget = budgets.get(NAMESPACE).await?.status;
    say(&set.history, format!("{} could be evicted (ready: {ready}), with {budget:?}", pod.name));
    Ok(ready)
}

/// Whether `pod` could be evicted now: it is not.
async fn evicted(set: &Set, pod: &Pod) -> Result<bool> {
    let pods: Api<v1::Pod> = Api::namespaced(set.client.clone(), NAMESPACE);
    let dry = EvictParams {
        post_options: PostParams { dry_run: true, ..Default::default() },
        ..Default::default()
    };
    match pods.evict(&pod.name, &dry).await {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 429 => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Every pod is replaced, one after the other.
async fn rolling_update(set: &Set) -> Result<()> {
    let fault = set.history.fault(ROLLING, &[]);
    let start = Instant::now();
    upgrade(&["--set", "podAnnotations.rolled=again"]).await?;
    set.pods.settled(REPLICAS, PATIENCE).await?;
    set.history.healed(&fault);
    say(&set.history, format!("a rolling update took {:.0} s", start.elapsed().as_secs_f64()));
    Ok(())
}

/// The set has `count` replicas, who all know each other: a rolling update too.
async fn scaled(set: &Set, count: usize) -> Result<()> {
    let fault = set.history.fault(SCALE, &[]);
    let start = Instant::now();
    upgrade(&["--set", &format!("replicas={count}")]).await?;
    set.pods.settled(count, PATIENCE).await?;
    set.history.healed(&fault);
    say(&set.history, format!("scaled to {count} replicas in {:.0} s", start.elapsed().as_secs_f64()));
    Ok(())
}

async fn upgrade(values: &[&str]) -> Result<()> {
    let chart = machines::folder().join("../../deploy/chart").display().to_string();
    let args = ["upgrade", NAMESPACE, &chart, "--namespace", NAMESPACE, "--reuse-values"];
    machines::output(machines::helm(&[&args[..], values].concat())?, "helm upgrade").await?;
    rolled_out().await
}

/// Waits until none of `pods` is in the EndpointSlices; after how many seconds.
async fn leaves(set: &Set, pods: &[Pod]) -> Result<f64> {
    let start = Instant::now();
    let out = || pods.iter().all(|pod| !set.pods.is_ready(pod));
    until("EndpointSlices without them", PATIENCE, LOOK, async || out().then_some(())).await?;
    Ok(start.elapsed().as_secs_f64())
}
