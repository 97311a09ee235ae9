//! The Service's address: new connections go to the replicas that are ready.
//!
//! It stands for kubelet, EndpointSlice and kube-proxy: each replica's readiness is probed every period, and a change
//! of it takes effect after a lag. In namespaces the kernel spreads connections by the rules of a kube-proxy; on loopback
//! a proxy does.

mod proxy;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::ground::{self, Ground};
use crate::history::{History, LifeEvent};
use crate::http::Call;
use crate::stage::until;
use proxy::Proxy;

/// A replica behind it.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its name in the history.
    pub name: String,
    /// Where connections go.
    pub serve: SocketAddr,
    /// Where its readiness is asked for.
    pub ready: (SocketAddr, &'static str),
}

/// How fast readiness is followed.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// Between two probes of one replica.
    pub period: Duration,
    /// How long a probe may take.
    pub timeout: Duration,
    /// So many probes in a row must fail before a replica is not ready.
    pub failures: u32,
    /// Between two looks whether its process is still there: nobody listens where it has ended, and that needs no probe.
    pub relist: Duration,
    /// From the moment that a change is seen until connections follow it.
    pub lag: Duration,
}

/// The Service's address; ends when it is dropped.
pub struct Vip {
    address: SocketAddr,
    probe: Probe,
    members: Arc<Members>,
    ledger: Ledger,
    _tasks: JoinSet<()>,
}

/// Which replica took which connection.
#[derive(Clone)]
pub struct Ledger(Way);

/// The names of replicas by their addresses, where these come and go.
pub type Addresses = Arc<Mutex<HashMap<IpAddr, String>>>;

/// The replicas behind it, and what has happened to them.
struct Members {
    all: Vec<Member>,
    /// Held from a change of the rotation until the kernel has it.
    changing: Mutex<()>,
    history: History,
}

struct Member {
    target: Target,
    rotating: AtomicBool,
    leaving: watch::Sender<bool>,
}

/// Who gives connections to replicas.
#[derive(Clone)]
enum Way {
    Proxy(Arc<Proxy>),
    Kernel {
        service: SocketAddr,
        members: Arc<Members>,
    },
    /// A real kube-proxy.
    Cluster {
        service: SocketAddr,
        replicas: Addresses,
    },
}

impl Default for Probe {
    fn default() -> Self {
        let period = Duration::from_millis(100);
        Self { period, timeout: Duration::from_secs(1), failures: 1, relist: period, lag: period / 2 }
    }
}

impl Probe {
    /// As in a cluster: what `deploy/` asks of the kubelet, which lists containers each second; and half a second for the
    /// way over the API server to each node's rules.
    pub fn cluster() -> Self {
        let second = Duration::from_secs(1);
        Self { period: second * 2, timeout: second * 2, failures: 2, relist: second, lag: second / 2 }
    }

    /// From the end of a replica until no connection goes to it.
    pub fn until_out(&self) -> Duration {
        self.relist.min(self.period * self.failures) + self.lag
    }
}

impl Vip {
    /// Starts it over `targets`. What goes in and out of the rotation is written to `history`.
    ///
    /// # Errors
    ///
    /// Where it cannot listen.
    pub async fn start(
        ground: &Ground,
        targets: Vec<Target>,
        probe: Probe,
        history: History,
    ) -> Result<Self> {
        let members = targets.into_iter().map(|target| Member {
            target,
            rotating: AtomicBool::default(),
            leaving: watch::Sender::new(false),
        });
        let members = Arc::new(Members { all: members.collect(), changing: Mutex::default(), history });
        let mut tasks = JoinSet::new();
        let (address, way) = match ground.net() {
            Some(net) => {
                let service = net.service();
                (service, Way::Kernel { service, members: Arc::clone(&members) })
            }
            None => {
                let listener =
                    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("listen as the VIP")?;
                let address = listener.local_addr()?;
                let proxy = Arc::new(Proxy::new(Arc::clone(&members)));
                tasks.spawn(Arc::clone(&proxy).accept(listener));
                (address, Way::Proxy(proxy))
            }
        };
        for index in 0..members.all.len() {
            tasks.spawn(follow(Arc::clone(&members), index, probe, ground.clone(), address));
        }
        Ok(Self { address, probe, members, ledger: Ledger(way), _tasks: tasks })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A way to ask which replica took a connection, by the client's address.
    pub fn ledger(&self) -> Ledger {
        self.ledger.clone()
    }

    /// Waits until all replicas are in the rotation, and stay there for some probes: a replica that was killed a
    /// moment ago still stands in it.
    ///
    /// # Errors
    ///
    /// Where that does not come within `deadline`.
    pub async fn steady(&self, deadline: Duration) -> Result<()> {
        let enough = self.probe.period * (self.probe.failures + 4) + self.probe.lag * 2;
        let mut since = Instant::now();
        until("all replicas in the rotation", deadline, self.probe.period / 10, async || {
            if self.rotation().len() < self.members.all.len() {
                since = Instant::now();
            }
            (since.elapsed() >= enough).then_some(())
        })
        .await
    }

    /// Whether the replica `name` is about to be deleted. Its endpoint then leaves, whatever it says of itself: a pod's does as
    /// soon as the pod is asked to stop.
    pub fn leaving(&self, name: &str, leaving: bool) {
        for member in self.members.all.iter().filter(|member| member.target.name == name) {
            member.leaving.send_replace(leaving);
        }
    }

    /// Waits until all replicas are in the rotation, and stay there for one probe.
    ///
    /// # Errors
    ///
    /// Where that does not come within `deadline`.
    pub async fn whole(&self, deadline: Duration) -> Result<()> {
        let enough = self.probe.period + self.probe.lag * 2;
        let mut since = Instant::now();
        until("all replicas in the rotation", deadline, self.probe.period / 10, async || {
            if self.rotation().len() < self.members.all.len() {
                since = Instant::now();
            }
            (since.elapsed() >= enough).then_some(())
        })
        .await
    }

    /// The names of the replicas in the rotation.
    pub fn rotation(&self) -> Vec<&str> {
        self.members.rotating().map(|target| target.name.as_str()).collect()
    }
}

impl Ledger {
    /// That of the Service at `service`, whose connections the kernel gives to `replicas`, by the rules of somebody else.
    pub fn of_service(service: SocketAddr, replicas: Addresses) -> Self {
        Self(Way::Cluster { service, replicas })
    }

    /// The replica that took the connection from `client`, if one did and it is not too long ago.
    pub fn taken_by(&self, client: SocketAddr) -> Option<String> {
        match &self.0 {
            Way::Proxy(proxy) => proxy.taken_by(client),
            Way::Kernel { service, members } => {
                let replica = IpAddr::from(ground::answerer(client, *service)?);
                let mut targets = members.all.iter().map(|member| &member.target);
                targets.find(|target| target.serve.ip() == replica).map(|target| target.name.clone())
            }
            Way::Cluster { service, replicas } => {
                replicas.lock().get(&IpAddr::from(ground::answerer(client, *service)?)).cloned()
            }
        }
    }
}

impl Members {
    fn rotating(&self) -> impl Iterator<Item = &Target> {
        let rotating = self.all.iter().filter(|member| member.rotating.load(Ordering::SeqCst));
        rotating.map(|member| &member.target)
    }

    fn rotate(&self, member: &Member, ready: bool, ground: &Ground, service: SocketAddr) {
        let _changing = self.changing.lock();
        member.rotating.store(ready, Ordering::SeqCst);
        if let Some(net) = ground.net() {
            let rotation = self.rotating().map(|target| target.serve).collect();
            if let Err(error) = net.serve(service, rotation) {
                eprintln!("the rotation of {service} stays as it was: {error:#}");
            }
        }
    }
}

/// Keeps one member's place in the rotation up to date.
async fn follow(members: Arc<Members>, index: usize, probe: Probe, ground: Ground, service: SocketAddr) {
    let member = &members.all[index];
    let (mut probes, mut lists) = (interval(probe.period), interval(probe.relist));
    probes.set_missed_tick_behavior(MissedTickBehavior::Delay);
    lists.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut failed, mut leaving) = (0, member.leaving.subscribe());
    loop {
        let ready = tokio::select! {
            Ok(()) = leaving.changed() => match *leaving.borrow_and_update() {
                true => false,
                false => continue,
            },
            _ = probes.tick(), if !*leaving.borrow() => match ready(&member.target, probe.timeout).await {
                true => true,
                false => {
                    failed += 1;
                    if failed < probe.failures {
                        continue;
                    }
                    false
                }
            },
            _ = lists.tick() => match ended(&member.target).await {
                true => false,
                false => continue,
            },
        };
        if ready {
            failed = 0;
        }
        if ready == member.rotating.load(Ordering::SeqCst) {
            continue;
        }
        sleep(probe.lag).await;
        members.rotate(member, ready, &ground, service);
        // Recorded when the kernel has it: until then it gives connections to one that leaves.
        members.history.life(&member.target.name, if ready { LifeEvent::In } else { LifeEvent::Out });
    }
}

async fn ready(target: &Target, deadline: Duration) -> bool {
    let (address, path) = target.ready;
    let call = Call { deadline, ..Call::get(address, path) };
    call.send().await.is_ok_and(|(_, reply)| reply.status.is_success())
}

/// Whether its process is gone: its machine says that nobody listens. It says so at once, or not at all: a longer wait
/// for a machine that is cut off would only make the probes late.
async fn ended(target: &Target) -> bool {
    let connected = timeout(Duration::from_millis(100), TcpStream::connect(target.ready.0)).await;
    connected.is_ok_and(|it| it.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ground::Place;
    use crate::stage::backend::Backend;

    const MINUTE: Duration = Duration::from_secs(60);

    fn backend() -> Backend {
        Backend::start(&Place::on_loopback("backend")).unwrap()
    }

    fn target(name: &str, backend: &Backend) -> Target {
        Target { name: name.to_owned(), serve: backend.address(), ready: (backend.address(), "/") }
    }

    #[tokio::test]
    async fn it_is_not_steady_while_one_is_missing() {
        let one = backend();
        let probe = Probe { period: Duration::from_millis(10), lag: Duration::ZERO, ..Probe::default() };
        let gone = Target {
            name: "gone".to_owned(),
            serve: one.address(),
            ready: (([127, 0, 0, 1], 1).into(), "/"),
        };
        let alone = Vip::start(&Ground::loopback(), vec![target("one", &one)], probe, History::default())
            .await
            .unwrap();
        alone.steady(Duration::from_secs(10)).await.unwrap();
        let both =
            Vip::start(&Ground::loopback(), vec![target("one", &one), gone], probe, History::default())
                .await
                .unwrap();
        assert!(both.steady(Duration::from_millis(200)).await.is_err());
    }

    async fn rotation_of(vip: &Vip, count: usize) {
        while vip.rotation().len() != count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn connections_go_round_and_skip_who_is_gone() {
        let (one, two) = (backend(), backend());
        let history = History::default();
        // Probed once a minute: the rotation still has the one that is gone.
        let probe = Probe { period: MINUTE, relist: MINUTE, lag: Duration::ZERO, ..Probe::default() };
        let targets = vec![target("one", &one), target("two", &two)];
        let vip = Vip::start(&Ground::loopback(), targets, probe, history.clone()).await.unwrap();
        rotation_of(&vip, 2).await;
        let mut seen = Vec::new();
        for _ in 0..4 {
            let (from, _) = Call::get(vip.address(), "/").send().await.unwrap();
            seen.push(vip.ledger().taken_by(from).unwrap());
        }
        assert!(seen == ["one", "two", "one", "two"] || seen == ["two", "one", "two", "one"], "{seen:?}");
        drop(two);
        for _ in 0..4 {
            let (from, _) = Call::get(vip.address(), "/").send().await.unwrap();
            assert_eq!(vip.ledger().taken_by(from).as_deref(), Some("one"));
        }
        assert_eq!(history.records().len(), 2);
    }

    #[tokio::test]
    async fn whoever_stops_being_ready_leaves_the_rotation() {
        let one = backend();
        let probe = Probe { period: Duration::from_millis(5), lag: Duration::ZERO, ..Probe::default() };
        let vip = Vip::start(&Ground::loopback(), vec![target("one", &one)], probe, History::default())
            .await
            .unwrap();
        rotation_of(&vip, 1).await;
        drop(one);
        rotation_of(&vip, 0).await;
        assert!(Call::get(vip.address(), "/").send().await.is_err());
    }
}
