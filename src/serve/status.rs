//! `/status`: everything that someone who looks must be able to tell (design, invariant 5), as one value made of
//! facts. The same value feeds the gauges.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

use super::held::Held;
use super::orders::InForce;
use super::publications::Published;
use super::readiness::Unready;
use crate::compile::{Diagnostic, ObjectRef, Quarantined};
use crate::election::Role;
use crate::guard;
use crate::orders::Orders;
use crate::phase::Phase;
use crate::rollout::{Mode, Report};
use crate::snapshot::{Snapshot, Standing, View};
use crate::time::Moment;

/// How many entries of a list are shown; its count is always the whole.
const SHOWN: usize = 100;

/// What a status is made of.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    /// This replica's name.
    pub replica: &'a str,
    /// What it is.
    pub role: &'a Role,
    /// What it serves.
    pub view: &'a View,
    /// Where it is in its life.
    pub phase: Phase,
    /// Whether it is ready.
    pub ready: Result<(), Unready>,
    /// What its guard holds.
    pub held: Option<&'a guard::Held>,
    /// What operators have ordered.
    pub orders: &'a Orders,
    /// How far the fleet has moved over.
    pub mode: Mode,
    /// What the comparison with what it runs now has come to.
    pub report: Option<&'a Report>,
    /// Since when this replica has known of the leader, in milliseconds since the epoch of Unix.
    pub leader_since_millis: Option<u64>,
    /// What grants and terms are held against.
    pub now: Moment,
    /// Milliseconds since the epoch of Unix, for the age of the table.
    pub unix_millis: u64,
}

/// The answer of `/status`. Fields are only added.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Status {
    /// This replica's name.
    pub replica: String,
    /// `leader` while its term is valid, else `follower`.
    pub role: &'static str,
    /// The name of the replica that leads, where that is known.
    pub leader: Option<String>,
    /// Since when this replica has known of it.
    pub leader_since: Option<Timestamp>,
    /// Where the leader's replication listens.
    pub leader_address: Option<String>,
    /// The epoch of the active snapshot.
    pub epoch: Option<u64>,
    /// Its number within the epoch.
    pub sequence: Option<u64>,
    /// The version under which its table was read from the upstream.
    pub origin: Option<String>,
    /// The newest version that this process knows of.
    pub known: String,
    /// The digest of the main table, as in the ETag.
    pub digest: Option<String>,
    /// How many routes the main table has.
    pub routes: u64,
    /// How long it is, in bytes.
    pub table_bytes: u64,
    /// The zones that have tables of their own.
    pub zones: usize,
    /// Seconds since a poll last found the upstream to be as the active table has it.
    pub age_seconds: Option<f64>,
    /// When that was.
    pub confirmed_at: Option<Timestamp>,
    /// When the active table was first read.
    pub read_at: Option<Timestamp>,
    /// When its bytes last changed: `Last-Modified`.
    pub modified_at: Option<Timestamp>,
    /// Whether it may move clients to its table (design D4).
    pub current: bool,
    /// What that rests on: `leads`, `in-touch` or `alone`.
    pub standing: &'static str,
    /// Whether `/readyz` says so.
    pub ready: bool,
    /// Why not.
    pub unready: Option<String>,
    /// `starting`, `serving`, `draining` or `stopped`.
    pub phase: &'static str,
    /// The version of the program.
    pub version: &'static str,
    /// What the replica's calendar said when it answered.
    pub at: Option<Timestamp>,
    /// A table that the guard of this leader holds back; none elsewhere.
    pub guard: Option<Held>,
    /// What operators have ordered.
    pub orders: InForce,
    /// How far the fleet has moved over.
    pub rollout: Rollout,
    /// Objects with routes that are left out; their last good ones stay.
    pub objects_quarantined: usize,
    /// Routes left out of the table.
    pub quarantined: List<Finding>,
    /// What was wrong with the objects.
    pub diagnostics: List<Finding>,
    /// The last publications, the newest first; only where this replica itself is asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub publications: Vec<Published>,
}

/// How far the fleet has moved over.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Rollout {
    /// `off`, `pre` or `exec`.
    pub mode: &'static str,
    /// What this leader's comparison with what the fleet runs now has come to; none elsewhere, and in other modes.
    pub comparison: Option<Report>,
}

/// A list of which only the first entries are shown.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct List<T> {
    /// How many there are.
    pub count: usize,
    /// The first hundred.
    pub items: Vec<T>,
}

/// Something wrong with an object.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Finding {
    /// The id of the route, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// The object, as `Ingress namespace/name`.
    pub object: Option<String>,
    /// What is wrong.
    pub reason: String,
    /// How to mend it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hint: String,
}

/// The status of what is `observed`.
pub fn status(observed: Observed<'_>) -> Status {
    let Observed { replica, role, view, phase, ready, held, orders, .. } = observed;
    let Observed { mode, report, leader_since_millis, now, unix_millis, .. } = observed;
    let (role, leader, leader_address) = match role {
        Role::Leader(term) if term.check(now).is_ok() => ("leader", Some(replica.to_owned()), None),
        Role::Leader(_) | Role::Follower(None) => ("follower", None, None),
        Role::Follower(Some(leader)) => {
            ("follower", Some(leader.name().to_owned()), Some(leader.address.clone()))
        }
    };
    let active = view.active.as_deref();
    let table = active.map(|active| &active.contents.table);
    let confirmed_at = view.confirmed_at_millis();
    Status {
        replica: replica.to_owned(),
        role,
        leader,
        leader_since: leader_since_millis.and_then(timestamp),
        leader_address,
        epoch: active.map(|active| active.version.epoch.0),
        sequence: active.map(|active| active.version.sequence.0),
        origin: active.map(|active| active.origin.to_string()),
        known: view.known.to_string(),
        digest: table.map(|table| table.digest().to_string()),
        routes: table.map_or(0, |table| table.routes()),
        table_bytes: table.map_or(0, |table| table.length()),
        zones: active.map_or(0, |active| active.contents.zones.len()),
        age_seconds: confirmed_at.map(|at| unix_millis.saturating_sub(at) as f64 / 1e3),
        confirmed_at: confirmed_at.and_then(timestamp),
        read_at: active.and_then(|active| timestamp(active.read_at_millis)),
        modified_at: table.and_then(|table| timestamp(table.modified_secs().saturating_mul(1000))),
        current: view.is_current(now),
        standing: match view.standing {
            Standing::Alone => "alone",
            Standing::Leads { .. } => "leads",
            Standing::InTouch { .. } => "in-touch",
        },
        ready: ready.is_ok(),
        unready: ready.err().map(|reason| reason.to_string()),
        phase: phase.as_str(),
        version: env!("CARGO_PKG_VERSION"),
        at: timestamp(unix_millis),
        guard: held.map(Held::from),
        orders: InForce::of(orders),
        rollout: Rollout { mode: mode.name(), comparison: report.cloned() },
        objects_quarantined: active.map_or(0, |active| objects(&active.contents.quarantined)),
        quarantined: list(active, |active| &active.contents.quarantined),
        diagnostics: list(active, |active| &active.contents.diagnostics),
        publications: Vec::new(),
    }
}

fn objects(quarantined: &[Quarantined]) -> usize {
    quarantined.iter().map(|it| &it.object).collect::<BTreeSet<_>>().len()
}

fn timestamp(unix_millis: u64) -> Option<Timestamp> {
    Timestamp::from_millisecond(i64::try_from(unix_millis).ok()?).ok()
}

fn list<'a, T>(active: Option<&'a Snapshot>, of: impl FnOnce(&'a Snapshot) -> &'a Vec<T>) -> List<Finding>
where
    Finding: From<&'a T>,
    T: 'a,
{
    let all = active.map(of).map(Vec::as_slice).unwrap_or_default();
    List { count: all.len(), items: all.iter().take(SHOWN).map(Finding::from).collect() }
}

impl From<&Quarantined> for Finding {
    fn from(found: &Quarantined) -> Self {
        let Quarantined { route, object, reason, hint, .. } = found;
        Self {
            route: Some(route.clone()),
            object: Some(object.to_string()),
            reason: reason.clone(),
            hint: hint.clone(),
        }
    }
}

impl From<&Diagnostic> for Finding {
    fn from(found: &Diagnostic) -> Self {
        let Diagnostic { object, reason, hint } = found;
        Self {
            route: None,
            object: object.as_ref().map(ObjectRef::to_string),
            reason: reason.clone(),
            hint: hint.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::election::{Leader, Term};
    use crate::snapshot::{Contents, Epoch, Table, TermId, Version};

    const NOW: Moment = Moment::from_nanos(1_000);

    fn view() -> View {
        let object = ObjectRef { kind: "Ingress".into(), namespace: "shop".into(), name: "cart".into() };
        let quarantined = Quarantined {
            route: "kube_shop__cart".into(),
            object: object.clone(),
            reason: "bad".into(),
            ..Quarantined::default()
        };
        let diagnostic = Diagnostic { object: Some(object), reason: "odd".into(), hint: "mend it".into() };
        let contents = Contents {
            quarantined: vec![quarantined; SHOWN + 1],
            diagnostics: vec![diagnostic],
            ..Contents::of(Arc::new(Table::new("a: * -> <shunt>", 1, 1_800_000_000)))
        };
        let snapshot = Snapshot {
            version: Version::new(7, 3),
            term: TermId(7),
            origin: Version::new(6, 9),
            read_at_millis: 1_800_000_000_000,
            contents: Arc::new(contents),
        };
        let standing = Standing::InTouch { until: Moment::from_nanos(2_000), leader_current: true };
        let known = Version::new(7, 3);
        View { active: Some(Arc::new(snapshot)), known, standing, ..View::default() }
    }

    fn observe(role: &Role, view: &View) -> Status {
        status(Observed {
            replica: "r0",
            role,
            view,
            phase: Phase::Serving,
            ready: Ok(()),
            held: None,
            orders: &Orders::default(),
            mode: Mode::Exec,
            report: None,
            leader_since_millis: None,
            now: NOW,
            unix_millis: 1_800_000_002_500,
        })
    }

    #[test]
    fn follower_tells_what_it_serves_and_whom_it_follows() {
        let leader = Leader {
            identity: "r_1_uid_nonce".into(),
            epoch: Epoch(7),
            term: TermId(7),
            address: "10.0.0.7:9912".into(),
        };
        let status = observe(&Role::Follower(Some(leader)), &view());
        assert_eq!((status.role, status.leader.as_deref()), ("follower", Some("r_1")));
        assert_eq!((status.epoch, status.sequence, status.routes), (Some(7), Some(3), 1));
        assert_eq!((status.age_seconds, status.current, status.ready), (Some(2.5), true, true));
        assert_eq!(status.objects_quarantined, 1, "one object, many routes");
        assert_eq!((status.quarantined.count, status.quarantined.items.len()), (SHOWN + 1, SHOWN));
        let json = serde_json::to_value(&status).expect("plain values");
        assert_eq!(json["digest"], Table::new("a: * -> <shunt>", 1, 0).digest().to_string());
        assert_eq!(json["read_at"], "2027-01-15T08:00:00Z");
        assert_eq!(json["diagnostics"]["items"][0]["object"], "Ingress shop/cart");
        assert_eq!(json["origin"], "6.9");
    }

    #[test]
    fn age_counts_from_the_last_poll_that_found_nothing_else() {
        let confirmed = View { confirmed_at_millis: 1_800_000_002_000, ..view() };
        let json = serde_json::to_value(observe(&Role::Follower(None), &confirmed)).expect("plain values");
        assert_eq!(json["age_seconds"], 0.5);
        assert_eq!(json["confirmed_at"], "2027-01-15T08:00:02Z");
        assert_eq!(json["read_at"], "2027-01-15T08:00:00Z", "the moment of its reading stays");
    }

    #[test]
    fn leader_names_itself_while_its_term_is_valid() {
        let term = Term::for_tests(Epoch(7), 2_000);
        let status = observe(&Role::Leader(term), &view());
        assert_eq!((status.role, status.leader.as_deref()), ("leader", Some("r0")));
        let over = observe(&Role::Leader(Term::for_tests(Epoch(7), 0)), &view());
        assert_eq!((over.role, over.leader), ("follower", None));
    }

    #[test]
    fn empty_replica_says_so() {
        let ready = Err(Unready::NoTable);
        let observed = Observed {
            replica: "r0",
            role: &Role::Follower(None),
            view: &View::default(),
            phase: Phase::Starting,
            ready,
            held: None,
            orders: &Orders::default(),
            mode: Mode::Exec,
            report: None,
            leader_since_millis: None,
            now: NOW,
            unix_millis: 0,
        };
        let json = serde_json::to_value(status(observed)).expect("plain values");
        assert!(json["digest"].is_null() && json["leader"].is_null() && json["age_seconds"].is_null());
        assert_eq!((&json["ready"], &json["unready"]), (&false.into(), &"no verified table yet".into()));
    }
}
