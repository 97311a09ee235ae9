//! What serving counts: our own series with their units, and beside them the peer's, under the names that
//! dashboards and alerts already ask for.

use std::time::Duration;

use http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

mod histogram;

use super::hold::Ended;
use histogram::Durations;

/// The counters of the serving path. Clones share their numbers.
#[derive(Clone, Debug)]
pub struct Metrics {
    responses: Family<Code, Counter>,
    legacy_total: Family<Key, Counter>,
    answer_seconds: Durations,
    /// The two statuses that nearly every poll gets, looked up once.
    ok: [Counter; 2],
    not_modified: [Counter; 2],
    /// 304s that left a client with a table that is not the active one.
    pub(super) client_kept: Counter,
    /// 200s to clients that name the active table, because they may not have got all of it.
    pub(super) client_healed: Counter,
    /// Bodies that were handed to the kernel in full.
    pub(super) bodies: Counter,
    /// Their bytes.
    pub(super) body_bytes: Counter,
    /// From the request's arrival to the last byte handed to the kernel.
    delivery_seconds: Durations,
    unfinished: Family<Cause, Counter>,
    /// Tables that are being sent.
    pub(super) bodies_under_way: Gauge,
    /// Bytes of tables that may be under way at once, now.
    pub(super) bodies_budget: Gauge,
    /// Requests that wait for their turn to be sent a table.
    pub(super) bodies_waiting: Gauge,
    /// Requests that had to wait for it.
    pub(super) bodies_waited: Counter,
    /// Requests that got 503 in its place.
    pub(super) bodies_refused: Counter,
    /// Polls that wait for a change.
    pub(super) polls_held: Gauge,
    holds: Family<Cause, Counter>,
    /// Open connections of the main listener.
    connections: Gauge,
    /// Connections accepted.
    pub(super) accepted: Counter,
    /// Connections that could not be accepted.
    pub(super) accept_errors: Counter,
    /// Handshakes of TLS that came to nothing.
    pub(super) handshake_errors: Counter,
}

/// An open connection.
pub(super) struct Connected(Gauge);

/// Why a body was not finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfinished {
    /// The client went away.
    Client,
    /// The client took no byte for too long: its connection was closed.
    Stalled,
    /// The kernel had all of it, and the client broke the connection before it showed that it had it too.
    Reset,
    /// The drain's deadline passed: we cut it.
    Deadline,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Code {
    code: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Key {
    key: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Cause {
    cause: &'static str,
}

/// The labels of the peer's histogram, whose route label was misspelt on the day it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Backend {
    host: String,
    route: String,
    zone: String,
}

/// The buckets of Go's client, which the peer's histograms have.
static GO_BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// A client of the fleet gives up a poll after 3 s; the buckets are close where that is decided.
static DELIVERY_BUCKETS: [f64; 12] = [0.0005, 0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 10.0, 60.0];

impl Default for Metrics {
    fn default() -> Self {
        let responses = Family::<Code, Counter>::default();
        let legacy_total = Family::<Key, Counter>::default();
        let both = |status: StatusCode| {
            let code = Code { code: status.as_u16() };
            let key = Key { key: status.as_str().to_owned() };
            [responses.get_or_create_owned(&code), legacy_total.get_or_create_owned(&key)]
        };
        let unfinished = Family::default();
        // From nothing to one is an increase only where the nothing was seen.
        for cause in [Unfinished::Client, Unfinished::Stalled, Unfinished::Reset, Unfinished::Deadline] {
            drop(unfinished.get_or_create(&cause.label()));
        }
        let holds = Family::default();
        for ended in Ended::ALL {
            drop(holds.get_or_create(&Cause { cause: ended.name() }));
        }
        Self {
            ok: both(StatusCode::OK),
            not_modified: both(StatusCode::NOT_MODIFIED),
            responses,
            legacy_total,
            answer_seconds: Durations::new(&GO_BUCKETS),
            client_kept: Counter::default(),
            client_healed: Counter::default(),
            bodies: Counter::default(),
            body_bytes: Counter::default(),
            delivery_seconds: Durations::new(&DELIVERY_BUCKETS),
            unfinished,
            bodies_under_way: Gauge::default(),
            bodies_budget: Gauge::default(),
            bodies_waiting: Gauge::default(),
            bodies_waited: Counter::default(),
            bodies_refused: Counter::default(),
            polls_held: Gauge::default(),
            holds,
            connections: Gauge::default(),
            accepted: Counter::default(),
            accept_errors: Counter::default(),
            handshake_errors: Counter::default(),
        }
    }
}

impl Metrics {
    /// Registers all series, ours under `bellwether_`, the peer's under `routesrv_`.
    pub fn register(&self, registry: &mut Registry) {
        let ours = registry.sub_registry_with_prefix("bellwether");
        ours.register("responses", "Answers of /routes, by status", self.responses.clone());
        ours.register(
            "client_kept",
            "Clients left with the table they hold, because this replica may be behind",
            self.client_kept.clone(),
        );
        ours.register(
            "client_healed",
            "Clients that name the active table and are sent it again, because no whole delivery to them is known",
            self.client_healed.clone(),
        );
        ours.register("bodies_delivered", "Bodies handed to the kernel in full", self.bodies.clone());
        ours.register(
            "body_bytes",
            "Bytes of the bodies handed to the kernel in full",
            self.body_bytes.clone(),
        );
        ours.register(
            "delivery_seconds",
            "From a request's arrival to the last byte of its body handed to the kernel",
            self.delivery_seconds.clone(),
        );
        ours.register(
            "bodies_unfinished",
            "Bodies begun and not finished, by cause",
            self.unfinished.clone(),
        );
        ours.register("bodies_under_way", "Tables that are being sent", self.bodies_under_way.clone());
        ours.register(
            "bodies_budget_bytes",
            "How much of tables may be under way at once: less than --max-bytes-under-way where they came through too late",
            self.bodies_budget.clone(),
        );
        ours.register(
            "bodies_waiting",
            "Requests that wait for their turn to be sent a table",
            self.bodies_waiting.clone(),
        );
        ours.register(
            "bodies_waited",
            "Requests that had to wait for their turn to be sent a table",
            self.bodies_waited.clone(),
        );
        ours.register(
            "bodies_refused",
            "Requests that got 503, because their turn to be sent a table did not come in time",
            self.bodies_refused.clone(),
        );
        ours.register("polls_held", "Polls that wait for a change", self.polls_held.clone());
        ours.register("holds", "Polls that have waited for a change, by what ended it", self.holds.clone());
        ours.register("connections", "Open connections of the main listener", self.connections.clone());
        ours.register("connections_accepted", "Connections of the main listener", self.accepted.clone());
        ours.register("accept_errors", "Connections that could not be accepted", self.accept_errors.clone());
        ours.register(
            "handshake_errors",
            "Handshakes of TLS that came to nothing",
            self.handshake_errors.clone(),
        );

        let legacy = registry.sub_registry_with_prefix("routesrv");
        legacy.register("custom", "Answers of /routes, by status", self.legacy_total.clone());
        legacy.register(
            "backend_combined_duration_seconds",
            "Time to answer /routes, without the sending",
            self.answer_seconds.clone(),
        );
        let shared = self.answer_seconds.clone();
        let labelled = Family::<Backend, Durations, _>::new_with_constructor(move || shared.clone());
        let labels = Backend { route: "routersv".to_owned(), ..Backend::default() };
        drop(labelled.get_or_create(&labels));
        legacy.register("backend_duration_seconds", "The same, with the peer's labels", labelled);
    }

    /// Counts one answer of `/routes`, made in `took`.
    pub(super) fn answered(&self, status: StatusCode, took: Duration) {
        let counters = match status {
            StatusCode::OK => &self.ok,
            StatusCode::NOT_MODIFIED => &self.not_modified,
            _ => {
                let key = Key { key: status.as_str().to_owned() };
                &[
                    self.responses.get_or_create_owned(&Code { code: status.as_u16() }),
                    self.legacy_total.get_or_create_owned(&key),
                ]
            }
        };
        for counter in counters {
            counter.inc();
        }
        self.answer_seconds.observe(took);
    }

    /// Counts a body that was handed to the kernel in full, so long after its request had arrived.
    pub(super) fn delivered(&self, bytes: u64, took: Duration) {
        self.bodies.inc();
        self.body_bytes.inc_by(bytes);
        self.delivery_seconds.observe(took);
    }

    /// Counts a connection as long as what comes back is held.
    pub(super) fn connected(&self) -> Connected {
        self.connections.inc();
        Connected(self.connections.clone())
    }

    /// Counts a poll of the upstream that failed, as the peer does.
    pub fn fetch_failed(&self) {
        self.legacy_total.get_or_create_owned(&Key { key: "routes.fetch_errors".to_owned() }).inc();
    }

    /// Counts a poll of the upstream that gave no route, as the peer does.
    pub fn fetched_nothing(&self) {
        self.legacy_total.get_or_create_owned(&Key { key: "routes.empty".to_owned() }).inc();
    }

    /// Counts a body that was begun and not finished.
    pub(super) fn unfinished(&self, cause: Unfinished) {
        self.unfinished.get_or_create(&cause.label()).inc();
    }

    /// Counts a poll that has waited for a change.
    pub(super) fn hold_ended(&self, ended: Ended) {
        self.holds.get_or_create(&Cause { cause: ended.name() }).inc();
    }

    /// How many polls have waited for a change until this.
    pub fn holds(&self, ended: Ended) -> u64 {
        self.holds.get_or_create(&Cause { cause: ended.name() }).get()
    }

    /// How many bodies were handed to the kernel in full.
    pub fn bodies_sent(&self) -> u64 {
        self.bodies.get()
    }

    /// How many bodies were begun and not finished for this cause.
    pub fn bodies_unfinished(&self, cause: Unfinished) -> u64 {
        self.unfinished.get_or_create(&cause.label()).get()
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Unfinished {
    const fn label(self) -> Cause {
        let cause = match self {
            Self::Client => "client",
            Self::Stalled => "stalled",
            Self::Reset => "reset",
            Self::Deadline => "deadline",
        };
        Cause { cause }
    }
}
