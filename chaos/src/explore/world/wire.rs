//! Messages: in each direction one of a publication and one of a ping may be on its way, and they overtake each other.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use bellwether::replication::core::StreamId;
use bellwether::snapshot::{Announcement, Epoch, Snapshot, Version};
use bellwether::time::Moment;

use super::node::{Node, Stream};
use super::{Plan, TICK, Violation, World};
use crate::explore::rule::Rule;

/// A part of a publication.
#[derive(Clone, Debug)]
pub enum Part {
    Announce(Arc<Snapshot>),
    Stage(Arc<Snapshot>),
    Activate(Version),
    Announced(Version),
    Staged(Version),
}

/// A ping or its answer.
#[derive(Clone, Copy, Debug)]
pub enum Beat {
    Ping { known: Version, sent_at: Moment },
    Pong { epoch: Epoch, sent_at: Moment, grant: Duration, current: bool },
}

/// What is on its way from one replica to another, each with the stream that it belongs to.
#[derive(Clone, Debug, Default)]
pub struct Line {
    pub part: Option<(StreamId, Part)>,
    pub beat: Option<(StreamId, Beat)>,
}

impl Line {
    pub fn hash(&self, now: Moment, state: &mut impl Hasher) {
        let names = |it: &Arc<Snapshot>| (it.version, it.origin, it.term, it.read_at_millis);
        match &self.part {
            None => 0.hash(state),
            Some((stream, Part::Announce(snapshot))) => (1, stream, names(snapshot)).hash(state),
            Some((stream, Part::Stage(snapshot))) => (2, stream, names(snapshot)).hash(state),
            Some((stream, Part::Activate(version))) => (3, stream, version).hash(state),
            Some((stream, Part::Announced(version))) => (4, stream, version).hash(state),
            Some((stream, Part::Staged(version))) => (5, stream, version).hash(state),
        }
        match self.beat {
            None => 0.hash(state),
            // An answer to a ping that is as old as the longest grant gives nothing.
            Some((stream, Beat::Ping { known, sent_at })) => {
                (1, stream, known, (sent_at + TICK).since(now)).hash(state);
            }
            Some((stream, Beat::Pong { epoch, sent_at, grant, current })) => {
                (2, stream, epoch, (sent_at + grant).since(now), grant.is_zero(), current).hash(state);
            }
        }
    }
}

impl World {
    /// The name of a process; without [`Rule::Streams`] a restart does not change it.
    fn identity(&self, plan: &Plan, at: usize) -> String {
        let incarnation = if plan.breaks(Rule::Streams) { 0 } else { self.nodes[at].incarnation };
        format!("{at}_{incarnation}")
    }

    /// The stream of `at` to `leader`, where both processes are still those that opened it.
    fn stream(&self, at: usize, leader: usize) -> Option<Stream> {
        let incarnation = self.nodes[leader].incarnation;
        self.nodes[at].stream.filter(|it| it.leader == leader && it.incarnation == incarnation)
    }

    /// The stream of `at` to `leader`, where the leader still serves it: the end of a term ends its streams.
    pub(super) fn session(&self, at: usize, leader: usize) -> Option<Stream> {
        let leads = self.nodes[leader].replica.leads();
        self.stream(at, leader).filter(|it| leads.is_some_and(|(epoch, _)| epoch == it.epoch))
    }

    pub(super) fn subscribe(&mut self, plan: &Plan, at: usize, leader: usize) {
        let Some((epoch, term)) = self.nodes[leader].replica.leads() else { return };
        if self.nodes[at].term.is_some() || self.session(at, leader).is_some() {
            return;
        }
        // Any number that nothing on its way has.
        let line = &self.lines[at][leader];
        let taken = [line.part.as_ref().map(|it| it.0), line.beat.as_ref().map(|it| it.0)];
        let old = self.nodes[at].stream.map(|it| it.id);
        let free = |id: &StreamId| !taken.contains(&Some(*id)) && old != Some(*id);
        let id = (0..).map(StreamId).find(free).unwrap_or(StreamId(0));
        let (identity, fence) = (self.identity(plan, at), self.nodes[at].replica.fence());
        if self.node(leader).replica.subscribe(&identity, id, fence).is_err() {
            return;
        }
        let incarnation = self.nodes[leader].incarnation;
        let (announced, sent, activated) = Default::default();
        self.lines[leader][at] = Line::default();
        let node = self.node(at);
        node.stream = Some(Stream { leader, incarnation, epoch, id, announced, sent, activated });
        node.saw(epoch.0);
        let _ = node.replica.see(epoch, Some(term));
    }

    /// The leader's end of a stream sends what comes next.
    pub(super) fn send(&mut self, plan: &Plan, leader: usize, to: usize) {
        let Some(stream) = self.session(to, leader).filter(|_| self.lines[leader][to].part.is_none()) else {
            return;
        };
        let outlook = self.nodes[leader].replica.outlook(&self.identity(plan, to));
        let renamed = |snapshot: Arc<Snapshot>| {
            if plan.breaks(Rule::Origin) {
                Arc::new(Snapshot { origin: snapshot.version, ..snapshot.as_ref().clone() })
            } else {
                snapshot
            }
        };
        let newest = outlook.newest.map(renamed);
        let lacking = self.nodes[to].replica.to_stage().map(|it| it.version);
        let (part, stream) = match (newest, outlook.activate) {
            (Some(newest), _) if newest.version > stream.announced => {
                let announced = newest.version;
                (Part::Announce(newest), Stream { announced, ..stream })
            }
            (Some(newest), _) if newest.version > stream.sent && lacking == Some(newest.version) => {
                let sent = newest.version;
                (Part::Stage(newest), Stream { sent, ..stream })
            }
            (_, Some(activated)) if activated > stream.activated => {
                (Part::Activate(activated), Stream { activated, ..stream })
            }
            _ => return,
        };
        self.node(to).stream = Some(stream);
        self.lines[leader][to].part = Some((stream.id, part));
    }

    pub(super) fn ping(&mut self, plan: &Plan, at: usize, leader: usize) {
        let Some(stream) = self.session(at, leader).filter(|_| self.lines[at][leader].beat.is_none()) else {
            return;
        };
        let newest = self.nodes[leader].replica.outlook("").newest.map(|it| it.version);
        let known = self.nodes[at].replica.known();
        let known = newest.filter(|_| plan.breaks(Rule::GrantKnows)).unwrap_or(known);
        self.lines[at][leader].beat = Some((stream.id, Beat::Ping { known, sent_at: self.now }));
    }

    /// A stream breaks; what was on its way down it is lost, what was on its way up may still arrive.
    pub(super) fn break_stream(&mut self, at: usize) {
        let Some(stream) = self.node(at).stream.take() else { return };
        self.lines[stream.leader][at] = Line::default();
        self.spent.breaks += 1;
    }

    /// Whether what is on its way can arrive: what is answered needs a free way back, what belongs to a stream that is
    /// gone is not answered.
    pub(super) fn delivers(&self, from: usize, to: usize) -> bool {
        let live = |id| self.stream(to, from).is_some_and(|stream| stream.id == id);
        match self.lines[from][to].part {
            Some((id, Part::Announce(_) | Part::Stage(_))) => {
                !live(id) || self.lines[to][from].part.is_none()
            }
            Some(_) => true,
            None => false,
        }
    }

    /// Whether the ping or its answer can arrive, likewise.
    pub(super) fn beats(&self, from: usize, to: usize) -> bool {
        match self.lines[from][to].beat {
            Some((_, Beat::Ping { .. })) => self.lines[to][from].beat.is_none(),
            Some(_) => true,
            None => false,
        }
    }

    /// Part of a publication arrives.
    pub(super) fn deliver(&mut self, plan: &Plan, from: usize, to: usize) -> Result<(), Violation> {
        let Some((id, part)) = self.lines[from][to].part.take() else { return Ok(()) };
        let identity = self.identity(plan, from);
        let id = self.current_stream(plan, from, to).unwrap_or(id);
        let down = self.stream(to, from).is_some_and(|stream| stream.id == id);
        let node = self.node(to);
        let answer = match part {
            Part::Announced(version) => {
                let _ = node.replica.acknowledge_announced(&identity, id, version);
                None
            }
            Part::Staged(version) => {
                let _ = node.replica.acknowledge_staged(&identity, id, version);
                None
            }
            _ if !down => None,
            Part::Announce(snapshot) => node.announced(plan, &snapshot),
            Part::Stage(snapshot) => {
                let version = snapshot.version;
                let staged = node.replica.stage(snapshot.as_ref().clone());
                staged.is_ok().then_some(Part::Staged(version))
            }
            Part::Activate(version) => {
                if plan.breaks(Rule::Fence) {
                    node.replica.drop_fence_for_tests();
                }
                let before = node.read();
                if let Ok(snapshot) = node.replica.activate(version) {
                    node.judge(to, before, &snapshot)?;
                }
                None
            }
        };
        if let Some(answer) = answer {
            self.lines[to][from].part = Some((id, answer));
        }
        Ok(())
    }

    /// Without [`Rule::Streams`] an acknowledgement counts for whatever stream its sender has now.
    fn current_stream(&self, plan: &Plan, from: usize, to: usize) -> Option<StreamId> {
        let stream = self.stream(from, to).filter(|_| plan.breaks(Rule::Streams));
        stream.map(|stream| stream.id)
    }

    /// A ping or its answer arrives.
    pub(super) fn beat(&mut self, plan: &Plan, from: usize, to: usize) {
        let Some((id, beat)) = self.lines[from][to].beat.take() else { return };
        let (identity, now) = (self.identity(plan, from), self.now);
        let id = self.current_stream(plan, from, to).unwrap_or(id);
        let down = self.stream(to, from).is_some_and(|stream| stream.id == id);
        let current = self.nodes[to].is_current(plan, now);
        let node = self.node(to);
        match beat {
            Beat::Ping { known, sent_at } => {
                let pong = node.replica.ping(&identity, id, known, now);
                if let Some((pong, (epoch, _))) = pong.ok().zip(node.replica.leads()) {
                    let pong = Beat::Pong { epoch, sent_at, grant: pong.grant, current };
                    self.lines[to][from].beat = Some((id, pong));
                }
            }
            Beat::Pong { epoch, sent_at, grant, current } if down => {
                let sent_at = if plan.breaks(Rule::GrantEnds) { sent_at + 100 * TICK } else { sent_at };
                node.replica.answered(epoch, sent_at, grant, current);
                if !grant.is_zero() && plan.breaks(Rule::NewerEpoch) {
                    node.granted = Some((sent_at + grant, current));
                }
            }
            Beat::Pong { .. } => {}
        }
    }
}

impl Node {
    /// Hears an announcement; what it holds of it already is staged by that.
    fn announced(&mut self, plan: &Plan, snapshot: &Arc<Snapshot>) -> Option<Part> {
        if plan.breaks(Rule::Fence) {
            self.replica.drop_fence_for_tests();
        }
        let version = snapshot.version;
        self.replica.hear(Announcement::of(snapshot)).ok()?;
        self.saw(version.epoch.0);
        let held = self.replica.held().iter().any(|it| it.version == version);
        Some(if held { Part::Staged(version) } else { Part::Announced(version) })
    }

    pub fn origin(&self) -> Option<Version> {
        self.replica.active().map(|it| it.origin)
    }

    /// Which of the upstream's states the active table was made of.
    pub fn read(&self) -> Option<u64> {
        self.replica.active().map(|it| it.read_at_millis)
    }

    /// What was just activated, against the reading that was active before.
    ///
    /// # Errors
    ///
    /// Where its epoch is over, or it was read earlier.
    pub fn judge(&self, replica: usize, before: Option<u64>, now: &Snapshot) -> Result<(), Violation> {
        let version = now.version;
        if version.epoch.0 < self.seen {
            return Err(Violation::Stale { replica, seen: self.seen, version });
        }
        let after = now.read_at_millis;
        match before {
            Some(before) if before > after => Err(Violation::Origin { replica, before, after }),
            _ => Ok(()),
        }
    }
}
