use proptest::prelude::*;
use serde_json::json;

use super::super::{Compiled, Past, Settings, compile, compile_in_groups, recompile};
use super::*;
use crate::eskip::parse_filters;
use crate::object::Objects;

/// A route to endpoints in two zones, one of which has enough of them.
fn balanced(id: &str, host: u32) -> String {
    let endpoint = |n: u32| format!("\"http://10.0.{host}.{n}:80?zone={}\"", if n < 3 { "a" } else { "b" });
    let endpoints: Vec<_> = (0..5).map(endpoint).collect();
    format!("{id}: * -> <random, {}>;", endpoints.join(", "))
}

fn settings() -> Settings {
    Settings::default().of_definitions()
}

fn objects(text: &str, before: &Objects) -> Objects {
    let (definitions, _) = Definition::of_document("d", text, &before.definitions).expect("it can be split");
    Objects { definitions, ..Objects::default() }
}

fn read(text: &str) -> Objects {
    objects(text, &Objects::default())
}

fn past(compiled: &Compiled) -> Past {
    let zones = compiled.zones.iter().map(|(zone, table)| (zone.clone(), table.packed.clone())).collect();
    let Compiled { table, ledger, quarantined, .. } = compiled.clone();
    Past::compiled(table.packed, zones, ledger, quarantined)
}

/// The same by a process that took the table over.
fn inherited(compiled: &Compiled) -> Past {
    let zones = compiled.zones.iter().map(|(zone, table)| (zone.clone(), table.packed.clone())).collect();
    Past::inherited(compiled.table.packed.clone(), zones, compiled.quarantined.clone())
}

/// Two Ingresses with endpoints in two zones, a redirect and the health routes.
fn cluster() -> Objects {
    let app = |name: &str| {
        let backend = json!({"service": {"name": name, "port": {"number": 80}}});
        let rule =
            json!({"host": format!("{name}.x"), "http": {"paths": [{"path": "/p", "backend": backend}]}});
        let metadata = json!({"namespace": "n", "name": name, "labels": {"kubernetes.io/service-name": name},
            "annotations": {"zalando.org/skipper-predicate": "Header(\"X-A\", \"b\") && Zeta(1.5)",
                "zalando.org/skipper-filter": "setPath(\"/\\n\")"}});
        let endpoint =
            |n: usize| json!({"addresses": [format!("10.0.0.{n}")], "zone": if n < 4 { "a" } else { "b" }});
        let endpoints: Vec<_> = (0..8).map(endpoint).collect();
        [
            json!({"kind": "Ingress", "metadata": metadata, "spec": {"rules": [rule]}}),
            json!({"kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": 80, "targetPort": 8080}]}}),
            json!({"kind": "EndpointSlice", "metadata": metadata, "endpoints": endpoints,
                "ports": [{"port": 8080, "protocol": "TCP"}]}),
        ]
    };
    Objects::from_values([app("shop"), app("blog")].into_iter().flatten()).0
}

#[test]
fn a_table_that_passes_through_stays_to_the_byte_and_so_do_its_zones() {
    let upstream =
        compile(&cluster(), &Settings { endpoint_slices: true, ..Settings::default() }, &Past::default());
    let text = upstream.table.eskip();
    assert!(text.contains("kube__redirect") && text.contains("Zeta(1.5)"), "{text}");
    assert_eq!(upstream.zones.len(), 2);
    let passed = compile(&read(&text), &settings(), &Past::default());
    assert_eq!((&passed.table, &passed.zones), (&upstream.table, &upstream.zones));
    assert_eq!((&passed.quarantined[..], &passed.diagnostics[..]), (&[][..], &[][..]));
    // Printed anew it would not: what was a predicate among others has a place of its own now.
    let printed = crate::eskip::print_document(&eskip::parse(&text).expect("it parses"));
    assert_ne!(printed, text);
}

#[test]
fn what_is_changed_for_all_is_printed() {
    let append = parse_filters("f(1)").expect("a filter");
    let settings = Settings { default_filters_append: append, ..settings() };
    let compiled =
        compile(&read("b: Header(`x`, \"y\")->\"http://b\"; a: * -> <shunt>;"), &settings, &Past::default());
    assert_eq!(
        compiled.table.eskip(),
        "a: * -> f(1) -> <shunt>;\nb: Header(\"x\", \"y\") -> f(1) -> \"http://b\";"
    );
}

#[test]
fn a_broken_definition_keeps_its_last_good_route() {
    let good = compile(
        &read("a: * -> \"http://a\"; b: Host( /b/ ) -> \"http://b\"; c: * -> <shunt>;"),
        &settings(),
        &Past::default(),
    );
    let bad = read("a: * -> \"http://new\";\nb: Host(/b/ -> \"http://b\";\nc: * -> <shunt>;");
    for past in [past(&good), inherited(&good)] {
        let compiled = compile(&bad, &settings(), &past);
        let lines = ["a: * -> \"http://new\";", "b: Host(/b/) -> \"http://b\";", "c: * -> <shunt>;"];
        assert_eq!(compiled.table.eskip(), lines.join("\n"));
        let [quarantined] = &compiled.quarantined[..] else { panic!("{:?}", compiled.quarantined) };
        assert_eq!(
            (quarantined.object.to_string().as_str(), &quarantined.last_good[..]),
            ("Definition d/b", &["b".to_owned()][..])
        );
        assert!(quarantined.reason.starts_with("d:2: expected"), "{}", quarantined.reason);
    }
    let never = compile(&bad, &settings(), &Past::default());
    assert_eq!(never.table.count, 2);
    // Its last good route goes with it, and not before.
    let gone = compile(&read("a: * -> \"http://new\";\nc: * -> <shunt>;"), &settings(), &past(&good));
    assert_eq!((gone.table.count, gone.quarantined.len()), (2, 0));
}

#[test]
fn a_change_is_compiled_alone_and_gives_what_the_whole_would() {
    let lines: Vec<_> =
        (0..40).map(|n| format!("r{n:02}: Path(\"/{n}\") -> \"http://10.0.0.{n}\";")).collect();
    let mut state = read(&lines.join("\n"));
    let mut last = compile(&state, &settings(), &Past::default());
    assert!(recompile(&state, &settings(), &past(&last)).is_none(), "nothing has changed");
    let steps: [fn(&mut Vec<String>); 5] = [
        |lines| lines[3] = "r03: * -> `http://other`;".to_owned(),
        |lines| lines[7] = "r07: Path(\"/7) -> <shunt>;".to_owned(),
        |lines| drop(lines.remove(20)),
        |lines| lines.insert(9, "new: Host( /x/ )->setPath(`;`) -> <shunt>;".to_owned()),
        |lines| lines[7] = "r07: * -> <loopback>;".to_owned(),
    ];
    let mut lines = lines;
    for step in steps {
        step(&mut lines);
        state = objects(&lines.join("\n"), &state);
        let some = recompile(&state, &settings(), &past(&last)).expect("something has changed");
        assert!(some.looked_at < 4, "{}", some.looked_at);
        for size in [1, 7, 1000] {
            let all = compile_in_groups(&state, &settings(), &past(&last), size);
            assert_eq!(
                (&some.table, &some.counts, &some.quarantined),
                (&all.table, &all.counts, &all.quarantined)
            );
        }
        last = some;
    }
}

#[test]
fn the_first_document_has_an_id_that_two_have() {
    let of = |name: &str, text: &str| Definition::of_document(name, text, &[]).expect("it can be split").0;
    let first = of("a", "x: * -> <shunt>;");
    let both = [first.clone(), of("b", "x: * -> <loopback>; y: * -> <shunt>;")].concat();
    let of_first =
        compile(&Objects { definitions: first, ..Objects::default() }, &settings(), &Past::default());
    let both = Objects { definitions: both, ..Objects::default() };
    for compiled in [
        compile(&both, &settings(), &Past::default()),
        compile_in_groups(&both, &settings(), &Past::default(), 1),
        recompile(&both, &settings(), &past(&of_first)).expect("there is more"),
    ] {
        assert_eq!(compiled.table.eskip(), "x: * -> <shunt>;\ny: * -> <shunt>;");
        let said = &compiled.diagnostics[0];
        assert_eq!(said.object.as_ref().map(ToString::to_string).as_deref(), Some("Definition b/x"));
    }
}

/// A definition of an id, in a few variants: good ones, such in other words, broken ones.
fn variant(id: u32, variant: u32) -> String {
    match variant {
        0 => format!("r{id}: Path(\"/{id}\") -> \"http://10.0.0.{id}\";"),
        1 => format!("r{id}: Path(`/{id}`)->\"http://10.0.0.{id}\";"),
        2 => format!("r{id}: * -> <shunt>;"),
        3 => balanced(&format!("r{id}"), 1),
        4 => balanced(&format!("r{id}"), 2),
        5 => format!("r{id}: Path(\"/{id}) -> <shunt>;"),
        _ => format!("r{id}: * -> ;"),
    }
}

/// What two documents hold: an id each in one variant, or not at all.
fn state() -> impl Strategy<Value = [Vec<Option<u32>>; 2]> {
    let document = |most: usize| prop::collection::vec(prop::option::weighted(0.9, 0..7_u32), 0..=most);
    [document(14), document(4)]
}

fn of_state(state: &[Vec<Option<u32>>; 2]) -> Objects {
    let mut objects = Objects::default();
    for (name, document) in ["a", "b"].into_iter().zip(state) {
        let lines = (0..).zip(document).filter_map(|(id, it)| it.map(|it| variant(id, it)));
        let text: String = lines.map(|line| line + "\n").collect();
        objects.definitions.extend(Definition::of_document(name, &text, &[]).expect("it can be split").0);
    }
    objects
}

proptest! {
    #[test]
    fn whatever_changes_the_parts_give_what_the_whole_would(
        first in state(),
        changes in prop::collection::vec(prop::collection::vec((0..2_usize, 0..14_usize, prop::option::of(0..7_u32)), 1..3), 1..5),
    ) {
        let mut state = first;
        let mut last = compile(&of_state(&state), &settings(), &Past::default());
        for change in changes {
            for (document, place, it) in change {
                if let Some(slot) = state[document].get_mut(place) {
                    *slot = it;
                }
            }
            let objects = of_state(&state);
            let some = recompile(&objects, &settings(), &past(&last));
            for size in [1, 4, 1000] {
                let all = compile_in_groups(&objects, &settings(), &past(&last), size);
                let some = some.as_ref().unwrap_or(&last);
                prop_assert_eq!((&some.table, &some.zones, &some.counts), (&all.table, &all.zones, &all.counts));
                prop_assert_eq!((&some.quarantined, &some.diagnostics), (&all.quarantined, &all.diagnostics));
                // Every table parses, and has each id once.
                let routes = eskip::parse(&all.table.eskip()).expect("clients can parse it");
                prop_assert!(routes.windows(2).all(|pair| pair[0].id < pair[1].id));
            }
            last = some.unwrap_or(last);
        }
    }
}
