//! Shards: tables like any other, with their own tags.

use super::*;

const TABLE: &str = "a: Host(/^a$/) -> <shunt>;\nb: Host(/^b$/) -> <shunt>;\nc: Host(/^c$/) -> <shunt>;";

async fn cut(text: &str) -> Lab {
    let lab = Lab::start(Limits::default(), PATIENCE).await;
    activate(&lab, text);
    lab
}

/// As a replica does: cut, then active.
fn activate(lab: &Lab, text: &str) {
    lab.sharder.prepare(&Table::new(text.to_owned(), 1, 0));
    lab.activate(text.to_owned());
}

fn tag(answer: &str) -> String {
    answer.split("\r\nEtag: ").nth(1).and_then(|rest| rest.split("\r\n").next()).expect("a tag").to_owned()
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").expect("a head").1
}

/// The answers for all shards, each to a client that has `tags`.
async fn all(lab: &Lab, tags: Option<&[String]>) -> Vec<String> {
    let mut answers = Vec::new();
    for shard in 0..4 {
        let condition = tags.map(|tags| format!("If-None-Match: {}\r\nConnection", tags[shard]));
        let head = closing(&format!("/routes/shards/{shard}/4"));
        answers
            .push(lab.ask(&head.replace("Connection", &condition.unwrap_or("Connection".to_owned()))).await);
    }
    answers
}

#[tokio::test]
async fn together_they_are_the_table_and_only_what_changed_is_sent_again() {
    let lab = cut(TABLE).await;
    let first = all(&lab, None).await;
    let mut lines: Vec<_> = first.iter().flat_map(|answer| body(answer).lines()).collect();
    assert!(first.iter().all(|answer| answer.starts_with("HTTP/1.1 200 OK\r\n")), "empty ones too");
    assert!(first.iter().all(|answer| answer.contains("\r\nX-Table-Version: 1.1\r\n")));
    lines.retain(|line| !line.contains("False()"));
    lines.sort_unstable();
    assert_eq!(lines.join("\n"), TABLE);

    let tags: Vec<_> = first.iter().map(|answer| tag(answer)).collect();
    for answer in all(&lab, Some(&tags)).await {
        assert!(answer.starts_with("HTTP/1.1 304 Not Modified\r\n"), "{answer}");
    }
    activate(&lab, &TABLE.replace("c: Host(/^c$/)", "c: Host(/^c$/) && Weight(1)"));
    let second = all(&lab, Some(&tags)).await;
    let sent: Vec<_> = second.iter().filter(|answer| answer.starts_with("HTTP/1.1 200 ")).collect();
    assert!(sent.len() == 1 && sent[0].contains("Weight(1)"), "{second:?}");
}

#[tokio::test]
async fn who_asks_for_other_shards_is_told_which_there_are() {
    let lab = cut(TABLE).await;
    for path in ["/routes/shards/0/16", "/routes/shards/4/4"] {
        let answer = lab.ask(&closing(path)).await;
        assert!(answer.starts_with("HTTP/1.1 404 ") && answer.contains("/routes/shards/3/4"), "{answer}");
    }
    assert!(lab.ask(&closing("/routes/shards/0")).await.ends_with("404 page not found\n"));
    let post = closing("/routes/shards/0/4").replacen("GET", "POST", 1);
    assert!(lab.ask(&post).await.starts_with("HTTP/1.1 405 "));
}

#[tokio::test]
async fn a_table_that_is_not_cut_yet_moves_nobody() {
    let lab = Lab::start(Limits::default(), PATIENCE).await;
    lab.activate(TABLE);
    assert!(lab.ask(&closing("/routes/shards/0/4")).await.starts_with("HTTP/1.1 503 "));
    let old = "old: * -> <shunt>;";
    lab.sharder.prepare(&Table::new(old, 1, 0));
    let tags: Vec<_> = (0..4).map(|_| "\"newer\"".to_owned()).collect();
    for answer in all(&lab, Some(&tags)).await {
        assert!(
            answer.starts_with("HTTP/1.1 304 ") && answer.contains("\r\nEtag: \"newer\"\r\n"),
            "{answer}"
        );
    }
    assert!(
        all(&lab, None).await.iter().all(|answer| answer.starts_with("HTTP/1.1 200 ")),
        "who starts, starts"
    );
    lab.sharder.prepare(&Table::new(TABLE, 1, 0));
    assert!(all(&lab, Some(&tags)).await.iter().all(|answer| answer.starts_with("HTTP/1.1 200 ")));
}

#[tokio::test]
async fn whoever_has_a_shard_has_the_table_that_it_is_of() {
    let lab = cut(TABLE).await;
    let first = all(&lab, None).await;
    let table = lab.cell.load().active.as_ref().expect("a table").digest();
    let has = || lab.clients.list(Moment::default())[0].1.has;
    assert_eq!(has(), Some(table));
    lab.show(View { standing: Standing::Alone, ..View::clone(&lab.cell.load()) });
    let tags: Vec<_> = first.iter().rev().map(|answer| tag(answer)).collect();
    all(&lab, Some(&tags)).await;
    assert_eq!(has(), None, "it keeps what it has, and nobody knows of which table that is");
}
