//! What people see of a fleet: publications with what they changed, one event for each, `doctor`, `dump`, the page in a browser.

#[path = "see/browser.rs"]
mod browser;
#[path = "see/fleet.rs"]
#[allow(dead_code)]
mod fleet;

use std::collections::BTreeMap;
use std::io::Read as _;

use fleet::Fleet;
use serde_json::Value;

/// Whether one path was added, and one removed: a route each, and its redirect.
fn changed(it: &Value) -> bool {
    (&it["added"], &it["removed"]) == (&2.into(), &2.into())
}

#[test]
fn a_publication_is_told_alike_by_every_replica_and_logged_once() {
    let fleet = Fleet::start(&["/a", "/b"]);
    fleet.in_step();
    fleet.write(&["/a", "/c"]);
    let lists = fleet.published(changed);
    assert!(lists.iter().all(|list| list == &lists[0]), "{lists:#?}");
    let newest = &lists[0][0];
    assert_eq!((&newest["cause"], &newest["replicas"]), (&"change".into(), &3.into()), "{newest:#}");
    let named = newest["named"].as_array().expect("a list");
    assert_eq!(named.len(), 4, "{newest:#}");
    assert!(named.iter().all(|it| it["object"] == "Ingress shop/cart"), "{newest:#}");
    assert_eq!(fleet.json(1, "/fleet").expect("it answers")["publications"], lists[0]);

    let leader = newest["by"].as_str().and_then(|name| name.strip_prefix('r')).expect("a name");
    let events = |number| -> Vec<Value> {
        fleet.logged(number).into_iter().filter(|it| it["message"] == "published").collect()
    };
    let logged = events(leader.parse().expect("a number"));
    let of_this: Vec<_> = logged.iter().filter(|it| it["version"] == newest["version"]).collect();
    let [event] = of_this[..] else { panic!("one event: {logged:#?}") };
    for field in ["version", "origin", "digest", "cause", "routes", "added", "removed", "changed", "replicas"]
    {
        assert_eq!(event[field], newest[field], "{field}: {event:#}");
    }
    for field in ["poll_seconds", "compile_seconds", "stage_seconds", "activate_seconds"] {
        assert!(event[field].as_f64().is_some_and(|it| it > 0.0 && it < 10.0), "{field}: {event:#}");
    }
    let all: usize = (0..3).map(|number| events(number).len()).sum();
    assert_eq!(all, lists[0].as_array().expect("a list").len(), "one for each, by who led");
}

#[test]
fn the_doctor_finds_nothing_until_there_is_something() {
    let fleet = Fleet::start(&["/a"]);
    fleet.in_step();
    let output = fleet.command(&["doctor", "--server=ALL", "--all"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    for found in ["renewed", "can be written", "checks out", "peer 127.0.0.1", " leads"] {
        assert!(said.contains(found), "{found}: {said}");
    }
    assert_eq!(
        fleet.command(&["freeze", "--why=see", &format!("--server={}", fleet.support(0))]).status.code(),
        Some(0)
    );
    let output = fleet.command(&["doctor", "--server=ALL", "-o", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let checks: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON");
    let wrong: Vec<_> = checks.iter().filter(|it| it["verdict"] != "good").collect();
    assert!(wrong.iter().any(|it| it["found"] == "tables are frozen"), "{wrong:#?}");
    assert_eq!(fleet.command(&["doctor", "--server=nonsense"]).status.code(), Some(1));
    assert_eq!(fleet.command(&["doctor", "--nonsense"]).status.code(), Some(2));
}

#[test]
fn a_dump_has_all_and_no_secret() {
    let fleet = Fleet::start(&["/a"]);
    fleet.in_step();
    let into = fleet.path("dump.tar.gz");
    let into = into.to_str().expect("text");
    let output = fleet.command(&["dump", &format!("--server={}", fleet.support(1)), "--into", into]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let packed = flate2::read::GzDecoder::new(std::fs::File::open(into).expect("written"));
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(packed).entries().expect("an archive") {
        let mut entry = entry.expect("whole");
        let path = entry.path().expect("a path").display().to_string();
        let mut text = String::new();
        entry.read_to_string(&mut text).expect("text");
        files.insert(path.trim_start_matches("bellwether-dump/").to_owned(), text);
    }
    let json = |name: &str| {
        serde_json::from_str::<Value>(&files[name]).unwrap_or_else(|_| panic!("{name}: {}", files[name]))
    };
    assert_eq!(json("status.json")["replica"], "r1");
    assert_eq!(json("fleet.json")["replicas"].as_array().map(Vec::len), Some(3));
    assert_eq!(json("snapshots.json").as_array().map(Vec::len), Some(1));
    let settings = json("config.json");
    let of =
        |flag: &str| settings.as_array().and_then(|all| all.iter().find(|it| it["flag"] == flag)).cloned();
    assert_eq!(of("id").expect("a flag")["value"], "r1");
    assert_eq!(of("default-filters-append").expect("a flag")["given"], true);
    assert!(json("doctor.json").as_array().is_some_and(|checks| checks.len() > 4));
    assert_eq!(files["log-level.txt"], "info\n");
    assert!(files["metrics.txt"].contains("bellwether_build_info"));
    assert_eq!((files["readyz.txt"].as_str(), files["livez.txt"].as_str()), ("ok\n", "ok\n"));
    assert!(files.values().all(|text| !text.contains("s3cret")), "{files:#?}");

    let nobody = fleet.command(&["dump", "--server=http://127.0.0.1:1", "--into", into]);
    assert_eq!(nobody.status.code(), Some(1));
}

/// With `BELLWETHER_PICTURE=docs/status.png` the picture is kept.
#[test]
fn the_page_in_a_browser() {
    let Some(browser) = browser::find() else {
        println!("skipped: no browser is installed");
        return;
    };
    let fleet = Fleet::start(&["/a", "/b"]);
    fleet.in_step();
    fleet.write(&["/a", "/c"]);
    fleet.published(changed);
    for client in 2..9 {
        fleet.poll(client % 3, &format!("127.0.0.{client}"));
    }
    fleet.write(&["/a", "/c", "/d", "/e", "/f"]);
    fleet.published(|it| it["added"] == 6);
    for client in 3..9 {
        fleet.poll(client % 3, &format!("127.0.0.{client}"));
    }
    let picture = std::env::var_os("BELLWETHER_PICTURE").map_or_else(|| fleet.path("page.png"), Into::into);
    let url = format!("{}/status", fleet.support(0));
    browser::picture(&browser, &url, &picture);
    let size = std::fs::metadata(&picture).expect("a picture").len();
    assert!((10_000..=300 << 10).contains(&size), "{size} bytes");
    let page = browser::dom(&browser, &url);
    for shown in ["The last publications", "+6", "+2 −2", "127.0.0.2", "Replicas"] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
}
