//! The judge: a calm run passes, and each thing that must never happen fails.

use std::io::Write;
use std::process::{Command, Stdio};

use super::folder;

/// Two clients and a newcomer, two kills, two changes; times in seconds.
const CALM: &[&str] = &[
    "poll client-1 100.0 100.1 0 200 0 5.1 aa aa 10 10 0",
    "poll client-2 100.2 100.3 0 200 0 5.1 aa aa 10 10 0",
    "poll newcomer 100.4 100.5 0 200 0 5.1 aa aa 10 10 0",
    "changes 0",
    "kill 101.0 bellwether-0 now",
    "poll client-1 101.1 101.2 1 000 7 - - - - - -",
    "poll client-2 102.0 102.1 1 304 0 5.1 aa - - - -",
    "poll client-1 104.0 104.1 1 304 0 9.1 aa - - - -",
    "change 105.0 1",
    "poll client-1 106.0 106.1 1 200 0 9.2 bb bb 10 10 1",
    "poll client-2 106.2 106.3 1 304 0 9.1 aa - - - -",
    "poll newcomer 106.4 106.5 0 200 0 9.1 aa aa 10 10 0",
    "poll client-2 107.0 107.1 1 200 0 9.2 bb bb 10 10 1",
    "kill 110.0 bellwether-1 gentle",
    "poll client-1 111.0 111.1 1 304 0 12.1 bb - - - -",
    "change 112.0 2",
    "poll client-1 113.0 113.1 1 200 0 12.2 cc cc 11 11 2",
    "poll client-2 113.2 113.3 1 200 0 12.2 cc cc 11 11 2",
    "poll newcomer 113.4 113.5 0 200 0 12.2 cc cc 11 11 2",
    "end 130.0",
];

fn judged(records: &[String]) -> (bool, String) {
    let limits = "-v kept=50 -v excuse=3 -v term_limit=10 -v change_limit=10 -v changes_wanted=5";
    let mut child = Command::new("sh")
        // What the Job's pod would not have the memory for must not pass here.
        .args(["-c", &format!("ulimit -v 400000; exec awk {limits} -f \"$0\"")])
        .arg(folder().join("judge.awk"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let text: String = records.iter().flat_map(|line| [line, "\n"]).collect();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}

fn calm() -> Vec<String> {
    CALM.iter().map(|&line| line.to_owned()).collect()
}

/// The calm run with `record` after the one that begins with `after`.
fn with(after: &str, record: &str) -> Vec<String> {
    let mut records = calm();
    let place = records.iter().position(|line| line.starts_with(after)).expect("a record of the calm run");
    records.insert(place + 1, record.to_owned());
    records
}

/// The calm run with one record in the place of the one that begins with `old`.
fn instead(old: &str, record: &str) -> Vec<String> {
    let mut records = with(old, record);
    records.retain(|line| !line.starts_with(old) || line == record);
    records
}

fn without(begin: &str) -> Vec<String> {
    let mut records = calm();
    records.retain(|line| !line.starts_with(begin));
    records
}

#[track_caller]
fn red(records: &[String], what: &str) {
    let (passed, output) = judged(records);
    assert!(!passed && output.ends_with("FAILED\n"), "{output}");
    let violations: Vec<_> = output.lines().filter(|line| line.starts_with("violation: ")).collect();
    assert!(violations.iter().all(|line| line.contains(what)) && !violations.is_empty(), "{what}: {output}");
}

#[track_caller]
fn green(records: &[String]) -> String {
    let (passed, output) = judged(records);
    assert!(passed && output.ends_with("PASSED\n"), "{output}");
    output
}

#[test]
fn a_calm_run_passes_and_says_what_was_seen() {
    let output = green(&calm());
    for line in [
        "kills of the leader    2 (1 now, 1 gentle) in 30 s",
        "polls                  14 by 3 clients: 9 tables, 4 times nothing new, 1 not answered",
        "not answered, excused  1 within 3 s after a kill without grace",
        "a new term served      p50 1.1 s, worst 3.1 s (limit 10 s)",
        "a change with everyone p50 1.3 s, worst 2.1 s (limit 10 s)",
        "violations             0",
    ] {
        assert!(output.lines().any(|one| one == line), "{line}\n{output}");
    }
}

#[test]
fn a_table_with_fewer_routes_is_a_wipe() {
    let wipe = |count, routes| {
        let record = format!("poll client-1 108.0 108.1 1 200 0 9.3 dd dd {count} {routes} 1");
        with("poll client-2 107.0", &record)
    };
    red(&wipe(4, 4), "wipe");
    red(&wipe(0, 0), "wipe");
    red(&wipe(10, 9), "wipe");
    green(&wipe(5, 5));
}

#[test]
fn an_older_table_is_a_step_back_for_who_shows_what_it_has() {
    let back = |client, sent, digest| {
        let record = format!("poll {client} 108.0 108.1 {sent} 200 0 9.1 {digest} {digest} 10 10 -");
        with("poll client-2 107.0", &record)
    };
    red(&back("client-1", 1, "aa"), "step back");
    green(&back("newcomer", 0, "aa"));
    red(
        &with("poll client-2 113.2", "poll client-1 114.0 114.1 1 200 0 - ee ee 10 10 1"),
        "step back at 14.10 s: client-1: change 1 after 2",
    );
}

#[test]
fn the_same_bytes_under_a_lower_version_are_no_step_back() {
    let records = [
        "poll client-1 114.0 114.1 1 200 0 12.2 cc cc 11 11 2",
        "poll client-1 115.0 115.1 1 200 0 12.1 cc cc 11 11 2",
    ];
    let mut all = calm();
    all.splice(all.len() - 1..all.len() - 1, records.map(str::to_owned));
    let (_, output) = judged(&all);
    assert!(!output.contains("step back"), "{output}");
}

/// The calm run with changes numbered from `base`.
fn numbered(base: u64) -> Vec<String> {
    let of_changes = |line: &str| line.starts_with("change") || line.starts_with("poll");
    let number = |line: &&str| match line.rsplit_once(' ').map(|(rest, last)| (rest, last.parse::<u64>())) {
        Some((rest, Ok(number))) if of_changes(line) => format!("{rest} {}", number + base),
        _ => (*line).to_owned(),
    };
    CALM.iter().map(number).collect()
}

#[test]
fn numbers_of_changes_begin_where_the_clock_stands() {
    assert_eq!(green(&numbered(1_764_000_000)), green(&calm()));
}

#[test]
fn what_an_earlier_run_left_in_the_table_is_not_judged() {
    let records = numbered(7);
    for (old, new) in [("aa aa 10 10 7", "aa aa 10 10 5"), ("bb bb 10 10 8", "bb bb 10 10 3")] {
        let mut left = records.clone();
        let place = left.iter().position(|line| line.ends_with(old)).unwrap();
        left[place] = left[place].replace(old, new);
        green(&left);
    }
}

#[test]
fn epochs_are_compared_as_numbers() {
    red(
        &with("poll client-2 113.2", "poll client-2 114.0 114.1 1 200 0 9.20 dd dd 11 11 2"),
        "step back at 14.10 s: client-2: version 9.20 after 12.2",
    );
}

#[test]
fn one_version_with_two_digests_is_a_fork() {
    red(&with("poll client-2 107.0", "poll newcomer 108.0 108.1 0 200 0 9.2 dd dd 10 10 1"), "fork");
}

#[test]
fn a_body_that_does_not_hash_to_its_etag_is_a_lie() {
    red(&with("poll client-2 107.0", "poll client-1 108.0 108.1 1 200 0 9.3 dd ee 10 10 1"), "lie");
    red(&with("poll client-2 107.0", "poll client-1 108.0 108.1 1 200 0 9.3 - ee 10 10 1"), "lie");
}

#[test]
fn a_body_that_breaks_off_is_a_cut_unless_its_replica_was_just_killed() {
    let cut = |start: f64| format!("poll client-1 {start:.1} {:.1} 1 200 18 9.3 dd - 10 - -", start + 0.5);
    red(&with("poll client-2 107.0", &cut(108.0)), "cut");
    green(&with("kill 101.0", &cut(100.8)));
    red(&with("kill 110.0", &cut(110.1)), "cut");
}

#[test]
fn a_poll_without_an_answer_is_excused_by_a_kill_without_grace_alone_and_not_for_long() {
    let lost = |start: f64| format!("poll client-2 {start:.1} {:.1} 1 000 28 - - - - - -", start + 3.0);
    green(&with("poll client-2 102.0", &lost(103.9)));
    red(&with("poll client-2 102.0", &lost(104.1)), "poll not answered");
    red(&with("kill 110.0", &lost(110.1)), "poll not answered");
}

#[test]
fn the_dead_do_not_answer_so_no_status_is_excused() {
    red(
        &with("kill 101.0", "poll client-2 101.1 101.2 1 503 0 - - - - - -"),
        "poll not answered at 1.20 s: client-2: status 503",
    );
}

#[test]
fn a_term_that_comes_late_or_never_fails() {
    let mut late = without("poll client-1 111.0");
    for line in &mut late {
        *line = line.replace("113.1 1 200", "120.3 1 200");
    }
    late.retain(|line| !line.starts_with("change 112"));
    red(&late, "late term");

    let mut never = calm();
    for line in &mut never {
        *line = line.replace(" 12.", " 9.1");
    }
    red(&never, "no new term");
}

#[test]
fn a_kill_at_the_very_end_is_not_waited_for() {
    green(&with("poll newcomer 113.4", "kill 125.0 bellwether-2 force"));
}

#[test]
fn a_change_that_comes_late_or_never_to_one_client_fails() {
    red(
        &instead("poll client-2 107.0", "poll client-2 115.0 115.1 1 200 0 9.2 bb bb 10 10 1"),
        "late change",
    );
    red(&without("poll client-2 113.2"), "change not served at 12.00 s: client-2 never got change 2");
}

#[test]
fn a_run_that_shows_nothing_fails() {
    let mut nobody = without("kill");
    nobody.retain(|line| !line.contains(" 000 "));
    red(&nobody, "nothing shown");
    red(&without("change"), "nothing shown");
    red(&without("end"), "nothing shown");
    red(&with("kill 110.0", "spared 110.0 bellwether-1"), "no kill");
    red(&[], "nothing shown");
}

#[test]
fn a_server_without_versions_is_judged_by_what_it_serves() {
    let mut records = calm();
    for line in &mut records {
        for version in ["5.1", "9.1", "9.2", "12.1", "12.2"] {
            *line = line.replace(&format!(" {version} "), " - ");
        }
    }
    let output = green(&records);
    assert!(!output.contains("a new term"), "{output}");
    records.insert(17, "poll client-1 113.1 113.1 1 200 0 - bb bb 10 10 1".to_owned());
    red(&records, "step back");
}
