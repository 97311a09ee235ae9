//! A server that does as it is told, and one client.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::history::{Answer, Poll, Record};

const OLD: &str = "a: * -> <shunt>;\nb: * -> inlineContent(\"generation 1\") -> <shunt>;\n";
const NEW: &str = "a: * -> <shunt>;\nb: * -> inlineContent(\"generation 2\") -> <shunt>;\n";

fn etag(text: &str) -> String {
    format!("\"{}\"", hex::encode(Sha256::digest(text)))
}

/// An answer with the first `sent` bytes of `text`, and the ETag of the whole.
fn table(text: &str, sent: usize) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nETag: {}\r\nContent-Length: {}\r\n\r\n", etag(text), text.len());
    [head.as_bytes(), &text.as_bytes()[..sent]].concat()
}

fn gzipped(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    let body = encoder.finish().unwrap();
    let etag = etag(text).replacen('"', "", 1);
    let head = format!(
        "HTTP/1.1 200 OK\r\nETag: \"{}+gzip\"\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        etag.trim_end_matches('"'),
        body.len()
    );
    [head.into_bytes(), body].concat()
}

const KEPT: &[u8] = b"HTTP/1.1 304 Not Modified\r\n\r\n";

/// What the one client wrote down of these answers, what it sent as its ETag each time, and what it had in the end.
async fn told(answers: Vec<Vec<u8>>) -> (Vec<Answer>, Vec<String>, Held) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let habits = Habits {
        name: "s",
        to: listener.local_addr().unwrap(),
        poll: Duration::from_millis(100),
        patience: Duration::from_millis(100),
        from: Ipv4Addr::new(127, 3, 0, 1),
        ledger: None,
        at_once: false,
    };
    let history = History::default();
    let fleet = Skippers::start(1, &habits, &history);
    let (count, mut asked) = (answers.len(), Vec::new());
    for answer in answers {
        let (mut stream, from) = listener.accept().await.unwrap();
        assert_eq!(from.ip(), Ipv4Addr::new(127, 3, 0, 1));
        let mut request = [0; 4096];
        let read = stream.read(&mut request).await.unwrap();
        let request = String::from_utf8_lossy(&request[..read]).to_lowercase();
        let sent = request.lines().find_map(|line| line.strip_prefix("if-none-match: "));
        asked.push(sent.unwrap_or_default().to_owned());
        stream.write_all(&answer).await.unwrap();
    }
    let polls = || {
        let polls = history.records().into_iter().filter_map(|record| match record {
            Record::Poll(Poll { answer, .. }) => Some(answer),
            _ => None,
        });
        polls.collect::<Vec<_>>()
    };
    while polls().len() < count {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    (polls()[..count].to_vec(), asked, fleet.held()[0].clone())
}

#[tokio::test]
async fn it_sends_the_etag_of_what_it_has_and_keeps_it() {
    let (seen, asked, held) = told(vec![gzipped(OLD), KEPT.to_vec(), table(NEW, NEW.len())]).await;
    assert!(
        matches!(&seen[0], Answer::Table(table) if table.generation == Some(1) && table.digest == table.promised)
    );
    assert_eq!(seen[1], Answer::Kept);
    assert_eq!(asked[0], "");
    assert_eq!(asked[1], asked[2]);
    assert!(asked[1].ends_with("+gzip\""), "{asked:?}");
    assert_eq!((held.generation, held.routes, held.poisoned), (Some(2), 2, None));
}

#[tokio::test]
async fn a_body_that_is_cut_in_a_route_pins_the_old_table_while_304_is_the_answer() {
    let answers = vec![table(OLD, OLD.len()), table(NEW, 30), KEPT.to_vec(), KEPT.to_vec()];
    let (seen, asked, held) = told(answers).await;
    assert!(matches!(seen[1], Answer::Cut(_)), "{seen:?}");
    assert_eq!(seen[2..], [Answer::Kept, Answer::Kept]);
    assert_eq!(asked[2], etag(NEW), "the ETag of a table that it has not");
    assert_eq!(held.generation, Some(1));
    assert_eq!((held.poisoned, held.longest_poisoned), (Some(2), 2));
}

#[tokio::test]
async fn a_body_that_is_cut_between_two_routes_wipes_the_table_after_a_304() {
    let cut = NEW.find('\n').unwrap() + 1;
    let (seen, _, held) = told(vec![table(OLD, OLD.len()), table(NEW, cut), KEPT.to_vec()]).await;
    assert!(matches!(&seen[2], Answer::Table(table) if table.routes == 1 && table.digest != table.promised));
    assert_eq!(held.routes, 1);
}

#[tokio::test]
async fn a_body_that_comes_again_heals() {
    let answers = vec![table(OLD, OLD.len()), table(NEW, 30), table(NEW, NEW.len())];
    let (_, _, held) = told(answers).await;
    assert_eq!((held.generation, held.poisoned, held.longest_poisoned), (Some(2), None, 0));
}

#[tokio::test]
async fn a_body_that_stalls_is_given_up_after_one_poll() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let to = listener.local_addr().unwrap();
    let from = Ipv4Addr::new(127, 3, 0, 9);
    let poll = Duration::from_millis(50);
    let habits = Habits { name: "s", to, poll, patience: poll, from, ledger: None, at_once: true };
    let history = History::default();
    let _fleet = Skippers::start(1, &habits, &history);
    let (mut stream, _) = listener.accept().await.unwrap();
    stream.write_all(&table(OLD, 10)).await.unwrap();
    while history.records().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(matches!(&history.records()[0], Record::Poll(Poll { answer: Answer::Cut(_), .. })));
}
