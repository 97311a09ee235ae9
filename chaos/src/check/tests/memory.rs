use super::*;
use crate::history::Role;

const MINUTE: Duration = Duration::from_secs(60);

/// A sample of `r0` each ten seconds for twenty minutes: `kib` of the second.
fn samples(kib: impl Fn(u64) -> u64) -> Vec<Record> {
    let sample =
        |second| Memory { replica: "r0".into(), at: Duration::from_secs(second), rss_kib: kib(second) };
    (0..1_200).step_by(10).map(|second| Record::Memory(sample(second))).collect()
}

#[test]
fn memory_that_grows_is_found_by_its_ratio_and_by_its_slope() {
    // 30 MiB, and 6 MiB an hour.
    let leak = samples(|second| 30_720 + second * 6 * 1024 / 3600);
    let slope = slope(&leak, MINUTE * 5..MINUTE * 20);
    assert!((slope.value.unwrap() - 6.0).abs() < 0.1 && !slope.clone().at_most(4.0).kept, "{slope}");
    assert!(!growth(&leak, MINUTE * 5..MINUTE * 10, MINUTE * 15..MINUTE * 20).at_most(1.03).kept);
}

#[test]
fn what_is_given_back_is_no_growth() {
    let waves = samples(|second| if second % 30 == 0 { 30_720 } else { 61_440 });
    let growth = growth(&waves, MINUTE * 5..MINUTE * 10, MINUTE * 15..MINUTE * 20);
    assert_eq!(growth.value, Some(1.0));
    assert_eq!(slope(&waves, MINUTE * 5..MINUTE * 20).value, Some(0.0));
}

#[test]
fn nothing_is_said_of_a_replica_that_nobody_weighed() {
    let mut history = samples(|_| 30_720);
    history.push(Record::Memory(Memory { replica: "r1".into(), at: MINUTE, rss_kib: 1 }));
    assert!(!growth(&history, MINUTE * 5..MINUTE * 10, MINUTE * 15..MINUTE * 20).at_most(1.03).kept);
    assert!(!slope(&history, MINUTE * 5..MINUTE * 20).at_most(4.0).kept);
    assert!(!growth(&[], MINUTE..MINUTE * 2, MINUTE..MINUTE * 2).at_most(1.03).kept);
}

#[test]
fn a_queue_in_a_replica_shows_as_more_than_before_and_that_of_the_slow_one_is_its_own() {
    let (before, during) = (MINUTE..MINUTE * 5, MINUTE * 5..MINUTE * 20);
    let queue = samples(|second| if second < 300 { 30_720 } else { 61_440 });
    let rise = more_than_before(&queue, &["r1"], before.clone(), during.clone());
    assert_eq!(rise.value, Some(30.0));
    assert!(!rise.at_most(22.0).kept);
    let even = samples(|_| 30_720);
    assert!(more_than_before(&even, &[], before.clone(), during.clone()).at_most(0.0).kept);
    assert!(
        !more_than_before(&queue, &["r0"], before.clone(), during).at_most(22.0).kept,
        "nobody was weighed"
    );
    assert!(!more_than_before(&even, &[], before, MINUTE * 30..MINUTE * 40).at_most(22.0).kept);
}

#[test]
fn who_was_started_again_meanwhile_is_left_out_and_alone_shows_nothing() {
    let (early, late) = (MINUTE * 5..MINUTE * 10, MINUTE * 15..MINUTE * 20);
    let start = |minute: u32, replica: &str| life(minute * 60_000, replica, LifeEvent::Started);
    let mut history = samples(|_| 30_720);
    let other =
        |minute: u32, rss_kib| Record::Memory(Memory { replica: "r1".into(), at: MINUTE * minute, rss_kib });
    // The new process of r1 is smaller, and then grows for other reasons.
    history.extend([other(6, 60_000), start(12, "r1"), other(17, 90_000)]);
    assert_eq!(growth(&history, early.clone(), late.clone()).value, Some(1.0));
    history.push(start(3, "r0"));
    assert_eq!(growth(&history, early.clone(), late.clone()).value, Some(1.0), "before the first window");
    history.push(start(11, "r0"));
    assert!(!growth(&history, early, late).at_most(1.03).kept, "nobody is left");
    assert!(!slope(&history, MINUTE * 5..MINUTE * 20).at_most(4.0).kept);
}

#[test]
fn a_leader_is_not_compared_with_a_follower() {
    // Twenty MiB while it follows, forty while it leads: in the middle of each window, and at the end of all.
    let leads = |second: u64| second > 1_100 || second % 600 > 450;
    let said = |second: u64| {
        let role = if leads(second) { Role::Leader } else { Role::Follower };
        let seen = Some(Box::new(Seen { role, ..Seen::default() }));
        Record::State(State { replica: "r0".into(), at: Duration::from_secs(second), seen })
    };
    let (early, late) = (MINUTE * 2..MINUTE * 10, MINUTE * 12..MINUTE * 20);
    let history = |leak: u64| {
        let kib = |second| if leads(second) { 40_960 + leak * second } else { 20_480 };
        let mut history = samples(kib);
        history.extend((0..1_200).step_by(5).map(said));
        history
    };
    // 150 s of leading in the first window, a minute of them to get used to it, are too few to tell.
    assert_eq!(growth(&history(0), early.clone(), late.clone()).value, Some(1.0));
    let long = MINUTE..MINUTE * 20;
    assert_eq!(growth(&history(0), long.clone(), long).value, Some(1.0));
    let only_leads = samples(|second| 40_960 + 3 * second);
    assert!(!growth(&only_leads, early, late).at_most(1.03).kept);
}

#[test]
fn a_role_that_was_rare_at_first_is_known_by_what_came_right_after() {
    let said = |second: u64| {
        let role = if second > 560 { Role::Leader } else { Role::Follower };
        let seen = Some(Box::new(Seen { role, ..Seen::default() }));
        Record::State(State { replica: "r0".into(), at: Duration::from_secs(second), seen })
    };
    let history = |leak: u64| {
        let mut history = samples(|second| if second > 560 { 40_960 + leak * second } else { 20_480 });
        history.extend((0..1_200).step_by(5).map(said));
        history
    };
    let grows = |leak| growth(&history(leak), MINUTE * 5..MINUTE * 10, MINUTE * 15..MINUTE * 20);
    assert_eq!(grows(0).at_most(1.03).value, Some(1.0));
    assert!(!grows(10).at_most(1.03).kept, "{}", grows(10));
}

#[test]
fn a_role_that_was_just_taken_is_not_compared_with_a_settled_one() {
    let leads = |second: u64| second % 600 >= 100;
    let said = |second: u64| {
        let role = if leads(second) { Role::Leader } else { Role::Follower };
        let seen = Some(Box::new(Seen { role, ..Seen::default() }));
        Record::State(State { replica: "r0".into(), at: Duration::from_secs(second), seen })
    };
    // In the first window alone it is weighed at the beginning of a term, while it has nothing in its hands.
    let history = |leak: u64| {
        let kib = |second| if second == 110 { 30_720 } else { 40_960 + leak * second };
        let mut history = samples(kib);
        history.extend((0..1_200).step_by(5).map(said));
        history
    };
    let grows = |leak| growth(&history(leak), MINUTE..MINUTE * 10, MINUTE * 11..MINUTE * 20);
    assert_eq!(grows(0).at_most(1.03).value, Some(1.0));
    assert!(!grows(10).at_most(1.03).kept, "{}", grows(10));
}
