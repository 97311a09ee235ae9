//! The leader's loop over a source that answers what a test tells it, one poll at a time.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc};

use super::*;
use crate::election::store::memory::MemoryLease;
use crate::election::{Config, Identity, Timing};
use crate::guard::Thresholds;
use crate::object::Objects;
use crate::orders::{Act, Target};
use crate::replication::core::Replica;
use crate::snapshot::{Epoch, Publication, Snapshot, Version, What};
use crate::time::{BootClock, Clock, Moment};

/// Answers what the test sends, and tells when it is asked: then the poll before is over.
struct Scripted {
    asked: mpsc::Sender<()>,
    answers: mpsc::Receiver<Reading>,
    forgotten: Arc<AtomicUsize>,
    heard: Arc<Heard>,
}

/// What a source that hears of changes is told, and tells.
#[derive(Default)]
struct Heard {
    change: Notify,
    doubts: AtomicUsize,
    rests: AtomicUsize,
}

impl ObjectSource for Scripted {
    async fn read(&mut self) -> Result<Reading, SourceError> {
        self.asked.send(()).await.expect("the test goes on");
        match self.answers.recv().await {
            Some(reading) => Ok(reading),
            None => std::future::pending().await,
        }
    }

    async fn changed(&mut self) {
        self.heard.change.notified().await;
    }

    fn doubt(&mut self) {
        self.heard.doubts.fetch_add(1, Ordering::SeqCst);
    }

    fn rest(&mut self) {
        self.heard.rests.fetch_add(1, Ordering::SeqCst);
    }

    fn forget(&mut self) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
    }
}

struct Lab {
    hub: Arc<Hub>,
    gate: Arc<Gate>,
    role: watch::Sender<Role>,
    asked: mpsc::Receiver<()>,
    answers: mpsc::Sender<Reading>,
    forgotten: Arc<AtomicUsize>,
    heard: Arc<Heard>,
    epoch: u64,
}

impl Lab {
    /// A replica that serves `last_known_good` and leads epoch 10.
    async fn start(last_known_good: Option<Snapshot>) -> Self {
        Self::start_every(Duration::from_millis(1), last_known_good).await
    }

    /// The same, which polls so often.
    async fn start_every(interval: Duration, last_known_good: Option<Snapshot>) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(BootClock);
        let replica = Replica::new(last_known_good);
        let hub = Hub::new("r0".to_owned(), replica, Arc::default(), clock.clone(), Default::default());
        tokio::spawn(hub.clone().activate());
        let registry = &mut prometheus_client::registry::Registry::default();
        let gate = Arc::new(Gate::new(Thresholds::default(), registry));
        let config = Config {
            identity: Identity::of_pod("r0", "uid").expect("random bytes"),
            address: String::new(),
            software: String::new(),
            timing: Timing::DEFAULT,
            rank: 0,
            stall: Duration::from_secs(60),
        };
        let metrics = Arc::new(crate::election::Metrics::register(registry));
        let election = crate::election::start(MemoryLease::default(), config, clock, metrics);
        let (asked_sender, asked) = mpsc::channel(1);
        let (answers, answered) = mpsc::channel(1);
        let forgotten = Arc::<AtomicUsize>::default();
        let heard = Arc::<Heard>::default();
        let notes = Notes::default();
        tokio::spawn(record(hub.clone(), notes.clone(), None));
        let publisher = Publisher {
            source: Scripted {
                asked: asked_sender,
                answers: answered,
                forgotten: forgotten.clone(),
                heard: heard.clone(),
            },
            settings: Arc::new(Settings::default()),
            services: Vec::new(),
            interval,
            hub: hub.clone(),
            peers: Vec::new(),
            security: Security::default(),
            election: Arc::new(election.expect("a thread")),
            gate: gate.clone(),
            memory: Memory::default(),
            findings: Findings::default(),
            metrics: Metrics::default(),
            notes: notes.clone(),
            events: Events::default(),
            status: IngressStatus::default(),
        };
        let (role, roles) = watch::channel(Role::Follower(None));
        tokio::spawn(publisher.run(roles));
        let mut lab = Self { hub, gate, role, asked, answers, forgotten, heard, epoch: 9 };
        lab.next_term().await;
        lab
    }

    /// Another term begins, and its first poll.
    async fn next_term(&mut self) {
        self.epoch += 1;
        let until = BootClock.now() + Duration::from_secs(60);
        let until = until.since(Moment::from_nanos(0)).as_nanos() as u64;
        self.role.send_replace(Role::Leader(Term::for_tests(Epoch(self.epoch), until)));
        self.asked.recv().await.expect("it polls");
    }

    /// One poll, from its reading to what becomes of it.
    async fn poll(&mut self, objects: &[Value]) {
        let (objects, diagnostics) = Objects::from_values(objects.to_vec());
        let reading = Reading { objects, diagnostics, restored_store: false };
        self.answers.send(reading).await.expect("it polls");
        self.asked.recv().await.expect("it polls again");
    }

    /// The table that clients of this replica get, when all that was published is active.
    async fn table(&self) -> String {
        let mut changed = self.hub.changed();
        loop {
            changed.mark_unchanged();
            let (known, active) = self.hub.read(|core| (core.known(), core.active().cloned()));
            if let Some(active) = active.filter(|active| active.version == known) {
                return String::from_utf8(active.contents.table.plain().to_vec()).expect("text");
            }
            tokio::time::timeout(Duration::from_secs(10), changed.changed())
                .await
                .expect("it is activated")
                .expect("the hub is there");
        }
    }

    fn is_current(&self) -> bool {
        self.hub.read(Replica::view).is_current(self.hub.now())
    }

    fn snapshot(&self) -> Snapshot {
        self.hub.read(|core| core.active().expect("it serves").as_ref().clone())
    }
}

/// A RouteGroup with one route that answers with `status`.
fn group(name: &str, status: &str) -> Value {
    json!({
        "apiVersion": "zalando.org/v1",
        "kind": "RouteGroup",
        "metadata": {"name": name, "namespace": "default", "uid": format!("uid-{name}")},
        "spec": {
            "hosts": [format!("{name}.example.org")],
            "backends": [{"name": "shunt", "type": "shunt"}],
            "defaultBackends": [{"backendName": "shunt"}],
            "routes": [{"path": "/", "filters": [format!("status({status})")]}],
        },
    })
}

fn groups(number: usize) -> Vec<Value> {
    (0..number).map(|at| group(&format!("g{at:02}"), "201")).collect()
}

fn count(table: &str) -> usize {
    table.lines().filter(|line| line.contains("status(201)")).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mass_deletion_is_held_and_passes_with_the_third_equal_poll() {
    let mut lab = Lab::start(None).await;
    lab.poll(&groups(40)).await;
    assert_eq!(count(&lab.table().await), 40);
    for _ in 0..2 {
        lab.poll(&groups(20)).await;
        assert_eq!(count(&lab.table().await), 40);
    }
    let held = lab.gate.held().expect("held");
    assert!(held.falls.values().all(|fall| (fall.to * 2, fall.polls) == (fall.from, 2)), "{held:?}");
    lab.poll(&groups(20)).await;
    assert_eq!((count(&lab.table().await), lab.gate.held()), (20, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_is_heard_is_read_at_once_but_while_a_table_is_held() {
    // Nobody waits for the next poll here: it never comes.
    let mut lab = Lab::start_every(Duration::from_secs(3600), None).await;
    for at in 0..20 {
        lab.heard.change.notify_one();
        lab.poll(&groups(40 + at)).await;
    }
    assert_eq!(count(&lab.table().await), 59);
    assert_eq!(lab.heard.doubts.load(Ordering::SeqCst), 0);
    let (objects, diagnostics) = Objects::from_values(groups(20));
    let reading = Reading { objects, diagnostics, restored_store: false };
    lab.answers.send(reading).await.expect("it reads");
    while lab.gate.held().is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Equal polls must not be nearer to each other than polls are, and each asks for everything.
    lab.heard.change.notify_one();
    let read = tokio::time::timeout(Duration::from_millis(300), lab.asked.recv()).await;
    assert!(read.is_err(), "what is held is not read again because something was heard");
    lab.gate.release().expect("something is held");
    lab.asked.recv().await.expect("a release is");
    assert_eq!(lab.heard.doubts.load(Ordering::SeqCst), 1);
    lab.next_term().await;
    assert_eq!(lab.heard.rests.load(Ordering::SeqCst), 1, "between terms nothing is heard");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kind_that_is_gone_waits_for_a_release() {
    let mut lab = Lab::start(None).await;
    lab.poll(&groups(2)).await;
    for _ in 0..10 {
        lab.poll(&[]).await;
        assert_eq!(count(&lab.table().await), 2);
    }
    lab.gate.release().expect("something is held");
    lab.poll(&[]).await;
    assert_eq!(count(&lab.table().await), 0, "only what the settings ask for is left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_leader_compares_with_what_is_served_and_is_not_current_while_it_holds() {
    let mut before = Lab::start(None).await;
    before.poll(&groups(40)).await;
    before.table().await;
    // As a restart from disk, or a new leader that has caught up.
    let mut lab = Lab::start(Some(before.snapshot())).await;
    for _ in 0..2 {
        lab.poll(&groups(20)).await;
        assert_eq!((count(&lab.table().await), lab.is_current()), (40, false));
    }
    lab.next_term().await;
    assert_eq!(lab.gate.held(), None, "a hold belongs to its term");
    lab.poll(&groups(20)).await;
    assert_eq!((count(&lab.table().await), lab.is_current()), (40, false));
    lab.poll(&groups(40)).await;
    assert_eq!((count(&lab.table().await), lab.is_current()), (40, true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn findings_that_change_are_published_with_the_same_table() {
    let mut lab = Lab::start(None).await;
    lab.poll(&groups(2)).await;
    lab.table().await;
    let before = lab.snapshot();
    let mut broken = group("broken", "201");
    broken["spec"]["routes"] = json!([]);
    broken["spec"]["hosts"] = json!("none");
    lab.poll(&[groups(2), vec![broken]].concat()).await;
    lab.table().await;
    let after = lab.snapshot();
    assert_eq!(after.digest(), before.digest());
    assert_eq!((before.contents.diagnostics.len(), after.contents.diagnostics.len()), (0, 1));
    assert!(after.version > before.version);
    lab.poll(&groups(2)).await;
    lab.table().await;
    assert_eq!(lab.snapshot().contents.diagnostics, []);
}

/// What is written down of the publication under a version.
async fn written(lab: &Lab, version: Version) -> Publication {
    let look = || lab.hub.publications().list().into_iter().find(|it| it.version == version);
    let reached = async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), reached).await.expect("it is written down")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_publication_is_written_down_with_what_changed_and_whose_it_is() {
    let mut lab = Lab::start(None).await;
    lab.poll(&groups(3)).await;
    lab.table().await;
    let first = written(&lab, lab.snapshot().version).await;
    assert_eq!((first.cause.as_str(), first.difference, first.by.as_str()), ("change", None, "r0"));
    lab.poll(&[group("g00", "202"), group("g01", "201"), group("g99", "201")]).await;
    lab.table().await;
    let second = written(&lab, lab.snapshot().version).await;
    assert_eq!((second.cause.as_str(), second.replicas), ("change", 1));
    assert!(!second.lengths.compile.is_zero() && !second.lengths.poll.is_zero());
    let difference = second.difference.expect("there was a table before");
    // A RouteGroup has its route, the redirect before that and the end of its host; the status stands in the first alone.
    assert_eq!((difference.added, difference.removed, difference.changed), (3, 3, 1));
    for (what, name) in [(What::Added, "g99"), (What::Removed, "g02"), (What::Changed, "g00")] {
        let named = difference.named.iter().find(|it| it.what == what).expect("it is named");
        let object = named.object.as_ref().expect("this process compiled both");
        assert_eq!((object.kind.as_str(), object.name.as_str()), ("RouteGroup", name));
    }

    lab.next_term().await;
    let adopted = written(&lab, Version::new(11, 0)).await;
    assert_eq!((adopted.cause.as_str(), adopted.lengths.compile), ("new-term", Duration::ZERO));
    lab.poll(&[group("g00", "202"), group("g01", "201"), group("g99", "201")]).await;
    lab.table().await;
    let read = written(&lab, Version::new(11, 1)).await;
    assert_eq!(read.cause, "first-read");
    assert_eq!(read.difference.map(|it| it.total()), Some(0));
}

/// The same group, with a filter whose argument no client can parse.
fn poison(name: &str) -> Value {
    let mut group = group(name, "201");
    group["spec"]["routes"][0]["filters"] = json!(["ratelimit(0.00001)"]);
    group
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poison_keeps_its_last_good_routes_over_a_change_of_leader_and_a_restart() {
    let mut lab = Lab::start(None).await;
    lab.poll(&groups(3)).await;
    let good = lab.table().await;
    let bad = [poison("g00"), group("g01", "202"), group("g02", "201")];
    lab.poll(&bad).await;
    let table = lab.table().await;
    assert_eq!((count(&table), table.matches("status(202)").count()), (2, 1), "g01 went on, g00 stays");
    let of_g00 = |table: &str| table.lines().filter(|line| line.contains("g00")).collect::<String>();
    assert_eq!(of_g00(&table), of_g00(&good));

    let folder = tempfile::tempdir().expect("a folder");
    let disk = crate::snapshot::disk::Disk::open(folder.path()).expect("can be written");
    disk.write(&lab.snapshot()).expect("written");
    let mut restarted = Lab::start(disk.read().0).await;
    restarted.poll(&bad).await;
    assert_eq!((restarted.table().await, restarted.is_current()), (table.clone(), true));
    let quarantined = restarted.snapshot().contents.quarantined.clone();
    assert_eq!((quarantined.len(), quarantined[0].uid.as_str()), (1, "uid-g00"));

    restarted.next_term().await;
    restarted.poll(&bad).await;
    assert_eq!(restarted.table().await, table);
    restarted.poll(&bad[1..]).await;
    assert_eq!(of_g00(&restarted.table().await), "", "deleted, it is gone");
}

#[tokio::test]
async fn what_a_term_leaves_is_given_back_after_a_minute_and_the_next_one_makes_the_same_table() {
    let mut lab = Lab::start(None).await;
    lab.poll(&groups(3)).await;
    let table = lab.table().await;
    let forgotten = |lab: &Lab| lab.forgotten.load(Ordering::SeqCst);
    let follow = |lab: &Lab| lab.role.send_replace(Role::Follower(None));
    follow(&lab);
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(59)).await;
    assert_eq!(forgotten(&lab), 0, "it may lead again");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(forgotten(&lab), 1);
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert_eq!(forgotten(&lab), 1, "there is no more to give back");
    tokio::time::resume();
    lab.next_term().await;
    lab.poll(&groups(3)).await;
    assert_eq!(lab.table().await, table);
}

/// Waits until the order `number` is carried out; what the leader said.
async fn outcome(lab: &Lab, number: u64) -> String {
    let mut orders = lab.hub.orders();
    let done = orders.wait_for(|orders| orders.outcome(number).is_some());
    let orders = tokio::time::timeout(Duration::from_secs(10), done)
        .await
        .expect("in time")
        .expect("the hub is there");
    orders.outcome(number).expect("it was waited for").said.clone()
}

fn give(lab: &Lab, act: Act) -> u64 {
    lab.hub.order(|orders| orders.give(act, "ann".to_owned(), String::new(), 0)).number
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_that_waited_for_a_leader_lets_pass_what_that_one_holds_first() {
    let mut before = Lab::start(None).await;
    before.poll(&groups(40)).await;
    before.table().await;
    let mut lab = Lab::start(Some(before.snapshot())).await;
    let release = give(&lab, Act::GuardRelease);
    lab.poll(&groups(20)).await;
    assert!(outcome(&lab, release).await.starts_with("released, if"), "it was held first");
    lab.poll(&groups(20)).await;
    assert_eq!((count(&lab.table().await), lab.is_current()), (20, true));

    let release = give(&lab, Act::GuardRelease);
    assert_eq!(outcome(&lab, release).await, "nothing was held");
    lab.poll(&groups(5)).await;
    assert_eq!(count(&lab.table().await), 20, "a release that is carried out is used up");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_published_while_held_by_order_is_judged_afterwards() {
    let mut lab = Lab::start(None).await;
    lab.poll(&groups(40)).await;
    lab.table().await;
    give(&lab, Act::Freeze);
    for _ in 0..5 {
        lab.poll(&groups(20)).await;
        assert_eq!((count(&lab.table().await), lab.gate.held(), lab.is_current()), (40, None, true));
    }
    give(&lab, Act::Unfreeze);
    lab.poll(&groups(20)).await;
    assert_eq!(count(&lab.table().await), 40, "held by the guard, as it would have been before");
    assert!(lab.gate.held().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_pinned_is_published_without_a_poll_and_again_in_the_next_term() {
    let mut lab = Lab::start(None).await;
    lab.poll(&groups(2)).await;
    lab.table().await;
    let first = lab.snapshot();
    lab.poll(&groups(3)).await;
    assert_eq!(count(&lab.table().await), 3);
    let target = Target { version: first.version, origin: first.origin, digest: first.digest() };
    let pin = give(&lab, Act::Pin(target));
    assert!(outcome(&lab, pin).await.starts_with("published as 10."));
    assert_eq!((lab.snapshot().digest(), lab.is_current()), (first.digest(), true));
    assert!(lab.snapshot().origin > first.origin);
    assert_eq!(lab.snapshot().read_at_millis, first.read_at_millis, "it is as old as it was");
    lab.poll(&groups(3)).await;
    lab.poll(&groups(3)).await;
    assert_eq!(count(&lab.table().await), 2, "no read is published");

    lab.role.send_replace(Role::Follower(None));
    let mut changed = lab.hub.changed();
    lab.next_term().await;
    while !(lab.is_current() && lab.snapshot().version.epoch == Epoch(11)) {
        tokio::time::timeout(Duration::from_secs(10), changed.changed())
            .await
            .expect("in time")
            .expect("there");
    }
    assert_eq!(lab.snapshot().digest(), first.digest());
    give(&lab, Act::Unfreeze);
    lab.poll(&groups(3)).await;
    lab.poll(&groups(3)).await;
    assert_eq!(count(&lab.table().await), 3);
}
