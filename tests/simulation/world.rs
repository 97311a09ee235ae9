//! One run: hosts, faults, time. Everything in it comes from the seed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bellwether::election::Role;
use bellwether::replication::hub::Hub;
use bellwether::snapshot::Version;
use parking_lot::Mutex;
use turmoil::Sim;

use super::api::Api;
use super::client;
use super::dice::Dice;
use super::net::Cuts;
use super::pki;
use super::replica::{Replica, has_mutual_tls};
use super::witness::Witness;

pub const REPLICAS: [&str; 3] = ["r0", "r1", "r2"];
pub const CLIENTS: [&str; 2] = ["c0", "c1"];

/// A step of the simulation; also how exactly a message's delay counts.
const TICK: Duration = Duration::from_millis(2);
/// From host to host, where nothing is wrong.
const LATENCY: Duration = Duration::from_millis(2);

/// What this world does that none should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    Nothing,
    /// The API carries out every replacement of the Lease, whatever it has become.
    Store,
}

pub struct World<'a> {
    pub sim: Sim<'a>,
    pub api: Arc<Api>,
    pub replicas: Vec<Arc<Replica>>,
    pub witness: Arc<Mutex<Witness>>,
    cuts: Cuts,
    seen: BTreeMap<&'static str, Seen>,
    _scratch: tempfile::TempDir,
}

/// What was last seen of a process.
#[derive(Clone, Copy, Default, PartialEq)]
struct Seen {
    life: u64,
    active: Option<(Version, Version)>,
    leads: Option<u64>,
}

impl World<'_> {
    pub fn new(seed: u64, broken: Broken) -> Self {
        let scratch = tempfile::tempdir().expect("a temporary folder");
        if has_mutual_tls(seed) {
            pki::issue(scratch.path(), &REPLICAS);
        }
        let mut sim = turmoil::Builder::new()
            .rng_seed(seed)
            .tick_duration(TICK)
            .simulation_duration(Duration::from_secs(3_600))
            .min_message_latency(Duration::ZERO)
            .max_message_latency(2 * LATENCY)
            .tcp_capacity(1_024)
            .build();
        let (cuts, witness) = (Cuts::default(), Arc::new(Mutex::new(Witness::default())));
        let api = Arc::new(Api::new(broken == Broken::Store));
        let served = Arc::clone(&api);
        sim.host("api", move || Arc::clone(&served).serve());
        let make = |(number, name)| Arc::new(Replica::new(name, number, seed, scratch.path(), cuts.clone()));
        let replicas: Vec<_> = (0..).zip(REPLICAS).map(make).collect();
        for replica in &replicas {
            let runs = Arc::clone(replica);
            sim.host(replica.name, move || Arc::clone(&runs).run());
        }
        let mut dice = Dice::new(seed, 1);
        for name in CLIENTS {
            let (cuts, witness) = (cuts.clone(), Arc::clone(&witness));
            let mut order = REPLICAS;
            order.rotate_left(dice.within(0..3) as usize);
            sim.host(name, move || client::poll(name, order, cuts.clone(), Arc::clone(&witness)));
        }
        witness.lock().became(api.label());
        Self { sim, api, replicas, witness, cuts, seen: BTreeMap::new(), _scratch: scratch }
    }

    pub fn note(&self, what: String) {
        let mut witness = self.witness.lock();
        witness.at(self.sim.elapsed());
        witness.note(what);
    }

    /// One tick.
    ///
    /// # Errors
    ///
    /// What must never happen.
    pub fn step(&mut self) -> Result<(), String> {
        self.sim.step().map_err(|error| format!("a replica ended: {error}"))?;
        for replica in self.replicas.clone() {
            if replica.inside().is_some() && !self.sim.is_host_running(replica.name) {
                self.note(format!("{} has stopped", replica.name));
                replica.gone();
            }
        }
        self.look();
        self.witness.lock().violation.clone().map_or(Ok(()), Err)
    }

    /// Steps for `length`.
    pub fn pass(&mut self, length: Duration) -> Result<(), String> {
        let end = self.sim.elapsed() + length;
        while self.sim.elapsed() < end {
            self.step()?;
        }
        Ok(())
    }

    /// Steps until `done`, or for `patience`: whether it is.
    pub fn until(&mut self, patience: Duration, done: impl Fn(&Self) -> bool) -> Result<bool, String> {
        let end = self.sim.elapsed() + patience;
        while self.sim.elapsed() < end {
            self.pass(Duration::from_millis(50))?;
            if done(self) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What is new in the replicas.
    fn look(&mut self) {
        let elapsed = self.sim.elapsed();
        let mut witness = self.witness.lock();
        witness.at(elapsed);
        let mut leaders = Vec::new();
        for replica in &self.replicas {
            let Some(inside) = replica.inside() else { continue };
            let (Some(hub), Some(election)) = (inside.hub.upgrade(), inside.election.upgrade()) else {
                continue;
            };
            let active = hub.read(|core| core.active().cloned());
            let before = self.seen.get(replica.name).copied().filter(|seen| seen.life == inside.life);
            let before = before.unwrap_or(Seen { life: inside.life, ..Seen::default() });
            let mut now = before;
            if let Some(active) = active
                && before.active != Some((active.version, active.origin))
            {
                witness.active(replica.name, active.version, active.origin, active.digest());
                if let Some((_, origin)) = before.active.filter(|(_, origin)| active.origin < *origin) {
                    witness.went_back(replica.name, origin, active.origin);
                }
                now.active = Some((active.version, active.origin));
            }
            now.leads = None;
            if let Role::Leader(term) = &*election.role().borrow() {
                now.leads = Some(term.epoch().0);
                if before.leads != now.leads {
                    witness.leads(replica.name, term.epoch(), term.id());
                }
                if !term.left(replica.moment(elapsed)).is_zero() {
                    leaders.push(replica.name);
                }
            }
            self.seen.insert(replica.name, now);
        }
        witness.valid(&leaders);
    }

    /// Whether all replicas serve what the API has, and may move clients to it; and the clients have it.
    pub fn converged(&self) -> bool {
        let label = self.api.label();
        let wanted = format!("/generation-{label}\"");
        let served = self.replicas.iter().all(|replica| {
            let Some(hub) = replica.inside().and_then(|inside| inside.hub.upgrade()) else { return false };
            let view = hub.read(|core| core.view());
            let now = replica.moment(self.sim.elapsed());
            let has = |plain: &[u8]| String::from_utf8_lossy(plain).contains(&wanted);
            view.is_current(now) && view.active.is_some_and(|it| has(&it.contents.table.plain()))
        });
        served && CLIENTS.iter().all(|client| self.witness.lock().has(client, label))
    }

    /// The replica that leads now.
    pub fn leader(&self) -> Option<usize> {
        let leads =
            |replica: &Arc<Replica>| self.seen.get(replica.name).is_some_and(|seen| seen.leads.is_some());
        self.replicas.iter().position(leads)
    }

    /// The epoch that this replica leads, as it says itself.
    pub fn epoch_of(&self, number: usize) -> Option<u64> {
        self.seen.get(REPLICAS[number]).and_then(|seen| seen.leads)
    }

    /// What this replica shares among its tasks.
    pub fn hub(&self, number: usize) -> Arc<Hub> {
        let inside = self.replicas[number].inside().expect("it runs");
        inside.hub.upgrade().expect("it runs")
    }

    /// This replica neither renews its Lease nor hears of another one's.
    pub fn hide_lease(&mut self, number: usize) {
        self.note(format!("{} does not see the Lease", REPLICAS[number]));
        self.api.hide_lease(self.sim.lookup(REPLICAS[number]));
    }

    pub fn cut(&mut self, from: &str, to: &str) {
        self.note(format!("cut {from} -> {to}"));
        self.cuts.cut(from, to);
        self.sim.partition_oneway(from, to);
    }

    pub fn hold(&mut self, a: &str, b: &str) {
        self.note(format!("hold {a} - {b}"));
        self.sim.hold(a, b);
    }

    pub fn slow(&mut self, a: &str, b: &str, latency: Duration) {
        self.note(format!("slow {a} - {b}: {latency:?}"));
        self.sim.set_link_latency(a, b, latency);
    }

    /// All is well between the two.
    pub fn mend(&mut self, a: &str, b: &str) {
        self.note(format!("mend {a} - {b}"));
        self.cuts.mend(a, b);
        self.sim.release(a, b);
        self.sim.set_link_latency(a, b, LATENCY);
    }

    pub fn crash(&mut self, number: usize) {
        let replica = Arc::clone(&self.replicas[number]);
        self.note(format!("crash {}", replica.name));
        self.sim.crash(replica.name);
        replica.gone();
    }

    pub fn start(&mut self, number: usize) {
        let replica = Arc::clone(&self.replicas[number]);
        self.note(format!("start {}", replica.name));
        replica.gone();
        self.sim.bounce(replica.name);
    }

    pub fn stop(&mut self, number: usize) {
        self.note(format!("stop {}", REPLICAS[number]));
        self.replicas[number].ask_to_stop();
    }

    /// The source becomes what it was before the last change, or what it never was.
    pub fn change(&mut self, back: bool) {
        let label = self.api.change(back);
        self.note(format!("the source becomes {label}"));
        self.witness.lock().became(label);
    }

    pub fn stick_clock(&mut self, number: usize) {
        self.note(format!("the clock of {} stands still", REPLICAS[number]));
        self.replicas[number].stuck.store(true, Ordering::Relaxed);
    }
}
