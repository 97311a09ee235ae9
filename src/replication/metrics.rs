//! What replication counts.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::core::Refusal;

/// The counters of replication; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    refused: Family<Reason, Counter>,
    sent_bytes: Counter,
    sent_message_bytes: Counter,
    sent_deltas: Counter,
    failed_deltas: Counter,
    sessions: Counter,
    disk_errors: Counter,
    deliveries: Gauge,
    damaged: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

impl Metrics {
    /// The counters, registered.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        // From nothing to one is an increase only where the nothing was seen.
        for reason in Refusal::CODES {
            drop(metrics.refused.get_or_create(&Reason { reason }));
        }
        let replication = registry.sub_registry_with_prefix("replication");
        replication.register(
            "rejected",
            "Announcements, tables and activations that were not accepted, by reason",
            metrics.refused.clone(),
        );
        replication.register(
            "sent_bytes",
            "Bytes of tables sent to followers and peers",
            metrics.sent_bytes.clone(),
        );
        replication.register(
            "sent_message_bytes",
            "Bytes of all messages to followers, tables and the answers to pings too, before HTTP/2 and TLS",
            metrics.sent_message_bytes.clone(),
        );
        replication.register(
            "sent_deltas",
            "Tables of which followers were sent only what differs from one that they hold",
            metrics.sent_deltas.clone(),
        );
        replication.register(
            "failed_deltas",
            "Snapshots that could not be put together from deltas, and were asked for whole",
            metrics.failed_deltas.clone(),
        );
        replication.register("sessions", "Streams opened to a leader", metrics.sessions.clone());
        registry.register(
            "last_known_good_write_errors",
            "Snapshots that could not be written to disk",
            metrics.disk_errors.clone(),
        );
        registry.register(
            "deliveries_known",
            "Deliveries of tables to clients that this replica knows the end of, its own and others'",
            metrics.deliveries.clone(),
        );
        registry.register(
            "tables_damaged",
            "Tables that were found damaged in memory, and mended, or taken from the leader again",
            metrics.damaged.clone(),
        );
        metrics
    }

    /// What shows how many deliveries are known.
    pub fn deliveries(&self) -> Gauge {
        self.deliveries.clone()
    }

    /// Something was not accepted.
    pub fn refused(&self, refusal: Refusal) {
        self.refused.get_or_create(&Reason { reason: refusal.code() }).inc();
    }

    /// Bytes of a table went out.
    pub fn sent(&self, bytes: usize) {
        self.sent_bytes.inc_by(bytes as u64);
    }

    /// How many bytes of tables went out so far.
    pub fn sent_bytes(&self) -> u64 {
        self.sent_bytes.get()
    }

    /// A message of so many bytes went to a follower.
    pub fn said(&self, bytes: usize) {
        self.sent_message_bytes.inc_by(bytes as u64);
    }

    /// How many bytes all messages to followers had so far.
    pub fn said_bytes(&self) -> u64 {
        self.sent_message_bytes.get()
    }

    /// So many tables went out as deltas.
    pub fn sent_deltas(&self, tables: usize) {
        self.sent_deltas.inc_by(tables as u64);
    }

    /// How many tables went out as deltas so far.
    pub fn deltas(&self) -> u64 {
        self.sent_deltas.get()
    }

    /// Deltas did not make a snapshot.
    pub fn failed_delta(&self) {
        self.failed_deltas.inc();
    }

    /// How often deltas did not make a snapshot so far.
    pub fn failed_deltas(&self) -> u64 {
        self.failed_deltas.get()
    }

    /// How many streams to a leader were opened so far.
    pub fn sessions(&self) -> u64 {
        self.sessions.get()
    }

    /// How often `refusal` happened so far.
    pub fn refusals(&self, refusal: Refusal) -> u64 {
        self.refused.get_or_create(&Reason { reason: refusal.code() }).get()
    }

    /// A stream to a leader was opened.
    pub fn session(&self) {
        self.sessions.inc();
    }

    /// A table was not what it should be.
    pub fn damaged(&self) {
        self.damaged.inc();
    }

    /// How often a table was not what it should be.
    pub fn damages(&self) -> u64 {
        self.damaged.get()
    }

    /// The last known good could not be written.
    pub fn disk_error(&self) {
        self.disk_errors.inc();
    }
}
