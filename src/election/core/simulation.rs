//! Whole clusters of cores against one Lease in memory: random interleavings, each from a seed.
//!
//! Each replica has a clock of its own, with an offset and a drift; requests are carried out late, answered late, twice
//! in doubt or never; operators delete and edit the Lease; processes restart. After each step no two terms may be valid
//! and no epoch may be used twice; in the end one leader must be there to stay. [`Broken`] takes away what that rests on.

mod schedule;
#[cfg(test)]
mod tests;

pub use schedule::{Counterexample, explore};

use schedule::Act;

use std::collections::BTreeMap;

use super::*;
use crate::election::Term;
use crate::election::store::memory::LeaseCell;

const TIMING: Timing = Timing::DEFAULT;

#[derive(Debug)]
struct Node {
    core: Core,
    /// Milliseconds of its clock for a thousand of true time.
    rate: u64,
    offset: u64,
    flight: Option<InFlight>,
    terms: Vec<Term>,
    stopped: bool,
    /// When it wants to be woken.
    wake: Moment,
}

#[derive(Debug)]
struct InFlight {
    request: Request,
    sent: Moment,
    answer: Option<Result<Reply, StoreError>>,
}

struct World {
    /// In microseconds.
    now: u64,
    cell: LeaseCell,
    nodes: Vec<Node>,
    late: Vec<(Request, Moment)>,
    history: Vec<Stored>,
    highest: Epoch,
    /// When the last committed write of each term was sent, by its sender's clock.
    committed: BTreeMap<TermId, Moment>,
    incarnations: u128,
    /// The identities of processes that run no more.
    dead: Vec<String>,
    broken: Option<Broken>,
}

/// What this world does that none should: each takes away what a rule rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The store carries out every replacement, whatever the Lease has become.
    Precondition,
    /// The store begins its versions and UIDs anew after a deletion.
    Forgetful,
    /// Terms are valid for longer than the Lease lasts.
    Validity,
    /// The clocks of some replicas run twice as fast.
    Drift,
    /// Somebody else than its holder marks the Lease as released.
    Release,
    /// A holder that gives up late does so whoever has taken the Lease since.
    LateRelease,
    /// A holder that lives is taken for an earlier process of the same pod.
    Gone,
    /// A holder that lives refuses connections.
    Refusal,
}

fn ensure(holds: bool, complaint: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(complaint()) }
}

impl Broken {
    /// Each of them.
    pub const ALL: [Self; 8] = [
        Self::Precondition,
        Self::Forgetful,
        Self::Release,
        Self::Gone,
        Self::Validity,
        Self::Drift,
        Self::LateRelease,
        Self::Refusal,
    ];

    /// The rule of docs/protocol.md that rests on it.
    pub const fn rule(self) -> &'static str {
        match self {
            Self::Precondition | Self::Forgetful => "E1",
            Self::Release | Self::Gone => "E2",
            Self::Validity | Self::Drift => "E3",
            Self::LateRelease => "E7",
            Self::Refusal => "E8",
        }
    }
}

impl Node {
    fn local(&self, now: u64) -> Moment {
        Moment::from_nanos(self.offset + now * self.rate)
    }
}

impl World {
    fn new(rates: &[u64], broken: Option<Broken>) -> Self {
        let mut world = Self {
            now: 0,
            cell: LeaseCell::default(),
            nodes: Vec::new(),
            late: Vec::new(),
            history: Vec::new(),
            highest: Epoch(0),
            committed: BTreeMap::new(),
            incarnations: 0,
            dead: Vec::new(),
            broken,
        };
        for (index, rate) in rates.iter().enumerate() {
            let rate = if broken == Some(Broken::Drift) && index > 1 { 2 * rate } else { *rate };
            let node = world.node(index, &format!("u{index}"), rate);
            world.nodes.push(node);
        }
        world
    }

    fn node(&mut self, index: usize, uid: &str, rate: u64) -> Node {
        self.incarnations += 1;
        let settings = Settings {
            me: Identity::new(&format!("r{index}"), uid, self.incarnations << 64),
            address: format!("10.0.0.{index}:9912"),
            software: String::new(),
            timing: self.timing(),
            rank: index as u32,
            stall: Duration::from_secs(3600),
        };
        let offset = 1_000_000_000 * 1_000 * (index as u64 + 1);
        let now = Moment::from_nanos(offset + self.now * rate);
        let mut core = Core::new(settings, now);
        // Nobody dawdles: what keeps terms apart must not be the courtesy of the others.
        core.freshness = Freshness::Newest;
        Node { core, rate, offset, flight: None, terms: Vec::new(), stopped: false, wake: now }
    }

    const fn timing(&self) -> Timing {
        match self.broken {
            Some(Broken::Validity) => Timing::millis(3_000, 3_600, 800, 700),
            _ => TIMING,
        }
    }

    fn feed(&mut self, index: usize, input: Input) -> Result<(), String> {
        let node = &mut self.nodes[index];
        let now = node.local(self.now);
        for command in node.core.handle(now, input) {
            match command {
                Command::Send { request, .. } => {
                    ensure(node.flight.is_none(), || "one request at a time".to_owned())?;
                    node.flight = Some(InFlight { request, sent: now, answer: None });
                }
                Command::Publish(Role::Leader(term)) => {
                    let (epoch, highest) = (term.epoch(), self.highest);
                    ensure(epoch > highest, || format!("epoch {epoch} after {highest}"))?;
                    self.highest = term.epoch();
                    node.terms.push(term);
                }
                Command::Publish(Role::Follower(_)) | Command::Report(_) | Command::Released(_) => {}
            }
        }
        let wake = node.core.wake_at(now);
        ensure(wake > now, || format!("asks to be woken at {wake:?}, at {now:?}: {:?}", node.core))?;
        node.wake = wake;
        Ok(())
    }

    fn carry_out(&mut self, request: &Request, sent: Moment, me: &Identity) -> Result<Reply, StoreError> {
        let (written, record) = match request {
            Request::Get => {
                let stored = self.cell.get()?;
                let holder = Identity::parse(&stored.record.holder);
                let gone = holder.is_some_and(|holder| {
                    me.succeeds(&holder) || (self.broken == Some(Broken::Gone) && holder != *me)
                });
                return Ok(Reply::Read { stored, gone });
            }
            Request::Create(record) => (self.cell.create(record)?, record),
            Request::Replace { record, purpose, .. } if self.writes_blindly(*purpose) => {
                self.cell.edit(|now| *now = record.clone());
                (self.cell.get()?.key, record)
            }
            Request::Replace { key, record, .. } => (self.cell.replace(key, record)?, record),
        };
        self.committed.insert(record.term, sent);
        self.history.extend(self.cell.get());
        Ok(Reply::Written(written))
    }

    fn writes_blindly(&self, purpose: Purpose) -> bool {
        match self.broken {
            Some(Broken::Precondition) => true,
            Some(Broken::LateRelease) => purpose == Purpose::Release,
            _ => false,
        }
    }

    fn carry_out_of(&mut self, index: usize) {
        let me = self.nodes[index].core.settings.me.clone();
        if let Some(mut flight) = self.nodes[index].flight.take() {
            if flight.answer.is_none() {
                flight.answer = Some(self.carry_out(&flight.request, flight.sent, &me));
            }
            self.nodes[index].flight = Some(flight);
        }
    }

    fn answer(&mut self, index: usize) -> Result<(), String> {
        self.carry_out_of(index);
        match self.nodes[index].flight.take().and_then(|flight| flight.answer) {
            Some(answer) => self.feed(index, Input::Answered(answer)),
            None => Ok(()),
        }
    }

    fn abandon(&mut self, index: usize) {
        if let Some(flight) = self.nodes[index].flight.take()
            && flight.answer.is_none()
        {
            self.late.push((flight.request, flight.sent));
        }
    }

    fn run(&mut self, millis: u64, stopped: Option<usize>) -> Result<(), String> {
        let mut told = self.history.len();
        for _ in 0..millis.div_ceil(20) {
            self.now += 20_000;
            let news = self.history[told..].to_vec();
            told = self.history.len();
            for index in (0..self.nodes.len()).filter(|index| Some(*index) != stopped) {
                if self.nodes[index].wake <= self.nodes[index].local(self.now) {
                    self.feed(index, Input::Tick)?;
                }
                for stored in &news {
                    self.feed(index, Input::Told(Change::Written(Box::new(stored.clone()))))?;
                }
                while self.nodes[index].flight.is_some() {
                    self.answer(index)?;
                    self.check()?;
                }
            }
        }
        Ok(())
    }

    fn edit(&mut self, change: impl FnOnce(&mut Record)) {
        self.cell.edit(change);
        self.history.extend(self.cell.get());
    }

    fn act(&mut self, act: &Act) -> Result<(), String> {
        let count = self.nodes.len();
        match *act {
            Act::Pass(millis) => self.now += millis * 1000,
            Act::Run(millis) => self.run(millis, None)?,
            Act::RunWithout(i, millis) => self.run(millis, Some(i % count))?,
            Act::Tick(i) => self.feed(i % count, Input::Tick)?,
            Act::CarryOut(i) => self.carry_out_of(i % count),
            Act::Answer(i) => self.answer(i % count)?,
            Act::GiveUp(i) if self.nodes[i % count].flight.is_some() => {
                self.abandon(i % count);
                self.feed(i % count, Input::Answered(Err(StoreError::Timeout)))?;
            }
            Act::Refuse(i, kind) => {
                if self.nodes[i % count].flight.as_ref().is_some_and(|flight| flight.answer.is_none()) {
                    self.nodes[i % count].flight = None;
                    let error = match kind % 3 {
                        0 => StoreError::Forbidden("no".to_owned()),
                        1 => StoreError::Throttled { retry_after: None },
                        _ => StoreError::Throttled { retry_after: Some(Duration::from_secs(kind.into())) },
                    };
                    self.feed(i % count, Input::Answered(Err(error)))?;
                }
            }
            Act::Late(which) if !self.late.is_empty() => {
                let (request, sent) = self.late.remove(which % self.late.len());
                let nobody = Identity::new("", "", 0);
                let _unheard = self.carry_out(&request, sent, &nobody);
            }
            Act::Tell(i, back) if self.history.len() >= back => {
                let stored = self.history[self.history.len() - back].clone();
                self.feed(i % count, Input::Told(Change::Written(Box::new(stored))))?;
            }
            Act::Look(i) => self.feed(i % count, Input::Told(Change::Look))?,
            Act::Delete if self.broken == Some(Broken::Forgetful) => self.cell = LeaseCell::default(),
            Act::Delete if self.cell.get().is_ok() => self.cell.delete(),
            Act::ClearHolder => {
                let released = self.broken == Some(Broken::Release);
                self.edit(|record| {
                    record.holder.clear();
                    record.released |= released;
                });
            }
            Act::ResetEpoch => self.edit(|record| record.epoch = Epoch(0)),
            Act::ForeignHolder => self.edit(|record| record.holder = "x".to_owned()),
            Act::Annotate => self.edit(|_| {}),
            Act::Refused(i) => {
                let i = i % count;
                let dead = |holder| self.broken == Some(Broken::Refusal) || self.dead.contains(holder);
                if let Ok(stored) = self.cell.get()
                    && dead(&stored.record.holder)
                {
                    let since = self.nodes[i].local(self.now);
                    self.feed(i, Input::Refused(stored.record.term, since))?;
                }
            }
            Act::Restart(i) | Act::Replace(i) => {
                let i = i % count;
                // Whoever runs on still hears the answer to what it asked.
                if matches!(act, Act::Restart(_)) || count == 6 {
                    self.abandon(i);
                    self.dead.push(self.nodes[i].core.settings.me.to_string());
                }
                let uid = match act {
                    Act::Restart(_) => self.nodes[i].core.settings.me.uid().to_owned(),
                    _ => format!("v{}", self.incarnations),
                };
                let node = self.node(i, &uid, self.nodes[i].rate);
                let old = std::mem::replace(&mut self.nodes[i], node);
                if matches!(act, Act::Replace(_)) && count < 6 {
                    self.nodes.push(old);
                }
            }
            Act::Raise(i) => self.feed(i % count, Input::Raise(self.highest))?,
            Act::StepDown(i) => self.feed(i % count, Input::StepDown(Loss::CutOff))?,
            Act::Release(i) => {
                self.nodes[i % count].stopped = true;
                self.feed(i % count, Input::Release { successor: Some("r1".to_owned()) })?;
            }
            Act::GiveUp(_) | Act::Late(_) | Act::Tell(..) | Act::Delete => {}
        }
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        let mut valid = Vec::new();
        for node in &self.nodes {
            let now = node.local(self.now);
            for term in node.terms.iter().filter(|term| term.check(now).is_ok()) {
                valid.push(term.epoch());
                let sent = self.committed.get(&term.id()).copied();
                let bound = sent.map(|sent| sent + self.timing().valid());
                let within = bound.is_some_and(|bound| now + term.left(now) <= bound);
                ensure(within, || format!("{term:?} beyond {bound:?}"))?;
            }
        }
        ensure(valid.len() <= 1, || format!("the terms of epochs {valid:?} are valid at once"))
    }

    /// With all faults over, whoever may lead elects one leader, and keeps it.
    fn settles(&mut self) -> Result<(), String> {
        self.late.clear();
        self.run(25_000, None)?;
        let leaders = |world: &Self| {
            let leads = |node: &&Node| matches!(node.core.phase, Phase::Leading(_));
            world.nodes.iter().filter(leads).count()
        };
        let expected = usize::from(self.nodes.iter().any(|node| !node.stopped));
        let found = leaders(self);
        ensure(found == expected, || format!("{found} leaders in the end"))?;
        let epoch = self.highest;
        self.run(10_000, None)?;
        let same = (leaders(self), self.highest) == (expected, epoch);
        ensure(same, || "the leader changes though nothing happens".to_owned())
    }
}
