//! The state of a replica as gauges: set from a [`Status`] when they are asked for, so that they cannot disagree
//! with it.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::shards::Shards;
use super::status::Status;

type Float = Gauge<f64, AtomicU64>;

/// The gauges. Clones share their numbers.
#[derive(Clone, Debug, Default)]
pub struct Gauges {
    ready: Gauge,
    current: Gauge,
    leader: Gauge,
    epoch: Gauge,
    sequence: Gauge,
    routes: Gauge,
    table_bytes: Gauge,
    age: Float,
    quarantined: Gauge,
    objects_quarantined: Gauge,
    diagnostics: Gauge,
    frozen: Gauge,
    pinned: Gauge,
    legacy: Family<Key, Float>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Key {
    key: &'static str,
}

impl Gauges {
    /// Registers all of them, ours under `bellwether_`, the peer's under `routesrv_`.
    pub fn register(&self, registry: &mut Registry) {
        let ours = registry.sub_registry_with_prefix("bellwether");
        ours.register("build", "The program", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        ours.register("ready", "1 while /readyz says so", self.ready.clone());
        ours.register("current", "1 while this replica may move clients to its table", self.current.clone());
        ours.register("leader", "1 while this replica leads", self.leader.clone());
        ours.register("table_epoch", "Epoch of the active snapshot", self.epoch.clone());
        ours.register("table_sequence", "Number of the active snapshot in its epoch", self.sequence.clone());
        ours.register("table_routes", "Routes of the active table", self.routes.clone());
        ours.register_with_unit("table", "Length of the active table", Unit::Bytes, self.table_bytes.clone());
        ours.register_with_unit(
            "table_age",
            "Since a poll last found the upstream to be as the active table has it",
            Unit::Seconds,
            self.age.clone(),
        );
        ours.register("quarantined_routes", "Routes left out of the table", self.quarantined.clone());
        ours.register(
            "objects_quarantined",
            "Objects of which routes are left out; their last good ones stay",
            self.objects_quarantined.clone(),
        );
        ours.register("diagnostics", "What was wrong with the objects", self.diagnostics.clone());
        ours.register("frozen", "1 while an operator has frozen what replicas serve", self.frozen.clone());
        ours.register(
            "pinned",
            "1 while an operator has pinned a table, or rolled back to one",
            self.pinned.clone(),
        );
        let legacy = registry.sub_registry_with_prefix("routesrv");
        legacy.register("custom_gauges", "The peer's gauges, by key", self.legacy.clone());
    }

    /// Shows `status`.
    pub fn show(&self, status: &Status) {
        self.ready.set(status.ready.into());
        self.current.set(status.current.into());
        self.leader.set((status.role == "leader").into());
        self.epoch.set(signed(status.epoch.unwrap_or_default()));
        self.sequence.set(signed(status.sequence.unwrap_or_default()));
        self.routes.set(signed(status.routes));
        self.table_bytes.set(signed(status.table_bytes));
        self.age.set(status.age_seconds.unwrap_or_default());
        self.quarantined.set(signed(status.quarantined.count as u64));
        self.objects_quarantined.set(signed(status.objects_quarantined as u64));
        self.frozen.set(status.orders.frozen.is_some().into());
        self.pinned.set(status.orders.pinned.is_some().into());
        self.diagnostics.set(signed(status.diagnostics.count as u64));
        if let Some(modified) = status.modified_at {
            self.legacy("routes.total").set(status.routes as f64);
            self.legacy("routes.byte").set(status.table_bytes as f64);
            self.legacy("routes.updated_timestamp").set(modified.as_second() as f64);
        }
    }

    /// How many addresses each store has, as far as they were read.
    pub fn shards(&self, shards: &Shards, addresses: &BTreeMap<String, Vec<String>>) {
        for (key, store) in [("redis_endpoints", &shards.redis), ("valkey_endpoints", &shards.valkey)] {
            let known = store.as_ref().and_then(|store| addresses.get(&store.service.to_string()));
            if let Some(known) = known {
                self.legacy(key).set(known.len() as f64);
            }
        }
    }

    /// The moment at which this process began to poll, in Unix seconds.
    pub fn polling_started(&self, unix_secs: f64) {
        self.legacy("polling_started_timestamp").set(unix_secs);
    }

    /// The moment at which this process had its first verified table, in Unix seconds.
    pub fn initialized(&self, unix_secs: f64) {
        self.legacy("routes.initialized_timestamp").set(unix_secs);
    }

    fn legacy(&self, key: &'static str) -> Float {
        self.legacy.get_or_create_owned(&Key { key })
    }
}

/// Gauges are signed; what they show here is far from the edge.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
