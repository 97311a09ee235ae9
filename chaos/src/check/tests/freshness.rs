use super::*;
use crate::history::{Change, Fault, FaultEvent};

fn change(at: u32, generation: u64) -> Record {
    Record::Change(Change { at: MS * at, generation })
}

#[test]
fn a_change_is_published_when_a_client_has_it_or_a_replica_announced_it() {
    let got = got(500, "a", table((1, 2), "bb", 2));
    let late = [change(100, 2), got.clone()];
    assert_eq!(publication(&late).value, Some(0.405));
    let announced = [change(100, 2), got, deed(150, "r0", Act::Announced((1, 2)))];
    assert_eq!(publication(&announced).value, Some(0.05));
}

#[test]
fn a_change_that_is_never_published_keeps_no_limit() {
    let history = [change(100, 2), got(500, "a", table((1, 1), "aa", 1))];
    let figure = publication(&history).at_most(4.0);
    assert!(!figure.kept && figure.samples == Some(1), "{figure}");
    let replaced = [change(100, 2), change(200, 3), got(500, "a", table((1, 2), "cc", 3))];
    assert!(publication(&replaced).value.is_some(), "a newer one stands for it");
}

#[test]
fn a_kill_after_the_change_is_where_its_time_counts_from() {
    let history = [
        change(100, 2),
        life(1_000, "r0", LifeEvent::Killed),
        got(4_000, "a", table((1, 2), "bb", 2)),
        life(5_000, "r1", LifeEvent::Killed),
    ];
    assert_eq!(publication(&history).value, Some(3.005));
}

#[test]
fn a_change_arrives_with_an_answer_through_skipper() {
    let history = [change(100, 2), got(150, "a", table((1, 2), "bb", 2)), request(600, Ok(Some(2)))];
    assert_eq!(arrival(&history).value, Some(0.501));
    assert_eq!(arrival(&history[..2]).value, None);
}

fn three(at: [u32; 3]) -> Vec<Record> {
    let replicas = ["r0", "r1", "r2"].into_iter().zip(at);
    replicas.map(|(replica, at)| deed(at, replica, Act::Activated((1, 1)))).collect()
}

#[test]
fn skew_is_from_the_first_replica_to_the_last() {
    assert_eq!(skew(&three([100, 105, 120]), 0.99).value, Some(0.02));
    assert!(!skew(&three([100, 105, 121]), 0.99).at_most(0.02).kept);
}

#[test]
fn a_replica_that_was_away_is_not_late() {
    let begin = |event, id, at| {
        let on = [Name::from("r2")].into();
        Record::Fault(Fault { id, at: MS * at, what: "cut off from the leader".into(), on, event })
    };
    let excuses = [
        vec![life(50, "r2", LifeEvent::Killed), life(900, "r2", LifeEvent::Started)],
        vec![life(50, "r2", LifeEvent::Paused)],
        vec![begin(FaultEvent::Begun, 0, 50), begin(FaultEvent::Healed, 0, 900)],
    ];
    for excuse in excuses {
        assert_eq!(skew(&[&excuse[..], &three([100, 105, 1_000])].concat(), 0.99).value, Some(0.005));
    }
    let other = [life(50, "r9", LifeEvent::Killed)];
    assert_eq!(skew(&[&other[..], &three([100, 105, 1_000])].concat(), 0.99).value, Some(0.9));
}

fn aged(at: u32, replica: &str, age: Option<u64>) -> Record {
    state(at, replica, Some(Seen { age, ..serving((1, 1), "aa") }))
}

#[test]
fn staleness_shows_once_every_answer_admits_the_outage() {
    let outage = MS * 1_000..MS * 60_000;
    let history = [
        aged(500, "r0", Some(0)),
        aged(3_000, "r0", Some(500)),
        aged(3_000, "r1", Some(2_500)),
        aged(9_000, "r0", Some(8_100)),
        aged(70_000, "r0", Some(0)),
    ];
    assert_eq!(staleness_shown(&history, outage.clone()).value, Some(2.0));
    let lies = [aged(50_000, "r0", Some(100)), aged(50_000, "r1", Some(49_000))];
    assert!(!staleness_shown(&lies, outage.clone()).at_most(10.0).kept);
    assert!(!staleness_shown(&[aged(50_000, "r0", None)], outage.clone()).at_most(10.0).kept);
    assert!(!staleness_shown(&[], outage).at_most(10.0).kept, "nobody answered");
}

#[test]
fn replicas_are_of_one_mind_when_they_stay_so() {
    let history = [
        state(10, "r0", Some(serving((1, 1), "aa"))),
        state(10, "r1", Some(serving((1, 1), "aa"))),
        state(20, "r0", Some(serving((1, 2), "bb"))),
        state(600, "r1", Some(serving((1, 2), "bb"))),
    ];
    assert_eq!(of_one_mind(&history, MS * 100).value, Some(0.5));
    assert_eq!(of_one_mind(&history, MS * 900).value, Some(0.0), "they were so already");
    let silent = [&history[..], &[state(700, "r1", None)]].concat();
    assert!(!of_one_mind(&silent, MS * 100).at_most(5.0).kept);
    let stage = Stage {
        scenario: "x".into(),
        replicas: ["r0", "r1", "r2"].map(Name::from).to_vec(),
        least_routes: 1,
    };
    let missing = [&[Record::Stage(Box::new(stage))][..], &history].concat();
    assert!(!of_one_mind(&missing, MS * 100).at_most(5.0).kept, "r2 never answered");
}

#[test]
fn tables_and_the_rotation_are_counted_within_the_window() {
    let history = [
        life(0, "r0", LifeEvent::In),
        life(0, "r1", LifeEvent::In),
        state(10, "r0", Some(serving((1, 1), "aa"))),
        life(15, "r1", LifeEvent::Out),
        life(18, "r1", LifeEvent::In),
        state(20, "r1", Some(serving((1, 1), "aa"))),
        state(90, "r1", Some(serving((1, 2), "bb"))),
    ];
    assert_eq!(tables_served(&history, MS..MS * 50).value, Some(1.0));
    assert_eq!(tables_served(&history, MS..MS * 99).value, Some(2.0));
    assert_eq!(least_in_rotation(&history, MS..MS * 50).value, Some(1.0));
    assert_eq!(least_in_rotation(&history, MS * 20..MS * 50).value, Some(2.0));
    assert_eq!(oldest_shown(&[aged(1, "r0", Some(2_500)), aged(2, "r1", Some(9))]).value, Some(2.5));
}

#[test]
fn a_table_that_flips_back_and_forth_has_changed_twice() {
    let serves = |at, version, digest| state(at, "r0", Some(serving(version, digest)));
    let history =
        [serves(1, (1, 1), "aa"), serves(2, (2, 0), "aa"), serves(3, (2, 1), "bb"), serves(4, (3, 1), "aa")];
    let all = Duration::ZERO..Duration::MAX;
    assert!(!table_changes(&history, all.clone()).at_most(1.0).kept);
    assert!(table_changes(&history[..3], all).at_most(1.0).kept);
}

#[test]
fn what_waited_for_the_end_of_a_fault_is_timed_from_there() {
    let got = got(1_695, "a", table((2, 3), "cc", 3));
    let history = [change(100, 2), change(900, 3), got.clone(), change(5_000, 4)];
    assert_eq!(published_since(&history, MS * 1_500).value, Some(0.2));
    assert_eq!(published_since(&history, MS * 1_800).value, Some(0.0), "it was there by then");
    assert!(!published_since(&history, MS * 1_500).at_most(0.1).kept);
    assert!(!published_since(&history, MS * 6_000).at_most(9.0).kept, "the newest never came");
    assert!(!published_since(&[got], MS * 1_500).at_most(9.0).kept, "nothing waited");
}

#[test]
fn an_announcement_of_an_older_table_is_found_whoever_got_it() {
    let (new, old) = (got(10, "a", table((1, 2), "bb", 2)), got(900, "b", table((2, 1), "aa", 1)));
    let announced = [deed(1, "r0", Act::Announced((1, 2))), deed(500, "r1", Act::Announced((2, 1)))];
    let history = [&announced[..], &[new.clone(), old]].concat();
    assert!(!older_announced(&history).at_most(0.0).kept);
    let same = got(900, "b", table((2, 1), "bb", 2));
    assert!(older_announced(&[&announced[..], &[new, same]].concat()).at_most(0.0).kept);
}
