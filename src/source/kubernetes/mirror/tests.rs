//! What events keep up to date is what a fresh list would be, whatever happens; and what no event has told, an audit finds.

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use super::super::page;
use super::*;
use crate::compile::{Past, Settings, compile};

/// Namespaces and names whose order is another one by parts than by keys.
const NAMESPACES: [&str; 4] = ["a", "a-b", "a0", "b"];
const NAMES: [&str; 4] = ["x", "x-y", "x.y", "y"];
const KINDS: [Kind; 3] = [Kind::Ingress, Kind::Service, Kind::Endpoints];

/// An API server's store.
#[derive(Default)]
struct Store {
    version: u64,
    objects: BTreeMap<Kind, BTreeMap<String, Value>>,
}

/// A write: which object, and its content; none where it is deleted.
#[derive(Clone, Debug)]
struct Write {
    kind: Kind,
    namespace: &'static str,
    name: &'static str,
    content: Option<u8>,
}

fn write() -> impl Strategy<Value = Write> {
    let content = prop_oneof![1 => Just(None), 3 => (0..6u8).prop_map(Some)];
    (prop::sample::select(&KINDS), prop::sample::select(&NAMESPACES), prop::sample::select(&NAMES), content)
        .prop_map(|(kind, namespace, name, content)| Write { kind, namespace, name, content })
}

impl Store {
    /// Writes; the line of the watch of that kind.
    fn write(&mut self, write: &Write) -> Option<(Kind, String)> {
        let Write { kind, namespace, name, content } = *write;
        let objects = self.objects.entry(kind).or_default();
        let key = format!("{namespace}/{name}");
        let known = objects.get(&key).cloned();
        let told = match (known, content) {
            (None, None) => return None,
            (Some(mut known), None) => {
                objects.remove(&key);
                self.version += 1;
                known["metadata"]["resourceVersion"] = json!(self.version.to_string());
                json!({"type": "DELETED", "object": known})
            }
            (known, Some(content)) => {
                self.version += 1;
                let uid = known
                    .as_ref()
                    .map_or(json!(format!("u{}", self.version)), |it| it["metadata"]["uid"].clone());
                let metadata = json!({
                    "namespace": namespace, "name": name, "uid": uid,
                    "resourceVersion": self.version.to_string(),
                });
                let object =
                    json!({"metadata": metadata, "spec": spec(kind, content), "subsets": subsets(content)});
                let event = if known.is_some() { "MODIFIED" } else { "ADDED" };
                objects.insert(key, object.clone());
                json!({"type": event, "object": object})
            }
        };
        Some((kind, told.to_string()))
    }

    fn bookmark(&self) -> String {
        let metadata = json!({"resourceVersion": self.version.to_string()});
        json!({"type": "BOOKMARK", "object": {"metadata": metadata}}).to_string()
    }

    /// All lists, in pages of three.
    fn lists(&self) -> BTreeMap<Kind, Shelf> {
        let list = |kind| {
            let pages = self.pages(kind);
            (kind, Shelf::of(kind, &pages, &self.version.to_string()).expect("in order"))
        };
        KINDS.into_iter().map(list).collect()
    }

    fn pages(&self, kind: Kind) -> Vec<Arc<Page>> {
        let items: Vec<_> = self.objects.get(&kind).into_iter().flat_map(BTreeMap::values).collect();
        let page = |items: &[&Value]| {
            let page = json!({"metadata": {"resourceVersion": self.version.to_string()}, "items": items});
            page::read(page.to_string().as_bytes(), kind, None).expect("a page").0
        };
        items.chunks(3).map(page).collect()
    }

    /// What a poll would read.
    fn poll(&self) -> (Objects, Vec<Diagnostic>) {
        let mut reading = crate::source::Reading::default();
        for kind in KINDS {
            let list =
                super::super::List { pages: self.pages(kind), resource_version: self.version.to_string() };
            super::super::add(&mut reading, kind, &list);
        }
        (reading.objects, reading.diagnostics)
    }

    fn mirror(&self) -> Mirror {
        Mirror::new(self.lists(), Pace::new(Duration::from_millis(20), Duration::from_secs(1)))
    }
}

/// Some are of the wrong shape.
fn spec(kind: Kind, content: u8) -> Value {
    let backend = json!({"service": {"name": "x", "port": {"number": 80}}});
    let host = format!("h{content}.test");
    match (kind, content) {
        (_, 0) => json!(5),
        (Kind::Ingress, _) => {
            json!({"rules": [{"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}]})
        }
        _ => {
            json!({"ports": [{"port": 80, "targetPort": 8000 + u32::from(content)}], "clusterIP": "10.0.0.1"})
        }
    }
}

fn subsets(content: u8) -> Value {
    match content {
        0 => json!(5),
        _ => {
            json!([{"addresses": [{"ip": format!("10.1.0.{content}")}], "ports": [{"port": 8000 + u32::from(content)}]}])
        }
    }
}

fn at(millis: u64) -> Moment {
    Moment::from_nanos(millis * 1_000_000)
}

fn tell(mirror: &mut Mirror, kind: Kind, line: &str) {
    mirror.hear(kind, Event::parse(kind, line.as_bytes()).expect("an event"), at(0));
}

/// Without the versions of the lists: those of kinds that nothing has told of are older than those of a fresh list.
fn shown((mut objects, diagnostics): (Objects, Vec<Diagnostic>)) -> String {
    objects.resource_versions.clear();
    format!("{objects:#?} {diagnostics:#?}")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_told_is_what_a_list_would_be(
        before in prop::collection::vec(write(), 0..30),
        after in prop::collection::vec((write(), any::<bool>()), 1..40),
    ) {
        let mut store = Store::default();
        before.iter().for_each(|write| drop(store.write(write)));
        let mut mirror = store.mirror();
        for (write, again) in &after {
            let Some((kind, line)) = store.write(write) else { continue };
            tell(&mut mirror, kind, &line);
            // A server may say a thing twice.
            if *again {
                tell(&mut mirror, kind, &line);
                tell(&mut mirror, kind, &store.bookmark());
            }
            let (told, listed) = (mirror.read(), store.poll());
            prop_assert_eq!(&told.0.resource_versions[kind.name()], &store.version.to_string());
            prop_assert_eq!(shown(told), shown(listed));
        }
        let table = |objects: &Objects| {
            compile(objects, &Settings::default(), &Past::default()).table.packed.text().expect("sound")
        };
        prop_assert_eq!(table(&mirror.read().0), table(&store.poll().0));
    }

    #[test]
    fn an_audit_finds_what_was_not_told_and_nothing_else(
        before in prop::collection::vec(write(), 5..30),
        after in prop::collection::vec(write(), 3..40),
        (begins, lists, lost) in (any::<Index>(), any::<Index>(), any::<Option<Index>>()),
    ) {
        let mut store = Store::default();
        before.iter().for_each(|write| drop(store.write(write)));
        let mut mirror = store.mirror();
        let (begins, lists) = (begins.index(after.len()), lists.index(after.len()));
        let lost = lost.map(|lost| lost.index(after.len()));
        let mut fresh = None;
        for (number, write) in after.iter().enumerate() {
            if number == begins.min(lists) {
                mirror.begin_audit();
            }
            if number == lists {
                fresh = Some(store.lists());
            }
            let told = store.write(write).filter(|_| Some(number) != lost);
            told.iter().for_each(|(kind, line)| tell(&mut mirror, *kind, line));
        }
        let fresh = fresh.expect("they were read");
        let found = mirror.differences(&fresh);
        if lost.is_none_or(|lost| lost >= lists) {
            prop_assert_eq!(&found, &[]);
            mirror.end_audit(fresh);
        }
        // At rest, the lists say exactly what was not told.
        mirror.begin_audit();
        let found = mirror.differences(&store.lists());
        let same = shown(mirror.read()) == shown(store.poll());
        prop_assert_eq!(found.is_empty(), same, "{:?}", found);
        prop_assert!(found.len() <= usize::from(lost.is_some()));
    }
}

#[test]
fn a_list_in_another_order_cannot_be_kept() {
    let page = |names: [&str; 2]| {
        let item = |name| json!({"metadata": {"namespace": name, "name": "x"}});
        let page = json!({"metadata": {"resourceVersion": "7"}, "items": names.map(item)});
        page::read(page.to_string().as_bytes(), Kind::Service, None).unwrap().0
    };
    assert!(Shelf::of(Kind::Service, &[page(["a-b", "a"])], "7").is_ok());
    let error = Shelf::of(Kind::Service, &[page(["a", "a-b"])], "7").unwrap_err();
    assert_eq!(error.to_string(), "the list of Service is not in the order of its names at \"a-b/x\"");
    assert!(Shelf::of(Kind::Service, &[page(["", "b"]), page(["a", "c"])], "7").is_err());
    let nameless = page::read(br#"{"metadata":{"resourceVersion":"7"},"items":[{}]}"#, Kind::Service, None);
    assert!(Shelf::of(Kind::Service, &[nameless.unwrap().0], "7").is_err());
}

#[test]
fn what_is_older_than_the_list_was_told_before() {
    let mut store = Store::default();
    let write = |content| Write { kind: Kind::Service, namespace: "a", name: "x", content };
    let (kind, old) = store.write(&write(Some(1))).unwrap();
    store.write(&write(Some(2)));
    let mut mirror = store.mirror();
    tell(&mut mirror, kind, &old);
    assert_eq!(mirror.due(), None);
    assert_eq!(shown(mirror.read()), shown(store.poll()));
}

#[test]
fn what_names_a_service_that_is_not_there_waits_for_it() {
    let store = Store::default();
    let mut mirror = store.mirror();
    let event = |kind, version: u32, spec: Value| {
        let metadata = json!({"namespace": "n", "name": "x", "resourceVersion": version.to_string()});
        let line = json!({"type": "ADDED", "object": {"metadata": metadata, "spec": spec}}).to_string();
        Event::parse(kind, line.as_bytes()).unwrap()
    };
    mirror.hear(Kind::Ingress, event(Kind::Ingress, 1, spec(Kind::Ingress, 1)), at(0));
    assert_eq!(mirror.due(), Some(at(1000)));
    mirror.hear(Kind::Service, event(Kind::Service, 2, spec(Kind::Service, 1)), at(30));
    assert_eq!(mirror.due(), Some(at(1000)), "its addresses are not there");
    mirror.hear(Kind::Endpoints, event(Kind::Endpoints, 3, Value::Null), at(40));
    assert_eq!(mirror.due(), Some(at(60)));
    mirror.read();
    assert_eq!(mirror.due(), None);

    let mut mirror = store.mirror();
    mirror.hear(Kind::Ingress, event(Kind::Ingress, 1, spec(Kind::Ingress, 1)), at(0));
    let elsewhere = json!({"type": "ExternalName", "externalName": "example.org"});
    mirror.hear(Kind::Service, event(Kind::Service, 2, elsewhere), at(0));
    assert_eq!(mirror.due(), Some(at(20)));
}

#[test]
fn lines_that_are_no_events_say_why() {
    let parse = |line: &str| Event::parse(Kind::Service, line.as_bytes());
    let expired = r#"{"type":"ERROR","object":{"kind":"Status","code":410,"message":"too old"}}"#;
    assert_eq!(parse(expired).unwrap_err(), Unfit::Status(410, "too old".to_owned()));
    let versionless = r#"{"type":"ADDED","object":{"metadata":{"name":"a"}}}"#;
    for line in
        ["", "{}", "[]", r#"{"type":"ODD","object":{}}"#, r#"{"type":"BOOKMARK","object":{}}"#, versionless]
    {
        assert!(matches!(parse(line), Err(Unfit::Malformed(_))), "{line}");
    }
    let bookmark = r#"{"type":"BOOKMARK","object":{"kind":"Service","metadata":{"resourceVersion":"9","creationTimestamp":null,"annotations":{"k8s.io/initial-events-end":"true"}}}}"#;
    assert!(Event::may_be_last(bookmark.as_bytes()));
    assert!(matches!(parse(bookmark).unwrap(), Event::Mark { all: true, version } if version == "9"));
}
