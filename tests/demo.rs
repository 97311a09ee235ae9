//! `bellwether demo` from start to end: a leader, a table, a change of leader, and nothing left behind.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::time::Instant;

/// Demos prefer the same ports, and one that looks for free ones can lose them again to another one.
static ONE_AT_A_TIME: parking_lot::Mutex<()> = parking_lot::Mutex::new(());

/// Starts the demo with a temporary folder of its own, so that what it leaves can be seen.
fn demo(temporary: &Path, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_bellwether"))
        .arg("demo")
        .args(arguments)
        .env("TMPDIR", temporary)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs")
}

/// The processes whose command line names `folder`: replicas, since their state is there.
fn processes(folder: &Path) -> Vec<String> {
    let needle = folder.to_str().expect("a temporary path is UTF-8").as_bytes();
    let entries = std::fs::read_dir("/proc").expect("Linux has it").filter_map(Result::ok);
    entries
        .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
        .filter(|line| line.windows(needle.len()).any(|window| window == needle))
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .collect()
}

fn files(folder: &Path) -> Vec<std::ffi::OsString> {
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    entries.map(|entry| entry.expect("it can be read").file_name()).collect()
}

fn nothing_is_left(folder: &Path) {
    assert_eq!(processes(folder), Vec::<String>::new());
    assert_eq!(files(folder), Vec::<std::ffi::OsString>::new());
}

#[test]
fn a_leader_a_table_and_a_change_of_leader() {
    let _one = ONE_AT_A_TIME.lock();
    let temporary = tempfile::tempdir().unwrap();
    let child = demo(temporary.path(), &["--for=12s", "--kill-leader-every=3s"]);
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));

    let line_with = |part: &str| told.lines().find(|line| line.contains(part)).map(str::to_owned);
    let first_table = line_with("published").unwrap_or_else(|| panic!("no publication:\n{told}"));
    assert!(seconds(&first_table) <= 5.0, "{told}");
    assert!(line_with("is served by all 3 replicas").is_some(), "{told}");
    assert!(line_with("kill -9").is_some(), "{told}");
    let leaders: Vec<&str> = told.lines().filter(|line| line.contains(" leads")).collect();
    assert!(leaders.len() >= 2, "{told}");
    assert!(leaders[1].contains("after the last leader was seen"), "{told}");
    nothing_is_left(temporary.path());
}

/// The moment at the front of a line.
fn seconds(line: &str) -> f64 {
    line.split_once('s')
        .and_then(|(number, _)| number.trim().parse().ok())
        .expect("lines begin with a moment")
}

#[test]
fn a_signal_ends_it_cleanly() {
    let _one = ONE_AT_A_TIME.lock();
    let temporary = tempfile::tempdir().unwrap();
    let mut child = demo(temporary.path(), &[]);
    wait_until("three replicas", || processes(temporary.path()).len() == 3);
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
    nothing_is_left(temporary.path());
}

#[test]
fn a_killed_demo_leaves_no_replica() {
    let _one = ONE_AT_A_TIME.lock();
    let temporary = tempfile::tempdir().unwrap();
    let mut child = demo(temporary.path(), &[]);
    wait_until("three replicas", || processes(temporary.path()).len() == 3);
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until("no replica", || processes(temporary.path()).is_empty());
}

#[test]
fn a_start_that_fails_leaves_nothing() {
    let _one = ONE_AT_A_TIME.lock();
    let temporary = tempfile::tempdir().unwrap();
    let child = demo(temporary.path(), &["--manifests=/nonexistent/folder"]);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nonexistent/folder"));
    nothing_is_left(temporary.path());
}

fn wait_until(what: &str, done: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
