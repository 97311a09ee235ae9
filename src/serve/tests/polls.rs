//! Polls by clients that have the table: answered at a glance, and just as everything else is.

use super::*;

/// The poll of a Skipper that has the table of `zone`.
fn poll(lab: &Lab, path: &str, extra: &str) -> String {
    let view = lab.cell.load();
    let contents = &view.active.as_ref().expect("a table").contents;
    let table = path.strip_prefix("/routes/").map_or(&contents.table, |zone| contents.for_zone(zone));
    let tag = std::str::from_utf8(table.tag(true)).expect("hex");
    format!(
        "GET {path} HTTP/1.1\r\nHost: x\r\nUser-Agent: Go-http-client/1.1\r\nIf-None-Match: {tag}\r\n\
         Accept-Encoding: gzip\r\n{extra}\r\n"
    )
}

/// The lines of an answer, but for its date, in some order.
fn lines(answer: &str) -> Vec<&str> {
    let mut lines: Vec<_> = answer.split("\r\n").filter(|line| !line.starts_with("Date: ")).collect();
    assert_eq!(lines.len() + 1, answer.split("\r\n").count(), "{answer}");
    lines.sort_unstable();
    lines
}

#[tokio::test]
async fn a_glance_answers_as_http_does() {
    let lab = Lab::serving(SMALL).await;
    for draining in [false, true] {
        for path in ["/routes", "/routes/zone-1", "/routes/elsewhere"] {
            for extra in ["", "Connection: close\r\n"] {
                let mut answers = Vec::new();
                // What a glance does not know, it leaves alone.
                for unknown in ["", "X-Unknown: 1\r\n"] {
                    let mut stream = lab.connect().await;
                    let head = poll(&lab, path, &format!("{extra}{unknown}"));
                    stream.write_all(head.as_bytes()).await.expect("open");
                    answers.push(one(&mut stream, 0).await);
                    if draining || !extra.is_empty() {
                        assert_eq!(rest(&mut stream).await, "");
                    }
                }
                assert!(answers[0].starts_with("HTTP/1.1 304 Not Modified\r\n"), "{}", answers[0]);
                assert_eq!(lines(&answers[0]), lines(&answers[1]));
            }
        }
        lab.begin.cancel();
    }
}

#[tokio::test]
async fn polls_go_on_after_each_other_and_after_something_else() {
    let lab = Lab::serving(SMALL).await;
    let mut stream = lab.connect().await;
    for _ in 0..3 {
        stream.write_all(poll(&lab, "/routes", "").as_bytes()).await.expect("open");
        assert!(one(&mut stream, 0).await.starts_with("HTTP/1.1 304 "));
    }
    // Two at once, and then something that takes more.
    let two = poll(&lab, "/routes", "").repeat(2);
    stream.write_all(two.as_bytes()).await.expect("open");
    for _ in 0..2 {
        assert!(one(&mut stream, 0).await.starts_with("HTTP/1.1 304 "));
    }
    stream.write_all(GET.as_bytes()).await.expect("open");
    assert!(one(&mut stream, SMALL.len()).await.ends_with(SMALL));
    stream.write_all(poll(&lab, "/routes", "").as_bytes()).await.expect("open");
    assert!(one(&mut stream, 0).await.starts_with("HTTP/1.1 304 "));
    assert_eq!((lab.metrics.accepted.get(), lab.metrics.bodies.get()), (1, 1));
}

#[tokio::test]
async fn a_poll_in_pieces_is_answered() {
    let lab = Lab::serving(SMALL).await;
    let head = poll(&lab, "/routes", "Connection: close\r\n");
    for at in [1, 40, head.len() - 1] {
        let mut stream = lab.connect().await;
        stream.write_all(&head.as_bytes()[..at]).await.expect("open");
        tokio::task::yield_now().await;
        stream.write_all(&head.as_bytes()[at..]).await.expect("open");
        assert!(rest(&mut stream).await.starts_with("HTTP/1.1 304 "));
    }
}

#[tokio::test]
async fn a_new_table_is_sent_to_who_polls_on() {
    let lab = Lab::serving(SMALL).await;
    let mut stream = lab.connect().await;
    let held = poll(&lab, "/routes", "");
    stream.write_all(held.as_bytes()).await.expect("open");
    assert!(one(&mut stream, 0).await.starts_with("HTTP/1.1 304 "));
    let standing = Standing::InTouch { until: Moment::from_nanos(1), leader_current: true };
    let (active, known) = (Some(snapshot("b: * -> <shunt>")), Version::new(1, 1));
    lab.cell.store(View { active, known, standing, ..View::default() });
    stream.write_all(held.replace(": gzip", ": identity").as_bytes()).await.expect("open");
    assert!(one(&mut stream, SMALL.len()).await.ends_with("b: * -> <shunt>"));
}

#[tokio::test]
async fn idle_connection_closes_after_its_time_and_with_the_listener() {
    let limits = Limits { head_timeout: Duration::from_millis(60), ..Limits::default() };
    let lab = Lab::start(limits, PATIENCE).await;
    lab.activate(SMALL);
    let mut polling = lab.connect().await;
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(30)).await;
        polling.write_all(poll(&lab, "/routes", "").as_bytes()).await.expect("each poll winds it up");
        assert!(one(&mut polling, 0).await.starts_with("HTTP/1.1 304 "));
    }
    assert_eq!(rest(&mut polling).await, "");

    let lab = Lab::serving(SMALL).await;
    let mut polling = lab.connect().await;
    polling.write_all(poll(&lab, "/routes", "").as_bytes()).await.expect("open");
    assert!(one(&mut polling, 0).await.starts_with("HTTP/1.1 304 "));
    lab.close.cancel();
    assert_eq!(rest(&mut polling).await, "");
    assert_eq!(lab.stopped().await, DrainReport { open: 1, cut: 0 });
}

#[tokio::test]
async fn whoever_polls_is_known_with_what_it_has() {
    let lab = Lab::serving(SMALL).await;
    let seen = || {
        let list = lab.clients.list(Moment::default());
        let client = list[0].1.clone();
        (list.len(), client.has, client.zone.into_string(), client.status.as_u16(), client.polls)
    };
    let view = lab.cell.load();
    let contents = &view.active.as_ref().expect("a table").contents;
    let (main, zone) = (contents.table.digest(), contents.for_zone("zone-1").digest());
    let mut stream = lab.connect().await;
    stream.write_all(GET.as_bytes()).await.expect("open");
    one(&mut stream, SMALL.len()).await;
    assert_eq!(seen(), (1, Some(main), String::new(), 200, 1));
    stream.write_all(poll(&lab, "/routes/zone-1", "").as_bytes()).await.expect("open");
    one(&mut stream, 0).await;
    assert_eq!(seen(), (1, Some(zone), "zone-1".to_owned(), 304, 2));
    // Not at a glance, and with a table that it may keep.
    let other = crate::snapshot::Digest::of(b"another");
    let kept = format!(
        "GET /routes HTTP/1.1\r\nHost: x\r\nIf-None-Match: W/\"{other}+gzip\"\r\nX-Unknown: 1\r\n\r\n"
    );
    lab.cell.store(View { active: view.active.clone(), ..View::default() });
    stream.write_all(kept.as_bytes()).await.expect("open");
    one(&mut stream, 0).await;
    assert_eq!(seen(), (1, Some(other), String::new(), 304, 3));
}
