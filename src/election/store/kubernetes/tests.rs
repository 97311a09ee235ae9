use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::Response;
use futures::stream;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::*;
use crate::election::Identity;
use crate::snapshot::{Epoch, TermId};

const ALL: &str = "/apis/coordination.k8s.io/v1/namespaces/ns/leases";
const ONE: &str = "/apis/coordination.k8s.io/v1/namespaces/ns/leases/bellwether";

/// An API server that keeps one Lease, and remembers what it was asked.
struct Fake {
    lease: watch::Sender<Option<Value>>,
    version: Mutex<u64>,
    asked: Mutex<Vec<(Method, String, Value)>>,
    answer_instead: Mutex<Option<(u16, Value)>>,
}

impl Fake {
    async fn start() -> (Arc<Self>, KubernetesLease) {
        let fake = Arc::new(Self {
            lease: watch::Sender::new(None),
            version: Mutex::new(100),
            asked: Mutex::default(),
            answer_instead: Mutex::default(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = axum::Router::new().fallback(answer).with_state(Arc::clone(&fake));
        tokio::spawn(async move { axum::serve(listener, app).await });
        let access = Access::Url { url, token_file: None, ca_file: None };
        let store = KubernetesLease::open(access, "ns", "bellwether").await.unwrap();
        (fake, store)
    }

    fn put(&self, mut lease: Value, uid: &str) -> (u16, Value) {
        let mut version = self.version.lock();
        *version += 1;
        lease["metadata"]["uid"] = json!(uid);
        lease["metadata"]["resourceVersion"] = json!(version.to_string());
        self.lease.send_replace(Some(lease.clone()));
        (200, lease)
    }

    fn answer(&self, method: &Method, path: &str, body: Value) -> (u16, Value) {
        let status = |code: u16| (code, json!({"kind": "Status", "code": code, "message": "no"}));
        let current = self.lease.borrow().clone();
        match (method, path, current) {
            (&Method::POST, ALL, None) => self.put(body, "u1"),
            (&Method::POST, ALL, Some(_)) => status(409),
            (&Method::GET, ONE, Some(lease)) => (200, lease),
            (&Method::PUT, ONE, Some(lease)) => {
                let same = |field: &str| lease["metadata"][field] == body["metadata"][field];
                if same("uid") && same("resourceVersion") { self.put(body, "u1") } else { status(409) }
            }
            _ => status(404),
        }
    }

    fn last(&self) -> (Method, String, Value) {
        self.asked.lock().last().cloned().unwrap()
    }
}

async fn answer(State(fake): State<Arc<Fake>>, method: Method, uri: Uri, body: Bytes) -> Response {
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    fake.asked.lock().push((method.clone(), uri.to_string(), body.clone()));
    if uri.query().is_some_and(|query| query.contains("watch=true")) {
        let events = stream::unfold((fake.lease.subscribe(), true), |(mut lease, first)| async move {
            if !first {
                lease.changed().await.ok()?;
            }
            let state = lease.borrow_and_update().clone();
            let event = match state {
                Some(lease) => json!({"type": "MODIFIED", "object": lease}),
                None if first => return Some((Bytes::new(), (lease, false))),
                None => json!({"type": "DELETED", "object": {"metadata": {"name": "bellwether"}}}),
            };
            Some((Bytes::from(format!("{event}\n")), (lease, false)))
        });
        let events = StreamExt::map(events, Ok::<_, std::io::Error>);
        return Response::new(Body::from_stream(events));
    }
    let instead = fake.answer_instead.lock().clone();
    let (status, body) = instead.unwrap_or_else(|| fake.answer(&method, uri.path(), body));
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

fn record() -> Record {
    Record {
        holder: "r0_u_1".to_owned(),
        epoch: Epoch(7),
        term: TermId(5),
        duration: Duration::from_secs(3),
        ..Record::default()
    }
}

#[tokio::test]
async fn reads_what_is_there_now_and_writes_only_on_what_it_read() {
    let (fake, store) = Fake::start().await;
    assert_eq!(store.get().await, Err(StoreError::NotFound));
    let made = store.create(&Record::default()).await.unwrap();
    assert_eq!(fake.last().2["spec"]["holderIdentity"], "");
    assert_eq!(store.create(&Record::default()).await, Err(StoreError::Conflict));
    let put = store.replace(&made, &record()).await.unwrap();
    let (method, _, body) = fake.last();
    assert_eq!(method, Method::PUT);
    assert_eq!(body["metadata"]["uid"], "u1");
    assert_eq!(body["metadata"]["resourceVersion"], made.version.to_string());
    assert_eq!(store.replace(&made, &record()).await, Err(StoreError::Conflict));
    assert_eq!(store.get().await.unwrap(), Stored { key: put, record: record() });
    assert_eq!(fake.last().1, ONE, "a quorum read names no resourceVersion");
}

#[tokio::test]
async fn keeps_what_others_wrote_into_the_object() {
    let (fake, store) = Fake::start().await;
    store.create(&Record::default()).await.unwrap();
    let mut lease = fake.lease.borrow().clone().unwrap();
    lease["metadata"]["labels"] = json!({"team": "routing"});
    lease["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "bellwether", "uid": "s"}]);
    fake.put(lease, "u1");
    let key = store.get().await.unwrap().key;
    store.replace(&key, &record()).await.unwrap();
    let body = fake.last().2;
    assert_eq!(body["metadata"]["labels"]["team"], "routing");
    assert_eq!(body["metadata"]["ownerReferences"][0]["uid"], "s");
}

#[tokio::test]
async fn says_what_the_api_server_says_and_asks_once() {
    let (fake, store) = Fake::start().await;
    let key = store.create(&Record::default()).await.unwrap();
    let status = |code: u16| json!({"kind": "Status", "code": code, "message": "said so"});
    let mut later = status(429);
    later["details"] = json!({"retryAfterSeconds": 30});
    for (code, body, expected) in [
        (401, status(401), StoreError::Forbidden("said so".to_owned())),
        (403, status(403), StoreError::Forbidden("said so".to_owned())),
        (404, status(404), StoreError::NotFound),
        (409, status(409), StoreError::Conflict),
        (429, status(429), StoreError::Throttled { retry_after: None }),
        (429, later, StoreError::Throttled { retry_after: Some(Duration::from_secs(30)) }),
        (500, status(500), StoreError::Other("the API server answered 500: said so".to_owned())),
        (503, status(503), StoreError::Other("the API server answered 503: said so".to_owned())),
    ] {
        *fake.answer_instead.lock() = Some((code, body));
        let before = fake.asked.lock().len();
        assert_eq!(store.replace(&key, &record()).await, Err(expected));
        assert_eq!(fake.asked.lock().len(), before + 1, "{code} is not tried again here");
    }
}

#[tokio::test]
async fn watch_tells_of_writes_and_deletion_of_this_lease_alone() {
    let (fake, store) = Fake::start().await;
    let key = store.create(&record()).await.unwrap();
    let store = Arc::new(store);
    let (changes, mut told) = mpsc::channel(4);
    let watching = Arc::clone(&store);
    let task = tokio::spawn(async move { watching.watch(changes).await });
    let next = async |told: &mut mpsc::Receiver<Change>| {
        tokio::time::timeout(Duration::from_secs(10), told.recv()).await.unwrap().unwrap()
    };
    assert!(matches!(next(&mut told).await, Change::Written(stored) if stored.key == key));
    let target = fake.asked.lock().iter().find(|(_, uri, _)| uri.contains("watch=true")).cloned().unwrap().1;
    assert!(target.contains("fieldSelector=metadata.name%3Dbellwether"), "{target}");
    let written = store.replace(&key, &Record { beat: 1, ..record() }).await.unwrap();
    let Change::Written(stored) = next(&mut told).await else { panic!("a write") };
    assert_eq!((stored.key, stored.record.beat), (written.clone(), 1));
    fake.lease.send_replace(None);
    assert!(matches!(next(&mut told).await, Change::Look));
    task.abort();
}

#[tokio::test]
async fn api_server_that_cannot_be_reached_is_named() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let access = Access::Url { url, token_file: None, ca_file: None };
    let store = KubernetesLease::open(access, "ns", "bellwether").await.unwrap();
    let Err(StoreError::Other(text)) = store.get().await else { panic!("nobody listens there") };
    assert!(text.to_lowercase().contains("refused"), "{text}");
}

#[tokio::test]
async fn container_restarted_in_its_pod_is_its_own_heir() {
    let (_, store) = Fake::start().await;
    let (me, before) = (Identity::new("r0", "pod", 2), Identity::new("r0", "pod", 1));
    assert!(store.is_gone(&before, &me) && !store.is_gone(&Identity::new("r0", "other", 1), &me));
}

#[test]
fn a_watch_that_is_refused_is_asked_for_less_often_than_one_that_broke() {
    let (forbidden, throttled) =
        (StoreError::Forbidden("no".to_owned()), StoreError::Throttled { retry_after: None });
    for refused in [forbidden, throttled] {
        // With a read each 0.75 s, which is what the election leaves between two: no more than two calls a second.
        let calls = 1.0 / again(&refused).as_secs_f64() + 1.0 / 0.75;
        assert!(calls <= 2.0, "{calls} calls a second after {refused}");
    }
    assert_eq!(again(&StoreError::Timeout), AGAIN);
}
