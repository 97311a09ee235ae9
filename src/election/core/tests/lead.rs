//! Leading: renewal, self-demotion and the raising of epochs (rules 3 and 4, fencing).

use super::*;

#[test]
fn renews_each_interval_counted_from_the_sending_and_extends_from_the_sending() {
    let mut bench = Bench::leading();
    let start = bench.term().unwrap().acquired_at();
    bench.pass((start + T.renew()).since(bench.now));
    let sent = bench.now;
    bench.pass(ms(300));
    bench.answer();
    assert_eq!(bench.term().unwrap().left(sent), T.valid());
    bench.pass(ms(499));
    assert!(bench.core.flight.is_none());
    bench.pass(ms(1));
    assert!(matches!(bench.request(), Request::Replace { purpose: Purpose::Renew, .. }));
}

#[test]
fn last_attempt_gets_all_that_is_left() {
    let mut bench = Bench::leading();
    let start = bench.term().unwrap().acquired_at();
    bench.pass((start + T.renew()).since(bench.now));
    assert_eq!(bench.sent.last().unwrap().1, T.attempt());
    bench.pass(T.attempt());
    bench.refuse(StoreError::Timeout);
    bench.pass(RETRY);
    let left = (start + T.valid()).since(bench.now);
    assert_eq!(bench.sent.last().unwrap().1, left);
    assert!(left > T.attempt());
}

#[test]
fn lost_answer_then_conflict_is_found_to_be_our_own_write() {
    let mut bench = Bench::leading();
    let epoch = bench.term().unwrap().epoch();
    bench.pass(T.renew());
    let sent = bench.now;
    let _lost = bench.carry_out();
    bench.pass(T.attempt());
    bench.refuse(StoreError::Timeout);
    bench.pass(RETRY);
    bench.answer();
    assert_eq!(bench.request(), &Request::Get);
    bench.answer();
    let term = bench.term().unwrap();
    assert_eq!((term.epoch(), term.left(sent)), (epoch, T.valid()));
    assert_eq!(bench.lost(), []);
}

#[test]
fn change_by_somebody_else_keeps_the_term_and_extends_nothing() {
    let mut bench = Bench::leading();
    let until = bench.now + bench.term().unwrap().left(bench.now);
    bench.lease.edit(|record| record.epoch = Epoch(0));
    bench.pass(T.renew());
    bench.answer();
    bench.answer();
    assert_eq!(bench.now + bench.term().unwrap().left(bench.now), until);
    bench.answer();
    let mended = bench.lease.get().unwrap().record;
    assert_eq!(mended.epoch, bench.term().unwrap().epoch(), "the renewal mends it");
    assert_eq!(bench.reports.last(), Some(&Report::Repaired { epoch: mended.epoch }));
    assert!(bench.now + bench.term().unwrap().left(bench.now) > until);
}

#[test]
fn another_holder_or_term_ends_the_term_at_once() {
    let edits: [fn(&mut Record); 3] = [
        |record| record.holder = "x".to_owned(),
        |record| record.term = TermId(1),
        |record| record.holder.clear(),
    ];
    for edit in edits {
        let mut bench = Bench::leading();
        let term = bench.term().unwrap();
        bench.lease.edit(edit);
        let stored = bench.lease.get().unwrap();
        bench.feed(Input::Told(Change::Written(Box::new(stored))));
        bench.answer();
        assert!(term.check(bench.now).is_err());
        assert_eq!(bench.lost(), [Loss::Taken]);
    }
}

#[test]
fn own_news_and_old_news_ask_for_no_read() {
    let mut bench = Bench::leading();
    let old = bench.lease.get().unwrap();
    bench.run(T.renew());
    let own = bench.lease.get().unwrap();
    for stored in [old, own] {
        bench.feed(Input::Told(Change::Written(Box::new(stored))));
        assert!(bench.core.flight.is_none());
    }
}

#[test]
fn refusals_neither_end_the_term_early_nor_hurry() {
    let asked = |seconds| StoreError::Throttled { retry_after: Some(Duration::from_secs(seconds)) };
    for (error, most) in [
        (StoreError::Forbidden("no".to_owned()), 4),
        (StoreError::Throttled { retry_after: None }, 6),
        (asked(1), 3),
        (asked(30), 6),
    ] {
        let mut bench = Bench::leading();
        let until = bench.now + bench.term().unwrap().left(bench.now);
        bench.sent.clear();
        while bench.now < until {
            assert!(bench.term().is_some(), "{error:?}");
            if bench.core.flight.is_some() {
                bench.refuse(error.clone());
            }
            bench.now = bench.core.wake_at(bench.now);
            bench.feed(Input::Tick);
        }
        assert!(bench.sent.len() <= most, "{} requests for {error:?}", bench.sent.len());
        assert_eq!(bench.lost(), [Loss::Expired]);
    }
}

#[test]
fn term_ends_on_time_while_a_request_hangs() {
    let mut bench = Bench::leading();
    let term = bench.term().unwrap();
    let until = bench.now + term.left(bench.now);
    bench.pass(T.renew());
    assert!(bench.core.flight.is_some());
    assert_eq!(bench.core.wake_at(bench.now), until);
    bench.now = until;
    bench.feed(Input::Tick);
    assert!(term.check(bench.now).is_err());
    assert!(matches!(bench.role, Some(Role::Follower(None))));
}

#[test]
fn answer_that_comes_after_the_end_revives_nothing() {
    let mut bench = Bench::leading();
    let term = bench.term().unwrap();
    bench.pass(T.renew());
    bench.pass(T.valid());
    bench.answer();
    assert!(term.check(bench.now).is_err());
    bench.run(ms(1));
    assert!(bench.term().unwrap().epoch() > term.epoch(), "taken anew, under a higher epoch");
}

#[test]
fn refused_epoch_is_raised_by_a_write_on_the_same_lease() {
    let mut bench = Bench::leading();
    let term = bench.term().unwrap();
    bench.feed(Input::Raise(term.epoch()));
    bench.answer();
    let next = bench.term().unwrap();
    assert!(next.epoch() > term.epoch() && next.id() != term.id() && !next.after_expiry());
    assert!(term.check(bench.now).is_err());
    bench.feed(Input::Raise(term.epoch()));
    assert!(bench.core.flight.is_none(), "what is lower than ours already changes nothing");
}

#[test]
fn higher_epoch_seen_by_a_leader_raises_its_own_but_its_own_epoch_does_not() {
    let mut bench = Bench::leading();
    let term = bench.term().unwrap();
    bench.feed(Input::Saw(term.epoch()));
    assert!(bench.core.flight.is_none());
    bench.feed(Input::Saw(Epoch(70)));
    bench.answer();
    assert_eq!(bench.term().unwrap().epoch(), Epoch(71));
}

#[test]
fn raise_of_one_who_leads_no_more_ends_its_term() {
    let mut bench = Bench::leading();
    let term = bench.term().unwrap();
    bench.lease.edit(|record| *record = Record { term: TermId(7), ..held("y", 9) });
    bench.feed(Input::Raise(Epoch(9)));
    bench.answer();
    bench.answer();
    assert!(term.check(bench.now).is_err() && bench.term().is_none());
}

#[test]
fn raise_whose_answer_was_lost_becomes_the_term() {
    let mut bench = Bench::leading();
    let term = bench.term().unwrap();
    let sent = bench.now;
    bench.feed(Input::Raise(Epoch(50)));
    let _lost = bench.carry_out();
    bench.refuse(StoreError::Timeout);
    bench.pass(RETRY);
    bench.answer();
    bench.answer();
    let next = bench.term().unwrap();
    assert_eq!((next.epoch(), next.acquired_at()), (Epoch(51), sent));
    assert!(term.check(bench.now).is_err());
}
