use prometheus_client::registry::Registry;

use super::*;
use crate::election::Term;
use crate::election::store::memory::{Fault, MemoryLease};
use crate::snapshot::Epoch;

/// tokio's clock, which the tests pause, as ours.
struct PausedClock(tokio::time::Instant);

impl Clock for PausedClock {
    fn now(&self) -> Moment {
        let since = self.0.elapsed() + Duration::from_secs(1_000);
        Moment::from_nanos(since.as_nanos() as u64)
    }
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(PausedClock(tokio::time::Instant::now()))
}

fn config(name: &str) -> Config {
    Config {
        identity: Identity::of_pod(name, &format!("uid-{name}")).unwrap(),
        address: format!("{name}:9912"),
        software: "bellwether test".to_owned(),
        timing: Timing::DEFAULT,
        rank: name.trim_start_matches('r').parse().unwrap(),
        stall: Duration::from_secs(10),
    }
}

/// A driver on the test's own runtime, whose clock is paused.
fn spawn(store: &MemoryLease, name: &str, clock: &Arc<dyn Clock>) -> Handle {
    let metrics = Arc::new(Metrics::register(&mut Registry::default()));
    let (driver, wiring) = Driver::new(store.clone(), config(name), Arc::clone(clock), metrics);
    tokio::spawn(driver.run());
    let handle = Handle::new(wiring, Arc::clone(clock), None);
    handle.freshness(Freshness::Newest);
    handle
}

async fn leads(handle: &Handle) -> Term {
    let mut role = handle.role();
    let role = role.wait_for(|role| matches!(role, Role::Leader(_))).await.unwrap();
    let Role::Leader(term) = &*role else { panic!("waited for") };
    term.clone()
}

async fn follows(handle: &Handle) {
    let mut role = handle.role();
    role.wait_for(|role| matches!(role, Role::Follower(_))).await.unwrap();
}

async fn follows_leader(handle: &Handle, name: &str) -> Epoch {
    let mut role = handle.role();
    let named =
        |role: &Role| matches!(role, Role::Follower(Some(leader)) if leader.identity.starts_with(name));
    let role = role.wait_for(named).await.unwrap();
    let Role::Follower(Some(leader)) = &*role else { panic!("waited for") };
    assert_eq!(leader.address, format!("{name}:9912"));
    leader.epoch
}

#[tokio::test(start_paused = true)]
async fn one_leads_and_the_other_follows_it() {
    let (store, clock) = (MemoryLease::default(), clock());
    let first = spawn(&store, "r0", &clock);
    let term = leads(&first).await;
    let second = spawn(&store, "r1", &clock);
    assert_eq!(follows_leader(&second, "r0").await, term.epoch());
    for _ in 0..20 {
        first.alive();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(term.check(clock.now()), Ok(()));
        assert!(clock.now().since(first.moved_at()) <= NAP);
    }
    assert_eq!(leads(&first).await.epoch(), term.epoch(), "twenty quiet seconds change nothing");
}

#[tokio::test(start_paused = true)]
async fn the_lease_tells_people_when_it_was_taken_and_renewed() {
    let (store, clock) = (MemoryLease::default(), clock());
    let first = spawn(&store, "r0", &clock);
    leads(&first).await;
    let taken = store.with(|lease| lease.get()).unwrap().record;
    assert!(taken.acquired_micros > 0 && taken.renewed_micros == taken.acquired_micros);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let renewed = store.with(|lease| lease.get()).unwrap().record;
    assert_eq!(renewed.acquired_micros, taken.acquired_micros);
    assert!(renewed.beat > 0 && renewed.renewed_micros > taken.renewed_micros);
}

#[tokio::test(start_paused = true)]
async fn hung_store_ends_the_term_on_time_and_the_next_leader_comes_within_its_lease() {
    let (store, clock) = (MemoryLease::default(), clock());
    let wire = store.other_wire();
    let first = spawn(&wire, "r0", &clock);
    let term = leads(&first).await;
    let second = spawn(&store, "r1", &clock);
    follows_leader(&second, "r0").await;
    wire.unplug(true);
    let cut = clock.now();
    follows(&first).await;
    let stopped = clock.now().since(cut);
    assert!(term.check(clock.now()).is_err());
    assert!(stopped <= Timing::DEFAULT.valid(), "stopped after {stopped:?}");
    let next = leads(&second).await;
    let gap = clock.now().since(cut);
    assert!(gap <= Timing::DEFAULT.lease() + Duration::from_millis(100), "led after {gap:?}");
    assert!(next.epoch() > term.epoch() && next.after_expiry());
    wire.unplug(false);
    follows_leader(&first, "r1").await;
}

#[tokio::test(start_paused = true)]
async fn release_hands_over_to_the_named_successor_at_once() {
    let (store, clock) = (MemoryLease::default(), clock());
    let first = spawn(&store, "r0", &clock);
    let term = leads(&first).await;
    let (second, third) = (spawn(&store, "r1", &clock), spawn(&store, "r2", &clock));
    follows_leader(&second, "r0").await;
    follows_leader(&third, "r0").await;
    let before = clock.now();
    assert!(first.release(Some("r2".to_owned())).await);
    assert!(term.check(clock.now()).is_err());
    let next = leads(&third).await;
    let took = clock.now().since(before);
    assert!(took <= Duration::from_millis(20), "{took:?}");
    assert!(next.epoch() > term.epoch() && !next.after_expiry());
    follows_leader(&first, "r2").await;
    follows_leader(&second, "r2").await;
}

#[tokio::test(start_paused = true)]
async fn release_keeps_to_its_budget_when_the_store_hangs() {
    let (store, clock) = (MemoryLease::default(), clock());
    let first = spawn(&store, "r0", &clock);
    leads(&first).await;
    store.unplug(true);
    let before = clock.now();
    assert!(!first.release(None).await);
    let took = clock.now().since(before);
    assert!(took <= first.release_budget(), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_costs_no_term() {
    let (store, clock) = (MemoryLease::default(), clock());
    let first = spawn(&store, "r0", &clock);
    let term = leads(&first).await;
    for _ in 0..5 {
        store.fail(Fault::LoseAnswer);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(term.check(clock.now()), Ok(()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_leader_whose_work_stalls_gives_up_to_one_that_works() {
    let (store, clock) = (MemoryLease::default(), clock());
    let first = spawn(&store, "r0", &clock);
    let term = leads(&first).await;
    let second = spawn(&store, "r1", &clock);
    let before = clock.now();
    let next = leads(&second).await;
    assert!(term.check(clock.now()).is_err() && next.epoch() > term.epoch());
    assert!(clock.now().since(before) <= Duration::from_millis(10_100));
}

#[tokio::test(start_paused = true)]
async fn a_refused_epoch_becomes_a_higher_one() {
    let (store, clock) = (MemoryLease::default(), clock());
    let first = spawn(&store, "r0", &clock);
    let term = leads(&first).await;
    first.raise(Epoch(1_000));
    let mut role = first.role();
    role.wait_for(|role| matches!(role, Role::Leader(term) if term.epoch() > Epoch(1_000))).await.unwrap();
    assert!(term.check(clock.now()).is_err(), "the old proof is void");
}

#[tokio::test(start_paused = true)]
async fn an_epoch_seen_before_is_exceeded() {
    let (store, clock) = (MemoryLease::default(), clock());
    store.unplug(true);
    let first = spawn(&store, "r0", &clock);
    first.saw(Epoch(41));
    tokio::time::sleep(Duration::from_millis(1)).await;
    store.unplug(false);
    assert!(leads(&first).await.epoch() >= Epoch(42));
}

#[tokio::test(start_paused = true)]
async fn metrics_tell_who_leads() {
    let (store, clock) = (MemoryLease::default(), clock());
    let mut registry = Registry::default();
    let metrics = Arc::new(Metrics::register(&mut registry));
    let (driver, wiring) = Driver::new(store.clone(), config("r0"), Arc::clone(&clock), metrics);
    tokio::spawn(driver.run());
    let handle = Handle::new(wiring, clock, None);
    let epoch = leads(&handle).await.epoch();
    store.fail(Fault::Refuse(StoreError::Forbidden("leases is forbidden".to_owned())));
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    for line in [
        "leader_election_master_status 1",
        "bellwether_election_role{role=\"leader\"} 1",
        "bellwether_election_state{state=\"leading\"} 1",
        &format!("bellwether_election_epoch {epoch}"),
        "bellwether_election_transitions_total{reason=\"elected-first\"} 1",
        "bellwether_election_request_failures_total{request=\"renew\",code=\"forbidden\"} 1",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_follower_knows_how_long_the_failover_took() {
    let (store, clock) = (MemoryLease::default(), clock());
    let wire = store.other_wire();
    let first = spawn(&wire, "r0", &clock);
    let term = leads(&first).await;
    let mut registry = Registry::default();
    let metrics = Arc::new(Metrics::register(&mut registry));
    let (driver, wiring) = Driver::new(store.clone(), config("r2"), Arc::clone(&clock), metrics);
    tokio::spawn(driver.run());
    let follower = Handle::new(wiring, Arc::clone(&clock), None);
    follows_leader(&follower, "r0").await;
    follower.announced(term.epoch());
    let second = spawn(&store, "r1", &clock);
    follows_leader(&second, "r0").await;
    wire.unplug(true);
    let next = leads(&second).await;
    follows_leader(&follower, "r1").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    follower.announced(next.epoch());
    tokio::time::sleep(Duration::from_millis(1)).await;
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    let value = |name: &str| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(&format!("bellwether_election_failover_seconds_{name} ")));
        line.and_then(|value| value.parse::<f64>().ok()).unwrap()
    };
    assert!((value("count") - 1.0).abs() < f64::EPSILON, "{text}");
    let expected = Timing::DEFAULT.lease().as_secs_f64() + 1.0;
    assert!((expected - 0.1..expected + 0.2).contains(&value("sum")), "{}", value("sum"));
}

#[tokio::test(start_paused = true)]
async fn what_happens_is_passed_on_with_the_lease_that_it_happened_to() {
    let (store, clock) = (MemoryLease::default(), clock());
    let first = spawn(&store, "r0", &clock);
    let mut happenings = first.happenings().unwrap();
    assert!(first.happenings().is_none(), "one passes them on");
    let epoch = leads(&first).await.epoch();
    let uid = store.with(|lease| lease.get()).unwrap().key.uid;
    let Happening { report, lease_uid } = happenings.recv().await.unwrap();
    assert!(matches!(report, Report::Elected { epoch: of, .. } if of == epoch) && lease_uid == uid);
    first.release(None).await;
    assert!(matches!(happenings.recv().await.unwrap().report, Report::Lost { .. }));
    assert!(matches!(happenings.recv().await.unwrap().report, Report::GaveUp { free: true, .. }));
}

#[test]
fn runs_on_its_own_thread_and_ends_with_its_handle() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let store = MemoryLease::default();
    let metrics = Arc::new(Metrics::register(&mut Registry::default()));
    let handle = start(store.clone(), config("r0"), Arc::new(crate::time::BootClock), metrics).unwrap();
    let mut role = handle.role();
    let term = runtime.block_on(leads(&handle));
    assert!(handle.is_running() && store.with(|cell| cell.get()).unwrap().record.epoch == term.epoch());
    drop(handle);
    let ended = async { while role.changed().await.is_ok() {} };
    runtime.block_on(ended);
}
