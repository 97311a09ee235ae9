//! `--watch` before a fake API server: what changes is heard, whatever goes wrong is found and mended, and what is read is
//! what a poll reads.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use bellwether::net::Net;
use bellwether::object::Objects;
use bellwether::source::{
    Access, Deadlines, Kubernetes, KubernetesConfig, Metrics, ObjectSource as _, Reading, WatchTiming,
};
use bellwether::time::BootClock;
use chaos::fakeapi::{Endpoint, FakeApi, Fault, WatchFault};
use chaos::generate;
use chaos::stage::manifests::{external_service, ingress, marker};
use prometheus_client::registry::Registry;
use serde_json::{Value, json};

/// Long enough for whatever must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// Long enough for what must not come.
const WHILE: Duration = Duration::from_millis(1500);

/// Everything sooner than in the field.
const TIMING: WatchTiming = WatchTiming {
    quiet: Duration::from_millis(20),
    most: Duration::from_secs(1),
    audit: Duration::from_secs(600),
    length: Duration::from_secs(2),
    silence: Duration::from_secs(20),
    grace: Duration::from_millis(200),
};

struct Rig {
    api: FakeApi,
    source: Kubernetes,
    registry: Registry,
}

async fn source(api: &FakeApi, watch: Option<WatchTiming>) -> Kubernetes {
    let config = KubernetesConfig {
        access: Access::Url { url: api.url(), token_file: None, ca_file: None },
        net: Net::Tcp,
        namespace: None,
        endpoint_slices: false,
        deadlines: Deadlines::default(),
        watch,
    };
    Kubernetes::new(config, None, Arc::new(BootClock)).await.unwrap()
}

impl Rig {
    /// A source that has read three objects, and may watch them.
    async fn start(timing: WatchTiming) -> Self {
        Self::start_with(timing, |_| ()).await
    }

    async fn start_with(timing: WatchTiming, prepare: impl FnOnce(&FakeApi)) -> Self {
        let objects = [external_service("s", "s.test", 80), ingress("a", &["a.test"], "s", 80), marker(1)];
        let api = FakeApi::start(&objects).await.unwrap();
        prepare(&api);
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let source = source(&api, Some(timing)).await.counting(metrics);
        let mut rig = Self { api, source, registry };
        assert_eq!(rig.read().await.ingresses.len(), 1);
        rig
    }

    async fn read(&mut self) -> Objects {
        self.source.read().await.unwrap().objects
    }

    /// Something to read comes without being asked for.
    async fn heard(&mut self) {
        tokio::time::timeout(PATIENCE, self.source.changed()).await.expect("a change is heard");
    }

    async fn hears_nothing(&mut self) {
        let heard = tokio::time::timeout(WHILE, self.source.changed()).await;
        assert!(heard.is_err(), "nothing is to be read before its time");
    }

    fn add_ingress(&self, name: &str) {
        self.api.put(&[ingress(name, &["b.test"], "s", 80)]);
    }

    fn metric(&self, name: &str) -> f64 {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().unwrap())
    }

    /// The change that is about to be made is heard and read.
    async fn is_watching(&mut self) {
        let before = self.read().await.ingresses.len();
        self.add_ingress(&format!("n{before}"));
        self.heard().await;
        assert_eq!(self.read().await.ingresses.len(), before + 1);
        assert_eq!(self.metric("watch_active"), 1.0);
    }

    fn ended(&self, reason: &str) -> f64 {
        self.metric(&format!("watch_ended_total{{reason=\"{reason}\"}}"))
    }
}

#[tokio::test]
async fn what_changes_is_heard_and_read_without_a_list() {
    let mut rig = Rig::start(TIMING).await;
    assert_eq!(rig.api.watched(), 4, "one stream for each kind, which begins with the list");
    let (before, polls) = (rig.read().await, rig.api.asked(Endpoint::Discovery));
    rig.is_watching().await;
    assert_eq!(rig.api.asked(Endpoint::Discovery), polls);
    rig.api.delete(&[ingress("a", &[], "s", 80), marker(1)]);
    rig.heard().await;
    let after = rig.read().await;
    assert_eq!((after.ingresses.len(), after.route_groups.len()), (1, 0));
    let version = |objects: &Objects| objects.resource_versions["RouteGroup"].parse::<u64>().unwrap();
    assert!(version(&after) > version(&before));
    assert_eq!(version(&after), rig.api.version());
    rig.hears_nothing().await;
}

#[tokio::test]
async fn connections_end_in_order_and_go_on_where_they_were() {
    let mut rig = Rig::start(TIMING).await;
    tokio::time::timeout(TIMING.length * 2, rig.source.changed()).await.expect_err("nothing happens");
    assert!(rig.api.watched() >= 8, "each was taken up again");
    rig.is_watching().await;
    assert_eq!(rig.metric("watch_events_total{kind=\"Ingress\"}"), 1.0);
}

#[tokio::test]
async fn servers_that_stream_no_lists_are_watched_after_their_pages() {
    for fault in [WatchFault::NoStreams, WatchFault::Unmarked] {
        let mut rig = Rig::start_with(TIMING, |api| api.break_watches_with(fault)).await;
        rig.is_watching().await;
    }
}

#[tokio::test]
async fn a_frozen_watch_is_found_and_all_is_read_again() {
    let mut rig = Rig::start(WatchTiming { silence: Duration::from_secs(4), ..TIMING }).await;
    rig.is_watching().await;
    rig.api.break_watches_with(WatchFault::Frozen);
    tokio::time::sleep(Duration::from_millis(100)).await;
    rig.add_ingress("unheard");
    rig.heard().await;
    rig.api.heal();
    assert_eq!(rig.read().await.ingresses.len(), 3);
    assert_eq!(rig.ended("silent"), 1.0);
    rig.is_watching().await;
}

#[tokio::test]
async fn a_version_that_is_forgotten_is_listed_again() {
    let mut rig = Rig::start(TIMING).await;
    tokio::time::timeout(WHILE, rig.source.changed()).await.expect_err("nothing happens");
    rig.add_ingress("forgotten");
    // Before any watch can tell it.
    rig.api.compact();
    rig.heard().await;
    assert_eq!(rig.read().await.ingresses.len(), 2);
    assert_eq!(rig.ended("expired"), 1.0);
    rig.is_watching().await;
}

#[tokio::test]
async fn a_change_that_was_never_told_is_found_by_the_audit() {
    let mut rig = Rig::start(WatchTiming { audit: Duration::from_secs(1), ..TIMING }).await;
    rig.api.break_watches_with(WatchFault::Forgetful);
    tokio::time::sleep(Duration::from_millis(100)).await;
    rig.add_ingress("lost");
    tokio::time::sleep(Duration::from_millis(100)).await;
    rig.api.heal();
    assert_eq!(rig.read().await.ingresses.len(), 1, "nobody knows yet");
    rig.heard().await;
    assert_eq!(rig.metric("watch_lost_objects_total{kind=\"Ingress\"}"), 1.0);
    assert_eq!(rig.read().await.ingresses.len(), 2);
    assert_eq!(rig.ended("lost"), 1.0);
    rig.is_watching().await;
}

#[tokio::test]
async fn an_audit_that_finds_nothing_leaves_the_watches_alone() {
    let mut rig = Rig::start(WatchTiming { audit: Duration::from_millis(300), ..TIMING }).await;
    for name in ["b", "c", "d"] {
        rig.add_ingress(name);
        rig.heard().await;
        rig.read().await;
        tokio::time::timeout(Duration::from_millis(400), rig.source.changed())
            .await
            .expect_err("audits are silent");
    }
    assert!(rig.metric("watch_audits_total") >= 2.0);
    assert_eq!((rig.metric("watch_active"), rig.ended("lost")), (1.0, 0.0));
}

#[tokio::test]
async fn an_audit_that_cannot_be_read_ends_in_the_error_of_a_poll() {
    let mut rig = Rig::start(WatchTiming { audit: Duration::from_millis(300), ..TIMING }).await;
    rig.api.break_with(Endpoint::Discovery, Fault::Status(500));
    rig.heard().await;
    let error = rig.source.read().await.unwrap_err();
    assert_eq!((error.what.as_str(), error.code.as_str()), ("discover routegroups", "500"));
    assert_eq!((rig.metric("watch_active"), rig.ended("audit-failed")), (0.0, 1.0));
    rig.api.heal();
    rig.is_watching().await;
}

#[tokio::test]
async fn where_watching_is_refused_polls_go_on_as_without_it() {
    let mut rig = Rig::start_with(TIMING, |api| api.break_watches_with(WatchFault::Status(403))).await;
    rig.hears_nothing().await;
    let watched = rig.api.watched();
    for name in ["b", "c"] {
        rig.add_ingress(name);
        rig.read().await;
    }
    assert_eq!(rig.read().await.ingresses.len(), 3);
    assert_eq!(rig.api.watched(), watched, "not asked again at once");
    assert_eq!(rig.ended("refused"), 1.0);
    // Another term asks again.
    rig.api.heal();
    rig.source.rest();
    rig.is_watching().await;
}

#[tokio::test]
async fn what_is_doubted_is_asked_for_again() {
    let mut rig = Rig::start(TIMING).await;
    let asked = rig.api.asked(Endpoint::Discovery);
    for polls in 1..4 {
        rig.source.doubt();
        rig.read().await;
        assert_eq!(rig.api.asked(Endpoint::Discovery), asked + polls);
    }
    rig.is_watching().await;
}

#[tokio::test]
async fn nothing_is_watched_between_terms() {
    let mut rig = Rig::start(TIMING).await;
    rig.source.rest();
    assert_eq!(rig.metric("watch_active"), 0.0);
    let watched = rig.api.watched();
    tokio::time::sleep(TIMING.length * 2).await;
    assert_eq!(rig.api.watched(), watched);
    rig.is_watching().await;
}

#[tokio::test]
async fn what_is_heard_is_what_is_polled_through_random_changes() {
    let timing = WatchTiming { most: Duration::from_millis(100), ..TIMING };
    for seed in 0..8 {
        let first = generate::cluster(seed);
        let mut now = first.clone();
        let api = FakeApi::start(&written(&now)).await.unwrap();
        let (mut heard, mut polled) = (source(&api, Some(timing)).await, source(&api, None).await);
        heard.read().await.unwrap();
        for change in 0..12 {
            generate::change(&mut now, &first, seed * 100 + change);
            api.replace(&written(&now));
            let polled = shown(polled.read().await.unwrap());
            // Several writes may be heard one after the other.
            loop {
                let heard_now = shown(heard.read().await.unwrap());
                if heard_now == polled {
                    break;
                }
                let more = tokio::time::timeout(PATIENCE, heard.changed()).await;
                assert!(more.is_ok(), "seed {seed}, change {change}: {heard_now} is not {polled}");
            }
        }
        assert_eq!(api.asked(Endpoint::Discovery), 1 + 12, "one of them polls once, the other each time");
    }
}

fn shown(mut reading: Reading) -> String {
    reading.objects.resource_versions.clear();
    format!("{:#?} {:#?}", reading.objects, reading.diagnostics)
}

/// The objects of a cluster that an API server would take, in namespaces whose order is not that of their names alone.
fn written(cluster: &generate::Cluster) -> Vec<Value> {
    let named = |object: &&Value| {
        let metadata = &object["metadata"];
        let text = |field: &str| metadata[field].is_null() || metadata[field].is_string();
        metadata.is_object()
            && text("namespace")
            && metadata["name"].as_str().is_some_and(|name| !name.is_empty())
    };
    let moved = |object: &Value| {
        let mut object = object.clone();
        if object["metadata"]["namespace"] != "ns1" {
            object["metadata"]["namespace"] = json!("ns1-b");
        }
        object
    };
    cluster.objects.iter().filter(named).map(moved).collect()
}
