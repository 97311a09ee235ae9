//! Orders over HTTP: `POST /orders/{freeze,unfreeze,pin,rollback,guard-release}`, with `by`, `why` and for a pin `version` in
//! the query. And what can be gone back to: `GET /snapshots`, and the table of one of them.

use axum::Json;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use jiff::Timestamp;
use serde::Serialize;

use super::body::Pieces;
use crate::orders::{Act, Order, Orders, Outcome};
use crate::replication::clerk::{Clerk, Given, NotTaken};
use crate::replication::hub::Hub;
use crate::snapshot::{KEPT, Kept, Version};

/// The longest name or reason that is taken, in bytes.
const LONGEST: usize = 1 << 10;

/// What is in force, as `/status` shows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct InForce {
    /// The freeze, while there is one.
    pub frozen: Option<Shown>,
    /// The pin or rollback, while there is one.
    pub pinned: Option<Shown>,
    /// The last release of the guard.
    pub guard_release: Option<Shown>,
}

/// An order.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shown {
    /// Its number.
    pub number: u64,
    /// What it says: `freeze`, `pin 12.3`.
    pub what: String,
    /// Who gave it.
    pub by: String,
    /// When.
    pub at: Option<Timestamp>,
    /// Why.
    pub why: String,
    /// The digest of the table that is to be published again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// What a leader made of it; none where that is still to come, or there is nothing to be done.
    pub carried_out: Option<CarriedOut>,
}

/// What became of an order.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CarriedOut {
    /// The replica that led.
    pub by: String,
    /// When.
    pub at: Option<Timestamp>,
    /// What it did.
    pub said: String,
}

/// The answer to an order that was taken.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Taken {
    order: Shown,
    /// The leader, as this replica knows it.
    leader: Option<String>,
    is_on_disk: bool,
    told: usize,
    not_reached: Vec<String>,
}

/// A table that can be gone back to.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Listed {
    versions: Vec<String>,
    origin: String,
    digest: String,
    routes: u64,
    read_at: Option<Timestamp>,
}

impl InForce {
    /// What of `orders` is in force.
    pub fn of(orders: &Orders) -> Self {
        let shown = |order: &Order| Shown::of(order, orders.outcome(order.number));
        Self {
            frozen: orders.freeze().map(shown),
            pinned: orders.pin().map(|(order, _)| shown(order)),
            guard_release: orders.release().map(shown),
        }
    }
}

impl Shown {
    fn of(order: &Order, outcome: Option<&Outcome>) -> Self {
        let Order { number, at_millis, act, by, why } = order;
        Self {
            number: *number,
            what: act.to_string(),
            by: by.clone(),
            at: timestamp(*at_millis),
            why: why.clone(),
            digest: act.target().map(|target| target.digest.to_string()),
            carried_out: outcome.map(|it| CarriedOut {
                by: it.by.clone(),
                at: timestamp(it.at_millis),
                said: it.said.clone(),
            }),
        }
    }
}

/// Takes the order `what`, or says why not. `leader` is who leads, where that is known.
pub(super) async fn take(clerk: &Clerk, what: &str, query: &str, leader: Option<String>) -> Response {
    let parameter = |name: &str| {
        let mut parameters = url::form_urlencoded::parse(query.as_bytes());
        parameters.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    let (by, why) = (parameter("by"), parameter("why").unwrap_or_default());
    let by = by.filter(|by| !by.is_empty()).unwrap_or_else(|| "unknown".to_owned());
    if by.len() > LONGEST || why.len() > LONGEST {
        return refused(StatusCode::BAD_REQUEST, &format!("by and why may have {LONGEST} bytes"));
    }
    let act = match what {
        "freeze" => Ok(Act::Freeze),
        "unfreeze" => Ok(Act::Unfreeze),
        "guard-release" => Ok(Act::GuardRelease),
        "rollback" => clerk.before().map(Act::Rollback),
        "pin" => match parameter("version").map(|version| version.parse::<Version>()) {
            Some(Ok(version)) => clerk.find(version).await.map(Act::Pin),
            Some(Err(error)) => return refused(StatusCode::BAD_REQUEST, &error.to_string()),
            None => return refused(StatusCode::BAD_REQUEST, "version=EPOCH.SEQUENCE is missing"),
        },
        _ => return refused(StatusCode::NOT_FOUND, "there is no such order"),
    };
    let act = match act {
        Ok(act) => act,
        Err(reason @ (NotTaken::Unknown(_) | NotTaken::NothingBefore)) => {
            return refused(StatusCode::CONFLICT, &reason.to_string());
        }
    };
    let Given { order, is_on_disk, told, not_reached, outcome } =
        clerk.give(act, by, why, leader.is_some()).await;
    let order = Shown::of(&order, outcome.as_ref());
    Json(Taken { order, leader, is_on_disk, told, not_reached }).into_response()
}

/// What this replica keeps, the newest last.
pub(super) fn list(hub: &Hub) -> Response {
    let listed = |kept: &Kept| Listed {
        versions: kept.versions.iter().map(Version::to_string).collect(),
        origin: kept.origin.to_string(),
        digest: kept.digest().to_string(),
        routes: kept.routes,
        read_at: timestamp(kept.read_at_millis),
    };
    Json(hub.history(|history| history.iter().map(listed).collect::<Vec<_>>())).into_response()
}

/// The table that was active under `version`, whole.
pub(super) async fn table(hub: &Hub, version: &str) -> Response {
    let version = match version.parse::<Version>() {
        Ok(version) => version,
        Err(error) => return refused(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    match hub.kept(|history| history.entry(version)).await {
        Some(snapshot) => {
            let text = Body::new(Pieces::from(snapshot.contents.table.packed()));
            ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
        }
        None => {
            let reason = format!(
                "this replica keeps no table of {version}: of the last {KEPT} that it served, /snapshots lists \
                 what is there"
            );
            refused(StatusCode::NOT_FOUND, &reason)
        }
    }
}

fn refused(status: StatusCode, reason: &str) -> Response {
    (status, format!("{reason}\n")).into_response()
}

fn timestamp(unix_millis: u64) -> Option<Timestamp> {
    Timestamp::from_millisecond(i64::try_from(unix_millis).ok()?).ok()
}
