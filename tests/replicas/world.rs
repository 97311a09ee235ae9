//! A small world for the cores: a lease with real compare-and-swap, a network that loses and delays, an upstream,
//! clients.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bellwether::election::Term;
use bellwether::replication::core::{Draft, Progress, Replica, StreamId};
use bellwether::snapshot::{Announcement, Contents, Epoch, Snapshot, TermId, Version};
use bellwether::time::Moment;
use proptest::prelude::*;

static CONTENTS: OnceLock<Vec<Contents>> = OnceLock::new();

const REPLICAS: usize = 3;
const CLIENTS: usize = 2;
const LEASE: Duration = Duration::from_millis(3000);
const VALIDITY: Duration = Duration::from_millis(2400);

/// One thing that happens. Numbers are taken modulo what there is.
#[derive(Clone, Copy, Debug)]
pub enum Action {
    Tick(u16),
    Upstream(u8),
    Acquire(u8, u8),
    Renew(u8),
    Release(u8),
    SeeLease(u8),
    Read(u8),
    Publish(u8),
    Progress(u8),
    Subscribe(u8, u8),
    Send(u8, u8),
    Deliver(u8, u8),
    Lose(u8, u8),
    Ping(u8, u8),
    Persist(u8),
    Crash(u8),
    Poll(u8, u8),
    Forget(u8),
}

/// Weighted so that most schedules get somewhere: messages arrive more often than replicas crash.
pub fn actions() -> impl Strategy<Value = Action> {
    let at = || 0..REPLICAS as u8;
    let pair = || (at(), at());
    let client = || 0..CLIENTS as u8;
    prop_oneof![
        8 => (1u16..120).prop_map(Action::Tick),
        2 => (500u16..1200).prop_map(Action::Tick),
        6 => (0u8..4).prop_map(Action::Upstream),
        5 => (at(), 0u8..8).prop_map(|(at, asked)| Action::Acquire(at, asked)),
        8 => at().prop_map(Action::Renew),
        2 => at().prop_map(Action::Release),
        6 => at().prop_map(Action::SeeLease),
        8 => at().prop_map(Action::Read),
        10 => at().prop_map(Action::Publish),
        16 => at().prop_map(Action::Progress),
        8 => pair().prop_map(|(at, to)| Action::Subscribe(at, to)),
        20 => pair().prop_map(|(at, to)| Action::Send(at, to)),
        60 => pair().prop_map(|(at, to)| Action::Deliver(at, to)),
        1 => pair().prop_map(|(at, to)| Action::Lose(at, to)),
        20 => pair().prop_map(|(at, to)| Action::Ping(at, to)),
        4 => at().prop_map(Action::Persist),
        2 => at().prop_map(Action::Crash),
        20 => (client(), at()).prop_map(|(client, at)| Action::Poll(client, at)),
        1 => client().prop_map(Action::Forget),
    ]
}

#[derive(Clone)]
enum Message {
    Announce(Announcement),
    Stage(Arc<Snapshot>),
    Activate(Version),
    Announced(Version),
    Staged(Version),
    Ping { known: Version, sent_at: Moment },
    Pong { epoch: Epoch, sent_at: Moment, grant: Duration, current: bool },
}

struct Node {
    replica: Replica,
    incarnation: u64,
    disk: Option<Snapshot>,
    term: Option<Term>,
    reading: Option<(u64, TermId)>,
    stream: Option<(usize, u64, StreamId)>,
}

#[derive(Default)]
struct Lease {
    holder: Option<(usize, u64)>,
    epoch: u64,
    renewed_at: Moment,
}

#[derive(Clone, Copy, Default)]
struct Client {
    holds: Option<u8>,
    low: u64,
}

pub struct World {
    now: Moment,
    nodes: Vec<Node>,
    lease: Lease,
    upstream: Vec<u8>,
    contents: &'static [Contents],
    network: BTreeMap<(usize, usize), VecDeque<Message>>,
    clients: [Client; CLIENTS],
    publishers: BTreeMap<u64, TermId>,
    streams: u64,
    trail: Option<Vec<String>>,
}

/// Four tables that the upstream may have.
fn contents() -> Vec<Contents> {
    let table = |content| Snapshot::for_tests(Version::default(), &format!("r{content}: * -> <shunt>"));
    (0..4).map(|content| table(content).contents.as_ref().clone()).collect()
}

impl World {
    pub fn new() -> Self {
        let node = || Node {
            replica: Replica::new(None),
            incarnation: 0,
            disk: None,
            term: None,
            reading: None,
            stream: None,
        };
        Self {
            now: Moment::from_nanos(1_000_000_000_000),
            nodes: (0..REPLICAS).map(|_| node()).collect(),
            lease: Lease::default(),
            upstream: vec![0],
            contents: CONTENTS.get_or_init(contents),
            network: BTreeMap::new(),
            clients: Default::default(),
            publishers: BTreeMap::new(),
            streams: 0,
            trail: None,
        }
    }

    /// A world in which replica 0 leads, and everyone has its first table.
    pub fn established() -> Self {
        let mut world = Self::new();
        world.settle(4).expect("the fair schedule moves nobody backwards");
        world
    }

    /// A world that writes down what happens, to tell how it came to a violation.
    pub fn written_down(self) -> Self {
        Self { trail: Some(Vec::new()), ..self }
    }

    pub fn trail(&self) -> String {
        self.trail.as_deref().unwrap_or_default().join("\n")
    }

    pub fn change_upstream(&mut self, content: u8) {
        self.upstream.push(content);
    }

    pub fn everyone_has(&self, content: u8) -> bool {
        let has = |node: &Node| node.replica.active().map(|it| self.content_of(it)) == Some(content);
        self.nodes.iter().all(has) && self.clients.iter().all(|client| client.holds == Some(content))
    }

    /// Everything that should happen does, often enough.
    pub fn settle(&mut self, rounds: u8) -> Result<(), String> {
        for round in 0..rounds {
            for a in 0..REPLICAS as u8 {
                self.step(Action::SeeLease(a))?;
                self.step(Action::Acquire(a, 7))?;
                self.step(Action::Renew(a))?;
                self.step(Action::Read(a))?;
                self.step(Action::Publish(a))?;
                for b in 0..REPLICAS as u8 {
                    if !self.connected(b.into(), a.into()) {
                        self.step(Action::Subscribe(b, a))?;
                    }
                    for action in [Action::Ping(b, a), Action::Send(a, b)] {
                        self.step(action)?;
                    }
                    for _ in 0..6 {
                        self.step(Action::Deliver(a, b))?;
                        self.step(Action::Deliver(b, a))?;
                    }
                }
                self.step(Action::Progress(a))?;
                self.step(Action::Persist(a))?;
            }
            for client in 0..CLIENTS as u8 {
                self.step(Action::Poll(client, round))?;
            }
            self.step(Action::Tick(60))?;
        }
        Ok(())
    }

    pub fn step(&mut self, action: Action) -> Result<(), String> {
        let node = |at: u8| usize::from(at) % REPLICAS;
        match action {
            Action::Tick(millis) => self.now = self.now + Duration::from_millis(millis.into()),
            Action::Upstream(content) => self.upstream.push(content % 4),
            Action::Acquire(at, asked) => self.acquire(node(at), asked)?,
            Action::Renew(at) => self.renew(node(at)),
            Action::Release(at) => self.release(node(at)),
            Action::SeeLease(at) => self.see_lease(node(at)),
            Action::Read(at) => {
                let newest = self.upstream.len() as u64 - 1;
                let node = &mut self.nodes[node(at)];
                node.reading = node.term.as_ref().map(|term| (newest, term.id()));
            }
            Action::Publish(at) => self.publish(node(at))?,
            Action::Progress(at) => self.progress(node(at)),
            Action::Subscribe(at, leader) => self.subscribe(node(at), node(leader)),
            Action::Send(at, to) => self.send_newest(node(at), node(to)),
            Action::Deliver(from, to) => self.deliver(node(from), node(to))?,
            Action::Lose(from, to) => {
                self.network.remove(&(node(from), node(to)));
            }
            Action::Ping(at, leader) => {
                let (at, leader) = (node(at), node(leader));
                let known = self.nodes[at].replica.known();
                if self.connected(at, leader) {
                    self.post(at, leader, Message::Ping { known, sent_at: self.now });
                }
            }
            Action::Persist(at) => {
                let node = &mut self.nodes[node(at)];
                node.disk = node.replica.active().map(|it| it.as_ref().clone());
            }
            Action::Crash(at) => self.crash(node(at)),
            Action::Poll(client, at) => {
                self.poll(usize::from(client) % CLIENTS, node(at))?;
            }
            Action::Forget(client) => self.clients[usize::from(client) % CLIENTS] = Client::default(),
        }
        self.note(action);
        Ok(())
    }

    fn note(&mut self, action: Action) {
        if self.trail.is_none() {
            return;
        }
        let node = |node: &Node| {
            let active = node
                .replica
                .active()
                .map(|it| format!("{}<{}={}", it.version, it.origin, self.content_of(it)));
            let current = if node.replica.view().is_current(self.now) { "*" } else { "" };
            let leads = node.replica.leads().map(|(epoch, _)| format!(" leads {epoch}")).unwrap_or_default();
            format!("{}{current} knows {}{leads}", active.unwrap_or_default(), node.replica.known())
        };
        let nodes: Vec<String> = self.nodes.iter().map(node).collect();
        let clients: Vec<String> =
            self.clients.iter().map(|it| format!("{:?}@{}", it.holds, it.low)).collect();
        let line = format!("{action:?}: {} | {}", nodes.join(" | "), clients.join(" "));
        self.trail.get_or_insert_default().push(line);
    }

    fn content_of(&self, snapshot: &Snapshot) -> u8 {
        let same = |contents: &Contents| contents.same_tables(&snapshot.contents);
        self.contents.iter().position(same).map_or(u8::MAX, |at| at as u8)
    }

    fn identity(&self, at: usize) -> String {
        format!("{at}_{}", self.nodes[at].incarnation)
    }

    fn acquire(&mut self, at: usize, asked: u8) -> Result<(), String> {
        let expired = self.now >= self.lease.renewed_at + LEASE;
        let own = self.nodes[at].incarnation;
        // The same pod with another nonce: its process before is dead for certain.
        let restarted =
            self.lease.holder.is_some_and(|(holder, incarnation)| holder == at && incarnation != own);
        if self.lease.holder.is_some() && !expired && !restarted || self.nodes[at].term.is_some() {
            return Ok(());
        }
        let after_expiry = self.lease.holder.is_some() && expired;
        self.lease.epoch = self.lease.epoch.max(self.nodes[at].replica.fence().0) + 1;
        self.lease.holder = Some((at, own));
        self.lease.renewed_at = self.now;
        let until = self.now + VALIDITY;
        let term = if after_expiry {
            Term::for_tests(Epoch(self.lease.epoch), until.since(Moment::from_nanos(0)).as_nanos() as u64)
        } else {
            Term::for_tests_released(Epoch(self.lease.epoch), self.now, until)
        };
        let valid =
            self.nodes.iter().filter(|node| node.term.as_ref().is_some_and(|it| it.check(self.now).is_ok()));
        if valid.count() > 0 {
            return Err("two terms are valid at once".to_owned());
        }
        self.nodes[at].term = Some(term.clone());
        if self.nodes[at].replica.lead(term.clone()).is_ok() {
            self.catch_up(at, &term, asked);
        }
        Ok(())
    }

    fn catch_up(&mut self, at: usize, term: &Term, asked: u8) {
        let mut best: Option<Snapshot> = None;
        let mut all = true;
        for other in (0..REPLICAS).filter(|other| *other != at) {
            if asked >> other & 1 == 0
                || self.nodes[other].replica.see(term.epoch(), Some(term.id())).is_err()
            {
                all = false;
                continue;
            }
            let active = self.nodes[other].replica.active().map(|it| it.as_ref().clone());
            if active.as_ref().map(|it| it.origin) > best.as_ref().map(|it| it.origin) {
                best = active;
            }
        }
        let _ = self.nodes[at].replica.caught_up(best, all, self.now);
    }

    fn renew(&mut self, at: usize) {
        let node = &self.nodes[at];
        let holds = self.lease.holder == Some((at, node.incarnation));
        if let Some(term) = node.term.as_ref().filter(|term| holds && term.check(self.now).is_ok()) {
            term.extend_for_tests(self.now + VALIDITY);
            self.lease.renewed_at = self.now;
        }
    }

    fn release(&mut self, at: usize) {
        if let Some(term) = self.nodes[at].term.take() {
            term.extend_for_tests(Moment::from_nanos(0));
            self.nodes[at].replica.retire();
            if self.lease.holder == Some((at, self.nodes[at].incarnation)) {
                self.lease.holder = None;
            }
        }
    }

    fn see_lease(&mut self, at: usize) {
        let holder = self.lease.holder;
        let node = &mut self.nodes[at];
        let _ = node.replica.see(Epoch(self.lease.epoch), None);
        if node.term.is_some() && holder != Some((at, node.incarnation)) {
            node.term = None;
            node.replica.retire();
        }
    }

    fn publish(&mut self, at: usize) -> Result<(), String> {
        let node = &mut self.nodes[at];
        let Some(((read, of), term)) = node.reading.take().zip(node.term.clone()) else { return Ok(()) };
        if of != term.id() {
            return Ok(());
        }
        let contents = self.contents[usize::from(self.upstream[read as usize])].clone();
        let draft = Draft { contents, read_at_millis: read };
        if node.replica.publish(&term, draft, self.now).is_ok() {
            let first = *self.publishers.entry(term.epoch().0).or_insert(term.id());
            if first != term.id() {
                return Err(format!("two terms publish under epoch {}", term.epoch()));
            }
        }
        Ok(())
    }

    fn progress(&mut self, at: usize) {
        let before = self.nodes[at].replica.active().map(|it| it.origin);
        if let Progress::Activated(snapshot) = self.nodes[at].replica.progress(self.now) {
            assert!(Some(snapshot.origin) >= before, "a leader's origin went back");
        }
    }

    fn connected(&self, at: usize, leader: usize) -> bool {
        let incarnation = self.nodes[leader].incarnation;
        at != leader && self.nodes[at].stream.is_some_and(|(to, of, _)| (to, of) == (leader, incarnation))
    }

    fn subscribe(&mut self, at: usize, leader: usize) {
        let identity = self.identity(at);
        if at == leader || self.nodes[at].term.is_some() {
            return;
        }
        self.streams += 1;
        let (stream, fence) = (StreamId(self.streams), self.nodes[at].replica.fence());
        let Some((epoch, term)) = self.nodes[leader].replica.leads() else { return };
        if self.nodes[leader].replica.subscribe(&identity, stream, fence).is_ok() {
            let _ = self.nodes[at].replica.see(epoch, Some(term));
            self.nodes[at].stream = Some((leader, self.nodes[leader].incarnation, stream));
            self.network.remove(&(at, leader));
            self.network.remove(&(leader, at));
        }
    }

    fn post(&mut self, from: usize, to: usize, message: Message) {
        let queue = self.network.entry((from, to)).or_default();
        if queue.len() < 8 {
            queue.push_back(message);
        }
    }

    fn send_newest(&mut self, at: usize, to: usize) {
        if !self.connected(to, at) {
            return;
        }
        let outlook = self.nodes[at].replica.outlook(&self.identity(to));
        if let Some(newest) = outlook.newest {
            self.post(at, to, Message::Announce(Announcement::of(&newest)));
            self.post(at, to, Message::Stage(newest));
        }
        if let Some(version) = outlook.activate {
            self.post(at, to, Message::Activate(version));
        }
    }

    fn deliver(&mut self, from: usize, to: usize) -> Result<(), String> {
        let Some(message) = self.network.get_mut(&(from, to)).and_then(VecDeque::pop_front) else {
            return Ok(());
        };
        let identity = self.identity(from);
        let now = self.now;
        let stream = self.nodes[from].stream.map(|(_, _, stream)| stream);
        let before = self.nodes[to].replica.active().map(|it| it.origin);
        let replica = &mut self.nodes[to].replica;
        let answer = match message {
            Message::Announce(announcement) => {
                let version = announcement.version;
                replica.hear(announcement).is_ok().then_some(Message::Announced(version))
            }
            Message::Stage(snapshot) => {
                let version = snapshot.version;
                let held = replica.active().is_some_and(|active| active.version == version);
                let staged = held || replica.stage(snapshot.as_ref().clone()).is_ok();
                staged.then_some(Message::Staged(version))
            }
            Message::Activate(version) => {
                let _ = replica.activate(version);
                None
            }
            Message::Announced(version) => {
                let _ = stream.map(|stream| replica.acknowledge_announced(&identity, stream, version));
                None
            }
            Message::Staged(version) => {
                let _ = stream.map(|stream| replica.acknowledge_staged(&identity, stream, version));
                None
            }
            Message::Ping { known, sent_at } => stream.and_then(|stream| {
                let pong = replica.ping(&identity, stream, known, now).ok()?;
                let (epoch, _) = replica.leads()?;
                Some(Message::Pong { epoch, sent_at, grant: pong.grant, current: pong.current })
            }),
            Message::Pong { epoch, sent_at, grant, current } => {
                replica.answered(epoch, sent_at, grant, current);
                None
            }
        };
        if replica.active().map(|it| it.origin) < before {
            return Err(format!("the origin of replica {to} went back"));
        }
        if let Some(answer) = answer {
            self.post(to, from, answer);
        }
        Ok(())
    }

    fn crash(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        if let Some(term) = node.term.take() {
            // Nobody is left who could use it.
            term.extend_for_tests(Moment::from_nanos(0));
        }
        node.replica = Replica::new(node.disk.clone());
        node.incarnation += 1;
        (node.reading, node.stream) = (None, None);
        self.network.retain(|(from, to), _| *from != at && *to != at);
    }

    /// A client polls with the ETag of what it holds, as `serve` answers it.
    fn poll(&mut self, client: usize, at: usize) -> Result<(), String> {
        let view = self.nodes[at].replica.view();
        let Some(active) = &view.active else { return Ok(()) };
        let (content, read) = (self.content_of(active), active.read_at_millis);
        let Client { holds, low } = self.clients[client];
        let low = match holds {
            None => read,
            Some(held) if held == content => low.max(read),
            Some(_) if !view.is_current(self.now) => return Ok(()),
            Some(_) => {
                // What it gets must be what the upstream had at the time of what it holds, or later.
                let later =
                    (low..self.upstream.len() as u64).find(|at| self.upstream[*at as usize] == content);
                let back = || {
                    format!(
                        "client {client} held {holds:?} of {low} and gets {content} of {read} from replica {at}"
                    )
                };
                read.max(later.ok_or_else(back)?)
            }
        };
        self.clients[client] = Client { holds: Some(content), low };
        Ok(())
    }
}
