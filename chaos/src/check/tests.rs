mod after;
mod availability;
mod freshness;
mod memory;
mod terms;

use super::*;
use crate::history::{
    Act, Answer, Cut, Deed, Life, LifeEvent, Memory, Name, Request, Seen, Stage, State, Table, Version,
};

const MS: Duration = Duration::from_millis(1);

fn table(version: (u64, u64), digest: &str, generation: u64) -> Table {
    Table {
        version: Some(version),
        promised: digest.into(),
        digest: digest.into(),
        count: Some(40),
        routes: 40,
        generation: Some(generation),
    }
}

fn poll(at: u32, client: &str, replica: Option<&str>, answer: Answer) -> Record {
    let replica = replica.map(Name::from);
    Record::Poll(Poll { client: client.into(), at: MS * at, end: MS * (at + 5), replica, answer })
}

fn got(at: u32, client: &str, table: Table) -> Record {
    poll(at, client, Some("r0"), Answer::Table(Box::new(table)))
}

fn life(at: u32, replica: &str, event: LifeEvent) -> Record {
    Record::Life(Life { replica: replica.into(), at: MS * at, event })
}

fn request(at: u32, outcome: Result<Option<u64>, &str>) -> Record {
    let (client, host, outcome) = ("traffic".into(), "marker.test".into(), outcome.map_err(Name::from));
    Record::Request(Request { client, at: MS * at, end: MS * (at + 1), host, outcome })
}

fn deed(at: u32, replica: &str, act: Act) -> Record {
    Record::Deed(Deed { replica: replica.into(), at: MS * at, act })
}

fn state(at: u32, replica: &str, seen: Option<Seen>) -> Record {
    Record::State(State { replica: replica.into(), at: MS * at, seen: seen.map(Box::new) })
}

fn serving(version: Version, digest: &str) -> Seen {
    Seen { version: Some(version), digest: Some(digest.into()), age: Some(0), ready: true, ..Seen::default() }
}

fn lost(at: u32, client: &str, replica: Option<&str>) -> Record {
    poll(at, client, replica, Answer::Failed("reset".into()))
}

fn cut(at: u32, client: &str, replica: &str) -> Record {
    let cut = Cut { promised: "aa".into(), cause: "closed".into() };
    poll(at, client, Some(replica), Answer::Cut(Box::new(cut)))
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
        poll(28, "a", Some("r0"), Answer::Failed("reset".into())),
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
fn one_version_with_two_digests_in_statuses_is_a_fork() {
    let history = [state(1, "r0", Some(serving((2, 1), "aa"))), state(2, "r1", Some(serving((2, 1), "bb")))];
    assert_eq!(invariants(&no_fork(&history)), [Invariant::NoFork]);
    let history = [got(1, "a", table((2, 1), "aa", 1)), state(2, "r1", Some(serving((2, 1), "aa")))];
    assert_eq!(no_fork(&history), []);
}

#[test]
fn a_body_that_hashes_to_something_else_is_a_lie() {
    let lie = Table { digest: "bb".into(), ..table((1, 1), "aa", 1) };
    assert_eq!(invariants(&no_lie(&[got(1, "a", lie)])), [Invariant::NoLie]);
}

#[test]
fn the_figures_of_a_run_have_one_row_for_each_invariant_and_no_empty_ones() {
    let history = [life(0, "r0", LifeEvent::In), lost(10, "a", Some("r0")), request(20, Err("status 503"))];
    let figures = figures(&history, 40);
    let broken: Vec<_> = figures.iter().filter(|figure| !figure.kept).map(|figure| &*figure.name).collect();
    assert_eq!(broken, [Invariant::PollsAnswered.violated(), Invariant::RequestsAnswered.violated()]);
    assert!(figures.iter().all(|figure| figure.value.is_some()));
    assert!(!figures.iter().any(|figure| figure.name.contains("failover")));
}

#[test]
fn a_change_that_never_came_shows_among_the_figures() {
    let history = [Record::Change(crate::history::Change { at: MS, generation: 2 })];
    let missing = figures(&history, 40).into_iter().filter(|figure| figure.value.is_none()).count();
    assert_eq!(missing, 2, "neither published nor arrived");
}
