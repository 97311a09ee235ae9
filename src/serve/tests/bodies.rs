//! More asks for tables than are sent at once.

use super::*;
use crate::serve::BodyLimits;

const LARGE: usize = 8 << 20;

/// A lab whose budget has room for eight bodies of any size, and eight clients that have begun one and do not read.
async fn full(bodies: BodyLimits) -> (Lab, Vec<TcpStream>) {
    let limits = Limits { bodies: BodyLimits { bytes: 1, ..bodies }, ..Limits::default() };
    let lab = Lab::start(limits, PATIENCE).await;
    lab.activate("x".repeat(LARGE));
    let mut hogs = Vec::new();
    for _ in 0..8 {
        let mut hog = lab.connect().await;
        hog.write_all(conditional("\"old\"").as_bytes()).await.expect("open");
        hog.readable().await.expect("begun");
        hogs.push(hog);
    }
    assert_eq!(lab.metrics.bodies_under_way.get(), 8);
    (lab, hogs)
}

fn patient(patience: Duration) -> BodyLimits {
    BodyLimits { patience, slow_after: PATIENCE, stalled_after: PATIENCE, ..BodyLimits::default() }
}

fn conditional(tag: &str) -> String {
    closing("/routes").replace("Connection", &format!("If-None-Match: {tag}\r\nConnection"))
}

#[tokio::test]
async fn above_the_budget_304s_pass_starting_clients_have_a_reserve_and_the_rest_is_asked_to_come_back() {
    let (lab, hogs) = full(patient(Duration::from_millis(20))).await;
    let etag = format!("\"{}\"", lab.cell.load().active.as_ref().expect("active").digest());
    assert!(lab.ask(&conditional(&etag)).await.starts_with("HTTP/1.1 304 "));
    assert_eq!(lab.metrics.bodies_waited.get(), 0, "who has the table does not wait");

    let refused = lab.ask(&conditional("\"old\"")).await;
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    assert!(refused.contains("\r\nRetry-After: 1\r\n") && refused.contains("\r\nX-Table-Version: 1.1\r\n"));
    assert_eq!((lab.metrics.bodies_waited.get(), lab.metrics.bodies_refused.get()), (1, 1));

    let started = lab.ask(&closing("/routes")).await;
    assert!(started.starts_with("HTTP/1.1 200 ") && started.len() > LARGE);
    drop(hogs);
}

#[tokio::test]
async fn what_was_true_before_the_wait_is_asked_again_after_it() {
    let (lab, mut hogs) = full(patient(PATIENCE)).await;
    let mut waiting = lab.connect().await;
    waiting.write_all(conditional("\"old\"").as_bytes()).await.expect("open");
    while lab.metrics.bodies_waiting.get() == 0 {
        tokio::task::yield_now().await;
    }
    lab.cell.store(View { standing: Standing::Alone, ..View::clone(&lab.cell.load()) });
    hogs.pop();
    let answer = rest(&mut waiting).await;
    assert!(answer.starts_with("HTTP/1.1 304 "), "a replica that may be behind moves nobody: {answer}");
    drop(hogs);
    while lab.metrics.bodies_under_way.get() > 0 {
        tokio::task::yield_now().await;
    }
}
