use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

fn table(text: &str) -> Table {
    Table::new(text.to_owned(), text.lines().count() as u64, 7)
}

fn cut(text: &str, number: u16, before: Option<&Sharded>) -> Sharded {
    Sharded::of(&table(text), number, before).expect("sound")
}

fn lines(shards: &Sharded) -> Vec<Vec<String>> {
    let text = |shard: &Arc<Table>| String::from_utf8(shard.plain().to_vec()).expect("text");
    shards.shards.iter().map(|shard| text(shard).lines().map(str::to_owned).collect()).collect()
}

fn is_harmless(line: &str) -> bool {
    line.starts_with("bellwether_shard_")
}

#[test]
fn hosts_are_found_whatever_stands_around_them() {
    let cases: &[(&str, &[&str])] = &[
        ("a: * -> <shunt>;", &[]),
        ("a: Host(/^a[.]b$/) && Path(\"/x\") -> <shunt>;", &["Host(/^a[.]b$/)"]),
        (
            "a: Path(\"/) && Host(/no/)\") && Host(/a\\/)b/) -> f(\"Host(/x/)\") -> <shunt>;",
            &["Host(/a\\/)b/)"],
        ),
        ("a: Host(/b/) && Host(/a/) && Weight(3) -> <shunt>;", &["Host(/b/)", "Host(/a/)"]),
        ("a: Path(\"\\\"\") && HostAny(\"a\", \"b\") -> \"http://x\";", &["HostAny(\"a\", \"b\")"]),
        ("a: Host(/never closed", &[]),
        ("no definition", &[]),
    ];
    for (definition, expected) in cases {
        let found: Vec<_> = Calls(split(definition.as_bytes()).1)
            .filter(|call| call.starts_with(b"Host"))
            .map(|call| String::from_utf8_lossy(call).into_owned())
            .collect();
        assert_eq!(found, *expected, "{definition}");
    }
}

#[test]
fn the_shard_of_a_host_is_the_same_on_every_machine_and_in_every_release() {
    let of = |text: &str| shard_of(text.as_bytes(), 16);
    let first = of("a: Host(/^a[.]example$/) -> <shunt>;");
    assert_eq!(first, of("b: Path(\"/b\") && Host(/^a[.]example$/) -> <shunt>;"), "the host counts alone");
    assert_eq!(of("a: Host(/b/) && Host(/a/) -> <shunt>;"), of("a: Host(/a/) && Host(/b/) -> <shunt>;"));
    let hash = Digest::of(b"Host(/^a[.]example$/)\0").to_string();
    assert_eq!(first as u64, u64::from_str_radix(&hash[..16], 16).expect("hex") % 16);
}

#[test]
fn an_empty_shard_has_a_route_that_skippers_take_and_no_request_matches() {
    let shards = cut("a: * -> <shunt>;", 3, None);
    let empty = lines(&shards).into_iter().flatten().filter(|line| is_harmless(line)).collect::<Vec<_>>();
    assert_eq!(empty.len(), 2);
    for line in empty {
        let routes = crate::eskip::parse(&line).expect("it parses");
        assert_eq!(crate::eskip::print_document(&routes), line, "canonical");
    }
    assert!(shards.shards.iter().all(|shard| shard.routes() == 1));
}

#[test]
fn with_twenty_thousand_routes_a_change_of_one_costs_less_than_a_tenth() {
    let routes = |changed: usize| {
        let route = |n: usize| {
            let port = if n == changed { 8081 } else { 8080 };
            format!(
                "kube_team_{n}__app__app_{n}_example_org____: Host(/^(app-{n}[.]example[.]org[.]?(:[0-9]+)?)$/) && \
                 PathSubtree(\"/api/{n}\") -> <roundRobin, \"http://10.2.{}.{}:{port}\">;",
                n / 250,
                n % 250
            )
        };
        (0..20_000).map(route).collect::<Vec<_>>().join("\n")
    };
    let (before, after) = (cut(&routes(usize::MAX), 16, None), table(&routes(7_777)));
    let now = Sharded::of(&after, 16, Some(&before)).expect("sound");
    let anew = Sharded::of(&after, 16, None).expect("sound");
    let mut bytes = 0;
    for ((old, new), other) in before.shards.iter().zip(&now.shards).zip(&anew.shards) {
        assert_eq!(new.gzip(), other.gzip(), "whatever came before");
        if old.digest() == new.digest() {
            assert!(Arc::ptr_eq(old, new));
        } else {
            bytes += new.gzip().len();
        }
    }
    assert!(bytes > 0 && 10 * bytes <= after.gzip().len(), "{bytes} of {}", after.gzip().len());
    let all: usize = now.shards.iter().map(|shard| shard.gzip().len()).sum();
    assert!(all < 2 * after.gzip().len(), "{all}");
}

/// Routes by id: a host of few, or none, and something that changes.
fn some_routes() -> impl Strategy<Value = BTreeMap<String, (Option<u8>, u8)>> {
    proptest::collection::btree_map("[a-z][a-z0-9_]{0,6}", (proptest::option::of(0u8..6), any::<u8>()), 1..40)
}

fn print(routes: &BTreeMap<String, (Option<u8>, u8)>) -> String {
    let line = |(id, (host, end)): (&String, &(Option<u8>, u8))| match host {
        Some(host) => format!("{id}: Path(\"/) -> {end}\") && Host(/^({host}[.]x)$/) -> <shunt>;"),
        None => format!("{id}: Path(\"/{end}\") -> <shunt>;"),
    };
    routes.iter().map(line).collect::<Vec<_>>().join("\n")
}

proptest! {
    #[test]
    fn together_they_are_the_table_and_each_host_is_in_one(routes in some_routes(), number in 1u16..=MOST_SHARDS) {
        let text = print(&routes);
        let shards = cut(&text, number, None);
        let parts = lines(&shards);
        prop_assert_eq!(parts.len(), usize::from(number));
        let mut all = Vec::new();
        let mut places = BTreeMap::<String, BTreeSet<usize>>::new();
        for (place, part) in parts.iter().enumerate() {
            prop_assert_eq!(shards.shards[place].routes(), part.len() as u64);
            let kept: Vec<_> = part.iter().filter(|line| !is_harmless(line)).cloned().collect();
            prop_assert!(!part.is_empty() && (kept.is_empty() || kept.len() == part.len()));
            for line in &kept {
                if let Some((_, host)) = line.split_once("Host(") {
                    places.entry(host.to_owned()).or_default().insert(place);
                }
            }
            let id = |line: &String| line.split_once(": ").map(|(id, _)| id.to_owned());
            prop_assert!(kept.is_sorted_by_key(id), "in the order of the table");
            all.extend(kept);
        }
        all.sort();
        let mut expected: Vec<_> = text.lines().map(str::to_owned).collect();
        expected.sort();
        prop_assert_eq!(all, expected);
        prop_assert!(places.values().all(|places| places.len() == 1));
    }

    #[test]
    fn a_change_of_one_route_changes_one_shard(mut routes in some_routes(), number in 1u16..=16, at: prop::sample::Index) {
        let before = cut(&print(&routes), number, None);
        let id = at.get(&routes.keys().cloned().collect::<Vec<_>>()).clone();
        let (_, end) = routes.get_mut(&id).expect("one of them");
        *end = end.wrapping_add(1);
        let text = print(&routes);
        let after = cut(&text, number, Some(&before));
        let changed = before.digests().zip(after.digests()).filter(|(old, new)| old != new).count();
        prop_assert_eq!(changed, 1);
        prop_assert_eq!(after.digests().collect::<Vec<_>>(), cut(&text, number, None).digests().collect::<Vec<_>>());
    }
}
