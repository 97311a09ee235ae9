//! A whole replica as software of a simulated host.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bellwether::election::Handle;
use bellwether::flags::{self, Parsed, ServeOptions};
use bellwether::net::Net;
use bellwether::node::{Machine, Node};
use bellwether::replication::hub::Hub;
use bellwether::time::{Clock, Moment};
use futures::FutureExt;
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::dice::Dice;
use super::net::{Cuts, Turmoil};
use super::pki;

/// Whether the replicas of this run have certificates: in one of four they have.
pub fn has_mutual_tls(seed: u64) -> bool {
    seed % 4 == 3
}

/// One replica over all its lives: what outlasts a process, and a look into the one that runs.
pub struct Replica {
    pub name: &'static str,
    seed: u64,
    number: u64,
    lives: AtomicU64,
    scratch: PathBuf,
    mutual_tls: bool,
    cuts: Cuts,
    /// The machine's clock ran so long before the simulation began.
    uptime: Duration,
    /// How much faster than true time it runs, in millionths.
    drift: i64,
    /// The clock of a broken machine stands still.
    pub stuck: AtomicBool,
    stop: Mutex<CancellationToken>,
    inside: Mutex<Option<Inside>>,
}

/// What the harness sees of a process.
#[derive(Clone)]
pub struct Inside {
    pub life: u64,
    pub hub: Weak<Hub>,
    pub election: Weak<Handle>,
}

impl Replica {
    pub fn new(name: &'static str, number: u64, seed: u64, scratch: &Path, cuts: Cuts) -> Self {
        let mut dice = Dice::new(seed, 100 + number);
        Self {
            name,
            seed,
            number,
            lives: AtomicU64::new(0),
            scratch: scratch.to_owned(),
            mutual_tls: has_mutual_tls(seed),
            cuts,
            uptime: Duration::from_millis(dice.within(1_000..100_000_000)),
            drift: dice.within(0..401) as i64 - 200,
            stuck: AtomicBool::new(false),
            stop: Mutex::default(),
            inside: Mutex::default(),
        }
    }

    /// Runs one life of it.
    pub async fn run(self: Arc<Self>) -> turmoil::Result {
        let life = self.lives.fetch_add(1, Ordering::Relaxed);
        let stop = CancellationToken::new();
        *self.stop.lock() = stop.clone();
        let asked = AtomicBool::new(false);
        let mut dice = Dice::new(self.seed, 1_000 * (1 + self.number) + life);
        let machine = Machine {
            clock: Arc::new(self.clock()),
            net: Net::Other(Arc::new(Turmoil { host: self.name, cuts: self.cuts.clone() })),
            nonce: u128::from(dice.next()) << 64 | u128::from(dice.next()),
            in_pod: false,
            pod_uid: format!("pod-{}", self.number),
            election_thread: false,
            asked_to_stop: Arc::new(move || {
                // Nobody asks twice.
                let first = !asked.swap(true, Ordering::Relaxed);
                let stop = stop.clone();
                async move { if first { stop.cancelled().await } else { std::future::pending().await } }
                    .boxed()
            }),
        };
        let node = Node::build(self.options(), machine).await?;
        let (hub, election) = (Arc::downgrade(node.hub()), Arc::downgrade(node.election()));
        *self.inside.lock() = Some(Inside { life, hub, election });
        Ok(node.run().await?)
    }

    /// The process that runs, if one does.
    pub fn inside(&self) -> Option<Inside> {
        self.inside.lock().clone()
    }

    /// Asks it to stop in order, as SIGTERM does.
    pub fn ask_to_stop(&self) {
        self.stop.lock().cancel();
    }

    /// The process is gone.
    pub fn gone(&self) {
        *self.inside.lock() = None;
    }

    /// What its clock shows `elapsed` after the beginning.
    pub fn moment(&self, elapsed: Duration) -> Moment {
        let nanos = elapsed.as_nanos() as i64;
        Moment::from_nanos(self.uptime.as_nanos() as u64 + (nanos + nanos / 1_000_000 * self.drift) as u64)
    }

    fn clock(self: &Arc<Self>) -> HostClock {
        let started = turmoil::sim_elapsed().expect("on a host");
        HostClock { replica: Arc::clone(self), started, since: Instant::now(), last: AtomicU64::new(0) }
    }

    fn options(&self) -> ServeOptions {
        let state = self.scratch.join(self.name);
        let mut arguments = vec![
            format!("--id={}", self.name),
            "--source=kubernetes".to_owned(),
            "-kubernetes-url=http://api:8001".to_owned(),
            "--lease=kubernetes:ns/bellwether".to_owned(),
            format!("--state-dir={}", state.display()),
            format!("--replication-address={}:9912", self.name),
            "--peers=r0:9912,r1:9912,r2:9912".to_owned(),
            "-address=:9090".to_owned(),
            "-support-listener=".to_owned(),
            "-source-poll-timeout=500".to_owned(),
            "-wait-for-healthcheck-interval=1s".to_owned(),
            "--drain-timeout=2s".to_owned(),
        ];
        if self.mutual_tls {
            let flags = ["cert", "key", "ca"].into_iter().zip(pki::files(&self.scratch, self.name));
            arguments
                .extend(flags.map(|(kind, file)| format!("--replication-tls-{kind}={}", file.display())));
        } else {
            arguments.push("--replication-plaintext".to_owned());
        }
        match flags::serve(&arguments, &|_: &str| None) {
            Ok(Parsed::Run(options)) => *options,
            other => panic!("the command line is right: {other:?}"),
        }
    }
}

/// Runs on from life to life, as a machine's does.
struct HostClock {
    replica: Arc<Replica>,
    started: Duration,
    since: Instant,
    last: AtomicU64,
}

impl Clock for HostClock {
    fn now(&self) -> Moment {
        if !self.replica.stuck.load(Ordering::Relaxed) {
            let now = self.replica.moment(self.started + self.since.elapsed());
            self.last.store(now.as_nanos(), Ordering::Relaxed);
        }
        Moment::from_nanos(self.last.load(Ordering::Relaxed))
    }
}
