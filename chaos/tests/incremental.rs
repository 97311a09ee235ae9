//! Through random sequences of changes, compiling what has changed gives what compiling everything gives, to the byte; and
//! so does compiling everything group by group.

use std::collections::HashMap;

use bellwether::compile::{Compiled, Past, Settings, compile, compile_in_groups, recompile};
use bellwether::flags::{self, Parsed};
use bellwether::object::Objects;
use chaos::generate::{self, Cluster};
use serde_json::{Value, json};

/// Gives objects UIDs and versions as an API server does: another version for each write.
#[derive(Default)]
struct Store {
    known: HashMap<String, (Value, u64, u64)>,
    writes: u64,
}

impl Store {
    fn written(&mut self, object: &Value) -> Value {
        let mut object = object.clone();
        if !object["metadata"].is_object() {
            return object;
        }
        let metadata = &object["metadata"];
        let name = format!("{}/{}/{}", object["kind"], metadata["namespace"], metadata["name"]);
        self.writes += 1;
        let known = self.known.entry(name).or_insert((object.clone(), self.writes, self.writes));
        if known.0 != object {
            (known.0, known.2) = (object.clone(), self.writes);
        }
        object["metadata"]["uid"] = json!(known.1.to_string());
        object["metadata"]["resourceVersion"] = json!(known.2.to_string());
        object
    }

    fn listed(&mut self, cluster: &Cluster) -> Objects {
        let values: Vec<_> = cluster.objects.iter().map(|object| self.written(object)).collect();
        let (mut objects, _) = Objects::from_values(values);
        objects.default_filters = cluster.default_filters.clone();
        objects
    }
}

/// Several clusters as one: each in namespaces of its own, with hosts of its own or shared ones.
struct Country {
    first: Vec<Cluster>,
    now: Vec<Cluster>,
}

impl Country {
    fn new(seed: u64) -> Self {
        let first: Vec<_> = (0..6).map(|number| generate::cluster(seed * 6 + number)).collect();
        Self { now: first.clone(), first }
    }

    fn change(&mut self, seed: u64) {
        let number = (seed % 6) as usize;
        generate::change(&mut self.now[number], &self.first[number], seed);
    }

    fn whole(&self) -> Cluster {
        let mut whole = Cluster { flags: self.first[0].flags.clone(), ..Cluster::default() };
        for (number, cluster) in self.now.iter().enumerate() {
            for object in &cluster.objects {
                let text = object.to_string().replace("\"ns1\"", &format!("\"ns1-{number}\""));
                let text = text.replace("\"default\"", &format!("\"default-{number}\""));
                let own_hosts = number % 2 == 0;
                let text =
                    if own_hosts { text.replace("example.org", &format!("c{number}.org")) } else { text };
                whole.objects.push(serde_json::from_str(&text).expect("only names were replaced"));
            }
        }
        whole.default_filters = self.now[0].default_filters.clone();
        whole
    }
}

fn settings(flags: &[String]) -> Settings {
    let arguments: Vec<_> = ["-manifests=.".to_owned()].into_iter().chain(flags.iter().cloned()).collect();
    match flags::compile(&arguments) {
        Ok(Parsed::Run(options)) => options.compile,
        other => panic!("the flags {flags:?} ask for something else: {}", other.is_ok()),
    }
}

fn past(compiled: &Compiled) -> Past {
    let zones = compiled.zones.iter().map(|(zone, table)| (zone.clone(), table.packed.clone()));
    let table = compiled.table.packed.clone();
    Past::compiled(table, zones.collect(), compiled.ledger.clone(), compiled.quarantined.clone())
}

fn same(seed: u64, step: u64, some: &Compiled, all: &Compiled) {
    assert_eq!(some.table, all.table, "seed {seed}, step {step}");
    assert_eq!(some.zones, all.zones, "seed {seed}, step {step}");
    assert_eq!(some.counts, all.counts, "seed {seed}, step {step}");
    assert_eq!(some.quarantined, all.quarantined, "seed {seed}, step {step}");
    assert_eq!(some.diagnostics, all.diagnostics, "seed {seed}, step {step}");
}

#[test]
fn what_has_changed_gives_what_everything_gives() {
    let (mut partly, mut unchanged, mut wholly) = (0, 0, 0);
    for seed in 1..=60 {
        let (mut country, mut store) = (Country::new(seed), Store::default());
        let settings = settings(&country.whole().flags);
        let mut last = compile(&store.listed(&country.whole()), &settings, &Past::default());
        for step in 0..8 {
            if step % 4 != 3 {
                country.change(seed * 1_000 + step);
            }
            let objects = store.listed(&country.whole());
            let past = past(&last);
            let all = compile(&objects, &settings, &past);
            let group = 1 << (step % 6);
            same(seed, step, &compile_in_groups(&objects, &settings, &past, group), &all);
            match recompile(&objects, &settings, &past) {
                None => {
                    same(seed, step, &last, &all);
                    unchanged += 1;
                }
                Some(some) => {
                    same(seed, step, &some, &all);
                    if some.looked_at < objects.count() {
                        partly += 1
                    } else {
                        wholly += 1
                    }
                    last = some;
                }
            }
        }
    }
    println!("{partly} in part, {wholly} as a whole, {unchanged} not at all");
    assert!(partly > 100 && unchanged > 40, "{partly} in part, {wholly} as a whole, {unchanged} not at all");
}
