//! Polls that wait for a change.

use tokio::time::{Instant, sleep};

use super::*;
use crate::serve::{BodyLimits, Ended};

const HOLD: Duration = Duration::from_millis(300);
const LATER: &str = "b: * -> <shunt>";

async fn holding(hold: Duration) -> Lab {
    let lab = Lab::start(Limits { hold, ..Limits::default() }, PATIENCE).await;
    lab.activate(SMALL);
    settled(&lab, |_| true).await;
    lab
}

/// Until what the hub told has arrived, and `done` says so.
async fn settled(lab: &Lab, done: impl Fn(&Lab) -> bool) {
    sleep(Duration::from_millis(5)).await;
    let waiting = async {
        while !done(lab) {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, waiting).await.expect("it comes to that");
}

/// Another table, under the version after the active one's.
fn next(lab: &Lab, text: &'static str) -> Arc<Snapshot> {
    let version = lab.cell.load().active.as_ref().expect("a table").version.next();
    Arc::new(Snapshot { version, ..Snapshot::clone(&snapshot(text)) })
}

/// As `active`, on a replica that is current or not.
fn view(active: Arc<Snapshot>, leader_current: bool) -> View {
    let standing = Standing::InTouch { until: Moment::from_nanos(1), leader_current };
    View { known: active.version, active: Some(active), standing, ..View::default() }
}

/// The poll of a client that has the active table.
fn poll(lab: &Lab, extra: &str) -> String {
    let digest = lab.cell.load().active.as_ref().expect("a table").digest();
    format!("GET /routes HTTP/1.1\r\nHost: x\r\nIf-None-Match: \"{digest}\"\r\n{extra}\r\n")
}

/// A client whose poll is held.
async fn held(lab: &Lab, extra: &str) -> TcpStream {
    let before = lab.metrics.polls_held.get();
    let mut stream = lab.connect().await;
    stream.write_all(poll(lab, extra).as_bytes()).await.expect("open");
    settled(lab, |lab| lab.metrics.polls_held.get() > before).await;
    stream
}

#[tokio::test]
async fn a_change_is_answered_at_once() {
    let lab = holding(PATIENCE).await;
    for extra in ["", "Connection: close\r\n", "Prefer: wait=20\r\n"] {
        lab.activate(SMALL);
        let mut stream = held(&lab, extra).await;
        let since = Instant::now();
        lab.show(view(next(&lab, LATER), true));
        let answer = one(&mut stream, LATER.len()).await;
        assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with(LATER), "{answer}");
        assert_eq!(answer.contains("\r\nPreference-Applied: wait=20\r\n"), extra.starts_with("Prefer"));
        // The connection goes on.
        if extra.is_empty() {
            stream.write_all(GET.as_bytes()).await.expect("open");
            assert!(one(&mut stream, LATER.len()).await.ends_with(LATER));
        }
    }
    assert_eq!((lab.metrics.polls_held.get(), lab.metrics.holds(Ended::Changed)), (0, 3));
}

#[tokio::test]
async fn without_a_change_the_answer_comes_when_the_time_is_over() {
    let lab = holding(HOLD).await;
    let since = Instant::now();
    let answer = lab.ask(&poll(&lab, "Connection: close\r\n")).await;
    assert!(since.elapsed() >= HOLD, "{:?}", since.elapsed());
    assert!(answer.starts_with("HTTP/1.1 304 Not Modified\r\n"), "{answer}");
    let since = Instant::now();
    let answer = lab.ask(&poll(&lab, "Prefer: wait=1\r\nConnection: close\r\n")).await;
    assert!(since.elapsed() >= Duration::from_secs(1), "{:?}", since.elapsed());
    assert!(answer.contains("\r\nPreference-Applied: wait=1\r\n"), "{answer}");
    assert_eq!(lab.metrics.holds(Ended::Over), 2);
}

#[tokio::test]
async fn what_is_only_announced_wakes_nobody_and_what_is_active_waits_for_the_grant() {
    let lab = holding(PATIENCE).await;
    let mut stream = held(&lab, "Connection: close\r\n").await;
    let later = next(&lab, LATER);
    lab.show(View { known: later.version, ..View::clone(&lab.cell.load()) });
    settled(&lab, |lab| lab.metrics.polls_held.get() == 1).await;
    lab.show(view(later.clone(), false));
    settled(&lab, |lab| lab.metrics.polls_held.get() == 1).await;
    lab.show(view(later, true));
    assert!(rest(&mut stream).await.ends_with(LATER));
}

#[tokio::test]
async fn nobody_waits_where_nothing_would_be_heard_or_for_no_table() {
    let lab = holding(PATIENCE).await;
    let others = [
        closing("/routes"),
        poll(&lab, "Connection: close\r\n").replacen("GET", "HEAD", 1),
        poll(&lab, "Range: bytes=0-1\r\nConnection: close\r\n"),
        poll(&lab, "Prefer: wait=0\r\nConnection: close\r\n"),
    ];
    for head in others {
        timeout(Duration::from_secs(5), lab.ask(&head)).await.expect("at once");
    }
    let mut stream = held(&lab, "").await;
    lab.show(View { standing: Standing::Alone, ..View::clone(&lab.cell.load()) });
    assert!(one(&mut stream, 0).await.starts_with("HTTP/1.1 304 "));
    // On the same connection, and at a glance.
    stream.write_all(poll(&lab, "").as_bytes()).await.expect("open");
    assert!(one(&mut stream, 0).await.starts_with("HTTP/1.1 304 "));
    assert!(lab.ask(&poll(&lab, "Connection: close\r\n")).await.starts_with("HTTP/1.1 304 "));
    assert_eq!(lab.metrics.holds(Ended::Behind), 1);
}

#[tokio::test]
async fn a_drain_lets_everyone_go() {
    let lab = holding(PATIENCE).await;
    let mut streams = [held(&lab, "").await, held(&lab, "").await];
    lab.begin.cancel();
    for stream in &mut streams {
        assert!(one(stream, 0).await.starts_with("HTTP/1.1 304 "));
    }
    assert!(
        lab.ask(&poll(&lab, "")).await.contains("\r\nConnection: close\r\n"),
        "and nobody waits from now on"
    );
    assert_eq!(lab.metrics.holds(Ended::Drain), 2);
    drop(streams);
    lab.close.cancel();
    assert_eq!(lab.stopped().await.cut, 0);
}

#[tokio::test]
async fn whoever_goes_or_says_more_waits_no_longer() {
    let lab = holding(PATIENCE).await;
    drop(held(&lab, "").await);
    settled(&lab, |lab| lab.metrics.polls_held.get() == 0).await;
    let mut half = held(&lab, "").await;
    half.shutdown().await.expect("half closed");
    assert!(rest(&mut half).await.starts_with("HTTP/1.1 304 "), "it reads on");
    let mut eager = held(&lab, "").await;
    eager.write_all(GET.as_bytes()).await.expect("open");
    assert!(one(&mut eager, 0).await.starts_with("HTTP/1.1 304 "));
    assert!(one(&mut eager, SMALL.len()).await.ends_with(SMALL), "what it said is answered");
    assert_eq!(lab.metrics.holds(Ended::Client), 3);
}

#[tokio::test]
async fn so_many_wait_as_one_change_can_be_sent_to() {
    let bodies = BodyLimits { bytes: 1, ..BodyLimits::default() };
    let lab = Lab::start(Limits { hold: PATIENCE, bodies, ..Limits::default() }, PATIENCE).await;
    lab.activate("x".repeat(1 << 20));
    settled(&lab, |_| true).await;
    let waiting = [held(&lab, "").await, held(&lab, "").await, held(&lab, "").await, held(&lab, "").await];
    for extra in ["", "X-Unknown: 1\r\n"] {
        let head = poll(&lab, &format!("{extra}Connection: close\r\n"));
        let answer = timeout(Duration::from_secs(5), lab.ask(&head)).await.expect("at once");
        assert!(answer.starts_with("HTTP/1.1 304 "), "{answer}");
    }
    drop(waiting);
    settled(&lab, |lab| lab.metrics.polls_held.get() == 0).await;
    held(&lab, "").await;
}

#[tokio::test]
async fn over_http2_too() {
    let lab = holding(PATIENCE).await;
    let (client, connection) = h2::client::handshake(lab.connect().await).await.expect("HTTP/2");
    let connection = tokio::spawn(connection);
    let digest = lab.cell.load().active.as_ref().expect("a table").digest();
    let ask = async || {
        let request = http::Request::get("http://routes:9090/routes");
        let request = request.header(http::header::IF_NONE_MATCH, format!("\"{digest}\""));
        let mut client = client.clone().ready().await.expect("room");
        client.send_request(request.body(()).expect("a request"), true).expect("open")
    };
    let (given_up, _) = ask().await;
    settled(&lab, |lab| lab.metrics.polls_held.get() == 1).await;
    drop(given_up);
    settled(&lab, |lab| lab.metrics.polls_held.get() == 0).await;
    let (answer, _) = ask().await;
    settled(&lab, |lab| lab.metrics.polls_held.get() == 1).await;
    lab.show(view(next(&lab, LATER), true));
    assert_eq!(timeout(PATIENCE, answer).await.expect("in time").expect("an answer").status(), 200);
    let (client, changed) = (lab.metrics.holds(Ended::Client), lab.metrics.holds(Ended::Changed));
    assert_eq!((client, changed), (1, 1));
    connection.abort();
}
