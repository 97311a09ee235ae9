use super::*;

#[test]
fn an_epoch_of_two_replicas_is_one_too_many() {
    let history = [
        deed(1, "r0", Act::Leads(3)),
        deed(2, "r0", Act::Announced((3, 1))),
        deed(3, "r1", Act::Leads(4)),
        deed(4, "r1", Act::Raised(5)),
    ];
    assert_eq!(no_epoch_twice(&history), []);
    for act in [Act::Leads(3), Act::Raised(3), Act::CaughtUp(3), Act::Announced((3, 2))] {
        let history = [&history[..], &[deed(5, "r1", act)]].concat();
        assert_eq!(invariants(&no_epoch_twice(&history)), [Invariant::NoEpochTwice]);
    }
}

#[test]
fn following_under_the_leaders_epoch_is_no_second_term() {
    let history = [deed(1, "r0", Act::Leads(3)), deed(2, "r1", Act::Activated((3, 1)))];
    assert_eq!(no_epoch_twice(&history), []);
}

#[test]
fn a_process_that_activates_a_lower_version_is_found_by_its_log_and_by_its_status() {
    let logs = [deed(1, "r0", Act::Activated((3, 2))), deed(2, "r0", Act::Activated((3, 1)))];
    assert_eq!(invariants(&no_replica_back(&logs)), [Invariant::NoReplicaBack]);
    let states = [state(1, "r0", Some(serving((3, 2), "b"))), state(2, "r0", Some(serving((2, 9), "a")))];
    assert_eq!(invariants(&no_replica_back(&states)), [Invariant::NoReplicaBack]);
}

#[test]
fn logs_that_are_read_late_are_taken_in_their_order_of_time() {
    let history = [deed(2, "r0", Act::Activated((3, 2))), deed(1, "r0", Act::Activated((3, 1)))];
    assert_eq!(no_replica_back(&history), []);
}

#[test]
fn a_new_process_may_start_one_table_behind_and_then_only_go_up() {
    let mut history = vec![
        deed(1, "r0", Act::Activated((3, 2))),
        life(2, "r0", LifeEvent::Killed),
        life(3, "r0", LifeEvent::Started),
        deed(4, "r0", Act::FromDisk((3, 1))),
    ];
    assert_eq!(no_replica_back(&history), []);
    history.push(deed(5, "r0", Act::Activated((2, 7))));
    assert_eq!(invariants(&no_replica_back(&history)), [Invariant::NoReplicaBack]);
}

fn kill(back: Option<u32>) -> Vec<Record> {
    let mut history = vec![
        deed(1, "r0", Act::Leads(3)),
        deed(2, "r0", Act::CaughtUp(3)),
        life(1_000, "r0", LifeEvent::Killed),
        deed(3_900, "r1", Act::Leads(4)),
    ];
    history.extend(back.map(|at| deed(at, "r1", Act::CaughtUp(4))));
    history
}

#[test]
fn a_failover_lasts_from_the_kill_to_the_first_announcement_of_a_newer_term() {
    assert_eq!(failovers(&kill(Some(4_000))).value, Some(3.0));
    assert!(!failovers(&kill(None)).at_most(3.3).kept, "nobody ever announced");
    assert_eq!(failover_after(&kill(Some(4_000)), MS * 1_000).value, Some(3.0));
}

#[test]
fn only_a_fault_of_the_leader_begins_a_failover() {
    let follower = [&kill(Some(4_000))[..], &[life(5_000, "r2", LifeEvent::Killed)]].concat();
    assert_eq!(failovers(&follower).samples, Some(1));
    // The old leader wakes up long after, says so, and that does not unseat the new one.
    let paused = [
        deed(1, "r0", Act::Leads(3)),
        life(1_000, "r0", LifeEvent::Paused),
        deed(3_900, "r1", Act::Leads(4)),
        deed(4_000, "r1", Act::CaughtUp(4)),
        deed(9_000, "r0", Act::Ceases(3)),
        life(9_500, "r1", LifeEvent::Killed),
        deed(12_000, "r2", Act::CaughtUp(5)),
    ];
    assert_eq!((failovers(&paused).value, failovers(&paused).samples), (Some(3.0), Some(2)));
}

#[test]
fn a_hand_over_is_no_failover() {
    let history = [
        deed(1, "r0", Act::Leads(3)),
        life(1_000, "r0", LifeEvent::Terminated),
        deed(1_010, "r0", Act::Ceases(3)),
        deed(1_100, "r1", Act::CaughtUp(4)),
        // It has ceased before this, so nothing is owed.
        life(1_200, "r0", LifeEvent::Killed),
    ];
    assert_eq!(handovers(&history).value, Some(0.1));
    assert_eq!(failovers(&history).samples, Some(0));
}

#[test]
fn changes_of_leader_are_counted_without_the_first_term_and_within_the_window() {
    let history = [
        deed(1, "r0", Act::Leads(1)),
        deed(10, "r1", Act::Leads(2)),
        deed(20, "r1", Act::Raised(5)),
        deed(30, "r1", Act::Leads(6)),
        deed(90, "r0", Act::Leads(7)),
    ];
    assert_eq!(changes_of_leader(&history, Duration::ZERO..MS * 50).value, Some(2.0));
    assert_eq!(epochs(&history), [1, 2, 5, 6, 7]);
}

#[test]
fn an_epoch_that_goes_back_with_its_store_is_no_gain() {
    let led = |after| {
        [deed(1, "r0", Act::Leads(7)), deed(5, "r1", Act::Leads(9)), deed(40, "r0", Act::CaughtUp(after))]
    };
    let gain = |after| epoch_gain(&led(after), MS * 10, MS * 30).at_least(1.0);
    assert_eq!((gain(10).value, gain(10).kept), (Some(1.0), true));
    assert!(!gain(9).kept && !gain(8).kept);
    assert!(!epoch_gain(&led(10), MS * 10, MS * 50).at_least(1.0).kept, "nobody led afterwards");
}

#[test]
fn a_warning_is_counted_by_what_it_says() {
    let warned = |text: &str| deed(1, "r0", Act::Warned(text.into()));
    let history = [warned("restored-store: resource versions went back"), warned("nothing read")];
    assert!(said(&history, "restored-store").at_least(1.0).kept);
    assert!(!said(&history[1..], "restored-store").at_least(1.0).kept);
}
