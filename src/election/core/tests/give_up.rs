//! Giving up: release, deletion, and for the others' sake (rules 6, 8, 9 and 10).

use super::*;

#[test]
fn release_ends_the_term_before_anybody_hears_and_keeps_epoch_and_term() {
    let mut bench = Bench::leading();
    let term = bench.term().unwrap();
    bench.feed(Input::Release { successor: Some("r2".to_owned()) });
    assert!(term.check(bench.now).is_err());
    bench.answer();
    assert_eq!(bench.released, Some(true));
    let record = bench.lease.get().unwrap().record;
    assert!(record.holder.is_empty() && record.released);
    assert_eq!((record.epoch, record.term), (term.epoch(), term.id()));
    assert_eq!(record.successor.as_deref(), Some("r2"));
    assert_eq!(bench.leads_after(), None, "released for good");
}

#[test]
fn release_waits_for_the_renewal_under_way() {
    let mut bench = Bench::leading();
    bench.pass(T.renew());
    bench.feed(Input::Release { successor: None });
    assert!(matches!(bench.request(), Request::Replace { purpose: Purpose::Renew, .. }));
    bench.answer();
    assert!(matches!(bench.request(), Request::Replace { purpose: Purpose::Release, .. }));
    bench.answer();
    assert_eq!(bench.released, Some(true));
}

#[test]
fn release_never_evicts_a_successor() {
    let mut bench = Bench::leading();
    bench.lease.edit(|record| *record = Record { term: TermId(7), ..held("y", 9) });
    bench.feed(Input::Release { successor: None });
    bench.answer();
    bench.answer();
    assert_eq!(bench.released, Some(false));
    assert_eq!(bench.lease.get().unwrap().record.holder, "y");
}

#[test]
fn release_whose_answer_was_lost_is_recognised() {
    let mut bench = Bench::leading();
    bench.feed(Input::Release { successor: None });
    let _lost = bench.carry_out();
    bench.refuse(StoreError::Timeout);
    bench.pass(RETRY);
    bench.answer();
    bench.answer();
    assert_eq!(bench.released, Some(true));
}

#[test]
fn release_of_an_acquisition_under_way_waits_and_gives_it_back() {
    let mut bench = Bench::new(LeaseCell::default());
    bench.answer();
    bench.answer();
    bench.feed(Input::Release { successor: None });
    assert_eq!(bench.released, None);
    bench.answer();
    bench.answer();
    assert_eq!(bench.released, Some(true));
    assert!(bench.lease.get().unwrap().record.released && bench.term().is_none());
}

#[test]
fn release_of_a_follower_is_done_at_once() {
    let mut bench = Bench::new(lease_with(&held("x", 5)));
    bench.run(ms(10));
    bench.feed(Input::Release { successor: None });
    assert_eq!(bench.released, Some(true));
}

#[test]
fn ex_leader_makes_a_deleted_lease_without_a_holder_and_takes_it_at_once() {
    let mut bench = Bench::leading();
    let term = bench.term().unwrap();
    bench.lease.delete();
    bench.feed(Input::Told(Change::Look));
    bench.answer();
    assert!(term.check(bench.now).is_err());
    assert!(matches!(bench.request(), Request::Create(record) if record.holder.is_empty()));
    bench.answer();
    assert!(matches!(bench.request(), Request::Replace { purpose: Purpose::Acquire, .. }));
    bench.answer();
    assert!(bench.term().unwrap().epoch() > term.epoch());
}

#[test]
fn ex_leader_whose_time_is_over_waits_like_everybody() {
    let mut bench = Bench::leading();
    bench.lease.delete();
    bench.feed(Input::Told(Change::Look));
    bench.answer();
    let answer = bench.carry_out();
    bench.pass(T.valid());
    bench.feed(Input::Answered(answer));
    assert_eq!(bench.leads_after(), Some(T.lease()));
}

#[test]
fn follower_lets_a_remade_lease_stand_for_its_full_duration() {
    let mut bench = Bench::new(lease_with(&held("x", 5)));
    bench.run(ms(10));
    bench.lease.delete();
    bench.feed(Input::Told(Change::Look));
    let waited = bench.leads_after().unwrap();
    assert!(waited >= T.lease() && waited <= T.lease() + ms(110), "{waited:?}");
    assert!(bench.term().unwrap().epoch() > Epoch(5));
}

#[test]
fn lease_of_another_object_is_not_ours() {
    let mut bench = Bench::leading();
    let record = bench.lease.get().unwrap().record;
    bench.lease.delete();
    bench.lease.create(&record).unwrap();
    bench.pass(T.renew());
    bench.answer();
    bench.answer();
    assert_eq!(bench.lost(), [Loss::Taken]);
}

#[test]
fn first_lease_of_all_is_taken_at_once() {
    let mut bench = Bench::new(LeaseCell::default());
    assert_eq!(bench.leads_after(), Some(Duration::ZERO));
    assert_eq!(bench.lease.get().unwrap().key.version, 2, "made without a holder, then taken");
}

#[test]
fn leader_whose_work_stalls_gives_up_and_cools_down() {
    let mut bench = Bench::leading();
    let term = bench.term().unwrap();
    for _ in 0..100 {
        bench.pass(ms(100));
        while bench.core.flight.is_some() {
            bench.answer();
        }
    }
    assert!(term.check(bench.now).is_err());
    assert_eq!(bench.lost(), [Loss::Stalled]);
    assert!(bench.lease.get().unwrap().record.released);
    assert_eq!(bench.core.state(bench.now), State::Cooling);
    let cooled = bench.leads_after().unwrap();
    assert!(cooled > 2 * T.lease() && cooled <= 3 * T.lease(), "{cooled:?}");
}

#[test]
fn leader_that_no_follower_reaches_gives_up_and_a_follower_is_not_concerned() {
    let mut bench = Bench::leading();
    bench.feed(Input::StepDown(Loss::CutOff));
    bench.answer();
    assert!(bench.lease.get().unwrap().record.released);
    assert_eq!(bench.leads_after(), Some(3 * T.lease()));
    let mut follower = Bench::new(lease_with(&held("x", 5)));
    follower.run(ms(10));
    follower.feed(Input::StepDown(Loss::CutOff));
    assert_eq!(follower.leads_after(), Some(T.lease() - ms(10)));
}

#[test]
fn replica_that_keeps_losing_lets_the_others_go_first() {
    let mut bench = Bench::leading();
    for _ in 0..3 {
        let until = bench.now + bench.term().unwrap().left(bench.now);
        while bench.term().is_some() {
            bench.now = bench.core.wake_at(bench.now).min(until);
            bench.feed(Input::Tick);
            if bench.core.flight.is_some() && bench.term().is_some() {
                bench.refuse(StoreError::Forbidden("no".to_owned()));
            }
        }
        if bench.lost().len() < 3 {
            bench.run(ms(1_000));
        }
    }
    assert_eq!(bench.leads_after(), Some(T.lease()));
}
