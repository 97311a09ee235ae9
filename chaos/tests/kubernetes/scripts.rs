//! The scripts: what they ask for, and what they write down.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::{folder, settings};

/// Without curl the client is not played; the judge and the rest are.
fn has_curl() -> bool {
    let there = Command::new("curl").arg("--version").stdout(Stdio::null()).status().is_ok();
    if !there {
        println!("left out: no curl here");
    }
    there
}

/// A script with its settings, its records in `records`, and the `kubectl` of that folder.
fn script(name: &str, records: &Path) -> Command {
    let mut command = Command::new("sh");
    let path = std::env::var("PATH").unwrap();
    command
        .arg(folder().join(name))
        .envs(settings())
        .env("RECORDS", records)
        // Never the cluster of whoever runs the tests.
        .env("KUBECONFIG", "/dev/null")
        .process_group(0)
        .env("PATH", format!("{}:{path}", records.display()))
        // Long after the test, and so never.
        .envs([("UNTIL", "4000000000"), ("POLL_UNTIL", "4000000000")]);
    command
}

/// Ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // What the script has started goes with it.
        let group = format!("-{}", self.0.id());
        Command::new("kill").args(["-KILL", "--", &group]).status().unwrap();
        self.0.wait().unwrap();
    }
}

/// The first `lines` records, once they are there.
fn records(folder: &Path, lines: usize) -> Vec<String> {
    lines_of(&folder.join("records"), lines)
}

fn lines_of(file: &Path, lines: usize) -> Vec<String> {
    for _ in 0..1200 {
        let text = match fs::read_to_string(file) {
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            read => read.unwrap(),
        };
        if text.lines().count() >= lines {
            return text.lines().take(lines).map(str::to_owned).collect();
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("{lines} lines in {} within a minute", file.display());
}

/// Answers one connection after the other with `answers`; gives the requests' heads back. None is a connection that is
/// closed without a word.
fn serve(answers: Vec<Option<String>>) -> (SocketAddr, thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        answers.into_iter().map(|answer| answer_one(&listener.accept().unwrap().0, answer)).collect()
    });
    (address, server)
}

fn answer_one(mut stream: &TcpStream, answer: Option<String>) -> String {
    let lines = BufReader::new(stream).lines().map(|line| line.unwrap().to_lowercase());
    let head: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
    if let Some(answer) = answer {
        stream.write_all(answer.as_bytes()).unwrap();
    }
    head.join("\n")
}

const BODY: &str = "a: * -> <shunt>;\n\nb: Path(\"/bellwether-chaos/17\") -> <shunt>;\n";

fn answer(status: &str, headers: &str, length: usize, body: &str) -> Option<String> {
    Some(format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n{body}"))
}

#[test]
fn a_client_writes_down_what_each_answer_is() {
    if !has_curl() {
        return;
    }
    let digest = hex::encode(Sha256::digest(BODY));
    let headers = format!("ETag: \"{digest}\"\r\nX-Table-Version: 3.7\r\nX-Count: 2\r\n");
    let table = || answer("200 OK", &headers, BODY.len(), BODY);
    let answers = vec![
        answer("503 Service Unavailable", "", 0, ""),
        table(),
        answer("304 Not Modified", &headers, 0, ""),
        answer("200 OK", &headers, BODY.len() + 9, BODY),
        None,
        answer("200 OK", "", 0, ""),
        table(),
    ];
    let (address, server) = serve(answers);
    let scratch = TempDir::new().unwrap();
    let mut command = script("poll.sh", scratch.path());
    command.args(["client-1", "etag"]);
    command.envs([("URL", format!("http://{address}/routes")), ("POLL_EVERY", "0".to_owned())]);
    let running = Running(command.spawn().unwrap());
    let heads = server.join().unwrap();
    let written = records(scratch.path(), heads.len());
    drop(running);

    let expected = [
        "0 503 0 - - - - - -".to_owned(),
        format!("0 200 0 3.7 {digest} {digest} 2 2 17"),
        format!("1 304 0 3.7 {digest} - 2 - -"),
        format!("1 200 18 3.7 {digest} - 2 - -"),
        "1 000 52 - - - - - -".to_owned(),
        format!("1 200 0 - - {} - 0 -", hex::encode(Sha256::digest(""))),
        format!("0 200 0 3.7 {digest} {digest} 2 2 17"),
    ];
    for (record, expected) in written.iter().zip(expected) {
        let fields: Vec<_> = record.split(' ').collect();
        assert_eq!(fields[..2], ["poll", "client-1"]);
        assert!(fields[2].parse::<f64>().unwrap() <= fields[3].parse::<f64>().unwrap());
        assert_eq!(fields[4..].join(" "), expected);
    }
    for (n, head) in heads.iter().enumerate() {
        assert!(head.starts_with("get /routes "), "{head}");
        // The sixth answer is a table that promises nothing, so there is nothing to show after it.
        let shows = head.contains(&format!("if-none-match: \"{digest}\""));
        assert_eq!(shows, (2..6).contains(&n), "request {n}: {head}");
    }
}

#[test]
fn a_newcomer_never_shows_a_table() {
    if !has_curl() {
        return;
    }
    let headers = "ETag: \"aa\"\r\nX-Table-Version: 3.7\r\nX-Count: 2\r\n";
    let (address, server) = serve(vec![answer("200 OK", headers, BODY.len(), BODY); 3]);
    let scratch = TempDir::new().unwrap();
    let mut command = script("poll.sh", scratch.path());
    command.args(["newcomer", "none"]);
    command.envs([("URL", format!("http://{address}/routes")), ("POLL_EVERY", "0".to_owned())]);
    let _running = Running(command.spawn().unwrap());
    for head in server.join().unwrap() {
        assert!(!head.contains("if-none-match"), "{head}");
    }
}

/// A `kubectl` that writes down what it is asked, and then does `body`.
fn kubectl(folder: &Path, body: &str) {
    let path = folder.join("kubectl");
    fs::write(&path, format!("#!/bin/sh\necho \"$*\" >>\"$RECORDS/asked\"\n{body}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn asked(folder: &Path, verb: &str) -> Vec<String> {
    let text = fs::read_to_string(folder.join("asked")).unwrap();
    text.lines().filter(|line| line.starts_with(verb)).map(str::to_owned).collect()
}

fn without_times(records: &[String]) -> Vec<String> {
    let parts = records.iter().map(|record| record.splitn(3, ' ').collect::<Vec<_>>());
    parts.map(|parts| format!("{} {}", parts[0], parts[2])).collect()
}

#[test]
fn the_leader_is_killed_in_each_way_in_turn() {
    let scratch = TempDir::new().unwrap();
    kubectl(scratch.path(), "case $2 in lease) echo bellwether-2_9e3c_77 ;; statefulset) echo 3 ;; esac");
    let mut command = script("kill.sh", scratch.path());
    let running = Running(command.env("KILL_EVERY", "0").stdout(Stdio::null()).spawn().unwrap());
    let written = records(scratch.path(), 4);
    drop(running);
    let expected = ["now", "force", "gentle", "now"].map(|how| format!("kill bellwether-2 {how}"));
    assert_eq!(without_times(&written), expected);
    let asked = asked(scratch.path(), "delete");
    let expected = [" --grace-period=1", " --grace-period=0 --force", ""];
    let expected = expected.map(|grace| format!("delete pod bellwether-2 --wait=false{grace}"));
    assert_eq!(asked[..3], expected);
}

#[test]
fn without_a_lease_the_pods_take_turns() {
    let scratch = TempDir::new().unwrap();
    kubectl(scratch.path(), "case $2 in statefulset) echo 2 ;; esac");
    let mut command = script("kill.sh", scratch.path());
    command.envs([("KILL_EVERY", "0"), ("LEASE", ""), ("SET", "routesrv"), ("HOW", "gentle")]);
    let running = Running(command.stdout(Stdio::null()).spawn().unwrap());
    let written = records(scratch.path(), 3);
    drop(running);
    let expected = [0, 1, 0].map(|n| format!("kill routesrv-{n} gentle"));
    assert_eq!(without_times(&written), expected);
}

#[test]
fn nobody_is_killed_while_only_one_is_ready_or_nobody_leads() {
    for (case, answer) in [
        ("one ready", "case $2 in lease) echo bellwether-2_9e3c_77 ;; statefulset) echo 1 ;; esac"),
        ("no leader", "case $2 in lease) ;; statefulset) echo 3 ;; esac"),
        ("no answer", "exit 1"),
    ] {
        let scratch = TempDir::new().unwrap();
        kubectl(scratch.path(), answer);
        let mut command = script("kill.sh", scratch.path());
        let running = Running(command.env("KILL_EVERY", "0").stdout(Stdio::null()).spawn().unwrap());
        lines_of(&scratch.path().join("asked"), 3);
        drop(running);
        assert!(asked(scratch.path(), "delete").is_empty(), "{case}");
        assert!(!scratch.path().join("records").exists(), "{case}");
    }
}

#[test]
fn a_pod_that_may_not_be_deleted_is_no_kill() {
    let scratch = TempDir::new().unwrap();
    let answers =
        "case $1$2 in deletepod) exit 1 ;; getlease) echo bellwether-0_9e3c_77 ;; *) echo 3 ;; esac";
    kubectl(scratch.path(), answers);
    let mut command = script("kill.sh", scratch.path());
    let running = Running(command.env("KILL_EVERY", "0").stdout(Stdio::null()).spawn().unwrap());
    let written = records(scratch.path(), 2);
    drop(running);
    assert_eq!(written[1], written[0].replace("kill", "spared").replace(" now", ""));
}

#[test]
fn changes_are_numbered_and_written_down_once_they_are_made() {
    let scratch = TempDir::new().unwrap();
    kubectl(scratch.path(), "[ \"$(wc -l <\"$RECORDS/asked\")\" -ne 2 ]");
    let mut command = script("change.sh", scratch.path());
    let running = Running(command.env("CHANGE_EVERY", "0").spawn().unwrap());
    let written = records(scratch.path(), 3);
    drop(running);
    let base: u64 = written[0].strip_prefix("changes ").unwrap().parse().unwrap();
    let numbers = [base + 1, base + 2];
    assert_eq!(without_times(&written[1..]), numbers.map(|number| format!("change {number}")));
    let asked = asked(scratch.path(), "patch ingress bellwether-chaos");
    // The second one was refused once.
    for (line, number) in asked.iter().zip([base + 1, base + 2, base + 2]) {
        assert!(line.contains(&format!("\"value\":\"/bellwether-chaos/{number}\"")), "{line}");
    }
}

#[test]
fn a_run_without_a_table_ends_and_says_why() {
    if !has_curl() {
        return;
    }
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let scratch = TempDir::new().unwrap();
    let mut command = script("run.sh", scratch.path());
    command.envs([("URL", format!("http://{free}/routes")), ("WARM_UP", "0".to_owned())]);
    let output = command.output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.starts_with(&format!("no table from http://{free}/routes within 0 s")), "{said}");
}
