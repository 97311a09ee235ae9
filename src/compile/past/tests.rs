//! One object after the other goes bad, by itself and through whole compilations.

use serde_json::{Value, json};

use super::*;
use crate::compile::{Compiled, Limits, Settings, compile};

fn settings() -> Settings {
    Settings { healthcheck: false, https_redirect: false, disable_catch_all: true, ..Settings::default() }
}

/// A RouteGroup with a route for each of the paths, all to one address.
fn group(name: &str, uid: &str, paths: &[&str], address: &str) -> Value {
    let routes: Vec<_> = paths.iter().map(|path| json!({"path": path})).collect();
    json!({
        "kind": "RouteGroup",
        "metadata": {"namespace": "n", "name": name, "uid": uid},
        "spec": {
            "hosts": [format!("{name}.example.org")],
            "backends": [{"name": "b", "type": "lb", "endpoints": [address]}],
            "defaultBackends": [{"backendName": "b"}],
            "routes": routes,
        },
    })
}

/// Two addresses of different schemes: a table with such a route cannot be parsed.
fn poison(name: &str, uid: &str, paths: &[&str]) -> Value {
    let mut group = group(name, uid, paths, "http://1.1.1.1:80");
    group["spec"]["backends"][0]["endpoints"] = json!(["http://1.1.1.1:80", "https://1.1.1.1:443"]);
    group
}

fn run(objects: &[Value], past: &Past) -> Compiled {
    compile(&Objects::from_values(objects.to_vec()).0, &settings(), past)
}

fn left(compiled: &Compiled) -> Past {
    let zones = compiled.zones.iter().map(|(zone, table)| (zone.clone(), table.packed.clone()));
    let table = compiled.table.packed.clone();
    Past::compiled(table, zones.collect(), compiled.ledger.clone(), compiled.quarantined.clone())
}

/// What another process starts from, that has the snapshot.
fn taken_over(compiled: &Compiled) -> Past {
    Past::inherited(compiled.table.packed.clone(), BTreeMap::new(), compiled.quarantined.clone())
}

const GOOD: &str = "http://1.1.1.1:80";

#[test]
fn a_bad_object_keeps_all_of_its_last_good_routes_and_others_go_on() {
    let first = run(&[group("a", "1", &["/", "/x"], GOOD), group("b", "2", &["/"], GOOD)], &Past::default());
    let objects = [poison("a", "1", &["/", "/y"]), group("b", "2", &["/new"], "http://2.2.2.2:80")];
    for past in [left(&first), taken_over(&first)] {
        let second = run(&objects, &past);
        let text = &second.table.eskip();
        assert!(text.contains("2.2.2.2"), "{text}");
        assert!(text.contains("kube_rg__n__a__all__0_0: ") && !text.contains("https:"), "{text}");
        assert_eq!(second.quarantined.len(), 2);
        assert_eq!(second.quarantined[0].uid, "1");
        assert!(second.quarantined[0].hint.contains("2 last good routes stay"), "{:?}", second.quarantined);

        // Still bad, whoever compiles: the same table, byte for byte, and the same quarantine.
        for past in [left(&second), taken_over(&second)] {
            let third = run(&objects, &past);
            assert_eq!((&third.table, &third.quarantined), (&second.table, &second.quarantined));
        }
        // Mended, it has what it asks for.
        let mended = [group("a", "1", &["/z"], "http://3.3.3.3:80"), objects[1].clone()];
        let mended = run(&mended, &left(&second));
        assert!(mended.table.eskip().contains("3.3.3.3") && mended.quarantined.is_empty());
        assert_eq!(mended.table.count, 2);
    }
}

#[test]
fn what_was_deleted_does_not_come_back_under_its_name() {
    let first = run(&[group("a", "1", &["/"], GOOD)], &Past::default());
    let another = run(&[poison("a", "2", &["/"])], &left(&first));
    assert_eq!((another.table.count, another.quarantined[0].last_good.len()), (0, 0));
    assert!(another.quarantined[0].hint.starts_with("it is left out"));

    let bad = run(&[poison("a", "1", &["/"])], &left(&first));
    assert_eq!(bad.table.count, 1);
    for past in [left(&bad), taken_over(&bad)] {
        assert_eq!(run(&[], &past).table.count, 0, "deleted");
        assert_eq!(run(&[poison("a", "2", &["/"])], &past).table.count, 0, "deleted and made anew");
    }
}

#[test]
fn an_object_that_was_never_good_has_those_of_its_routes_that_are() {
    let mut half = group("a", "1", &["/", "/bad"], GOOD);
    half["spec"]["routes"][1]["filters"] = json!(["ratelimit(0.00001)"]);
    let first = run(std::slice::from_ref(&half), &Past::default());
    assert_eq!((first.table.count, first.quarantined.len()), (1, 1));
    half["spec"]["routes"][0]["path"] = json!("/moved");
    let second = run(&[half], &left(&first));
    assert!(
        second.table.eskip().contains("/moved"),
        "what is left of it is not its last good: {}",
        second.table.eskip()
    );
}

#[test]
fn a_route_whose_id_another_object_has_now_does_not_stay() {
    let first = run(&[group("a.b", "1", &["/"], GOOD)], &Past::default());
    let other = group("a-b", "2", &["/"], "http://2.2.2.2:80");
    let second = run(&[poison("a.b", "1", &["/"]), other], &left(&first));
    assert_eq!(second.table.count, 1);
    assert!(second.table.eskip().contains("2.2.2.2"), "{}", second.table.eskip());
    crate::eskip::parse(&second.table.eskip()).expect("a table");
}

#[test]
fn what_is_too_large_is_quarantined_and_stays_as_it_was() {
    let small = [group("a", "1", &["/"], GOOD), group("b", "2", &["/"], GOOD)];
    let first = run(&small, &Past::default());
    let long = format!("/{}", "x".repeat(500));
    let large = Objects::from_values([group("a", "1", &["/", &long], GOOD), small[1].clone()]).0;
    for (limits, word) in [
        (Limits { route_bytes: 400, ..Limits::default() }, "-max-route-bytes"),
        (Limits { object_bytes: 500, ..Limits::default() }, "-max-object-bytes"),
    ] {
        let second = compile(&large, &Settings { limits, ..settings() }, &left(&first));
        assert_eq!(second.table, first.table);
        assert!(second.quarantined[0].reason.contains(word), "{:?}", second.quarantined);
    }
}

#[test]
fn definitions_are_found_by_their_ids_also_over_line_breaks() {
    let table = "a: Path(\"/\") -> <shunt>;\nb: PathRegexp(/x\ny/) -> <shunt>;\nbb: * -> <shunt>;\nc: * -> ";
    let owner = |id: &str| ["b", "bb", "c", "d"].contains(&id).then_some(());
    let found: Vec<_> = named(table.as_bytes(), owner).into_iter().map(|(_, good)| good.text).collect();
    assert_eq!(found, ["b: PathRegexp(/x\ny/) -> <shunt>;", "bb: * -> <shunt>;"]);
}

mod shapes;

#[test]
fn well_is_what_is_there_under_its_uid_and_has_nothing_left_out() {
    let object = |name: &str| ObjectRef {
        kind: "RouteGroup".to_owned(),
        namespace: "n".to_owned(),
        name: name.to_owned(),
    };
    let objects = [group("a", "1", &["/"], GOOD), poison("b", "2", &["/"])];
    let past = left(&run(&objects, &Past::default()));
    assert!(past.is_well(&object("a"), "1"));
    assert!(!past.is_well(&object("a"), "0"), "another one of its name");
    assert!(!past.is_well(&object("b"), "2"), "quarantined");
    assert!(!past.is_well(&object("c"), "3"), "deleted");
}
