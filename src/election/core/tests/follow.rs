//! Following: the wait for a Lease, its acquisition, and the order of candidates (rules 1, 2, 7 and identity).

use super::*;

#[test]
fn first_sight_of_a_holder_is_waited_out_in_full_whatever_its_wall_clock_says() {
    for renewed_micros in [0, i64::MAX / 2] {
        let mut bench = Bench::new(lease_with(&Record { renewed_micros, ..held("x", 5) }));
        assert_eq!(bench.leads_after(), Some(T.lease()));
        assert!(bench.term().unwrap().after_expiry());
    }
}

#[test]
fn each_change_starts_the_wait_anew() {
    let mut bench = Bench::new(lease_with(&held("x", 5)));
    for _ in 0..20 {
        bench.run(ms(2_900));
        bench.lease.edit(|record| record.beat += 1);
        let stored = bench.lease.get().unwrap();
        bench.feed(Input::Told(Change::Written(Box::new(stored))));
    }
    assert_eq!(bench.term().map(|term| term.epoch()), None);
    assert_eq!(bench.leads_after(), Some(T.lease()));
}

#[test]
fn change_that_the_watch_missed_is_found_by_reading() {
    let mut bench = Bench::new(lease_with(&held("x", 5)));
    bench.run(ms(2_000));
    bench.lease.edit(|record| record.beat += 1);
    assert!(bench.leads_after().unwrap() >= T.lease() - ms(2_000) + ms(1_000));
}

#[test]
fn holder_that_publishes_a_longer_lease_is_waited_for_as_long_but_not_for_ever() {
    for (published, waited) in [(6_000, 6_000), (1_000, 3_000), (100_000_000, 60_000)] {
        let mut bench = Bench::new(lease_with(&Record { duration: ms(published), ..held("x", 5) }));
        let start = bench.now;
        while bench.term().is_none() {
            bench.run(ms(5));
        }
        assert_eq!(bench.now.since(start), ms(waited));
    }
}

#[test]
fn old_news_of_the_watch_changes_nothing() {
    let mut bench = Bench::new(lease_with(&held("x", 5)));
    let old = bench.lease.get().unwrap();
    bench.lease.edit(|record| record.beat += 1);
    bench.run(ms(1_000));
    bench.feed(Input::Told(Change::Written(Box::new(old))));
    assert_eq!(bench.leads_after(), Some(T.lease() - ms(1_000)));
}

#[test]
fn expired_lease_is_read_again_before_it_is_taken_on_that_very_key() {
    let mut bench = Bench::new(lease_with(&held("x", 5)));
    bench.answer();
    bench.pass(ms(1_600));
    bench.answer();
    bench.pass(ms(1_400));
    assert_eq!(bench.request(), &Request::Get);
    let key = bench.lease.get().unwrap().key;
    bench.answer();
    assert!(
        matches!(bench.request(), Request::Replace { key: on, purpose: Purpose::Acquire, .. } if *on == key)
    );
}

#[test]
fn epoch_exceeds_the_annotation_the_version_and_all_that_was_seen() {
    for (on_lease, seen, expected) in [(5, 0, 6), (0, 7, 8), (0, 0, 3)] {
        let mut bench = Bench::new(lease_with(&held("x", on_lease)));
        bench.feed(Input::Saw(Epoch(seen)));
        bench.leads_after();
        assert_eq!(bench.term().unwrap().epoch(), Epoch(expected));
    }
}

#[test]
fn loser_of_a_race_reads_and_follows() {
    let mut bench = Bench::new(lease_with(&held("x", 5)));
    bench.run(ms(2_999));
    bench.pass(ms(1));
    bench.answer();
    bench.lease.edit(|record| *record = Record { term: TermId(100), ..held("y", 9) });
    bench.answer();
    bench.run(ms(100));
    assert!(bench.term().is_none());
    assert!(matches!(&bench.role, Some(Role::Follower(Some(leader))) if leader.identity == "y"));
}

#[test]
fn acquisition_whose_answer_was_lost_is_adopted_from_when_it_was_sent() {
    let mut bench = Bench::new(LeaseCell::default());
    bench.answer();
    bench.answer();
    let sent = bench.now;
    let _lost = bench.carry_out();
    bench.pass(ms(700));
    bench.refuse(StoreError::Timeout);
    bench.run(ms(500));
    let term = bench.term().unwrap();
    assert_eq!(term.acquired_at(), sent);
    assert_eq!(
        bench.sent.iter().filter(|(request, _)| matches!(request, Request::Replace { .. })).count(),
        2
    );
}

#[test]
fn acquisition_that_comes_to_light_after_its_validity_is_no_term_but_a_reason_to_take_it_anew() {
    let mut bench = Bench::new(LeaseCell::default());
    bench.answer();
    bench.answer();
    let _lost = bench.carry_out();
    let first = bench.lease.get().unwrap().record;
    bench.refuse(StoreError::Timeout);
    bench.pass(ms(2_400));
    bench.answer();
    assert!(bench.term().is_none());
    bench.answer();
    assert!(bench.term().unwrap().epoch() > first.epoch);
}

#[test]
fn released_lease_is_taken_in_turn() {
    let released = |successor: Option<&str>| Record {
        holder: String::new(),
        released: true,
        successor: successor.map(str::to_owned),
        ..held("", 5)
    };
    let full = settings("r2", "u0", 1).me.to_string();
    for (hint, rank, fresh, expected) in [
        (Some("r2"), 2, Freshness::Empty, 0),
        (Some(full.as_str()), 2, Freshness::Newest, 0),
        (Some("r1"), 2, Freshness::Newest, 60),
        (Some("r1"), 0, Freshness::Newest, 20),
        (None, 0, Freshness::Newest, 0),
        (None, 2, Freshness::Newest, 40),
        (None, 2, Freshness::Lagging, 190),
        (None, 2, Freshness::Empty, 440),
    ] {
        let settings = Settings { rank, ..settings("r2", "u0", 1) };
        let mut bench = Bench::of(settings, lease_with(&released(hint)));
        bench.feed(Input::Fresh(fresh));
        assert_eq!(bench.leads_after(), Some(ms(expected)), "{hint:?} {rank} {fresh:?}");
        assert!(!bench.term().unwrap().after_expiry());
    }
}

#[test]
fn holder_that_somebody_else_removed_is_waited_for() {
    let mut bench = Bench::new(lease_with(&held("", 5)));
    assert_eq!(bench.leads_after(), Some(T.lease()));
}

#[test]
fn restarted_container_takes_over_from_itself_at_once_but_a_new_pod_of_the_name_waits() {
    let before = Identity::new("r0", "u0", 77).to_string();
    let lease = lease_with(&held(&before, 5));
    let mut same_pod = Bench::of(settings("r0", "u0", 1), lease.clone());
    assert_eq!(same_pod.leads_after(), Some(Duration::ZERO));
    assert_eq!(same_pod.term().unwrap().epoch(), Epoch(6));
    assert!(!same_pod.term().unwrap().after_expiry());
    let mut new_pod = Bench::of(settings("r0", "u9", 1), lease);
    assert_eq!(new_pod.leads_after(), Some(T.lease()));
}

#[test]
fn follower_leaves_a_store_that_fails_in_peace_and_forgets_the_leader_in_time() {
    let mut bench = Bench::new(lease_with(&held("x", 5)));
    bench.run(ms(10));
    bench.sent.clear();
    let start = bench.now;
    while bench.now.since(start) < Duration::from_secs(30) {
        bench.now = bench.core.wake_at(bench.now);
        bench.feed(Input::Tick);
        if bench.core.flight.is_some() {
            bench.refuse(StoreError::Throttled { retry_after: None });
        }
    }
    assert!(bench.sent.len() <= 60, "{} requests in 30 s", bench.sent.len());
    assert!(matches!(bench.role, Some(Role::Follower(None))));
    let back = bench.now;
    bench.leads_after();
    assert!(bench.now.since(back) <= Duration::from_secs(4));
}

#[test]
fn lease_of_a_leader_that_refuses_connections_is_taken_at_once_and_its_grants_are_waited_out() {
    let mut bench = Bench::new(lease_with(&held("x", 5)));
    bench.run(ms(1_000));
    let since = bench.now;
    bench.run(ms(200));
    bench.feed(Input::Refused(TermId(99), since));
    assert_eq!(bench.leads_after(), Some(Duration::ZERO));
    assert!(!bench.term().unwrap().after_expiry(), "its last grant may still run");
    assert!(bench.reports.contains(&Report::Elected { epoch: Epoch(6), why: Free::Refused }));
}

#[test]
fn refusals_count_for_nothing_where_the_lease_has_moved_since_or_is_another_terms() {
    let mut moved = Bench::new(lease_with(&held("x", 5)));
    moved.run(ms(1_000));
    let since = moved.now;
    moved.run(ms(50));
    moved.lease.edit(|record| record.beat += 1);
    let stored = moved.lease.get().unwrap();
    moved.feed(Input::Told(Change::Written(Box::new(stored))));
    moved.run(ms(150));
    moved.feed(Input::Refused(TermId(99), since));
    assert_eq!(moved.leads_after(), Some(T.lease() - ms(150)));

    let mut other = Bench::new(lease_with(&held("x", 5)));
    other.run(ms(1_000));
    other.feed(Input::Refused(TermId(98), other.now));
    assert_eq!(other.leads_after(), Some(T.lease() - ms(1_000)));
}

#[test]
fn renewal_that_nobody_was_told_of_saves_a_leader_that_is_refused() {
    let mut bench = Bench::new(lease_with(&held("x", 5)));
    bench.run(ms(1_000));
    bench.lease.edit(|record| record.beat += 1);
    let since = bench.now;
    bench.run(ms(200));
    bench.feed(Input::Refused(TermId(99), since));
    assert_eq!(bench.request(), &Request::Get, "read again before it is taken");
    assert_eq!(bench.leads_after(), Some(T.lease()));
}

#[test]
fn candidates_for_a_refusing_leaders_lease_go_in_their_order() {
    let mut bench = Bench::of(Settings { rank: 2, ..settings("r2", "u0", 1) }, lease_with(&held("x", 5)));
    bench.run(ms(1_000));
    let since = bench.now;
    bench.run(ms(200));
    bench.feed(Input::Refused(TermId(99), since));
    assert_eq!(bench.leads_after(), Some(ms(40)));
}
