use super::*;

#[test]
fn a_live_replica_that_answers_503_or_nothing_is_blamed() {
    let up = life(0, "r0", LifeEvent::In);
    for answer in [Answer::Status(503), Answer::Failed("reset".into())] {
        let history = [up.clone(), poll(10, "a", Some("r0"), answer)];
        assert_eq!(invariants(&no_failed_poll(&history)), [Invariant::PollsAnswered]);
    }
}

#[test]
fn a_replica_that_was_killed_before_is_blamed_again_once_it_is_back() {
    let history = [
        life(0, "r0", LifeEvent::In),
        life(5, "r0", LifeEvent::Killed),
        life(15, "r0", LifeEvent::Started),
        life(20, "r0", LifeEvent::In),
        poll(30, "a", Some("r0"), Answer::Failed("reset".into())),
    ];
    assert_eq!(invariants(&no_failed_poll(&history)), [Invariant::PollsAnswered]);
}

#[test]
fn a_replica_that_drains_still_finishes_what_it_was_given() {
    let history = [
        life(0, "r0", LifeEvent::In),
        life(12, "r0", LifeEvent::Out),
        poll(10, "a", Some("r0"), Answer::Failed("cut".into())),
    ];
    assert_eq!(invariants(&no_failed_poll(&history)), [Invariant::PollsAnswered]);
}

#[test]
fn a_poll_that_nobody_got_is_excused_only_while_nobody_is_there() {
    let nobody = poll(10, "a", None, Answer::Failed("closed".into()));
    let (taken_in, killed) = (life(0, "r1", LifeEvent::In), life(2, "r1", LifeEvent::Killed));
    assert_eq!(no_failed_poll(&[taken_in.clone(), killed, nobody.clone()]), []);
    assert_eq!(invariants(&no_failed_poll(&[taken_in, nobody])), [Invariant::PollsAnswered]);
}

#[test]
fn a_failed_request_is_never_excused() {
    let history = [life(0, "r0", LifeEvent::Killed), request(1, Err("status 503"))];
    assert_eq!(invariants(&no_failed_request(&history)), [Invariant::RequestsAnswered]);
}

#[test]
fn a_poll_to_a_dead_replica_in_the_rotation_is_allowed_and_counted() {
    for event in [LifeEvent::Killed, LifeEvent::Paused, LifeEvent::Cut] {
        let history = [
            life(0, "r0", LifeEvent::In),
            life(0, "r1", LifeEvent::In),
            life(10, "r0", event),
            lost(12, "a", Some("r0")),
            lost(20, "b", None),
        ];
        assert_eq!(no_failed_poll(&history), [], "{event:?}");
        assert_eq!(allowed_failures(&history).value, Some(2.0), "{event:?}");
    }
}

#[test]
fn a_death_excuses_no_poll_to_another_replica_and_none_before_it() {
    let (up, other) = (life(0, "r0", LifeEvent::In), life(0, "r1", LifeEvent::In));
    let killed = life(100, "r0", LifeEvent::Killed);
    for poll in [lost(110, "a", Some("r1")), lost(50, "a", Some("r0"))] {
        let history = [up.clone(), other.clone(), killed.clone(), poll];
        assert_eq!(invariants(&no_failed_poll(&history)), [Invariant::PollsAnswered]);
        assert_eq!(allowed_failures(&history).value, Some(0.0));
    }
}

#[test]
fn asking_a_replica_to_stop_excuses_nothing() {
    let history = [
        life(0, "r0", LifeEvent::In),
        life(5, "r0", LifeEvent::Terminated),
        cut(8, "a", "r0"),
        life(20, "r0", LifeEvent::Ended),
        lost(30, "a", None),
    ];
    assert_eq!(invariants(&no_failed_poll(&history)), [Invariant::PollsAnswered; 2]);
    assert_eq!(invariants(&no_cut(&history)), [Invariant::NoCut]);
    assert_eq!(cut_by_faults(&history).value, Some(0.0));
}

#[test]
fn a_replica_that_was_paused_is_blamed_again_once_it_has_answered() {
    let history = [
        life(0, "r0", LifeEvent::In),
        life(10, "r0", LifeEvent::Paused),
        life(100, "r0", LifeEvent::Resumed),
        poll(105, "a", Some("r0"), Answer::Kept),
        lost(120, "a", Some("r0")),
    ];
    assert_eq!(invariants(&no_failed_poll(&history)), [Invariant::PollsAnswered]);
}

#[test]
fn polls_may_not_be_lost_for_long() {
    let history = |late| {
        [life(0, "r0", LifeEvent::In), life(100, "r0", LifeEvent::Killed), lost(late, "a", Some("r0"))]
    };
    assert!(failed_so_long(&history(3_000)).at_most(3.0).kept);
    assert!(!failed_so_long(&history(3_200)).at_most(3.0).kept);
    assert_eq!(failed_so_long(&[]).value, Some(0.0));
}

#[test]
fn a_dead_replica_may_take_its_share_and_no_more() {
    let history = |lost_of_ten: u32| {
        let mut history: Vec<Record> = ["r0", "r1", "r2"].map(|name| life(0, name, LifeEvent::In)).to_vec();
        history.push(life(10, "r0", LifeEvent::Killed));
        for n in 0..1000 {
            history.push(match n % 10 < lost_of_ten {
                true => lost(20 + n, "a", Some("r0")),
                false => poll(20 + n, "a", Some("r1"), Answer::Kept),
            });
        }
        history.push(life(2_000, "r0", LifeEvent::Out));
        history.push(poll(3_000, "a", Some("r1"), Answer::Kept));
        history
    };
    let (few, many) = (failed_share(&history(3)), failed_share(&history(5)));
    assert!(few.kept && (few.value, few.samples) == (Some(0.3), Some(1000)), "{few}");
    assert!(!many.kept, "{many}");
}

#[test]
fn the_next_poll_of_a_client_must_succeed() {
    let one = [lost(1, "a", None), lost(2, "b", None), poll(3, "a", None, Answer::Kept), lost(4, "a", None)];
    assert_eq!(failed_in_a_row(&one).value, Some(1.0));
    let two = [lost(1, "a", None), poll(2, "b", None, Answer::Kept), lost(3, "a", None)];
    assert_eq!(failed_in_a_row(&two).value, Some(2.0));
}

#[test]
fn availability_and_silence_are_counted_over_all_clients() {
    let history = [
        poll(0, "a", None, Answer::Kept),
        lost(100, "a", None),
        poll(200, "b", None, Answer::Kept),
        poll(250, "a", None, Answer::Kept),
    ];
    assert_eq!(answered(&history).value, Some(0.75));
    assert_eq!(silence(&history).value, Some(0.2));
    let requests = [request(1, Ok(None)), request(2, Err("status 503"))];
    assert_eq!((failed_requests(&requests).value, failed_requests(&requests).samples), (Some(1.0), Some(2)));
}

#[test]
fn a_cut_by_a_kill_is_not_blamed_but_must_heal() {
    let before = [
        life(0, "r0", LifeEvent::In),
        life(12, "r0", LifeEvent::Killed),
        cut(10, "a", "r0"),
        poll(20, "a", Some("r1"), Answer::Kept),
    ];
    assert_eq!(no_cut(&before), []);
    assert_eq!(cut_by_faults(&before).value, Some(1.0));
    assert!(!healed_within(&before).at_most(2.0).kept, "pinned: it has a 304 and no table");
    let healed = [&before[..], &[got(30, "a", table((1, 1), "aa", 1))]].concat();
    assert_eq!(healed_within(&healed).value, Some(2.0));
    let late =
        [&before[..], &[poll(25, "a", None, Answer::Kept), got(30, "a", table((1, 1), "aa", 1))]].concat();
    assert!(!healed_within(&late).at_most(2.0).kept);
    assert_eq!(healed_within(&[]).value, Some(0.0));
}

#[test]
fn waiting_times_are_those_of_the_window() {
    let slow = |at: u32, took: u32, answer| {
        Record::Poll(Poll { client: "a".into(), at: MS * at, end: MS * (at + took), replica: None, answer })
    };
    let whole = || Answer::Table(Box::new(table((1, 1), "aa", 1)));
    let history = [
        slow(0, 900, Answer::Kept),
        slow(10, 20, Answer::Kept),
        slow(12, 40, whole()),
        slow(99, 800, whole()),
    ];
    let window = MS * 5..MS * 50;
    assert_eq!(kept_latency(&history, window.clone(), 0.99).value, Some(0.02));
    assert_eq!(slowest_table(&history, window).value, Some(0.04));
}
