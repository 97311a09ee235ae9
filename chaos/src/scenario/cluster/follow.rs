//! Follows the set's pods: writes their lives, has each of them watched, and knows who has which address.
//!
//! In: the API server, asked ten times a second. Out: lives in the history, and a witness for each container. Where the API
//! server does not answer, what happens is written once it does.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicI32;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Api;
use kube::api::ListParams;
use parking_lot::Mutex;
use rustix::process::Signal;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::mind::{SUPPORT, leader, statuses};
use super::pods::{Book, Event, Look, Pod, ready};
use super::{NAMESPACE, containers, machines};
use crate::history::{History, Life, LifeEvent, Record};
use crate::observe::witness::{Watched, Witness};
use crate::stage::until;
use crate::stage::vip::Addresses;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);

/// What the control machine's kube-proxy may need, at most, to follow the EndpointSlices: until then it gives connections to one
/// that has left them.
const LAG: Duration = Duration::from_secs(1);

/// What a container that started by itself is counted as.
pub const BY_ITSELF: &str = "containers that restarted though nobody had killed them";

/// The pods, followed until this is stopped or dropped.
pub struct Pods {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
    stop: watch::Sender<bool>,
}

struct Shared {
    history: History,
    pods: Api<v1::Pod>,
    slices: Api<EndpointSlice>,
    book: Mutex<Book>,
    latest: Mutex<Look>,
    addresses: Addresses,
}

impl Pods {
    /// Begins to follow them, through `client`.
    pub fn follow(client: &kube::Client, history: &History) -> Self {
        let shared = Arc::new(Shared {
            history: history.clone(),
            pods: Api::namespaced(client.clone(), NAMESPACE),
            slices: Api::namespaced(client.clone(), NAMESPACE),
            book: Mutex::default(),
            latest: Mutex::default(),
            addresses: Addresses::default(),
        });
        history.measured(BY_ITSELF, "", 0.0);
        let stop = watch::Sender::new(false);
        let task = tokio::spawn(Follower::new(Arc::clone(&shared)).run(stop.subscribe()));
        Self { shared, task, stop }
    }

    /// Who has which address, or had it.
    pub fn addresses(&self) -> Addresses {
        Arc::clone(&self.shared.addresses)
    }

    /// The pods, as they were last seen.
    pub fn all(&self) -> Vec<Pod> {
        self.shared.latest.lock().pods.clone()
    }

    /// Whether the EndpointSlices have `pod` as ready.
    pub fn is_ready(&self, pod: &Pod) -> bool {
        self.shared.latest.lock().ready.contains(&pod.uid)
    }

    /// Waits until there are `count` pods, all ready, current, with one table and one leader, which is returned.
    ///
    /// # Errors
    ///
    /// Where that does not come in time; with what there is.
    pub async fn settled(&self, count: usize, deadline: Duration) -> Result<Pod> {
        let what = format!("{count} pods of one mind");
        let settled = until(&what, deadline, LOOK, async || {
            let pods = self.all();
            let well = |pod: &Pod| !pod.leaving && pod.container.is_some() && self.is_ready(pod);
            if pods.len() != count || !pods.iter().all(well) {
                return None;
            }
            leader(&pods, &statuses(&pods).await)
        });
        match settled.await {
            Ok(leader) => Ok(leader),
            Err(error) => {
                let pods = self.all();
                let ready: BTreeSet<_> =
                    pods.iter().filter(|pod| self.is_ready(pod)).map(|pod| &pod.name).collect();
                Err(error.context(format!("ready are {ready:?} of {pods:#?}; {:#?}", statuses(&pods).await)))
            }
        }
    }

    /// Kills the process of `pod`, as nothing in a cluster does: without a word, and the pod stays.
    ///
    /// # Errors
    ///
    /// Where it has none.
    pub fn kill(&self, pod: &Pod) -> Result<()> {
        self.dies(pod);
        containers::signal(pod, Signal::KILL)
    }

    /// `pod` is about to die with its node.
    pub fn dies(&self, pod: &Pod) {
        self.shared.book.lock().kill(&pod.uid);
        self.shared.history.life(&pod.name, LifeEvent::Killed);
    }

    /// Deletes `pod`: its kubelet asks it to stop, and the StatefulSet makes another one of its name.
    ///
    /// # Errors
    ///
    /// Where the API server refuses that.
    pub async fn delete(&self, pod: &Pod) -> Result<()> {
        if self.shared.book.lock().terminate(&pod.uid) {
            self.shared.history.life(&pod.name, LifeEvent::Terminated);
        }
        let deleted = self.shared.pods.delete(&pod.name, &Default::default()).await;
        deleted.map(drop).with_context(|| format!("delete {}", pod.name))
    }

    /// Stops the process of `pod` in the middle of whatever it does.
    ///
    /// # Errors
    ///
    /// Where it has none.
    pub fn pause(&self, pod: &Pod) -> Result<()> {
        self.shared.history.life(&pod.name, LifeEvent::Paused);
        containers::signal(pod, Signal::STOP)
    }

    /// Lets it run on.
    ///
    /// # Errors
    ///
    /// Where it has none.
    pub fn resume(&self, pod: &Pod) -> Result<()> {
        containers::signal(pod, Signal::CONT)?;
        self.shared.history.life(&pod.name, LifeEvent::Resumed);
        Ok(())
    }

    /// Reads what is left in the logs, and ends.
    ///
    /// # Errors
    ///
    /// Where the following ended by itself.
    pub async fn stop(self) -> Result<()> {
        ensure!(!self.task.is_finished(), "nobody follows the pods any more");
        self.stop.send_replace(true);
        self.task.await.context("follow the pods")
    }
}

struct Follower {
    shared: Arc<Shared>,
    /// Who left the EndpointSlices, and since when.
    leaving: BTreeMap<String, Instant>,
    witnesses: BTreeMap<String, Witness>,
    ending: JoinSet<()>,
}

impl Follower {
    fn new(shared: Arc<Shared>) -> Self {
        Self { shared, leaving: BTreeMap::new(), witnesses: BTreeMap::new(), ending: JoinSet::new() }
    }

    async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                _ = ticks.tick() => {}
            }
            if let Some(look) = self.look().await {
                let events = self.shared.book.lock().look(&look);
                *self.shared.latest.lock() = look;
                events.into_iter().for_each(|event| self.happens(event));
            }
            self.left();
        }
        let names: Vec<_> = self.witnesses.keys().cloned().collect();
        names.iter().for_each(|name| self.unwatch(name));
        while self.ending.join_next().await.is_some() {}
    }

    async fn look(&self) -> Option<Look> {
        let pods = ListParams::default().labels(&format!("app.kubernetes.io/instance={NAMESPACE}"));
        let slices = ListParams::default().labels(&format!("kubernetes.io/service-name={NAMESPACE}"));
        let both = async { tokio::try_join!(self.shared.pods.list(&pods), self.shared.slices.list(&slices)) };
        let (pods, slices) = tokio::time::timeout(Duration::from_secs(2), both).await.ok()?.ok()?;
        let pods = pods.items.iter().filter_map(|pod| Pod::of(pod, NAMESPACE)).collect();
        Some(Look { pods, ready: ready(&slices.items) })
    }

    fn happens(&mut self, event: Event) {
        let history = &self.shared.history;
        match event {
            Event::Started(pod) => self.watch(&pod),
            Event::ByItself(name) => history.measured(BY_ITSELF, &name, 1.0),
            Event::Terminated(name) => history.life(&name, LifeEvent::Terminated),
            Event::Ended(name) => {
                history.life(&name, LifeEvent::Ended);
                self.unwatch(&name);
            }
            Event::In(name) => {
                if self.leaving.remove(&name).is_some() {
                    history.life(&name, LifeEvent::Out);
                }
                history.life(&name, LifeEvent::In);
            }
            Event::Out(name) => drop(self.leaving.insert(name, Instant::now())),
        }
    }

    /// Writes down who has left the EndpointSlices long enough ago.
    fn left(&mut self) {
        let history = &self.shared.history;
        self.leaving.retain(|name, since| {
            let left = since.elapsed() >= LAG;
            if left {
                history.life(name, LifeEvent::Out);
            }
            !left
        });
    }

    /// Has the new container of `pod` watched.
    fn watch(&mut self, pod: &Pod) {
        let Some(address) = pod.address else { return };
        self.unwatch(&pod.name);
        let history = &self.shared.history;
        self.shared.addresses.lock().insert(IpAddr::from(address), pod.name.clone());
        let process = containers::process(pod);
        let age = process.and_then(containers::age).unwrap_or_default();
        let (replica, at) = (history.name(&pod.name), history.now().saturating_sub(age));
        history.push(Record::Life(Life { replica: replica.clone(), at, event: LifeEvent::Started }));
        let watched = Watched {
            name: replica,
            log: containers::log(&machines::run(), NAMESPACE, pod, NAMESPACE),
            support: (address, SUPPORT).into(),
            pid: Arc::new(AtomicI32::new(process.map_or(0, |process| process.as_raw_nonzero().get()))),
        };
        self.witnesses.insert(pod.name.clone(), Witness::start([watched], history));
    }

    fn unwatch(&mut self, name: &str) {
        if let Some(witness) = self.witnesses.remove(name) {
            self.ending.spawn(witness.stop());
        }
    }
}
