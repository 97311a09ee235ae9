//! What needs places of their own: each test runs itself again in there.

use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::*;
use crate::history::History;
use crate::http::Call;
use crate::process::Process;
use crate::stage::Folder;
use crate::stage::backend::Backend;
use crate::stage::vip::{Probe, Target, Vip};

/// Says to a test where it is to write that it is ready to be killed.
const READY: &str = "BELLWETHER_CHAOS_TEST_READY";

const PORT: u16 = 7000;

fn args(test: &str) -> [String; 3] {
    [format!("ground::tests::{test}"), "--exact".to_owned(), "--nocapture".to_owned()]
}

/// The ground, in there. Outside: runs `test` in there, and gives none; where that cannot be, says so.
async fn ground(test: &str) -> Option<Ground> {
    if !inside() {
        match missing() {
            None => assert!(enter::again(&args(test).map(Into::into)).await.unwrap(), "{test}, in there"),
            Some(missing) => {
                // Past the test harness, which would keep it to itself.
                writeln!(std::io::stderr(), "{test} is left out: it needs {missing}").unwrap();
            }
        }
        return None;
    }
    match Ground::enter().await.unwrap() {
        Entered::Inside(ground) => {
            let thread = std::thread::current();
            let name = thread.name().unwrap_or_default();
            assert!(name.ends_with(test) || name == "main", "{name} says that it is {test}");
            Some(ground)
        }
        Entered::Over(_) => panic!("this process is the one that was started in there"),
    }
}

/// How many of 100 packets from `from` are heard at `to`. Both are places, or the harness.
fn heard(from: Option<&Place>, to: Option<&Place>, ground: &Ground) -> usize {
    let socket = |place: Option<&Place>| match place {
        Some(place) => place.within(|| UdpSocket::bind((place.address(), 0))).unwrap().unwrap(),
        None => UdpSocket::bind((ground.address(), 0)).unwrap(),
    };
    let (speaker, listener) = (socket(from), socket(to));
    listener.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let to = listener.local_addr().unwrap();
    let mut count = 0;
    for number in 0..100_u8 {
        match speaker.send_to(&[number], to) {
            // What the harness's own rules do to its own packets is said, unlike anybody else's.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {}
            sent => drop(sent.unwrap()),
        }
    }
    while count < 100 && listener.recv(&mut [0; 8]).is_ok() {
        count += 1;
    }
    count
}

#[tokio::test]
async fn packets_arrive_but_where_the_net_is_cut() {
    let Some(ground) = ground("packets_arrive_but_where_the_net_is_cut").await else { return };
    let [a, b, c] = ["a", "b", "c"].map(|name| ground.place(name).unwrap());
    let all = |ground: &Ground| {
        [(Some(&a), Some(&b)), (Some(&b), Some(&a)), (Some(&a), Some(&c)), (None, Some(&a)), (Some(&a), None)]
            .map(|(from, to)| heard(from, to, ground))
    };
    assert_eq!(all(&ground), [100; 5]);
    a.cut(&b).unwrap();
    assert_eq!(all(&ground), [100, 0, 100, 100, 100]);
    a.part(&b).unwrap();
    assert_eq!(all(&ground), [0, 0, 100, 100, 100]);
    ground.heal().unwrap();
    a.isolate().unwrap();
    assert_eq!(all(&ground), [0, 0, 0, 100, 100]);
    a.heal().unwrap();
    a.vanish().unwrap();
    assert_eq!(all(&ground), [0; 5]);
    ground.heal().unwrap();
    a.lose(&b, 50).unwrap();
    let some = heard(Some(&b), Some(&a), &ground);
    assert!((10..90).contains(&some), "{some} of 100");
    a.lose(&b, 0).unwrap();
    assert_eq!(all(&ground), [100; 5]);
}

#[tokio::test]
async fn every_fault_works_or_says_what_it_lacks() {
    let Some(ground) = ground("every_fault_works_or_says_what_it_lacks").await else { return };
    for (fault, outcome) in proof::all(&ground, &Folder::new().unwrap()).await {
        let Err(error) = outcome else { continue };
        assert!(error.is::<Lacking>(), "{fault}: {error:#}");
        writeln!(std::io::stderr(), "{fault}: {error:#}").unwrap();
    }
}

#[tokio::test]
async fn nobody_is_told_that_packets_are_lost() {
    let Some(ground) = ground("nobody_is_told_that_packets_are_lost").await else { return };
    let [a, b] = ["a", "b"].map(|name| ground.place(name).unwrap());
    let backend = Backend::start(&a).unwrap();
    let connect = |place: &Place, to: SocketAddr| {
        place.within(|| TcpStream::connect_timeout(&to, Duration::from_millis(300)).map(drop)).unwrap()
    };
    connect(&b, backend.address()).unwrap();
    let refused = connect(&b, (a.address(), PORT).into()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    a.vanish().unwrap();
    for to in [backend.address(), (a.address(), PORT).into()] {
        assert_eq!(connect(&b, to).unwrap_err().kind(), ErrorKind::TimedOut);
        let failure =
            Call { deadline: Duration::from_millis(300), ..Call::get(to, "/") }.send().await.unwrap_err();
        assert!(failure.cause.contains("no complete answer"), "{}", failure.cause);
    }
}

#[tokio::test]
async fn the_kernel_gives_connections_to_who_is_ready() {
    let Some(ground) = ground("the_kernel_gives_connections_to_who_is_ready").await else { return };
    let [a, b, client] = ["a", "b", "client"].map(|name| ground.place(name).unwrap());
    let (one, two) = (Backend::start(&a).unwrap(), Backend::start(&b).unwrap());
    let target = |place: &Place, backend: &Backend| Target {
        name: place.name().to_owned(),
        serve: backend.address(),
        ready: (backend.address(), "/"),
    };
    let probe =
        Probe { period: Duration::from_millis(20), relist: Duration::from_millis(20), ..Probe::default() };
    let targets = vec![target(&a, &one), target(&b, &two)];
    let vip = Vip::start(&ground, targets, probe, History::default()).await.unwrap();
    vip.steady(Duration::from_secs(20)).await.unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for number in 0..40 {
        let call = Call { from: ground.own(number).into(), ..Call::get(vip.address(), "/") };
        let (from, _) = call.send().await.unwrap();
        assert_eq!(from.ip(), ground.own(number));
        seen.insert(vip.ledger().taken_by(from).unwrap());
    }
    assert_eq!(seen.len(), 2, "a coin that falls on one side 40 times");
    let there = client.within(|| {
        let stream = TcpStream::connect_timeout(&vip.address(), Duration::from_secs(2))?;
        stream.local_addr()
    });
    assert!(vip.ledger().taken_by(there.unwrap().unwrap()).is_some());
    let rotation = async |count: usize| {
        while vip.rotation().len() != count {
            sleep(Duration::from_millis(5)).await;
        }
    };
    drop(two);
    rotation(1).await;
    for _ in 0..10 {
        let (from, _) = Call::get(vip.address(), "/").send().await.unwrap();
        assert_eq!(vip.ledger().taken_by(from).as_deref(), Some("a"));
    }
    drop(one);
    rotation(0).await;
    let failure = Call::get(vip.address(), "/").send().await.unwrap_err();
    assert!(failure.cause.contains("refused"), "{}", failure.cause);
}

#[tokio::test]
async fn nothing_is_left_when_the_harness_is_killed() {
    if let Ok(file) = std::env::var(READY) {
        let Some(ground) = ground("").await else { return };
        let place = ground.place("a").unwrap();
        let mut command = place.command("sleep");
        command.arg("654.321");
        let _child =
            Process::spawn("sleeper", command, std::path::Path::new(&file).parent().unwrap()).unwrap();
        std::fs::write(&file, "").unwrap();
        std::future::pending::<()>().await;
    }
    if let Some(missing) = missing() {
        writeln!(std::io::stderr(), "killing the harness is left out: it needs {missing}").unwrap();
        return;
    }
    let folder = Folder::new().unwrap();
    let ready = folder.path().join("ready");
    let mut command =
        enter::command(&args("nothing_is_left_when_the_harness_is_killed").map(Into::into)).unwrap();
    let mut child = command.env(READY, &ready).spawn().unwrap();
    let start = Instant::now();
    while !ready.exists() || sleepers() != 1 {
        assert!(start.elapsed() < Duration::from_secs(60), "it does not start");
        sleep(Duration::from_millis(10)).await;
    }
    // As a power cut: nobody in there is asked.
    child.start_kill().unwrap();
    child.wait().await.unwrap();
    while sleepers() != 0 {
        assert!(start.elapsed() < Duration::from_secs(60), "its children survive it");
        sleep(Duration::from_millis(10)).await;
    }
}

/// How many processes of that test there are on the machine.
fn sleepers() -> usize {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines.filter(|line| line.starts_with(b"sleep\x00654.321")).count()
}
