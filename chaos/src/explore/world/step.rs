//! What can happen, and what comes of it.

use bellwether::replication::core::{Draft, Hold, Progress, Published, STAGE_WAIT};

use super::{CLIENTS, Plan, REPLICAS, TICK, Violation, World};
use crate::explore::rule::Rule;

/// Something that happens at a replica, or to a client; `to` is the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Action {
    pub kind: ActionKind,
    pub at: u8,
    pub to: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionKind {
    Tick,
    Upstream,
    DeleteLease,
    Acquire,
    Renew,
    Release,
    SeeLease,
    CaughtUp,
    Read,
    Publish,
    Progress,
    Persist,
    Crash,
    Break,
    Ask,
    Subscribe,
    Send,
    Deliver,
    Ping,
    Beat,
    Converge,
    Poll,
    Forget,
    StaleRead,
    Freeze,
    Thaw,
}

use ActionKind::*;

/// What happens once, at one replica, and between two.
const ALONE: [ActionKind; 3] = [Tick, Upstream, DeleteLease];
const SINGLE: [ActionKind; 14] = [
    Acquire, Renew, Release, SeeLease, CaughtUp, Read, Publish, Progress, Persist, Crash, Break, StaleRead,
    Freeze, Thaw,
];
const PAIRS: [ActionKind; 7] = [Ask, Subscribe, Send, Deliver, Ping, Beat, Converge];

/// Everything that can happen under `plan`, whatever the state.
pub fn all(plan: &Plan) -> Vec<Action> {
    let replicas = 0..plan.replicas as u8;
    let clients = 0..plan.clients as u8;
    let action = |kind, at, to| Action { kind, at, to };
    let mut all: Vec<Action> = ALONE.iter().map(|kind| action(*kind, 0, 0)).collect();
    all.extend(SINGLE.iter().flat_map(|kind| replicas.clone().map(move |at| action(*kind, at, at))));
    let pairs = replicas.clone().flat_map(|at| replicas.clone().map(move |to| (at, to)));
    for (at, to) in pairs.filter(|(at, to)| at != to) {
        all.extend(PAIRS.iter().map(|kind| action(*kind, at, to)));
    }
    for client in clients {
        all.extend(replicas.clone().map(|at| action(Poll, client, at)));
        all.push(action(Forget, client, client));
    }
    all
}

/// A round in which all goes well.
pub fn fair(plan: &Plan) -> Vec<Action> {
    let mut fair = vec![Action { kind: Tick, at: 0, to: 0 }];
    let replicas = 0..plan.replicas as u8;
    let mut each = |kinds: &[ActionKind]| {
        for at in replicas.clone() {
            for kind in kinds {
                if PAIRS.contains(kind) {
                    let others = replicas.clone().filter(|to| *to != at);
                    fair.extend(others.map(|to| Action { kind: *kind, at, to }));
                } else {
                    fair.push(Action { kind: *kind, at, to: at });
                }
            }
        }
    };
    each(&[Thaw]);
    each(&[SeeLease, Acquire, Ask, CaughtUp, Renew]);
    each(&[Subscribe]);
    for _ in 0..2 {
        // Announce, stage and activate what was caught up, then what is read.
        for _ in 0..4 {
            each(&[Send]);
            each(&[Deliver]);
            each(&[Deliver, Progress]);
        }
        each(&[Read, Publish, Progress]);
    }
    for _ in 0..4 {
        each(&[Send]);
        each(&[Deliver]);
        each(&[Deliver, Progress]);
    }
    for _ in 0..2 {
        each(&[Ping]);
        each(&[Beat]);
        each(&[Beat]);
    }
    each(&[Renew, Persist]);
    let polls = (0..plan.clients as u8).flat_map(|client| replicas.clone().map(move |at| (client, at)));
    fair.extend(polls.map(|(at, to)| Action { kind: Poll, at, to }));
    fair
}

impl World {
    /// Whether `action` could change anything; what surely could not is not tried.
    pub fn allows(&self, plan: &Plan, action: Action) -> bool {
        let Action { kind, at, to } = action;
        let (at, to) = (usize::from(at), usize::from(to));
        let limits = &plan.limits;
        match kind {
            Upstream => usize::from(self.upstream) + 1 < plan.contents.len(),
            DeleteLease => self.spent.deletions < limits.deletions,
            Acquire => self.spent.terms < limits.terms && self.is_free(at),
            Release => self.spent.releases < limits.releases && self.nodes[at].term.is_some(),
            Renew => self.nodes[at].term.is_some(),
            CaughtUp => self.nodes[at].asked.is_some(),
            Ask => self.nodes[at].asked.as_ref().is_some_and(|asked| asked.by >> to & 1 == 0),
            Read => self.nodes[at].term.is_some() && self.nodes[at].reading.is_none(),
            StaleRead => plan.breaks(Rule::FreshRead) && self.nodes[at].term.is_some() && self.upstream > 0,
            Publish => self.nodes[at].reading.is_some(),
            Progress => self.nodes[at].replica.leads().is_some(),
            Crash => self.spent.crashes < limits.crashes,
            Break => self.spent.breaks < limits.breaks && self.nodes[at].stream.is_some(),
            Subscribe => self.nodes[to].replica.leads().is_some() && self.session(at, to).is_none(),
            Send => self.lines[at][to].part.is_none() && self.session(to, at).is_some(),
            Ping => self.lines[at][to].beat.is_none() && self.session(at, to).is_some(),
            Deliver => self.delivers(at, to),
            Beat => self.beats(at, to),
            Converge => self.nodes[to].origin() > self.nodes[at].origin(),
            Forget => self.spent.forgets < limits.forgets && self.clients[at].holds.is_some(),
            Freeze => self.spent.freezes < limits.freezes && !self.is_frozen(at),
            Thaw => self.is_frozen(at),
            Tick | SeeLease | Persist | Poll => true,
        }
    }

    /// Lets `action` happen.
    ///
    /// # Errors
    ///
    /// Where that violates an invariant.
    pub fn step(&mut self, plan: &Plan, action: Action) -> Result<(), Violation> {
        let Action { kind, at, to } = action;
        let (at, to) = (usize::from(at), usize::from(to));
        if !self.allows(plan, action) {
            return Ok(());
        }
        match kind {
            Tick => self.now = self.now + TICK,
            Upstream => self.upstream += 1,
            DeleteLease => {
                self.spent.deletions += 1;
                self.delete_lease();
            }
            Acquire => self.acquire(plan, at),
            Renew => self.renew(plan, at),
            Release => {
                self.spent.releases += 1;
                self.release(at);
            }
            SeeLease => self.see_lease(at),
            Ask => self.ask(at, to),
            CaughtUp => self.caught_up(plan, at)?,
            Read => self.node(at).reading = Some(self.upstream),
            StaleRead => self.node(at).reading = Some(self.upstream - 1),
            Publish => self.publish(plan, at)?,
            Progress => self.progress(plan, at)?,
            Persist => self.persist(plan, at),
            Crash => self.crash(at),
            Break => self.break_stream(at),
            Subscribe => self.subscribe(plan, at, to),
            Send => self.send(plan, at, to),
            Deliver => self.deliver(plan, at, to)?,
            Ping => self.ping(plan, at, to),
            Beat => self.beat(plan, at, to),
            Converge => self.converge(at, to)?,
            Poll => self.poll(plan, at, to)?,
            Freeze => {
                self.spent.freezes += 1;
                self.hold(at, Hold::Frozen)?;
            }
            Thaw => self.hold(at, Hold::Free)?,
            Forget => {
                self.spent.forgets += 1;
                self.clients[at] = Default::default();
            }
        }
        Ok(())
    }

    fn is_frozen(&self, at: usize) -> bool {
        self.nodes[at].replica.held_by_order() == Hold::Frozen
    }

    /// An operator's order comes to one replica, which may publish or activate something at once.
    fn hold(&mut self, at: usize, hold: Hold) -> Result<(), Violation> {
        let announced_at = self.now - STAGE_WAIT;
        let node = self.node(at);
        let (before, known, active) = (node.read(), node.replica.known(), node.replica.active().cloned());
        node.replica.hold(hold, announced_at);
        if let Some(now) =
            node.replica.active().filter(|now| active.is_none_or(|it| it.version < now.version))
        {
            node.judge(at, before, now)?;
        }
        if node.replica.known() > known { self.published(at) } else { Ok(()) }
    }

    /// A new leader asks a peer, whose fence rises by that.
    fn ask(&mut self, at: usize, peer: usize) {
        let Some((epoch, term)) = self.nodes[at].replica.leads() else { return };
        let asked = self.node(peer);
        asked.saw(epoch.0);
        if asked.replica.see(epoch, Some(term)).is_err() {
            return;
        }
        let theirs = self.nodes[peer].replica.active().cloned();
        if let Some(asked) = &mut self.node(at).asked {
            asked.by |= 1 << peer;
            if theirs.as_ref().map(|it| it.origin) > asked.best.as_ref().map(|it| it.origin) {
                asked.best = theirs;
            }
        }
    }

    fn caught_up(&mut self, plan: &Plan, at: usize) -> Result<(), Violation> {
        // Patience for staging is over at once.
        let announced_at = self.now - STAGE_WAIT;
        let node = self.node(at);
        let Some(asked) = node.asked.take() else { return Ok(()) };
        let everyone =
            (0..plan.replicas).filter(|other| *other != at).all(|other| asked.by >> other & 1 == 1);
        let (before, version) = (node.read(), node.replica.known());
        let _ = node.replica.caught_up(asked.best.as_deref().cloned(), everyone, announced_at);
        match node.replica.active().cloned().filter(|active| active.version > version) {
            Some(active) => node.judge(at, before, &active)?,
            None if node.replica.known() == version => return Ok(()),
            None => {}
        }
        self.published(at)
    }

    fn publish(&mut self, plan: &Plan, at: usize) -> Result<(), Violation> {
        let now = self.now;
        let node = self.node(at);
        let Some((read, term)) = node.reading.take().zip(node.term.clone()) else { return Ok(()) };
        if term.check(now).is_err() {
            return Ok(());
        }
        let (_, contents) = plan.contents_at(read);
        let draft = Draft { contents, read_at_millis: read.into() };
        match node.replica.publish(&term, draft, now - STAGE_WAIT) {
            Ok(Published::Announced(_) | Published::Waiting) => self.published(at),
            Ok(Published::Unchanged | Published::Held) | Err(_) => Ok(()),
        }
    }

    /// Replica `at` has announced something under its term.
    fn published(&mut self, at: usize) -> Result<(), Violation> {
        let Some((epoch, term)) = self.nodes[at].replica.leads() else { return Ok(()) };
        let first = &mut self.publishers[epoch.0 as usize % 16];
        let term = term.0 as u8;
        if *first != 0 && *first != term {
            return Err(Violation::Fork(epoch.0));
        }
        *first = term;
        Ok(())
    }

    fn progress(&mut self, plan: &Plan, at: usize) -> Result<(), Violation> {
        let waited = if plan.breaks(Rule::Wait) { self.now + TICK } else { self.now };
        let node = self.node(at);
        let before = node.read();
        if let Progress::Activated(snapshot) = node.replica.progress(waited) {
            node.judge(at, before, &snapshot)?;
        }
        Ok(())
    }

    fn persist(&mut self, plan: &Plan, at: usize) {
        let node = self.node(at);
        let staged = node.replica.held().last().cloned().filter(|_| plan.breaks(Rule::Disk));
        node.disk = staged.or_else(|| node.replica.active().cloned());
    }

    fn crash(&mut self, at: usize) {
        self.spent.crashes += 1;
        self.node(at).crash();
        // What it has sent may still arrive.
        for other in 0..REPLICAS {
            self.lines[other][at] = Default::default();
        }
    }

    /// Without a leader to follow, a replica takes over what a peer has read later.
    fn converge(&mut self, at: usize, peer: usize) -> Result<(), Violation> {
        let now = self.now;
        let Some(theirs) = self.nodes[peer].replica.active().cloned() else { return Ok(()) };
        let node = self.node(at);
        let before = node.read();
        if node.replica.converge(theirs.as_ref().clone(), now).is_ok() {
            // Its version may be of an older epoch: it moves nobody.
            let seen = node.seen;
            node.seen = 0;
            node.judge(at, before, &theirs)?;
            node.seen = seen.max(theirs.version.epoch.0);
        }
        Ok(())
    }

    /// A client polls (design D4, the answers to `If-None-Match`).
    fn poll(&mut self, plan: &Plan, client: usize, replica: usize) -> Result<(), Violation> {
        debug_assert!(client < CLIENTS);
        let node = &self.nodes[replica];
        let Some(active) = node.replica.active() else { return Ok(()) };
        let (content, read) = (plan.content_of(active), active.read_at_millis as u8);
        let held = &mut self.clients[client];
        match held.holds {
            None => held.low = read,
            Some(own) if own == content => held.low = held.low.max(read),
            Some(_) if !plan.breaks(Rule::Answer) && !node.is_current(plan, self.now) => return Ok(()),
            Some(_) => {
                // What it gets must be what the upstream had when it read what the client holds, or later.
                let later = (held.low..=self.upstream).find(|at| plan.contents[usize::from(*at)] == content);
                let back = Violation::StepBack { client, held: held.low, given: read.into(), replica };
                held.low = later.ok_or(back)?.max(read);
            }
        }
        held.holds = Some(content);
        Ok(())
    }
}
