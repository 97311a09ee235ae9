//! One replica: the real core, and what its shell would know.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use bellwether::election::Term;
use bellwether::replication::core::{Replica, StreamId};
use bellwether::snapshot::{Epoch, Snapshot, Standing, Version};
use bellwether::time::Moment;

use super::Plan;
use crate::explore::rule::Rule;

/// What a new leader has heard from its peers so far.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub best: Option<Arc<Snapshot>>,
    /// Who has answered, one bit each.
    pub by: u8,
}

/// A follower's stream, and what the leader's end of it has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stream {
    pub leader: usize,
    pub incarnation: u8,
    pub epoch: Epoch,
    pub id: StreamId,
    pub announced: Version,
    pub sent: Version,
    pub activated: Version,
}

pub struct Node {
    pub replica: Replica,
    /// Counts its processes.
    pub incarnation: u8,
    pub disk: Option<Arc<Snapshot>>,
    /// The term that its election believes in.
    pub term: Option<Term>,
    /// What the upstream answered to the poll under way.
    pub reading: Option<u8>,
    /// The catch-up under way.
    pub asked: Option<Asked>,
    pub stream: Option<Stream>,
    /// The highest epoch that it ever saw, whatever the core makes of it.
    pub seen: u64,
    /// The last grant, whatever the core makes of it.
    pub granted: Option<(Moment, bool)>,
}

impl Clone for Node {
    /// The copy's term is renewed and ended by itself.
    fn clone(&self) -> Self {
        let (replica, leading) = self.replica.fork_for_tests();
        let term = leading.or_else(|| self.term.as_ref().map(Term::fork_for_tests));
        Self { replica, term, disk: self.disk.clone(), asked: self.asked.clone(), ..*self }
    }
}

impl Node {
    pub fn new(replica: Replica) -> Self {
        Self {
            replica,
            incarnation: 0,
            disk: None,
            term: None,
            reading: None,
            asked: None,
            stream: None,
            seen: 0,
            granted: None,
        }
    }

    pub fn saw(&mut self, epoch: u64) {
        self.seen = self.seen.max(epoch);
    }

    /// Dies, and starts from its disk.
    pub fn crash(&mut self) {
        if let Some(term) = self.term.take() {
            term.extend_for_tests(Moment::default());
        }
        let disk = self.disk.take();
        let mut replica = Replica::new(disk.as_deref().cloned());
        // Orders are on disk too.
        replica.hold(self.replica.held_by_order(), Moment::default());
        *self =
            Self { seen: replica.fence().0, incarnation: self.incarnation + 1, disk, ..Self::new(replica) };
    }

    /// Whether it may move clients; with a rule broken, whether it would take itself for it.
    pub fn is_current(&self, plan: &Plan, now: Moment) -> bool {
        let mut view = self.replica.view();
        match plan.broken {
            Some(Rule::KnowsNewer) => view.known = Version::default(),
            Some(Rule::ReadInTerm) => {
                if let Standing::Leads { read_since, .. } = &mut view.standing
                    && self.asked.is_none()
                {
                    *read_since = Some(Version::default());
                }
            }
            Some(Rule::NewerEpoch) => {
                if let (Standing::Alone | Standing::InTouch { .. }, Some((until, true))) =
                    (&view.standing, self.granted)
                    && until > now
                {
                    view.standing = Standing::InTouch { until, leader_current: true };
                }
            }
            _ => {}
        }
        view.is_current(now)
    }

    pub fn hash(&self, now: Moment, state: &mut impl Hasher) {
        let Self { replica, incarnation, disk, term, reading, asked, stream, seen, granted } = self;
        replica.hash_for_tests(now, state);
        let names = |it: &Arc<Snapshot>| (it.version, it.origin, it.term, it.read_at_millis);
        disk.as_ref().map(names).hash(state);
        term.as_ref().map(|term| (term.epoch(), term.left(now))).hash(state);
        asked.as_ref().map(|asked| (asked.best.as_ref().map(names), asked.by)).hash(state);
        let granted = granted.map(|(until, current)| (until.since(now), current));
        (incarnation, reading, stream, seen, granted.filter(|(left, _)| !left.is_zero())).hash(state);
    }

    pub fn describe(&self, plan: &Plan, now: Moment) -> String {
        let letter = |it: &Arc<Snapshot>| char::from(b'A' + plan.content_of(it));
        let active = self.replica.active();
        let active = active
            .map(|it| format!("{}={} read as {}", it.version, letter(it), it.origin))
            .unwrap_or_default();
        let current = if self.is_current(plan, now) { " current" } else { "" };
        let leads = self.replica.leads().map(|(epoch, _)| format!(" LEADS {epoch}")).unwrap_or_default();
        let known = self.replica.known();
        let fence = self.replica.fence();
        let believes = self.term.as_ref().map(|term| format!(" holds {}", term.epoch())).unwrap_or_default();
        let to =
            self.stream.map(|it| format!(" to {}/{}#{}", it.leader, it.epoch, it.id.0)).unwrap_or_default();
        format!("{active}, knows {known} fence {fence}{leads}{believes}{to}{current}")
    }
}
