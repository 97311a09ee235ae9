use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::Response;
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use serde_json::Value;
use tokio::sync::mpsc;

use super::*;
use crate::compile::ObjectRef;
use crate::election::{Free, Happening, Report, Term};
use crate::snapshot::Epoch;
use crate::time::BootClock;
use crate::writes::{Event, Severity, elections};

/// An API server that keeps Events, tells of each write, and answers what a test puts first.
struct Fake {
    kept: Mutex<Vec<Value>>,
    instead: Mutex<Vec<u16>>,
    asked: mpsc::UnboundedSender<(Method, String, Value)>,
}

struct Lab {
    fake: Arc<Fake>,
    asked: mpsc::UnboundedReceiver<(Method, String, Value)>,
    events: Events,
    registry: Registry,
}

impl Lab {
    async fn start() -> Self {
        let (sender, asked) = mpsc::unbounded_channel();
        let fake = Arc::new(Fake { kept: Mutex::default(), instead: Mutex::default(), asked: sender });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = axum::Router::new().fallback(answer).with_state(fake.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let access = Access::Url { url, token_file: None, ca_file: None };
        let reporter =
            Reporter { replica: "r0".to_owned(), lease: Some(("ns".to_owned(), "bellwether".to_owned())) };
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let opened = EventWriter::open(&access, &Net::Tcp, reporter, Arc::new(BootClock), metrics).await;
        let (events, writer) = opened.unwrap();
        tokio::spawn(writer.run());
        Self { fake, asked, events, registry }
    }

    fn quarantine(&self, name: &str, reason: &str) {
        let object =
            ObjectRef { kind: "Ingress".to_owned(), namespace: "shop".to_owned(), name: name.to_owned() };
        let term = Term::for_tests(Epoch(1), u64::MAX);
        self.events.tell(&term, Event::quarantined(&object, "u1", reason, "mend it"));
    }

    async fn asked(&mut self) -> (Method, String, Value) {
        let asked = tokio::time::timeout(Duration::from_secs(30), self.asked.recv());
        asked.await.expect("something is written").expect("the fake is there")
    }

    fn count(&self, outcome: &str) -> usize {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        let name = format!("events_total{{outcome=\"{outcome}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&name)).map_or(0, |count| count.parse().unwrap())
    }
}

impl Fake {
    fn answer(&self, method: &Method, path: &str, body: &Value) -> (u16, Value) {
        let status = |code: u16| (code, json!({"kind": "Status", "code": code, "message": "no"}));
        let instead = self.instead.lock().pop();
        if let Some(code) = instead {
            return status(code);
        }
        let mut kept = self.kept.lock();
        let name = match method {
            &Method::POST => body["metadata"]["name"].as_str(),
            _ => path.rsplit('/').next(),
        };
        let known = kept.iter_mut().find(|it| it["metadata"]["name"].as_str() == name);
        match (method, known) {
            (&Method::POST, Some(_)) => status(409),
            (&Method::POST, None) => {
                kept.push(body.clone());
                (201, body.clone())
            }
            (&Method::PATCH, Some(known)) => {
                known.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
                (200, known.clone())
            }
            _ => status(404),
        }
    }
}

async fn answer(State(fake): State<Arc<Fake>>, method: Method, uri: Uri, body: Bytes) -> Response {
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let (status, answer) = fake.answer(&method, uri.path(), &body);
    let _ = fake.asked.send((method, uri.path().to_owned(), body));
    let mut response = Response::new(Body::from(answer.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

#[tokio::test]
async fn a_bad_object_is_told_of_and_told_again_by_a_count() {
    let mut lab = Lab::start().await;
    lab.quarantine("cart", "a bad number");
    let (method, path, body) = lab.asked().await;
    assert_eq!((method, path.as_str()), (Method::POST, "/api/v1/namespaces/shop/events"));
    assert_eq!((&body["reason"], &body["message"]), (&json!("Quarantined"), &json!("a bad number; mend it")));
    assert_eq!(body["involvedObject"]["uid"], "u1");
    lab.quarantine("cart", "a bad number");
    for method in [Method::POST, Method::PATCH, Method::PATCH] {
        assert_eq!(lab.asked().await.0, method);
    }
    let kept = lab.fake.kept.lock();
    assert_eq!((kept.len(), &kept[0]["count"]), (1, &json!(2)));
}

#[tokio::test]
async fn what_may_pass_is_tried_again_and_what_may_not_is_dropped() {
    let mut lab = Lab::start().await;
    lab.fake.instead.lock().extend([403, 503]);
    lab.quarantine("cart", "a bad number");
    let first = lab.asked().await;
    assert_eq!(lab.asked().await.2["metadata"], first.2["metadata"], "after the 503");
    lab.quarantine("other", "a bad number");
    assert_eq!(lab.asked().await.2["involvedObject"]["name"], "other", "after the 403");
    lab.quarantine("third", "a bad number");
    lab.asked().await;
    assert_eq!((lab.count("retried"), lab.count("refused")), (1, 1));
    assert_eq!(lab.fake.kept.lock().len(), 2);
}

#[tokio::test]
async fn a_leader_that_is_none_any_more_says_nothing() {
    let mut lab = Lab::start().await;
    let over = Term::for_tests(Epoch(1), 0);
    let object = ObjectRef { kind: "Ingress".to_owned(), ..ObjectRef::default() };
    lab.events.tell(&over, Event::quarantined(&object, "u1", "a bad number", ""));
    lab.quarantine("cart", "a bad number");
    assert_eq!(lab.asked().await.2["involvedObject"]["name"], "cart");
    assert_eq!(lab.count("dropped"), 1);
}

#[tokio::test]
async fn elections_and_the_fleets_own_matters_stand_on_the_lease() {
    let mut lab = Lab::start().await;
    let (happenings, told) = mpsc::channel(1);
    tokio::spawn(elections(lab.events.clone(), told));
    let report = Report::Elected { epoch: Epoch(7), why: Free::Unused };
    happenings.send(Happening { report, lease_uid: "l1".to_owned() }).await.unwrap();
    let (_, path, body) = lab.asked().await;
    assert_eq!((path.as_str(), &body["reason"]), ("/api/v1/namespaces/ns/events", &json!("LeaderElected")));
    assert_eq!(
        body["involvedObject"],
        json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "namespace": "ns", "name": "bellwether", "uid": "l1"})
    );
    lab.events.tell_of_fleet(Severity::Warning, "GuardHeld", "held".to_owned(), true);
    let (_, _, body) = lab.asked().await;
    assert_eq!((&body["type"], &body["involvedObject"]["uid"]), (&json!("Warning"), &json!("l1")));
}

#[tokio::test]
async fn who_has_no_lease_and_no_writer_tells_nobody() {
    let events = Events::default();
    events.tell_of_fleet(Severity::Warning, "GuardHeld", "held".to_owned(), true);
    let (events, shared) = Events::kept(Reporter::default(), Arc::new(BootClock), Metrics::default());
    events.tell_of_fleet(Severity::Warning, "GuardHeld", "held".to_owned(), true);
    assert_eq!(shared.queue.lock().len(), 0);
}
