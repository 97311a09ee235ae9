use super::*;

fn one_of_each(history: &History) {
    history.stage("kill-leader", &["r0", "r1"], 40);
    history.life("r0", LifeEvent::Killed);
    let fault = history.fault("API server down", &["api"]);
    history.healed(&fault);
    history.struck("kill -9", &["r0"]);
    history.change(7);
    history.say("the leader is killed");
    let (client, at, end) = (history.name("s1"), Duration::from_micros(1_500_001), Duration::from_secs(2));
    let table = Table {
        version: Some((3, 7)),
        promised: "aaaabbbbccccdddd".into(),
        digest: "aaaabbbbccccdddd".into(),
        count: Some(40),
        routes: 40,
        generation: Some(7),
    };
    let answers = [
        Answer::Table(Box::new(table)),
        Answer::Kept,
        Answer::Status(503),
        Answer::Failed("reset".into()),
        Answer::Cut(Box::new(Cut { promised: "aa".into(), cause: "closed".into() })),
    ];
    for answer in answers {
        let poll = Poll { client: client.clone(), at, end, replica: Some(history.name("r1")), answer };
        history.push(Record::Poll(poll));
    }
    for outcome in [Ok(Some(7)), Ok(None), Err("status 503".into())] {
        let request = Request { client: client.clone(), at, end, host: "marker.test".into(), outcome };
        history.push(Record::Request(request));
    }
    let replica = history.name("r1");
    for act in [Act::Leads(4), Act::Activated((4, 1)), Act::Draining, Act::Warned("held".into())] {
        history.push(Record::Deed(Deed { replica: replica.clone(), at, act }));
    }
    let seen = Seen { role: Role::Leader, digest: Some("aa".into()), age: Some(1200), ..Seen::default() };
    for seen in [Some(Box::new(seen)), None] {
        history.push(Record::State(State { replica: replica.clone(), at, seen }));
    }
    history.push(Record::Memory(Memory { replica, at, rss_kib: 20_480 }));
    history.measured("calls", "r1", 2.5);
}

/// Times as the file has them.
fn whole_micros(records: &[Record]) -> Vec<Record> {
    records.iter().map(|record| serde_json::from_slice(&file::line(record)).unwrap()).collect()
}

#[test]
fn what_is_written_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.jsonl");
    let history = History::to_file(&path).unwrap();
    one_of_each(&history);
    history.flush().unwrap();
    let (kept, found) = (whole_micros(&history.records()), read(&path).unwrap());
    assert_eq!(found.len(), 23);
    assert_eq!(found, kept);
    assert!(matches!(&found[7], Record::Poll(Poll { at, .. }) if *at == Duration::from_micros(1_500_001)));
}

#[test]
fn a_half_written_last_line_is_left_out_and_a_bad_one_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.jsonl");
    let good = file::line(&Record::Change(Change { at: Duration::ZERO, generation: 1 }));
    std::fs::write(&path, [&good[..], &good[..good.len() - 3]].concat()).unwrap();
    assert_eq!(read(&path).unwrap().len(), 1);
    std::fs::write(&path, [&good[..], b"{}\n", &good[..]].concat()).unwrap();
    assert!(matches!(read(&path), Err(ReadError::Line { line: 2, .. })));
}

#[tokio::test(start_paused = true)]
async fn lines_reach_the_file_while_the_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.jsonl");
    let history = History::to_file(&path).unwrap();
    history.change(1);
    assert_eq!(read(&path).unwrap().len(), 0, "it waits for more");
    tokio::time::advance(Duration::from_secs(1)).await;
    history.change(2);
    assert_eq!(read(&path).unwrap().len(), 2);
}

#[test]
fn only_the_start_of_a_digest_is_written() {
    let table = Table { promised: "0123456789abcdef0123".into(), digest: "ff".into(), ..Table::default() };
    let json = serde_json::to_value(&table).unwrap();
    assert_eq!((json["promised"].as_str(), json["digest"].as_str()), (Some("0123456789abcdef"), Some("ff")));
}

#[test]
fn names_are_shared_and_records_small() {
    let history = History::default();
    assert!(Arc::ptr_eq(&history.name("r0"), &history.name("r0")));
    // Three hundred a second make 100 MB an hour.
    assert!(size_of::<Record>() <= 96, "{}", size_of::<Record>());
}
