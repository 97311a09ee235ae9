use super::*;
use crate::history::{Fault, FaultEvent, Role};

const WHAT: &str = "cut off";

fn fault(at: u32, id: u32, event: FaultEvent) -> Record {
    Record::Fault(Fault { id, at: MS * at, what: WHAT.into(), on: ["r0".into()].into(), event })
}

/// Begun at 1 s and healed at 11 s.
fn cut_off(rest: &[Record]) -> Vec<Record> {
    let mut all = vec![fault(1_000, 1, FaultEvent::Begun), fault(11_000, 1, FaultEvent::Healed)];
    all.extend_from_slice(rest);
    all
}

fn follows(current: bool) -> Option<Seen> {
    Some(Seen { current, ..serving((2, 1), "aa") })
}

#[test]
fn a_guard_that_closes_late_or_never_is_found() {
    let leads = deed(0, "r0", Act::Leads(1));
    let closes = |at| cut_off(&[leads.clone(), deed(at, "r0", Act::Ceases(1))]);
    assert!(ceased(&closes(3_000), WHAT).at_most(2.4).kept);
    assert!(!ceased(&closes(4_000), WHAT).at_most(2.4).kept);
    assert!(!ceased(&cut_off(std::slice::from_ref(&leads)), WHAT).at_most(2.4).kept, "it never does");
    let before = cut_off(&[leads, deed(500, "r0", Act::Ceases(1)), deed(1_500, "r1", Act::Ceases(2))]);
    assert_eq!(ceased(&before, WHAT).samples, Some(0), "nobody led");
}

#[test]
fn each_strike_needs_a_next_leader_of_its_own() {
    let mut history = cut_off(&[
        fault(20_000, 2, FaultEvent::Struck),
        deed(0, "r0", Act::CaughtUp(1)),
        deed(3_500, "r1", Act::CaughtUp(2)),
    ]);
    assert!(!failovers_of(&history, WHAT).at_most(60.0).kept, "nobody led after the second");
    history.push(deed(24_000, "r2", Act::CaughtUp(3)));
    let worst = failovers_of(&history, WHAT);
    assert_eq!((worst.value, worst.at_most(3.3).kept), (Some(4.0), false));
    let soonest = soonest_failover(&history, WHAT);
    assert_eq!(soonest.value, Some(2.5));
    assert!(soonest.clone().at_least(2.1).kept && !soonest.at_least(2.6).kept);
}

#[test]
fn whoever_was_cut_off_knows_it_soon_and_is_back_in_step_soon() {
    let good = cut_off(&[
        state(900, "r0", follows(true)),
        state(1_900, "r0", follows(false)),
        state(2_000, "r1", follows(true)),
        state(11_800, "r0", follows(true)),
    ]);
    assert!(noticed(&good, WHAT).at_most(1.2).kept && back_in_step(&good, WHAT).at_most(1.0).kept);
    let late = cut_off(&[state(3_000, "r0", follows(false)), state(13_000, "r0", follows(true))]);
    assert!(!noticed(&late, WHAT).at_most(1.2).kept && !back_in_step(&late, WHAT).at_most(1.0).kept);
    let leads = Seen { role: Role::Leader, ..follows(true).unwrap() };
    let never = cut_off(&[state(12_000, "r0", Some(leads)), state(13_000, "r0", None)]);
    assert!(!noticed(&never, WHAT).at_most(60.0).kept && !back_in_step(&never, WHAT).at_most(60.0).kept);
}

#[test]
fn a_leader_that_goes_on_leading_after_it_was_stopped_is_found() {
    let history = [
        deed(0, "r0", Act::Leads(1)),
        life(1_000, "r0", LifeEvent::Paused),
        deed(4_000, "r1", Act::Leads(2)),
        life(11_000, "r0", LifeEvent::Resumed),
        deed(11_050, "r0", Act::Ceases(1)),
    ];
    assert!(resumed_leads_no_more(&history).at_most(0.1).kept);
    assert!(!resumed_leads_no_more(&history).at_most(0.04).kept);
    assert!(!resumed_leads_no_more(&history[..4]).at_most(60.0).kept);
}

#[test]
fn a_leader_that_comes_back_too_soon_is_a_relapse() {
    let lost = [deed(0, "r0", Act::Leads(1)), deed(2_000, "r0", Act::Ceases(1))];
    let soon = cut_off(&[&lost[..], &[deed(9_000, "r0", Act::Leads(3))]].concat());
    assert!(!relapses(&soon, WHAT, MS * 9_000).at_most(0.0).kept);
    let late = cut_off(
        &[&lost[..], &[deed(5_000, "r1", Act::Leads(2)), deed(12_000, "r0", Act::Leads(3))]].concat(),
    );
    assert!(relapses(&late, WHAT, MS * 9_000).at_most(0.0).kept);
}

#[test]
fn the_time_without_a_leader_runs_from_a_terms_end_to_the_next_one() {
    let history =
        [deed(0, "r0", Act::Leads(1)), deed(1_000, "r0", Act::Ceases(1)), deed(4_000, "r1", Act::Leads(2))];
    let gap = leaderless(&history);
    assert_eq!((gap.value, gap.at_most(2.9).kept), (Some(3.0), false));
    let overlap =
        [&history[..], &[deed(5_000, "r2", Act::Leads(3)), deed(5_100, "r1", Act::Ceases(2))]].concat();
    assert_eq!(leaderless(&overlap).value, Some(3.0));
    assert!(!leaderless(&history[..2]).at_most(60.0).kept, "nobody leads any more");
}

#[test]
fn an_epoch_below_an_earlier_one_is_counted() {
    let history = [deed(0, "r0", Act::Leads(7)), deed(1, "r0", Act::Raised(9)), deed(2, "r1", Act::Leads(8))];
    assert!(!epochs_that_do_not_grow(&history).at_most(0.0).kept);
    assert!(epochs_that_do_not_grow(&history[..2]).at_most(0.0).kept);
}

#[test]
fn a_leader_that_is_outbid_is_counted_while_it_matters() {
    let history = [deed(10, "r0", Act::Leads(7)), deed(20, "r0", Act::Raised(9))];
    assert!(!raised(&history, Duration::ZERO..Duration::MAX).at_most(0.0).kept);
    assert!(raised(&history, Duration::ZERO..MS * 20).at_most(0.0).kept);
}

#[test]
fn a_process_that_stops_late_or_is_ready_late_is_found() {
    let life = [
        life(0, "r0", LifeEvent::Terminated),
        life(4_000, "r0", LifeEvent::Ended),
        life(5_000, "r0", LifeEvent::Started),
    ];
    assert!(stops(&life).at_most(4.0).kept && !stops(&life).at_most(3.9).kept);
    assert!(!stops(&life[..1]).at_most(60.0).kept);
    let ready = [&life[..], &[state(5_100, "r0", None), state(6_000, "r0", follows(false))]].concat();
    let all = Duration::ZERO..Duration::MAX;
    assert!(
        starts_ready(&ready, all.clone()).at_most(1.0).kept
            && !starts_ready(&ready, all.clone()).at_most(0.9).kept
    );
    assert!(!starts_ready(&life, all).at_most(60.0).kept);
}

#[test]
fn a_replica_that_is_out_of_step_for_long_is_found_also_where_it_never_comes_back() {
    let history =
        [state(0, "r0", follows(true)), state(100, "r0", follows(false)), state(900, "r0", follows(true))];
    let all = Duration::ZERO..Duration::MAX;
    assert!(
        out_of_step(&history, all.clone()).at_most(0.8).kept
            && !out_of_step(&history, all.clone()).at_most(0.7).kept
    );
    let open = [&history[..], &[state(1_000, "r0", None), state(3_000, "r0", follows(false))]].concat();
    assert_eq!(out_of_step(&open, all.clone()).value, Some(2.0));
    assert!(!out_of_step(&[], all).at_most(1.0).kept);
}

#[test]
fn two_tables_at_once_are_a_disagreement_and_one_that_is_not_ready_has_none() {
    let serves = |at, replica, digest| state(at, replica, Some(serving((1, 1), digest)));
    let history =
        [serves(0, "r0", "aa"), serves(0, "r1", "aa"), serves(500, "r0", "bb"), serves(800, "r1", "bb")];
    let all = Duration::ZERO..Duration::MAX;
    let differ = disagreement(&history, all.clone());
    assert_eq!((differ.value, differ.at_most(0.2).kept), (Some(0.3), false));
    let starting = state(0, "r1", Some(Seen { ready: false, ..serving((1, 1), "cc") }));
    assert_eq!(
        disagreement(&[serves(0, "r0", "aa"), starting, serves(900, "r0", "aa")], all).value,
        Some(0.0)
    );
}

#[test]
fn a_log_that_repeats_itself_is_found() {
    let line = |at, text: &str| deed(at, "r0", Act::Warned(text.into()));
    let history =
        [line(10, "cannot reach the lease"), line(20, "cannot reach the lease"), line(30, "quarantined")];
    let minute = Duration::ZERO..MS * 60_000;
    assert!(!warnings(&history, minute.clone(), "the lease").at_most(1.0).kept);
    assert!(warnings(&history[1..], minute, "the lease").at_most(1.0).kept);
    assert!(warnings(&history, Duration::ZERO..MS * 61_000, "the lease").at_most(1.0).kept, "two minutes");
}
