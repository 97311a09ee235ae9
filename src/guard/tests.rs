use super::*;
use crate::object::Kind;

const INGRESSES: Measure = Measure::Objects(Kind::Ingress);
const ROUTES: Measure = Measure::Routes(Kind::RouteGroup);

fn counts(of: &[(Measure, u64)]) -> Counts {
    Counts(of.iter().copied().collect())
}

fn guard(published: &[(Measure, u64)]) -> Guard {
    let mut guard = Guard::new(Thresholds::default());
    guard.begin(Some(counts(published)));
    guard
}

/// Whether each of the polls passes, in turn.
fn passes(guard: &mut Guard, measure: Measure, polls: &[u64]) -> Vec<bool> {
    polls.iter().map(|to| guard.check(&counts(&[(measure, *to)]), false, 0).is_ok()).collect()
}

#[test]
fn what_is_doubtful() {
    let thresholds = Thresholds::default();
    for (measure, from, to, doubtful) in [
        (INGRESSES, 100, 80, false), // 20 %, not beyond
        (INGRESSES, 100, 79, true),
        (INGRESSES, 50, 40, false), // 10, not more
        (INGRESSES, 50, 39, true),
        (INGRESSES, 20, 1, true),
        (INGRESSES, 11, 1, false), // 91 %, but only 10
        (INGRESSES, 1000, 850, false),
        (ROUTES, 100, 79, true),
        (INGRESSES, 1, 0, true), // nothing left is always doubtful
        (ROUTES, 3, 0, true),
        (Measure::Addresses, 1, 0, true),
        (Measure::Addresses, 100, 30, false),
        (Measure::Addresses, 100, 29, true),
        (Measure::Addresses, 4, 1, true),
        (INGRESSES, 0, 0, false),
        (INGRESSES, 5, 500, false),
        (INGRESSES, u64::MAX, u64::MAX / 2, true),
    ] {
        assert_eq!(thresholds.is_doubtful(measure, from, to), doubtful, "{measure}: {from} to {to}");
    }
}

#[test]
fn without_a_published_table_everything_passes() {
    let mut guard = Guard::new(Thresholds::default());
    assert_eq!(guard.check(&counts(&[(INGRESSES, 0)]), false, 0), Ok(Passed::Harmless));
    guard.begin(None);
    assert_eq!(guard.check(&counts(&[(INGRESSES, 7)]), false, 0), Ok(Passed::Harmless));
}

#[test]
fn drop_passes_with_the_third_equal_poll_and_is_then_the_measure_of_the_next() {
    let mut guard = guard(&[(INGRESSES, 100)]);
    assert_eq!(passes(&mut guard, INGRESSES, &[50, 50]), [false, false]);
    assert_eq!(guard.check(&counts(&[(INGRESSES, 50)]), false, 0), Ok(Passed::Confirmed));
    assert_eq!(guard.held(), None);
    assert_eq!(passes(&mut guard, INGRESSES, &[49, 30]), [true, false]);
}

#[test]
fn another_number_begins_anew() {
    let mut guard = guard(&[(INGRESSES, 100)]);
    assert_eq!(
        passes(&mut guard, INGRESSES, &[50, 50, 49, 49, 50, 50, 50]),
        [false, false, false, false, false, false, true]
    );
}

#[test]
fn what_comes_back_passes_at_once() {
    let mut guard = guard(&[(INGRESSES, 100)]);
    assert_eq!(passes(&mut guard, INGRESSES, &[50, 99, 50]), [false, true, false]);
}

#[test]
fn nothing_left_takes_a_hundred_polls() {
    let mut guard = guard(&[(ROUTES, 3)]);
    let passed = passes(&mut guard, ROUTES, &[0; 100]);
    assert_eq!(passed.iter().position(|passes| *passes), Some(99));
}

#[test]
fn each_measure_has_its_own_patience() {
    let mut guard = guard(&[(INGRESSES, 100), (ROUTES, 3)]);
    for poll in 0..99 {
        // The number of Ingresses changes all the time; that of routes stays at zero.
        assert!(guard.check(&counts(&[(INGRESSES, 10 + poll % 2), (ROUTES, 0)]), false, poll).is_err());
    }
    let held = guard.held().expect("held");
    assert_eq!((held.since_millis, held.falls[&ROUTES].polls, held.falls[&INGRESSES].polls), (0, 99, 1));
    assert!(guard.check(&counts(&[(INGRESSES, 90), (ROUTES, 0)]), false, 100).is_ok());
}

#[test]
fn release_is_for_what_was_seen_and_nothing_worse() {
    let mut guard = guard(&[(INGRESSES, 100)]);
    assert_eq!(guard.release(), None, "nothing is held");
    assert_eq!(passes(&mut guard, INGRESSES, &[50]), [false]);
    assert_eq!(guard.release().expect("held").falls[&INGRESSES].to, 50);
    assert_eq!(passes(&mut guard, INGRESSES, &[0]), [false], "that was not released");
    assert_eq!(guard.check(&counts(&[(INGRESSES, 51)]), false, 0), Ok(Passed::Released));
    assert_eq!(passes(&mut guard, INGRESSES, &[10]), [false], "a release is for once");
}

#[test]
fn the_same_table_and_what_is_not_counted_any_more_are_harmless() {
    let mut guard = guard(&[(INGRESSES, 100), (Measure::Objects(Kind::Endpoints), 50)]);
    assert_eq!(guard.check(&counts(&[(INGRESSES, 0)]), true, 0), Ok(Passed::Harmless));
    guard.begin(Some(counts(&[(Measure::Objects(Kind::Endpoints), 50)])));
    let slices = counts(&[(Measure::Objects(Kind::EndpointSlice), 0)]);
    assert_eq!(guard.check(&slices, false, 0), Ok(Passed::Harmless));
}

#[test]
fn a_new_term_holds_by_itself() {
    let mut guard = guard(&[(INGRESSES, 100)]);
    assert_eq!(passes(&mut guard, INGRESSES, &[50, 50]), [false, false]);
    guard.release();
    guard.begin(Some(counts(&[(INGRESSES, 100)])));
    assert_eq!(guard.held(), None);
    assert_eq!(passes(&mut guard, INGRESSES, &[50, 50, 50]), [false, false, true]);
}

#[test]
fn what_fell_can_be_read() {
    let mut guard = guard(&[(INGRESSES, 100), (Measure::Addresses, 4)]);
    let held = guard.check(&counts(&[(INGRESSES, 50), (Measure::Addresses, 0)]), false, 0).expect_err("held");
    assert_eq!(
        held.describe(),
        "objects of the kind Ingress fell from 100 to 50 (1 of 3 equal polls), \
         ready addresses fell from 4 to 0 (1 of 100 equal polls)"
    );
}
