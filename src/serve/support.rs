//! The support listener: what probes, Prometheus and people ask. Its own port, so that a scrape or a curious look
//! never stands in the way of the fleet.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::{Path, RawQuery, State};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use http::{HeaderMap, StatusCode, header};
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use tokio::sync::watch;
use tower::ServiceExt;

use super::admin;
use super::clients::Clients;
use super::exposition::exposition;
use super::fleet::{self, Fleet};
use super::gauges::Gauges;
use super::glance::Never;
use super::listener::{self, Drain, DrainReport, Limits, Peer};
use super::logging;
use super::metrics::Metrics;
use super::orders;
use super::page::page;
use super::publications::Published;
use super::readiness::{self, Facts, Heartbeats, LastCurrent, Unready};
use super::shards::Shards;
use super::status::{self, Observed, Status};
use crate::doctor::Doctor;
use crate::election::Role;
use crate::flags::Setting;
use crate::net::Listener;
use crate::phase::Phase;
use crate::publish::Gate;
use crate::replication::clerk::{Clerk, now_millis};
use crate::replication::observe::observe;
use crate::replication::peer::Security;
use crate::rollout::{Latest, Mode};
use crate::snapshot::Cell;
use crate::time::Clock;
use crate::wire::ObserveResponse;

/// How often it looks whether the replica is current: a probe must not find only its own looks.
const LOOK: Duration = Duration::from_millis(250);

/// Probes, scrapes and people; more of them wait, and take no open file from the fleet.
const CONNECTIONS: usize = 256;

/// Serves `/metrics`, `/livez`, `/readyz` and `/status`, and takes commands.
#[derive(Clone)]
pub struct SupportServer {
    /// This replica's name.
    pub replica: String,
    /// What is served on the main listener.
    pub cell: Arc<Cell>,
    /// What grants and terms are held against.
    pub clock: Arc<dyn Clock>,
    /// What this replica is.
    pub role: watch::Receiver<Role>,
    /// Where it is in its life.
    pub phase: watch::Receiver<Phase>,
    /// What must move.
    pub heartbeats: Heartbeats,
    /// Whether another ready replica is in sight.
    pub another_ready: Arc<AtomicBool>,
    /// Everything that is measured.
    pub registry: Arc<Registry>,
    /// Those of it that are set when they are asked for.
    pub gauges: Gauges,
    /// Where orders are given.
    pub clerk: Arc<Clerk>,
    /// The guard, whose hold is shown here.
    pub gate: Arc<Gate>,
    /// A file with the token of commands from other machines; none lets only this machine command.
    pub admin_token: Option<PathBuf>,
    /// The stores whose addresses are counted.
    pub shards: Shards,
    /// How far the fleet has moved over.
    pub mode: Mode,
    /// What the comparison with what it runs now has come to.
    pub comparison: Latest,
    /// Who polls this replica.
    pub clients: Arc<Clients>,
    /// Where the other replicas are, for the page.
    pub peers: Vec<String>,
    /// How they are asked.
    pub security: Security,
    /// What it was started with, secrets left out.
    pub settings: Vec<Setting>,
    /// Who looks around for it.
    pub doctor: Option<Arc<Doctor>>,
}

/// What the handlers share.
struct Shared {
    server: SupportServer,
    last_current: LastCurrent,
    led: Mutex<Led>,
    looking: tokio::sync::Mutex<()>,
}

/// Who leads, and since when this replica has known.
#[derive(Debug, Default)]
struct Led {
    leader: Option<String>,
    since_millis: Option<u64>,
}

impl SupportServer {
    /// Serves until `drain` closes it. Give it a drain that closes after the main listener's: whoever watches wants
    /// to see the end.
    ///
    /// # Errors
    ///
    /// Where the system refuses to say when somebody connects.
    pub async fn run(self, listener: impl Into<Listener>, drain: Drain) -> io::Result<DrainReport> {
        let last_current = LastCurrent::starting(self.clock.now());
        let shared = Arc::new(Shared {
            server: self,
            last_current,
            led: Mutex::default(),
            looking: Default::default(),
        });
        let showing = Arc::downgrade(&shared);
        let hub = shared.server.clerk.hub().clone();
        hub.show(Box::new(move || showing.upgrade().map(|shared| shared.shown()).unwrap_or_default()));
        let router = Router::new()
            .route("/metrics", get(metrics))
            .route("/livez", get(livez))
            .route("/readyz", get(readyz))
            .route("/status", get(status))
            .route("/fleet", get(fleet))
            .route("/guard/release", post(release))
            .route("/orders/{what}", post(order))
            .route("/log", get(level).post(log))
            .route("/config", get(config))
            .route("/doctor", get(doctor))
            .route("/snapshots", get(snapshots))
            .route("/snapshots/{version}", get(snapshot))
            .with_state(Arc::clone(&shared));
        let handle = move |request| {
            let router = router.clone();
            async move { router.oneshot(request).await.unwrap_or_else(|never| match never {}) }
        };
        let serving = listener::serve(
            listener.into(),
            None,
            Never,
            handle,
            Limits { connections: CONNECTIONS, http2: false, ..Limits::default() },
            drain,
            Metrics::default(),
        );
        let looking = async {
            let mut ticks = tokio::time::interval(LOOK);
            loop {
                ticks.tick().await;
                shared.behind_for();
                let role = shared.server.role.borrow().clone();
                shared.led_since(&role, now_millis());
            }
        };
        tokio::select! {
            report = serving => report,
            report = looking => report,
        }
    }
}

impl Shared {
    fn behind_for(&self) -> Duration {
        let view = self.server.cell.load();
        self.last_current.look(&view, self.server.clock.now())
    }

    fn ready(&self) -> Result<(), Unready> {
        let Self { server, .. } = self;
        let role = server.role.borrow();
        readiness::ready(&Facts {
            phase: *server.phase.borrow(),
            stands_by: server.mode == Mode::Off,
            has_table: server.cell.load().active.is_some(),
            leads: matches!(*role, Role::Leader(_)),
            live_leader: matches!(*role, Role::Follower(Some(_))),
            behind_for: self.behind_for(),
            another_ready: server.another_ready.load(Ordering::Relaxed),
        })
    }

    fn status(&self) -> Status {
        let Self { server, .. } = self;
        let (role, unix_millis) = (server.role.borrow().clone(), now_millis());
        status::status(Observed {
            replica: &server.replica,
            role: &role,
            view: &server.cell.load(),
            phase: *server.phase.borrow(),
            ready: self.ready(),
            held: server.gate.held().as_ref(),
            orders: &server.clerk.orders(),
            mode: server.mode,
            report: server.comparison.get().as_deref(),
            leader_since_millis: self.led_since(&role, unix_millis),
            now: server.clock.now(),
            unix_millis,
        })
    }

    fn led_since(&self, role: &Role, unix_millis: u64) -> Option<u64> {
        let leader = match role {
            Role::Leader(term) => Some(term.epoch().to_string()),
            Role::Follower(leader) => leader.as_ref().map(|leader| leader.epoch.to_string()),
        };
        let mut led = self.led.lock();
        if led.leader != leader {
            led.since_millis = leader.is_some().then_some(unix_millis);
            led.leader = leader;
        }
        led.since_millis
    }

    fn shown(&self) -> ObserveResponse {
        fleet::shown(&self.status(), &self.server.clients, self.server.clock.now())
    }

    /// The fleet, with whatever of its peers answers within a second.
    async fn fleet(&self) -> Fleet {
        let server = &self.server;
        let hub = server.clerk.hub();
        let peers = observe(hub.identity(), &server.peers, &server.security).await;
        let (shown, published) = (self.shown(), self.publications());
        hub.history(|history| fleet::fleet(&server.replica, now_millis(), shown, peers, history, published))
    }

    fn publications(&self) -> Vec<Published> {
        let publications = self.server.clerk.hub().publications().list();
        publications.into_iter().map(Published::from).collect()
    }
}

async fn metrics(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let server = &shared.server;
    server.gauges.show(&shared.status());
    if let Some(active) = &server.cell.load().active {
        server.gauges.shards(&server.shards, &active.contents.addresses);
    }
    match exposition(&shared.server.registry, &headers) {
        Ok((kind, text)) => ([(header::CONTENT_TYPE, kind)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn livez(State(shared): State<Arc<Shared>>) -> Response {
    let overdue = shared.server.heartbeats.overdue(shared.server.clock.now());
    if overdue.is_empty() {
        return "ok\n".into_response();
    }
    let lines: String = overdue.iter().map(|late| format!("{late}\n")).collect();
    (StatusCode::SERVICE_UNAVAILABLE, lines).into_response()
}

async fn readyz(State(shared): State<Arc<Shared>>) -> Response {
    match shared.ready() {
        Ok(()) => "ok\n".into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

/// A page where a browser asks; else JSON.
async fn status(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let accepts = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if !accepts.contains("text/html") {
        let status = Status { publications: shared.publications(), ..shared.status() };
        return Json(status).into_response();
    }
    let policy = (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'");
    ([policy], Html(page(&shared.fleet().await))).into_response()
}

async fn fleet(State(shared): State<Arc<Shared>>) -> Json<Fleet> {
    Json(shared.fleet().await)
}

async fn release(
    state: State<Arc<Shared>>,
    peer: Extension<Peer>,
    query: RawQuery,
    headers: HeaderMap,
) -> Response {
    order(state, Path("guard-release".to_owned()), peer, query, headers).await
}

async fn order(
    State(shared): State<Arc<Shared>>,
    Path(what): Path<String>,
    Extension(Peer(peer)): Extension<Peer>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let Shared { server, .. } = &*shared;
    if let Err(reason) = admin::authorize(peer, &headers, server.admin_token.as_ref()).await {
        return (StatusCode::FORBIDDEN, format!("{reason}\n")).into_response();
    }
    let leader = shared.status().leader;
    orders::take(&server.clerk, &what, query.as_deref().unwrap_or_default(), leader).await
}

async fn log(
    State(shared): State<Arc<Shared>>,
    Extension(Peer(peer)): Extension<Peer>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    match admin::authorize(peer, &headers, shared.server.admin_token.as_ref()).await {
        Ok(()) => logging::set(query.as_deref().unwrap_or_default()),
        Err(reason) => (StatusCode::FORBIDDEN, format!("{reason}\n")).into_response(),
    }
}

async fn level() -> Response {
    logging::level()
}

/// The flags, secrets left out: for whoever may give commands.
async fn config(state: State<Arc<Shared>>, peer: Extension<Peer>, headers: HeaderMap) -> Response {
    let server = &state.server;
    match admin::authorize(peer.0.0, &headers, server.admin_token.as_ref()).await {
        Ok(()) => Json(&server.settings).into_response(),
        Err(reason) => (StatusCode::FORBIDDEN, format!("{reason}\n")).into_response(),
    }
}

/// What this replica finds around itself: it asks the API and reads the disk for it, so one look at a time, for whoever
/// may give commands.
async fn doctor(state: State<Arc<Shared>>, peer: Extension<Peer>, headers: HeaderMap) -> Response {
    let server = &state.server;
    if let Err(reason) = admin::authorize(peer.0.0, &headers, server.admin_token.as_ref()).await {
        return (StatusCode::FORBIDDEN, format!("{reason}\n")).into_response();
    }
    let Some(doctor) = &server.doctor else {
        return (StatusCode::NOT_FOUND, "nobody looks around here\n").into_response();
    };
    let Ok(_one) = state.looking.try_lock() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "somebody else is looking around; ask again\n")
            .into_response();
    };
    Json(doctor.look().await).into_response()
}

async fn snapshots(State(shared): State<Arc<Shared>>) -> Response {
    orders::list(shared.server.clerk.hub())
}

async fn snapshot(State(shared): State<Arc<Shared>>, Path(version): Path<String>) -> Response {
    orders::table(shared.server.clerk.hub(), &version).await
}

#[cfg(test)]
mod tests;
