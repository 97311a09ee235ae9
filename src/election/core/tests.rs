//! Each rule of the protocol by itself.

mod follow;
mod give_up;
mod lead;

use super::*;
use crate::election::Term;
use crate::election::store::memory::LeaseCell;

const T: Timing = Timing::DEFAULT;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// One core, its clock and the Lease.
struct Bench {
    core: Core,
    now: Moment,
    lease: LeaseCell,
    sent: Vec<(Request, Duration)>,
    role: Option<Role>,
    reports: Vec<Report>,
    released: Option<bool>,
}

fn settings(name: &str, uid: &str, nonce: u128) -> Settings {
    Settings {
        me: Identity::new(name, uid, nonce << 64),
        address: format!("{name}:9912"),
        software: "test".to_owned(),
        timing: T,
        rank: 0,
        stall: Duration::from_secs(10),
    }
}

fn held(holder: &str, epoch: u64) -> Record {
    Record {
        holder: holder.to_owned(),
        epoch: Epoch(epoch),
        term: TermId(99),
        address: "other:9912".to_owned(),
        duration: T.lease(),
        ..Record::default()
    }
}

impl Bench {
    fn new(lease: LeaseCell) -> Self {
        Self::of(settings("r0", "u0", 1), lease)
    }

    fn of(settings: Settings, lease: LeaseCell) -> Self {
        let now = Moment::from_nanos(1_000_000_000_000);
        let core = Core::new(settings, now);
        let mut bench =
            Self { core, now, lease, sent: Vec::new(), role: None, reports: Vec::new(), released: None };
        bench.feed(Input::Fresh(Freshness::Newest));
        bench
    }

    /// A core that leads since now.
    fn leading() -> Self {
        let mut bench = Self::new(LeaseCell::default());
        bench.run(ms(1));
        assert!(bench.term().is_some());
        bench
    }

    fn feed(&mut self, input: Input) {
        for command in self.core.handle(self.now, input) {
            match command {
                Command::Send { request, timeout } => self.sent.push((request, timeout)),
                Command::Publish(role) => self.role = Some(role),
                Command::Report(report) => self.reports.push(report),
                Command::Released(free) => self.released = Some(free),
            }
        }
    }

    fn pass(&mut self, length: Duration) {
        self.now = self.now + length;
        self.feed(Input::Tick);
    }

    /// What the request that was sent last, and is under way, asks for.
    fn request(&self) -> &Request {
        assert!(self.core.flight.is_some(), "nothing is under way");
        &self.sent.last().unwrap().0
    }

    fn carry_out(&mut self) -> Result<Reply, StoreError> {
        let me = self.core.settings.me.clone();
        match self.request().clone() {
            Request::Get => self.lease.get().map(|stored| {
                let gone = Identity::parse(&stored.record.holder).is_some_and(|holder| me.succeeds(&holder));
                Reply::Read { stored, gone }
            }),
            Request::Create(record) => self.lease.create(&record).map(Reply::Written),
            Request::Replace { key, record, .. } => self.lease.replace(&key, &record).map(Reply::Written),
        }
    }

    fn answer(&mut self) {
        let answer = self.carry_out();
        self.feed(Input::Answered(answer));
    }

    fn refuse(&mut self, error: StoreError) {
        self.feed(Input::Answered(Err(error)));
    }

    /// Time passes, and every request is answered at once.
    fn run(&mut self, length: Duration) {
        let end = self.now + length;
        loop {
            while self.core.flight.is_some() {
                self.answer();
            }
            let wake = self.core.wake_at(self.now);
            assert!(wake > self.now);
            if wake > end {
                break;
            }
            self.now = wake;
            self.feed(Input::Alive);
        }
        self.now = end;
    }

    fn term(&self) -> Option<Term> {
        match &self.role {
            Some(Role::Leader(term)) if term.check(self.now).is_ok() => Some(term.clone()),
            _ => None,
        }
    }

    /// How long it takes until it leads, if it does within a minute.
    fn leads_after(&mut self) -> Option<Duration> {
        let start = self.now;
        self.run(Duration::ZERO);
        while self.now.since(start) < Duration::from_secs(60) {
            if self.term().is_some() {
                return Some(self.now.since(start));
            }
            self.run(ms(5));
        }
        None
    }

    fn lost(&self) -> Vec<Loss> {
        let lost = |report: &Report| match report {
            Report::Lost { why, .. } => Some(*why),
            _ => None,
        };
        self.reports.iter().filter_map(lost).collect()
    }
}

fn lease_with(record: &Record) -> LeaseCell {
    let mut lease = LeaseCell::default();
    let key = lease.create(&Record::default()).unwrap();
    lease.replace(&key, record).unwrap();
    lease
}
