//! Route servers behind route servers, as processes on loopback: the same bytes under the same ETag, whatever becomes of the upstream.

#[path = "see/replica.rs"]
#[allow(dead_code)]
mod replica;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use bellwether::snapshot::Digest;
use parking_lot::Mutex;
use replica::{Replica, Upstream};
use serde_json::{Value, json};

/// No change is too large, however many there are.
const UNHELD: &str = "-guard-equal-polls=100000";

/// A replica that reads the table of another one.
fn behind(upstream: &str, more: &[&str]) -> Replica {
    Replica::start(&format!("eskip+{upstream}"), &[&[UNHELD], more].concat())
}

/// An Ingress for `path` whose Service has endpoints in two zones.
fn shop(path: &str) -> String {
    let backend = json!({"service": {"name": "shop", "port": {"number": 80}}});
    let rule = json!({"host": "shop.x", "http": {"paths": [{"path": path, "backend": backend}]}});
    let metadata = json!({"namespace": "n", "name": "shop", "labels": {"kubernetes.io/service-name": "shop"},
        "annotations": {"zalando.org/skipper-predicate": "Header(\"X-A\", \"b\") && Weight(1)"}});
    let endpoint =
        |n: usize| json!({"addresses": [format!("10.0.0.{n}")], "zone": if n < 4 { "za" } else { "zb" }});
    let endpoints: Vec<_> = (0..8).map(endpoint).collect();
    let objects = json!([
        {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": {"rules": [rule]}},
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": 80, "targetPort": 8080}]}},
        {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": metadata, "endpoints": endpoints,
            "ports": [{"port": 8080, "protocol": "TCP"}]},
    ]);
    objects.to_string()
}

#[test]
fn a_cascade_serves_the_same_bytes_and_outlives_its_upstream() {
    let objects = Upstream::new();
    objects.write("shop.json", &shop("/one"));
    let mut first =
        Replica::start(&objects.source("manifests"), &[UNHELD, "-enable-kubernetes-endpointslices"]);
    let second = behind(&first.url(), &[]);
    let third = behind(&second.url(), &[]);

    for path in ["/one", "/two"] {
        objects.write("shop.json", &shop(path));
        let told = first.serves(path);
        assert!(told.body.contains("kube__redirect") && told.body.contains("Weight(1)"), "{told:?}");
        for behind in [&second, &third] {
            assert_eq!(behind.serves(path), told);
            let zone = |replica: &Replica| replica.get("/routes/za", "").expect("it answers");
            let (its, zoned) = (zone(&first), zone(behind));
            assert_eq!(zoned, its);
            assert_ne!(zoned.tag, told.tag);
            // A client that is moved from one to the other fetches nothing.
            for (path, tag) in [("/routes", &told.tag), ("/routes/za", &its.tag)] {
                assert_eq!(behind.get(path, tag).expect("it answers").status, "304", "{path}");
            }
        }
    }

    let before = second.serves("/two");
    let checked = |verdict: &str, found: &str| {
        let (_, said) = second.command(&["doctor", "--all"]);
        let is_it = |line: &&str| line.starts_with(verdict) && line.contains("upstream http://127.0.0.1");
        let line = said.lines().find(is_it).unwrap_or_else(|| panic!("{said}"));
        assert!(line.contains(found), "{said}");
    };
    checked("ok", "with an ETag, version ");
    first.kill();
    checked("bad", "refused");
    let is_old = |status: &Value| status["age_seconds"].as_f64().is_some_and(|age| age > 1.5);
    let status = second.until("age", || second.status().filter(is_old));
    assert_eq!(status["ready"], true, "{status:#}");
    assert_eq!(second.get("/routes", "").expect("it answers"), before);
    objects.write("shop.json", &shop("/three"));
    first.start_again();
    assert_eq!(third.serves("/three"), first.serves("/three"));
}

/// A definition for each of these numbers, on two lines.
fn routes(from: usize, to: usize) -> String {
    (from..to).map(|n| format!("r{n:02}: Path(\"/{n}\")\n  -> \"http://10.0.0.{n}\";\n")).collect()
}

#[test]
fn what_is_wrong_with_a_document_harms_its_own_route_only() {
    let documents = Upstream::new();
    let poisoned = |route: &str| routes(0, 5) + route + "\n" + &routes(6, 40);
    documents.write("a.eskip", &poisoned("r05: Path(\"/5\") -> \"http://10.0.0.5\"; // ours"));
    let first = Replica::start(&documents.source("eskip"), &[UNHELD]);
    let second = behind(&first.url(), &["-default-filters-append=f()"]);
    let whole = first.serves("Path(\"/39\")");
    assert_eq!(whole.count, "40");
    assert!(whole.body.starts_with("r00: Path(\"/0\") -> \"http://10.0.0.0\";\nr01: "), "{}", whole.body);
    let last = second.serves("Path(\"/39\") -> f() -> \"http://10.0.0.39\"");
    assert_eq!(last.count, "40");

    // One that no Skipper could parse keeps its last good route, and the others change.
    documents.write("b.eskip", "other: * -> <shunt>;");
    documents.write("a.eskip", &poisoned("r05: Path(\"/5) -> \"http://10.9.9.9\";"));
    let healed = first.serves("other: ");
    assert_eq!(healed.count, "41");
    assert!(healed.body.contains("r05: Path(\"/5\") -> \"http://10.0.0.5\";"), "{}", healed.body);
    let status =
        first.until("quarantine", || first.status().filter(|status| status["objects_quarantined"] == 1));
    let finding = &status["quarantined"]["items"][0];
    assert_eq!(finding["object"], "Definition a.eskip/r05", "{finding:#}");
    assert!(finding["reason"].as_str().is_some_and(|it| it.starts_with("a.eskip:11: ")), "{finding:#}");
    second.serves("other: * -> f() -> <shunt>;");

    // A document that is not whole changes nothing, and much less than before is held.
    documents.write("a.eskip", "r00: Path(\"/0\") -> \"http");
    documents.write("c.eskip", "more: * -> <shunt>;");
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(first.get("/routes", "").expect("it answers"), healed);
    documents.write("a.eskip", &routes(0, 2));
    let held = |status: &Value| status["guard"].to_string().contains("definitions");
    first.until("the guard", || first.status().filter(held));
    assert_eq!(first.get("/routes", "").expect("it answers"), healed);
    documents.write("a.eskip", &routes(0, 40));
    let mended = first.serves("more: ");
    assert_eq!((mended.count.as_str(), mended.body.contains("10.0.0.5\"")), ("42", true));
    assert_eq!(
        first.until("health", || first.status().filter(|it| it["objects_quarantined"] == 0))["guard"],
        Value::Null
    );
}

/// A route server that answers with whatever it is told to, as routesrv answers.
fn route_server(table: &Arc<Mutex<String>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let table = Arc::clone(table);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a client");
            let head: Vec<_> = BufReader::new(&stream)
                .lines()
                .map_while(Result::ok)
                .take_while(|line| !line.is_empty())
                .collect();
            let text = table.lock().clone();
            let tag = format!("\"{}\"", Digest::of(text.as_bytes()));
            let (status, body) = if head.iter().any(|line| line.contains(&tag)) {
                ("304 Not Modified", "")
            } else {
                ("200 OK", &*text)
            };
            let length = body.len();
            // A client that has gone is no matter of ours.
            let _ =
                write!(stream, "HTTP/1.1 {status}\r\nETag: {tag}\r\nContent-Length: {length}\r\n\r\n{body}");
        }
    });
    url
}

#[test]
fn a_poisoned_definition_of_another_route_server_harms_its_own_route_only() {
    let table = Arc::new(Mutex::new(routes(0, 40)));
    let publish = |text: String| *table.lock() = text;
    let replica = behind(&route_server(&table), &[]);
    assert_eq!(replica.serves("Path(\"/39\")").count, "40");

    // Neither can be parsed: a string without an end, and no backend. One is new, and has no last good route.
    let poison = "r05: Path(\"/5) -> \"http://10.9.9.9\";\nr06: Path(\"/6\");\nr99: *;\n";
    publish(format!("{}{poison}{}other: * -> <shunt>;", routes(0, 5), routes(7, 40)));
    let table_now = replica.serves("other: * -> <shunt>;");
    assert_eq!(table_now.count, "41");
    for kept in ["r05: Path(\"/5\") -> \"http://10.0.0.5\";", "r06: Path(\"/6\") -> \"http://10.0.0.6\";"] {
        assert!(table_now.body.contains(kept), "{}", table_now.body);
    }
    let status =
        replica.until("quarantine", || replica.status().filter(|status| status["objects_quarantined"] == 3));
    let items = status["quarantined"]["items"].as_array().expect("a list");
    for (id, line) in [("r05", 11), ("r06", 12), ("r99", 13)] {
        let object = format!("Definition 127.0.0.1/routes/{id}");
        let item = items.iter().find(|item| item["object"] == object.as_str());
        let reason = item.and_then(|item| item["reason"].as_str()).unwrap_or_else(|| panic!("{status:#}"));
        assert!(reason.starts_with(&format!("127.0.0.1/routes:{line}: ")), "{reason}");
        let logged = replica.log();
        assert!(
            logged.lines().any(|line| line.contains("quarantined") && line.contains(&object)),
            "{logged}"
        );
    }
    let (_, said) = replica.command(&["doctor"]);
    assert!(said.contains("answers 200 with 42 definitions, 3 of which do not parse"), "{said}");

    publish(routes(0, 40).replace("10.0.0.5\"", "10.0.0.55\""));
    let mended = replica.serves("r05: Path(\"/5\") -> \"http://10.0.0.55\";");
    assert_eq!(mended.count, "40");
    replica.until("health", || replica.status().filter(|status| status["objects_quarantined"] == 0));
}
