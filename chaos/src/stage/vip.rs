//! The Service's address: a round-robin TCP proxy over the replicas that say they are ready.
//!
//! It stands for kubelet, EndpointSlice and kube-proxy: each replica's readiness is probed every period, and a change
//! of it takes effect after a lag. A connection that a replica does not take goes to the next one; once it is taken,
//! nothing is tried again. The client's address stays, as with kube-proxy.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::address;
use crate::history::{History, LifeEvent};
use crate::http::Call;
use crate::stage::until;

/// How many connections it can say the replica of.
const REMEMBERED: usize = 4096;

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
    /// From the probe that saw a change until connections follow it.
    pub lag: Duration,
}

/// A running proxy; ends when it is dropped.
pub struct Vip {
    address: SocketAddr,
    probe: Probe,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

struct Shared {
    members: Vec<Member>,
    turn: AtomicUsize,
    taken: Mutex<VecDeque<(SocketAddr, String)>>,
    history: History,
}

struct Member {
    target: Target,
    rotating: AtomicBool,
}

impl Default for Probe {
    fn default() -> Self {
        Self { period: Duration::from_millis(100), lag: Duration::from_millis(50) }
    }
}

impl Vip {
    /// Starts it over `targets`. What goes in and out of the rotation is written to `history`.
    ///
    /// # Errors
    ///
    /// Where it cannot listen.
    pub async fn start(targets: Vec<Target>, probe: Probe, history: History) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("listen as the VIP")?;
        let address = listener.local_addr()?;
        let members = targets.into_iter().map(|target| Member { target, rotating: AtomicBool::default() });
        let shared = Shared {
            members: members.collect(),
            turn: AtomicUsize::default(),
            taken: Mutex::default(),
            history,
        };
        let shared = Arc::new(shared);
        let mut tasks = JoinSet::new();
        for index in 0..shared.members.len() {
            tasks.spawn(follow(Arc::clone(&shared), index, probe));
        }
        tasks.spawn(accept(Arc::clone(&shared), listener));
        Ok(Self { address, probe, shared, _tasks: tasks })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A way to ask which replica took a connection, by the client's address.
    pub fn ledger(&self) -> Ledger {
        Ledger(Arc::clone(&self.shared))
    }

    /// Waits until all replicas are in the rotation, and stay there for some probes: a replica that was killed a
    /// moment ago still stands in it.
    ///
    /// # Errors
    ///
    /// Where that does not come within `deadline`.
    pub async fn steady(&self, deadline: Duration) -> Result<()> {
        let enough = self.probe.period * 5 + self.probe.lag * 2;
        let mut since = Instant::now();
        until("all replicas in the rotation", deadline, self.probe.period / 10, async || {
            if self.rotation().len() < self.shared.members.len() {
                since = Instant::now();
            }
            (since.elapsed() >= enough).then_some(())
        })
        .await
    }

    /// The names of the replicas in the rotation.
    pub fn rotation(&self) -> Vec<&str> {
        let rotating = self.shared.members.iter().filter(|member| member.rotating.load(Ordering::SeqCst));
        rotating.map(|member| member.target.name.as_str()).collect()
    }
}

/// Which replica took which connection.
#[derive(Clone)]
pub struct Ledger(Arc<Shared>);

impl Ledger {
    /// The replica that took the connection from `client`, if one did and it is not too long ago.
    pub fn taken_by(&self, client: SocketAddr) -> Option<String> {
        let taken = self.0.taken.lock();
        taken.iter().rev().find(|(address, _)| *address == client).map(|(_, name)| name.clone())
    }
}

/// Keeps one member's place in the rotation up to date.
async fn follow(shared: Arc<Shared>, index: usize, probe: Probe) {
    let member = &shared.members[index];
    let (address, path) = member.target.ready;
    let mut ticks = tokio::time::interval(probe.period);
    loop {
        ticks.tick().await;
        let call = Call { deadline: Duration::from_secs(1), ..Call::get(address, path) };
        let ready = call.send().await.is_ok_and(|(_, reply)| reply.status.is_success());
        if ready != member.rotating.load(Ordering::SeqCst) {
            tokio::time::sleep(probe.lag).await;
            // Recorded while it is out: whoever reads "in" may rely on it.
            if !ready {
                shared.history.life(&member.target.name, LifeEvent::Out);
            }
            member.rotating.store(ready, Ordering::SeqCst);
            if ready {
                shared.history.life(&member.target.name, LifeEvent::In);
            }
        }
    }
}

async fn accept(shared: Arc<Shared>, listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((client, from)) = listener.accept() => {
                connections.spawn(carry(Arc::clone(&shared), client, from));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Carries one connection to the next replica that takes it; closes it where none does.
async fn carry(shared: Arc<Shared>, mut client: TcpStream, from: SocketAddr) {
    let turn = shared.turn.fetch_add(1, Ordering::Relaxed);
    let count = shared.members.len();
    let members = (0..count).map(|step| &shared.members[(turn + step) % count]);
    for member in members.filter(|member| member.rotating.load(Ordering::SeqCst)) {
        let connecting = address::connect(from.ip(), member.target.serve);
        let connected = tokio::time::timeout(Duration::from_secs(1), connecting).await;
        let Ok(Ok(mut server)) = connected else { continue };
        shared.took(from, &member.target.name);
        let _ = client.set_nodelay(true);
        let _ = server.set_nodelay(true);
        // An error is one side's reset: closing both passes it on.
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        return;
    }
}

impl Shared {
    fn took(&self, client: SocketAddr, name: &str) {
        let mut taken = self.taken.lock();
        if taken.len() == REMEMBERED {
            taken.pop_front();
        }
        taken.push_back((client, name.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::backend::Backend;

    fn target(name: &str, backend: &Backend) -> Target {
        Target { name: name.to_owned(), serve: backend.address(), ready: (backend.address(), "/") }
    }

    #[tokio::test]
    async fn it_is_not_steady_while_one_is_missing() {
        let one = Backend::start().await.unwrap();
        let probe = Probe { period: Duration::from_millis(10), lag: Duration::ZERO };
        let gone = Target {
            name: "gone".to_owned(),
            serve: one.address(),
            ready: (([127, 0, 0, 1], 1).into(), "/"),
        };
        let alone = Vip::start(vec![target("one", &one)], probe, History::default()).await.unwrap();
        alone.steady(Duration::from_secs(10)).await.unwrap();
        let both = Vip::start(vec![target("one", &one), gone], probe, History::default()).await.unwrap();
        assert!(both.steady(Duration::from_millis(200)).await.is_err());
    }

    async fn rotation_of(vip: &Vip, count: usize) {
        while vip.rotation().len() != count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn connections_go_round_and_skip_who_is_gone() {
        let (one, two) = (Backend::start().await.unwrap(), Backend::start().await.unwrap());
        let history = History::default();
        // Probed once a minute: the rotation still has the one that is gone.
        let probe = Probe { period: Duration::from_secs(60), lag: Duration::ZERO };
        let targets = vec![target("one", &one), target("two", &two)];
        let vip = Vip::start(targets, probe, history.clone()).await.unwrap();
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
        let one = Backend::start().await.unwrap();
        let probe = Probe { period: Duration::from_millis(5), lag: Duration::ZERO };
        let vip = Vip::start(vec![target("one", &one)], probe, History::default()).await.unwrap();
        rotation_of(&vip, 1).await;
        drop(one);
        rotation_of(&vip, 0).await;
        assert!(Call::get(vip.address(), "/").send().await.is_err());
    }
}
