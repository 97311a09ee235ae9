use super::*;

const SECOND: Duration = Duration::from_secs(1);
const RULES: Rules =
    Rules { settle: Duration::from_secs(20), safe_after: Duration::from_secs(120), safe_changes: 10 };

/// A dice that rolls the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// The upstream: a number for each route; none where there is no such route.
type World = Vec<Option<u64>>;

fn text(world: &World, harm: Option<(usize, &str)>) -> String {
    let mut text = String::new();
    for (place, value) in world.iter().enumerate() {
        let harmed = harm.filter(|(harmed, _)| *harmed == place).map(|(_, harm)| harm);
        if let (Some(value), true) = (value, harmed != Some("gone")) {
            let filter = harmed.unwrap_or_default();
            text.push_str(&format!("r{place}: Path(\"/{value}\"){filter} -> <shunt>;\n"));
        }
    }
    text
}

/// One who polls the upstream at moments of its own, and has what it read a while later.
struct Poller {
    every: u64,
    next: u64,
    late: u64,
    read: VecDeque<(u64, World)>,
    has: Option<World>,
}

impl Poller {
    fn new(every: u64, first: u64, late: u64) -> Self {
        Self { every, next: first, late, read: VecDeque::new(), has: None }
    }

    /// Whether it has another table at `tick`, in tenths of a second.
    fn step(&mut self, tick: u64, upstream: &World) -> bool {
        if tick >= self.next {
            self.next = tick + self.every;
            self.read.push_back((tick + self.late, upstream.clone()));
        }
        let mut moved = false;
        while self.read.front().is_some_and(|(at, _)| *at <= tick) {
            let (_, world) = self.read.pop_front().expect("just seen");
            moved |= self.has.as_ref() != Some(&world);
            self.has = Some(world);
        }
        moved
    }
}

/// What is simulated.
#[derive(Clone, Copy)]
struct Play {
    seed: u64,
    routes: u64,
    seconds: u64,
    /// The one route that changes each second; else one of all.
    hot: Option<usize>,
    /// From when on the peer has another route than we, which, and in which way.
    harm: Option<(u64, usize, &'static str)>,
    /// Who polls through another one is later.
    chained: bool,
}

/// What was seen.
#[derive(Debug, Default)]
struct Seen {
    different: BTreeMap<String, u64>,
    unsettled: BTreeMap<String, u64>,
    safe_for: u64,
    safe_at_the_end: bool,
}

fn play(play: Play) -> Seen {
    let Play { seed, routes, seconds, hot, harm, chained } = play;
    let mut dice = Dice(seed);
    for _ in 0..8 {
        dice.roll(2);
    }
    let mut upstream: World = (0..routes).map(Some).collect();
    let mut next = routes;
    // Tenths of a second: polls of 3 s, some of them a little longer each time, and compiles of up to a second.
    let mut we = Poller::new(30, dice.roll(30), dice.roll(5));
    let mut them = Poller::new(30 + dice.roll(7), dice.roll(30), dice.roll(10));
    let mut client = Poller::new(30 + dice.roll(3), dice.roll(30), dice.roll(10));
    let look_every = 20 + dice.roll(20);
    let (mut ours, mut judge, mut seen) = (Side::new(RULES.settle), Judge::new(RULES), Seen::default());
    let mut before: Option<(String, Arc<Meanings>)> = None;
    for tick in 0..seconds * 10 {
        let now = Moment::from_nanos(0) + SECOND / 10 * u32::try_from(tick).expect("short");
        if tick % 10 == 3 {
            let place = hot.unwrap_or_else(|| dice.roll(routes) as usize);
            next += 1;
            upstream[place] = (hot.is_some() || dice.roll(8) > 0).then_some(next);
        }
        if we.step(tick, &upstream) {
            let world = we.has.as_ref().expect("read");
            let table =
                Meanings::read(&text(world, None), ours.table().map(|known| &**known)).expect("a table");
            if ours.has(table.into(), now) {
                judge.we_changed(now);
            }
        }
        them.step(tick, &upstream);
        let shown = match (chained, &them.has) {
            (true, Some(theirs)) => {
                client.step(tick, theirs);
                client.has.as_ref()
            }
            (false, theirs) => theirs.as_ref(),
            (true, None) => None,
        };
        let (Some(shown), Some(_), true) = (shown, ours.table(), tick % look_every == 0) else { continue };
        let harm = harm.filter(|(from, ..)| tick >= from * 10).map(|(_, place, how)| (place, how));
        let text = text(shown, harm);
        let theirs = match &before {
            Some((known, _)) if *known == text => None,
            before => {
                let known = before.as_ref().map(|(_, table)| &**table);
                Some(Arc::new(Meanings::read(&text, known).expect("a table")))
            }
        };
        if let Some(theirs) = &theirs {
            before = Some((text, theirs.clone()));
        }
        judge.look(&ours, theirs, now);
        for (id, standing) in judge.standing() {
            let list = match standing {
                Standing::Different => &mut seen.different,
                Standing::Unsettled => &mut seen.unsettled,
            };
            list.entry(id.to_owned()).or_insert(tick / 10);
        }
        seen.safe_at_the_end = judge.is_safe(now);
        seen.safe_for += u64::from(seen.safe_at_the_end);
    }
    seen
}

const HOUR: Play = Play { seed: 0, routes: 40, seconds: 3600, hot: None, harm: None, chained: false };

#[test]
fn an_hour_of_changes_each_second_raises_no_alarm_and_comes_to_be_safe() {
    for seed in 0..4 {
        let seen = play(Play { seed, chained: seed % 2 == 1, ..HOUR });
        assert_eq!((&seen.different, &seen.unsettled), (&BTreeMap::new(), &BTreeMap::new()), "seed {seed}");
        assert!(seen.safe_at_the_end, "seed {seed}");
    }
}

#[test]
fn a_route_that_changes_each_second_is_never_taken_for_different() {
    for seed in 0..4 {
        let seen = play(Play { seed, routes: 5, hot: Some(2), chained: seed % 2 == 1, ..HOUR });
        assert_eq!(seen.different, BTreeMap::new(), "seed {seed}");
    }
}

#[test]
fn a_difference_is_found_in_the_middle_of_changes() {
    for (seed, how) in [" -> x()", "gone", " && Weight(2)", " -> y() -> z()"].into_iter().enumerate() {
        // A route that does not change all the time: the others do.
        let harm = Some((100, 39, how));
        let seen = play(Play { seed: seed as u64, seconds: 400, harm, ..HOUR });
        let found = seen.different.get("r39").copied();
        assert!(found.is_some_and(|at| (120..220).contains(&at)), "{how}: {seen:?}");
        assert_eq!(seen.different.len(), 1, "{how}: {seen:?}");
        assert!(!seen.safe_at_the_end, "{how}");
    }
}

#[test]
fn a_difference_in_a_route_that_never_stands_still_keeps_it_from_being_safe() {
    let harm = Some((0, 2, " -> x()"));
    let seen = play(Play { routes: 5, hot: Some(2), seconds: 600, harm, ..HOUR });
    assert!(seen.unsettled.get("r2").is_some_and(|at| *at < 60), "{seen:?}");
    assert_eq!(seen.safe_for, 0);
}

/// Two replicas behind one address, one of them right: it is seen to agree at each second look.
#[test]
fn a_peer_of_two_minds_is_not_safe() {
    let table = |text: &str| Arc::new(Meanings::read(text, None).expect("a table"));
    let (right, wrong) = ("a: * -> <shunt>", "a: * -> x() -> <shunt>");
    let (mut ours, mut judge) = (Side::new(RULES.settle), Judge::new(RULES));
    let mut now = Moment::from_nanos(0);
    ours.has(table(right), now);
    for look in 0..100 {
        now = now + 2 * SECOND;
        judge.look(&ours, Some(table(if look % 2 == 0 { right } else { wrong })), now);
    }
    assert_eq!(judge.standing().collect::<Vec<_>>(), [("a", Standing::Unsettled)]);
    assert!(judge.clean_for(now).is_none());
}

#[test]
fn what_was_not_looked_at_for_long_is_not_clean() {
    let (mut ours, mut judge) = (Side::new(RULES.settle), Judge::new(RULES));
    let mut now = Moment::from_nanos(0);
    for change in 0..200 {
        now = now + SECOND;
        let table = format!("a: Path(\"/{change}\") -> <shunt>");
        ours.has(Meanings::read(&table, None).expect("a table").into(), now);
        judge.we_changed(now);
        judge.look(&ours, ours.table().cloned(), now);
    }
    assert!(judge.is_safe(now));
    assert!((130..150).contains(&judge.changes()), "the last ones may still turn out to differ");
    now = now + RULES.settle;
    assert!(judge.is_blind(now) && !judge.is_safe(now));
    judge.look(&ours, None, now);
    assert_eq!((judge.clean_for(now), judge.changes()), (Some(Duration::ZERO), 0), "counted anew");
}

#[test]
fn few_changes_prove_little() {
    let (mut ours, mut judge) = (Side::new(RULES.settle), Judge::new(RULES));
    let mut now = Moment::from_nanos(0);
    ours.has(Meanings::read("a: * -> <shunt>", None).expect("a table").into(), now);
    for _ in 0..1000 {
        now = now + SECOND;
        judge.look(&ours, ours.table().cloned(), now);
    }
    assert!(judge.clean_for(now) > Some(RULES.safe_after) && !judge.is_safe(now));
}
