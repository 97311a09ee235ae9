//! Each rule of publication, by itself. Whole clusters of this core are explored by `chaos explore`.

use std::time::Duration;

use super::*;
use crate::election::Term;
use crate::snapshot::Contents;

const START: Moment = Moment::from_nanos(100_000_000_000);
const S: StreamId = StreamId(1);

fn after(millis: u64) -> Moment {
    START + Duration::from_millis(millis)
}

fn term(epoch: u64) -> Term {
    Term::for_tests(Epoch(epoch), after(60_000).since(Moment::from_nanos(0)).as_nanos() as u64)
}

fn contents(eskip: &str) -> Contents {
    Snapshot::for_tests(Version::new(1, 1), eskip).contents.as_ref().clone()
}

fn draft(eskip: &str) -> Draft {
    Draft { contents: contents(eskip), read_at_millis: 1 }
}

fn snapshot(version: Version, eskip: &str) -> Snapshot {
    Snapshot::for_tests(version, eskip)
}

/// A leader of epoch 5 that has published and activated `a` as 5.0, with one follower `f` in touch.
fn leader() -> (Replica, Term) {
    let term = term(5);
    let mut leader = Replica::new(None);
    leader.lead(term.clone()).expect("first epoch");
    leader.caught_up(None, true, START).expect("leads");
    assert_eq!(
        leader.publish(&term, draft("a: * -> <shunt>"), START),
        Ok(Published::Announced(Version::new(5, 1)))
    );
    assert!(matches!(leader.progress(START), Progress::Activated(_)), "nobody to wait for");
    leader.subscribe("f", S, Epoch(5)).expect("leads");
    leader.acknowledge_staged("f", S, Version::new(5, 1)).expect("its stream");
    let pong = leader.ping("f", S, Version::new(5, 1), START).expect("its stream");
    assert_eq!((pong.grant, pong.current), (GRANT, true));
    (leader, term)
}

fn publish_b() -> (Replica, Version) {
    let (mut leader, term) = leader();
    let published = leader.publish(&term, draft("b: * -> <shunt>"), START);
    assert_eq!(published, Ok(Published::Announced(Version::new(5, 2))));
    (leader, Version::new(5, 2))
}

fn waits_until(leader: &mut Replica, now: Moment) -> Option<Moment> {
    match leader.progress(now) {
        Progress::Wait(until) => Some(until),
        Progress::Activated(_) => None,
        Progress::Idle => panic!("nothing is under way"),
    }
}

#[test]
fn publication_is_active_as_soon_as_everyone_in_touch_has_staged_it() {
    let (mut leader, version) = publish_b();
    assert!(!leader.view().is_current(START), "something newer is announced");
    assert_eq!(waits_until(&mut leader, START), Some(after(250)));
    leader.acknowledge_staged("f", S, version).expect("its stream");
    assert_eq!(waits_until(&mut leader, START), None);
    assert!(leader.view().is_current(START));
    assert_eq!(leader.outlook("f").activate, Some(version));
}

#[test]
fn acknowledged_announcement_is_enough_after_the_stage_wait() {
    let (mut leader, version) = publish_b();
    leader.acknowledge_announced("f", S, version).expect("its stream");
    assert_eq!(waits_until(&mut leader, after(249)), Some(after(250)));
    assert_eq!(waits_until(&mut leader, after(250)), None);
}

#[test]
fn silent_follower_is_waited_for_until_its_grant_has_run_out_and_gets_no_other() {
    let (mut leader, version) = publish_b();
    let pong = leader.ping("f", S, Version::new(5, 1), after(100)).expect("its stream");
    assert_eq!((pong.newest, pong.grant, pong.current), (version, Duration::ZERO, false));
    assert_eq!(waits_until(&mut leader, after(250)), Some(after(1000)));
    leader.unsubscribe("f", S, after(300));
    assert_eq!(waits_until(&mut leader, after(999)), Some(after(1000)), "gone, but its grant still runs");
    assert_eq!(waits_until(&mut leader, after(1000)), None);
}

#[test]
fn connected_follower_that_is_not_in_touch_is_waited_for_only_to_flip_together() {
    let (mut leader, _) = publish_b();
    leader.subscribe("g", StreamId(2), Epoch(5)).expect("leads");
    leader.acknowledge_staged("f", S, Version::new(5, 2)).expect("its stream");
    assert_eq!(waits_until(&mut leader, START), Some(after(250)));
    assert_eq!(waits_until(&mut leader, after(250)), None);
}

#[test]
fn acknowledgements_of_a_replaced_stream_do_not_count() {
    let (mut leader, version) = publish_b();
    leader.subscribe("f", StreamId(2), Epoch(5)).expect("leads");
    assert_eq!(leader.acknowledge_staged("f", S, version), Err(Refusal::OldStream));
    assert_eq!(leader.ping("f", S, version, START), Err(Refusal::OldStream));
    assert_eq!(
        waits_until(&mut leader, after(250)),
        Some(after(1000)),
        "the grant of the old stream still runs"
    );
}

#[test]
fn unchanged_poll_confirms_the_table_for_everyone_and_beyond_the_term() {
    let (mut leader, term) = leader();
    assert_eq!(leader.view().confirmed_at_millis(), Some(1), "its reading");
    let again = Draft { read_at_millis: 9, ..draft("a: * -> <shunt>") };
    assert_eq!(leader.publish(&term, again, START), Ok(Published::Unchanged));
    assert_eq!(leader.view().confirmed_at_millis(), Some(9));
    let pong = leader.ping("f", S, Version::new(5, 1), START).expect("its stream");

    let mut follower = Replica::new(leader.active().map(|it| it.as_ref().clone()));
    follower.hear_confirmed(Version::new(5, 2), 8);
    assert_eq!(follower.view().confirmed_at_millis(), Some(1), "said of another version");
    follower.hear_confirmed(pong.newest, pong.confirmed_at_millis);
    assert_eq!(follower.view().confirmed_at_millis(), Some(9));
    follower.lead(self::term(6)).expect("a newer epoch");
    follower.caught_up(None, true, START).expect("leads");
    assert_eq!(follower.view().confirmed_at_millis(), Some(9), "a change of leader makes no table older");

    let changed = Draft { read_at_millis: 12, ..draft("b: * -> <shunt>") };
    leader.publish(&term, changed, START).expect("the term is valid");
    assert_eq!(leader.view().confirmed_at_millis(), Some(9), "the active table is the old one still");
}

#[test]
fn grant_never_outlasts_the_term() {
    let (mut leader, _) = leader();
    let late = after(59_700);
    assert_eq!(
        leader.ping("f", S, Version::new(5, 1), late).expect("leads").grant,
        Duration::from_millis(300)
    );
    assert_eq!(leader.ping("f", S, Version::new(5, 1), after(60_000)).expect("leads").grant, Duration::ZERO);
}

#[test]
fn only_the_newest_of_what_waits_is_published_next() {
    let (mut leader, version) = publish_b();
    let term = term(5);
    assert_eq!(leader.publish(&term, draft("c: * -> <shunt>"), START), Ok(Published::Waiting));
    assert_eq!(leader.publish(&term, draft("d: * -> <shunt>"), START), Ok(Published::Waiting));
    leader.acknowledge_staged("f", S, version).expect("its stream");
    assert_eq!(waits_until(&mut leader, START), None);
    let newest = leader.outlook("f").newest.expect("announced");
    assert_eq!(
        (newest.version, newest.contents.table.plain().as_ref()),
        (version.next(), &b"d: * -> <shunt>"[..])
    );
    assert_eq!(leader.publish(&term, draft("d: * -> <shunt>"), START), Ok(Published::Unchanged));
}

#[test]
fn return_to_what_is_being_published_discards_what_waits() {
    let (mut leader, version) = publish_b();
    let term = term(5);
    assert_eq!(leader.publish(&term, draft("c: * -> <shunt>"), START), Ok(Published::Waiting));
    assert_eq!(leader.publish(&term, draft("b: * -> <shunt>"), START), Ok(Published::Unchanged));
    leader.acknowledge_staged("f", S, version).expect("its stream");
    assert_eq!(waits_until(&mut leader, START), None);
    assert!(matches!(leader.progress(START), Progress::Idle));
}

#[test]
fn new_term_announces_the_inherited_table_and_is_current_only_after_its_own_read() {
    let held = snapshot(Version::new(4, 7), "a: * -> <shunt>");
    let mut leader = Replica::new(Some(held));
    let term = term(5);
    leader.lead(term.clone()).expect("newer epoch");
    leader.caught_up(None, true, START).expect("leads");
    let active = leader.active().expect("inherited").clone();
    assert_eq!((active.version, active.origin), (Version::new(5, 0), Version::new(4, 7)));
    assert!(!leader.view().is_current(START), "not read in this term");
    let published = leader.publish(&term, draft("a: * -> <shunt>"), START);
    assert_eq!(published, Ok(Published::Announced(Version::new(5, 1))), "the first read is always published");
    assert_eq!(waits_until(&mut leader, START), None);
    let active = leader.active().expect("read");
    assert_eq!((active.version, active.origin), (Version::new(5, 1), Version::new(5, 1)));
    assert_eq!(active.contents.table.modified_secs(), 1_700_000_000, "equal bytes did not change");
    assert!(leader.view().is_current(START));
    assert_eq!(leader.publish(&term, draft("a: * -> <shunt>"), START), Ok(Published::Unchanged));
}

#[test]
fn new_term_takes_over_the_highest_origin_of_all() {
    let mut leader = Replica::new(Some(snapshot(Version::new(4, 7), "a: * -> <shunt>")));
    leader.lead(term(5)).expect("newer epoch");
    let mut theirs = snapshot(Version::new(4, 8), "b: * -> <shunt>");
    theirs.origin = Version::new(4, 8);
    leader.caught_up(Some(theirs), true, START).expect("leads");
    assert_eq!(leader.known(), Version::new(5, 0));
    assert_eq!(leader.active().expect("its own").version, Version::new(4, 7), "not before it may");
    assert_eq!(waits_until(&mut leader, START), None);
    let active = leader.active().expect("theirs");
    assert_eq!((active.version, active.origin), (Version::new(5, 0), Version::new(4, 8)));
    let older = snapshot(Version::new(4, 6), "c: * -> <shunt>");
    leader.lead(term(6)).expect("newer epoch");
    leader.caught_up(Some(older), true, START).expect("leads");
    assert_eq!(leader.active().expect("kept").origin, Version::new(4, 8), "an older origin is left alone");
}

#[test]
fn term_that_followed_a_release_waits_for_grants_of_the_one_before() {
    let mut leader = Replica::new(None);
    let term = Term::made_for_tests(Epoch(5), TermId(5), START, false);
    term.extend_for_tests(after(60_000));
    leader.lead(term.clone()).expect("first epoch");
    leader.caught_up(None, false, START).expect("leads");
    leader.publish(&term, draft("a: * -> <shunt>"), START).expect("valid");
    assert_eq!(waits_until(&mut leader, after(999)), Some(after(1000)));
    assert_eq!(waits_until(&mut leader, after(1000)), None);
}

#[test]
fn term_that_is_over_publishes_and_activates_nothing() {
    let (mut leader, term) = leader();
    assert!(leader.publish(&term, draft("b: * -> <shunt>"), after(60_000)).is_err());
    leader.publish(&term, draft("b: * -> <shunt>"), START).expect("still valid");
    assert!(matches!(leader.progress(after(60_000)), Progress::Idle));
    leader.see(Epoch(6), None).expect("newer");
    assert!(leader.publish(&term, draft("c: * -> <shunt>"), START).is_err(), "somebody else leads");
}

#[test]
fn follower_goes_through_all_three_steps_and_is_current_only_in_touch() {
    let mut follower = Replica::new(None);
    let next = snapshot(Version::new(5, 1), "a: * -> <shunt>");
    let announcement = Announcement::of(&next);
    follower.hear(announcement.clone()).expect("newer");
    assert_eq!(follower.to_stage(), Some(&announcement));
    assert_eq!(follower.known(), next.version);
    assert_eq!(follower.activate(next.version).err(), Some(Refusal::NotStaged));
    follower.stage(next.clone()).expect("announced");
    assert_eq!(follower.to_stage(), None);
    assert!(follower.active().is_none(), "not before the leader's word");
    follower.activate(next.version).expect("staged");
    assert!(!follower.view().is_current(START), "never in touch");
    follower.answered(Epoch(5), START, GRANT, true);
    assert!(follower.view().is_current(after(999)));
    assert!(!follower.view().is_current(after(1000)));
    follower.hear(Announcement::of(&snapshot(Version::new(5, 2), "b: * -> <shunt>"))).expect("newer");
    assert!(!follower.view().is_current(START), "something newer is announced");
}

#[test]
fn follower_refuses_what_is_over_or_older() {
    let mut follower = Replica::new(Some(snapshot(Version::new(5, 3), "a: * -> <shunt>")));
    let hear = |follower: &mut Replica, version| {
        follower.hear(Announcement::of(&snapshot(version, "b: * -> <shunt>")))
    };
    assert_eq!(hear(&mut follower, Version::new(4, 9)), Err(Refusal::StaleEpoch(Epoch(5))));
    assert_eq!(hear(&mut follower, Version::new(5, 2)), Err(Refusal::NotNewer(Version::new(5, 3))));
    let mut fork = snapshot(Version::new(5, 4), "b: * -> <shunt>");
    fork.term = crate::snapshot::TermId(99);
    assert_eq!(follower.hear(Announcement::of(&fork)), Err(Refusal::OtherTerm(Epoch(5))));
    let mut older = snapshot(Version::new(6, 0), "b: * -> <shunt>");
    older.origin = Version::new(5, 2);
    follower.hear(Announcement::of(&older)).expect("an announcement is only knowledge");
    assert_eq!(follower.to_stage(), None, "nor are its bytes asked for");
    assert_eq!(follower.stage(older), Err(Refusal::OlderOrigin(Version::new(5, 3))));
    assert_eq!(follower.active().expect("kept").version, Version::new(5, 3));
}

#[test]
fn newer_epoch_ends_older_grants_and_older_answers() {
    let mut follower = Replica::new(Some(snapshot(Version::new(5, 3), "a: * -> <shunt>")));
    follower.answered(Epoch(5), START, GRANT, true);
    assert!(follower.view().is_current(START));
    follower.see(Epoch(6), None).expect("newer");
    assert!(!follower.view().is_current(START));
    follower.answered(Epoch(5), START, GRANT, true);
    assert!(!follower.view().is_current(START), "an answer of the term before");
    let staged = snapshot(Version::new(5, 4), "b: * -> <shunt>");
    assert_eq!(follower.stage(staged), Err(Refusal::StaleEpoch(Epoch(6))));
}

#[test]
fn answer_without_a_grant_ends_currency() {
    let mut follower = Replica::new(Some(snapshot(Version::new(5, 3), "a: * -> <shunt>")));
    follower.answered(Epoch(5), START, GRANT, true);
    follower.answered(Epoch(5), after(10), Duration::ZERO, false);
    assert!(!follower.view().is_current(after(20)));
}

#[test]
fn new_finding_over_the_same_table_is_published_without_a_byte() {
    let (mut leader, term) = leader();
    let mut found = draft("a: * -> <shunt>");
    found.contents.diagnostics.push(crate::compile::Diagnostic {
        object: None,
        reason: "odd".to_owned(),
        hint: String::new(),
    });
    let held = leader.held();
    let published = leader.publish(&term, found, START);
    assert_eq!(published, Ok(Published::Announced(Version::new(5, 2))));
    let announced = Announcement::of(&leader.outlook("f").newest.expect("announced"));
    assert!(announced.lacking(&held.iter().map(AsRef::as_ref).collect::<Vec<_>>()).is_empty());
}

#[test]
fn without_a_leader_the_table_that_was_read_last_wins_whatever_its_version() {
    let mut adopted = snapshot(Version::new(5, 0), "a: * -> <shunt>");
    adopted.origin = Version::new(1, 1);
    let mut replica = Replica::new(Some(adopted));
    let newer = snapshot(Version::new(4, 2), "b: * -> <shunt>");
    replica.converge(newer.clone(), START).expect("it was read later");
    assert_eq!(replica.active().map(|it| it.version), Some(Version::new(4, 2)));
    assert_eq!(replica.fence(), Epoch(5), "the fence stays");
    assert!(!replica.view().is_current(START), "it moves nobody");
    assert_eq!(replica.converge(newer, START).err(), Some(Refusal::OlderOrigin(Version::new(4, 2))));
}

#[test]
fn with_a_leader_tables_come_from_it_alone() {
    let newer = || snapshot(Version::new(9, 2), "b: * -> <shunt>");
    let (mut leader, _) = leader();
    assert_eq!(leader.converge(newer(), START).err(), Some(Refusal::Led));
    let mut follower = Replica::new(Some(snapshot(Version::new(5, 1), "a: * -> <shunt>")));
    follower.answered(Epoch(5), START, GRANT, true);
    assert_eq!(follower.converge(newer(), after(999)).err(), Some(Refusal::Led));
    assert!(follower.converge(newer(), after(1000)).is_ok(), "the grant has run out");
}
