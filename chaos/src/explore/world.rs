//! A small world around the real cores: a lease, an upstream, a network that delays and breaks, disks, clients.
//!
//! A pause, a partition and a slow message are all "not scheduled while time passes". Time goes in steps of one grant;
//! the patience for staging is taken as over, which only adds behaviours.

mod client;
mod lease;
mod node;
mod step;
mod wire;

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use bellwether::replication::core::{GRANT, Replica};
use bellwether::snapshot::{Contents, Snapshot, Version};
use bellwether::time::Moment;

pub use step::{Action, ActionKind, all};

use super::rule::Rule;
use client::Client;
use lease::Lease;
use node::Node;
use wire::Line;

/// At most so many replicas and clients.
pub const REPLICAS: usize = 3;
pub const CLIENTS: usize = 2;

/// Until others may take the lease, after its last renewal.
pub(super) const LEASE: Duration = Duration::from_secs(3);
/// For how long a leader trusts a renewal.
pub(super) const VALID: Duration = Duration::from_secs(2);
/// One step of time.
pub(super) const TICK: Duration = GRANT;

/// What is explored, and how far.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How many replicas there are.
    pub replicas: usize,
    /// How many clients there are.
    pub clients: usize,
    /// What the upstream holds, one after the other.
    pub contents: Vec<u8>,
    /// How often each of these may happen.
    pub limits: Spent,
    /// The rule that is broken.
    pub broken: Option<Rule>,
    tables: Vec<Contents>,
}

/// How often something happened that is bounded, so that there is an end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Spent {
    /// Terms of leadership.
    pub terms: u8,
    /// Processes that died.
    pub crashes: u8,
    /// Leases that were given up.
    pub releases: u8,
    /// Leases that were deleted.
    pub deletions: u8,
    /// Clients that were started anew.
    pub forgets: u8,
    /// Streams that broke.
    pub breaks: u8,
    /// Replicas that an operator's freeze came to.
    pub freezes: u8,
}

/// What must never happen, and did.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    #[error(
        "step back: client {client} held the table of read {held} and gets that of read {given} from replica {replica}"
    )]
    StepBack { client: usize, held: u8, given: u64, replica: usize },
    #[error("fork: two terms publish under epoch {0}")]
    Fork(u64),
    #[error("replica {replica} goes back from the table of read {before} to that of read {after}")]
    Origin { replica: usize, before: u64, after: u64 },
    #[error("replica {replica} has seen epoch {seen} and activates {version}")]
    Stale { replica: usize, seen: u64, version: Version },
}

/// One state.
#[derive(Clone)]
pub struct World {
    now: Moment,
    nodes: [Arc<Node>; REPLICAS],
    lease: Lease,
    /// Which of the plan's contents the upstream holds.
    upstream: u8,
    lines: [[Line; REPLICAS]; REPLICAS],
    clients: [Client; CLIENTS],
    spent: Spent,
    /// The term that published first, by epoch.
    publishers: [u8; 16],
}

impl Plan {
    /// Replicas, clients and contents (`ABA` is a table, another one, and the first again), nothing broken.
    pub fn new(replicas: usize, clients: usize, pattern: &str, limits: Spent) -> Self {
        let table = |letter| Snapshot::for_tests(Version::default(), &format!("{letter}: * -> <shunt>"));
        let tables = ('a'..='d').map(|letter| table(letter).contents.as_ref().clone()).collect();
        let contents = pattern.bytes().map(|letter| (letter.to_ascii_lowercase() - b'a') % 4).collect();
        Self { replicas, clients, contents, limits, broken: None, tables }
    }

    /// The same plan without `rule`.
    pub fn without(&self, rule: Rule) -> Self {
        Self { broken: Some(rule), ..self.clone() }
    }

    fn breaks(&self, rule: Rule) -> bool {
        self.broken == Some(rule)
    }

    /// Which of the contents `snapshot` holds.
    fn content_of(&self, snapshot: &Snapshot) -> u8 {
        let same = |contents: &Contents| contents.same_tables(&snapshot.contents);
        self.tables.iter().position(same).map_or(u8::MAX, |at| at as u8)
    }

    /// The contents that the upstream held at `read`.
    fn contents_at(&self, read: u8) -> (u8, Contents) {
        let content = self.contents[usize::from(read)];
        (content, self.tables[usize::from(content)].clone())
    }
}

impl World {
    /// Replica 0 leads, everyone has its first table, and every client holds it.
    pub fn established(plan: &Plan) -> Self {
        let node = || Arc::new(Node::new(Replica::new(None)));
        let mut world = Self {
            now: Moment::from_nanos(1_000_000_000_000),
            nodes: [node(), node(), node()],
            lease: Lease::default(),
            upstream: 0,
            lines: Default::default(),
            clients: Default::default(),
            spent: Spent::default(),
            publishers: Default::default(),
        };
        let generous = Plan { limits: Spent { terms: 9, ..Spent::default() }, broken: None, ..plan.clone() };
        for _ in 0..3 {
            world.fair_round(&generous).expect("nothing has gone wrong yet");
        }
        world.spent = Spent { terms: 1, ..Spent::default() };
        world
    }

    /// Everything that should happen does, once, and nothing else.
    ///
    /// # Errors
    ///
    /// Where that violates an invariant.
    pub fn fair_round(&mut self, plan: &Plan) -> Result<(), Violation> {
        for action in step::fair(plan) {
            self.step(plan, action)?;
        }
        Ok(())
    }

    /// Whether every replica is current with what the upstream holds, and every client has it.
    pub fn is_settled(&self, plan: &Plan) -> bool {
        let content = plan.contents[usize::from(self.upstream)];
        let has = |node: &Arc<Node>| {
            let active = node.replica.active();
            active.is_some_and(|it| plan.content_of(it) == content) && node.is_current(plan, self.now)
        };
        self.nodes[..plan.replicas].iter().all(has)
            && self.clients[..plan.clients].iter().all(|client| client.holds == Some(content))
    }

    /// Two states that behave alike have the same number.
    pub fn fingerprint(&self, plan: &Plan) -> u64 {
        let mut state = Fingerprint::default();
        for node in &self.nodes[..plan.replicas] {
            node.hash(self.now, &mut state);
        }
        self.lease.hash(self.now, &mut state);
        (self.upstream, self.spent, self.publishers).hash(&mut state);
        for line in self.lines.iter().flatten() {
            line.hash(self.now, &mut state);
        }
        let mut clients = self.clients;
        clients.sort_unstable();
        clients.hash(&mut state);
        state.finish()
    }

    /// One line for people: what each replica and client has.
    pub fn describe(&self, plan: &Plan) -> String {
        let nodes = self.nodes[..plan.replicas].iter().map(|node| node.describe(plan, self.now));
        let clients = self.clients[..plan.clients].iter().map(|client| client.describe());
        nodes.chain(clients).collect::<Vec<_>>().join(" | ")
    }

    fn node(&mut self, at: usize) -> &mut Node {
        Arc::make_mut(&mut self.nodes[at])
    }
}

/// A fast mixing of words; 64 bits keep ten million states apart.
#[derive(Default)]
struct Fingerprint(u64);

impl Hasher for Fingerprint {
    fn finish(&self) -> u64 {
        let mixed = (self.0 ^ (self.0 >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        mixed ^ (mixed >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..piece.len()].copy_from_slice(piece);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, word: u8) {
        self.write_u64(word.into());
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(word.into());
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 ^= self.0 >> 29;
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }
}
