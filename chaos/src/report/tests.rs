//! The page of a real run: of its history, that of `e2e`, all is kept but most of the good answers.

use std::path::Path;

use super::*;
use crate::check;
use crate::history;

fn e2e() -> Vec<Record> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/report/testdata/e2e.jsonl");
    history::read(&path).unwrap()
}

fn side(program: &str, history: &[Record], limits: &[Figure]) -> Side {
    let figures = [&check::figures(history, 32)[..], limits].concat();
    Side::new(program, history, &figures, &check::all(history, 32), None)
}

fn outcome(name: &str, ours: Side, peer: Option<Side>) -> Outcome {
    Outcome {
        name: name.to_owned(),
        broken: "everything, one after the other".to_owned(),
        modes: vec![2, 14],
        ours,
        peer,
    }
}

fn report() -> Report {
    let history = e2e();
    let kept = side("Bellwether", &history, &[check::handovers(&history).at_most(0.2)]);
    let missed = side("Bellwether", &history, &[check::handovers(&history).at_most(0.001)]);
    let broken_off = Side { broken_off: Some("r1 <never> came back".to_owned()), ..kept.clone() };
    let outcomes = vec![
        outcome("good", kept.clone(), Some(missed.clone())),
        outcome("slow", missed, None),
        outcome("odd", broken_off, None),
    ];
    let made = Made { command: "chaos e2e".to_owned(), commit: "abcdef0".to_owned(), ..Made::default() };
    Report { made, outcomes }
}

#[test]
fn the_time_line_of_a_real_run_has_what_happened() {
    let Timeline { seconds, faults, lanes, changes, failed, blamed, .. } = Timeline::of(&e2e());
    assert!((20.0..120.0).contains(&seconds), "{seconds}");
    let names: Vec<_> = lanes.iter().map(|lane| &*lane.replica).collect();
    assert_eq!(names, ["r0", "r1", "r2", "routesrv0"]);
    let what: Vec<_> = faults.iter().map(|fault| (&*fault.what, fault.times)).collect();
    assert_eq!(what, [("API server down", 1), ("kill -9", 4), ("SIGTERM", 3)]);
    let phases = |index: usize| lanes[index].phases.iter().map(|(_, _, phase)| *phase).collect::<Vec<_>>();
    for index in 0..3 {
        let phases = phases(index);
        assert!(
            [timeline::Phase::Leads, timeline::Phase::Follows, timeline::Phase::Down]
                .iter()
                .all(|it| phases.contains(it))
        );
        assert!(!lanes[index].tables.is_empty() && !lanes[index].rotation.is_empty());
        assert_eq!(lanes[index].tables.last(), lanes[0].tables.last(), "all end with one table");
    }
    assert_eq!(lanes.iter().map(|lane| lane.epochs.len()).sum::<usize>(), 5);
    assert_eq!((changes.len(), failed.len(), blamed.len()), (3, 0, 0));
}

#[test]
fn of_figures_with_one_name_the_one_with_the_limit_stays() {
    let report = report();
    let rows = report.outcomes[0].ours.figures.iter().filter(|figure| figure.name == "longest hand-over");
    let limits: Vec<_> = rows.map(|figure| figure.limit).collect();
    assert_eq!(limits, [Some(check::Limit::Most(0.2))]);
}

#[test]
fn good_is_what_kept_every_limit_came_to_its_end_and_was_asked() {
    let good: Vec<_> = report().outcomes.iter().map(|outcome| outcome.ours.good()).collect();
    assert_eq!(good, [true, false, false]);
    assert!(!report().good() && !Report::default().good());
    assert!(!side("Bellwether", &[], &[]).good(), "nobody asked");
}

#[test]
fn a_report_is_read_back_and_a_scenario_that_is_played_again_replaces_the_first() {
    let report = report();
    let read: Report = serde_json::from_slice(&serde_json::to_vec(&report).unwrap()).unwrap();
    assert_eq!(read, report);
    let mut merged = report.clone();
    let again = Outcome { name: "slow".to_owned(), ..report.outcomes[0].clone() };
    merged.merge(Report {
        made: Made::default(),
        outcomes: vec![again, outcome("new", Side::default(), None)],
    });
    let names: Vec<_> = merged.outcomes.iter().map(|outcome| (&*outcome.name, outcome.ours.good())).collect();
    assert_eq!(names, [("good", true), ("slow", true), ("odd", false), ("new", false)]);
    assert_eq!(merged.made, report.made);
}

#[test]
fn the_page_needs_nothing_beside_itself_and_escapes_what_it_is_given() {
    let page = page(&report());
    for foreign in ["<script", "http://", "https://", "@import", "src=", "<link"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    assert!(page.contains("r1 &lt;never&gt; came back"));
}

#[test]
fn a_page_of_fifty_scenarios_with_their_peers_is_less_than_a_mebibyte() {
    let two = report().outcomes.remove(0);
    let outcomes = (0..50).map(|n| Outcome { name: format!("scenario-{n}"), ..two.clone() }).collect();
    let size = page(&Report { outcomes, ..report() }).len();
    assert!(size < 1 << 20, "{size}");
}

/// The text of a page as the browser has it, between tags.
fn text(dom: &str) -> String {
    let mut text = String::new();
    let mut tag = false;
    for letter in dom.chars() {
        match letter {
            '<' => tag = true,
            '>' => (tag, _) = (false, text.push(' ')),
            letter if !tag => text.push(letter),
            _ => {}
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn a_real_browser_shows_what_it_must() {
    if browser::find().is_none() {
        eprintln!("skipped: no Chromium is installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (file, picture) = (folder.path().join("report.html"), folder.path().join("report.png"));
    std::fs::write(&file, page(&report())).unwrap();
    let dom = browser::dom(&file).await.unwrap();
    let text = text(&dom);
    let shown = [
        "✗ 1 of 3 scenarios kept every limit",
        "Not kept: slow , odd",
        "steps back: a table older than the client's",
        "commit abcdef0",
        "API server down",
        "3 × SIGTERM",
        "longest hand-over",
        "≤ 200 ms ✓",
        "≤ 1 ms ✗",
        "broken off: r1 <never> came back",
    ];
    for words in shown {
        let words = words.replace('<', "&lt;").replace('>', "&gt;");
        assert!(text.contains(&words), "{words:?} is not in: {text}");
    }
    // Four pictures, and in each the lanes and bars that the browser made shapes of.
    assert_eq!(dom.matches("<svg class=\"timeline\"").count(), 4);
    for class in [
        "bar leads",
        "bar follows",
        "bar down",
        "bar rotation",
        "bar table0",
        "bar fault",
        "bar shade",
        "age",
    ] {
        assert!(dom.contains(&format!("class=\"{class}\"")), "{class}");
    }
    browser::screenshot(&file, &picture, 1400, false).await.unwrap();
    let bytes = std::fs::read(&picture).unwrap();
    assert!(bytes.starts_with(b"\x89PNG") && bytes.len() > 40_000, "{} bytes", bytes.len());
    // The width and height that a PNG begins with.
    assert_eq!((&bytes[16..20], &bytes[20..24]), (&1180_u32.to_be_bytes()[..], &1400_u32.to_be_bytes()[..]));
}
