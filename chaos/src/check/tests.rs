use super::*;
use crate::history::{Life, LifeEvent};

const MS: Duration = Duration::from_millis(1);

fn table(version: (u64, u64), digest: &str, generation: u64) -> Table {
    Table {
        version: Some(version),
        promised: digest.to_owned(),
        digest: digest.to_owned(),
        count: Some(40),
        routes: 40,
        generation: Some(generation),
    }
}

fn poll(at: u32, client: &str, replica: Option<&str>, answer: Answer) -> Record {
    let replica = replica.map(str::to_owned);
    Record::Poll(Poll { client: client.to_owned(), at: MS * at, end: MS * (at + 5), replica, answer })
}

fn got(at: u32, client: &str, table: Table) -> Record {
    poll(at, client, Some("r0"), Answer::Table(table))
}

fn life(at: u32, replica: &str, event: LifeEvent) -> Record {
    Record::Life(Life { replica: replica.to_owned(), at: MS * at, event })
}

fn request(at: u32, outcome: Result<Option<u64>, String>) -> Record {
    let (client, host) = ("traffic".to_owned(), "marker.test".to_owned());
    Record::Request(Request { client, at: MS * at, end: MS * (at + 1), host, outcome })
}

fn invariants(violations: &[Violation]) -> Vec<Invariant> {
    violations.iter().map(|violation| violation.invariant).collect()
}

#[test]
fn a_good_history_has_no_violation() {
    let history = [
        life(0, "r0", LifeEvent::In),
        life(0, "r1", LifeEvent::In),
        got(10, "a", table((1, 1), "aa", 1)),
        poll(20, "a", Some("r1"), Answer::Kept),
        request(25, Ok(Some(1))),
        life(30, "r0", LifeEvent::Killed),
        poll(28, "a", Some("r0"), Answer::Failed("reset".to_owned())),
        life(40, "r0", LifeEvent::Out),
        got(50, "a", table((2, 1), "bb", 2)),
        request(60, Ok(Some(2))),
    ];
    assert_eq!(all(&history, 40), []);
}

#[test]
fn an_empty_table_is_a_wipe() {
    let empty = Table { routes: 0, count: Some(0), ..table((1, 1), "aa", 1) };
    assert_eq!(invariants(&no_wipe(&[got(1, "a", empty)], 40)), [Invariant::NoWipe]);
}

#[test]
fn a_table_cut_short_is_a_wipe() {
    let cut = Table { routes: 41, count: Some(44), ..table((1, 1), "aa", 1) };
    assert_eq!(invariants(&no_wipe(&[got(1, "a", cut)], 40)), [Invariant::NoWipe]);
}

#[test]
fn a_lower_version_with_another_digest_is_a_step_back() {
    let history = [got(1, "a", table((2, 1), "bb", 1)), got(2, "a", table((1, 9), "aa", 1))];
    assert_eq!(invariants(&no_step_back(&history)), [Invariant::NoStepBack]);
}

#[test]
fn a_lower_version_of_the_same_bytes_is_none() {
    let history = [got(1, "a", table((2, 1), "aa", 1)), got(2, "a", table((1, 9), "aa", 1))];
    assert_eq!(no_step_back(&history), []);
}

#[test]
fn a_lower_version_to_another_client_is_none() {
    let history = [got(1, "a", table((2, 1), "bb", 2)), got(2, "b", table((1, 9), "aa", 1))];
    assert_eq!(no_step_back(&history), []);
}

#[test]
fn a_lower_generation_is_a_step_back_whatever_the_version_says() {
    let without = |generation, digest: &str| Table { version: None, ..table((0, 0), digest, generation) };
    let history = [got(1, "a", without(2, "bb")), got(2, "a", without(1, "aa"))];
    assert_eq!(invariants(&no_step_back(&history)), [Invariant::NoStepBack]);
}

#[test]
fn a_lower_generation_through_skipper_is_a_step_back() {
    let history = [request(1, Ok(Some(2))), request(2, Ok(None)), request(3, Ok(Some(1)))];
    assert_eq!(invariants(&no_step_back(&history)), [Invariant::NoStepBack]);
}

#[test]
fn one_version_with_two_digests_is_a_fork() {
    let history = [got(1, "a", table((2, 1), "aa", 1)), got(2, "b", table((2, 1), "bb", 1))];
    assert_eq!(invariants(&no_fork(&history)), [Invariant::NoFork]);
}

#[test]
fn a_body_that_hashes_to_something_else_is_a_lie() {
    let lie = Table { digest: "bb".to_owned(), ..table((1, 1), "aa", 1) };
    assert_eq!(invariants(&no_lie(&[got(1, "a", lie)])), [Invariant::NoLie]);
}

#[test]
fn a_live_replica_that_answers_503_or_nothing_is_blamed() {
    let up = life(0, "r0", LifeEvent::In);
    for answer in [Answer::Status(503), Answer::Failed("reset".to_owned())] {
        let history = [up.clone(), poll(10, "a", Some("r0"), answer)];
        assert_eq!(invariants(&no_failed_poll(&history)), [Invariant::PollsAnswered]);
    }
}

#[test]
fn a_replica_that_was_killed_before_is_blamed_again_once_it_is_back() {
    let history = [
        life(0, "r0", LifeEvent::In),
        life(5, "r0", LifeEvent::Killed),
        life(20, "r0", LifeEvent::In),
        poll(30, "a", Some("r0"), Answer::Failed("reset".to_owned())),
    ];
    assert_eq!(invariants(&no_failed_poll(&history)), [Invariant::PollsAnswered]);
}

#[test]
fn a_replica_that_drains_still_finishes_what_it_was_given() {
    let history = [
        life(0, "r0", LifeEvent::In),
        life(12, "r0", LifeEvent::Out),
        poll(10, "a", Some("r0"), Answer::Failed("cut".to_owned())),
    ];
    assert_eq!(invariants(&no_failed_poll(&history)), [Invariant::PollsAnswered]);
}

#[test]
fn a_poll_that_nobody_got_is_excused_only_while_nobody_is_there() {
    let nobody = poll(10, "a", None, Answer::Failed("closed".to_owned()));
    let (taken_in, killed) = (life(0, "r1", LifeEvent::In), life(2, "r1", LifeEvent::Killed));
    assert_eq!(no_failed_poll(&[taken_in.clone(), killed, nobody.clone()]), []);
    assert_eq!(invariants(&no_failed_poll(&[taken_in, nobody])), [Invariant::PollsAnswered]);
}

#[test]
fn a_failed_request_is_never_excused() {
    let history = [life(0, "r0", LifeEvent::Killed), request(1, Err("status 503".to_owned()))];
    assert_eq!(invariants(&no_failed_request(&history)), [Invariant::RequestsAnswered]);
}
