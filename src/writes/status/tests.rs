use std::collections::BTreeMap;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::Response;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::mpsc;

use super::*;
use crate::replication::core::Replica;
use crate::snapshot::{Epoch, Sequence, Snapshot};
use crate::time::BootClock;

/// An API server that tells of each write, and answers what a test put for the Ingress.
struct Fake {
    instead: Mutex<BTreeMap<String, u16>>,
    asked: mpsc::UnboundedSender<(String, Value)>,
}

struct Lab {
    fake: Arc<Fake>,
    asked: mpsc::UnboundedReceiver<(String, Value)>,
    status: IngressStatus,
    term: Term,
}

const ACTIVE: Version = Version { epoch: Epoch(1), sequence: Sequence(5) };

impl Lab {
    /// A leader whose active table is that of [`ACTIVE`].
    async fn start() -> Self {
        let (sender, asked) = mpsc::unbounded_channel();
        let fake = Arc::new(Fake { instead: Mutex::default(), asked: sender });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = axum::Router::new().fallback(answer).with_state(fake.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let access = Access::Url { url, token_file: None, ca_file: None };
        let service = ServiceName { namespace: "edge".to_owned(), name: "balancer".to_owned() };
        let (status, writer) =
            StatusWriter::open(&access, &Net::Tcp, service, Metrics::default()).await.unwrap();
        let replica = Replica::new(Some(Snapshot::for_tests(ACTIVE, "a: * -> <shunt>;")));
        let clock = Arc::new(BootClock);
        let hub = Hub::new("r0".to_owned(), replica, Arc::default(), clock, Default::default());
        tokio::spawn(writer.run(hub));
        Self { fake, asked, status, term: Term::for_tests(Epoch(1), u64::MAX) }
    }

    /// A poll found that these Ingresses lack `ip`.
    fn offer(&self, version: Version, ip: &str, names: &[&str]) {
        let objects = names.iter().map(|name| {
            json!({
                "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
                "metadata": {"namespace": "shop", "name": name}, "spec": {"rules": []},
            })
        });
        let service = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "edge", "name": "balancer"},
            "spec": {"type": "ClusterIP", "clusterIP": ip},
        });
        let (objects, _) = Objects::from_values(objects.chain([service]));
        let planned = self.status.plan(&objects, &Settings::default()).expect("there is a writer");
        self.status.offer(&self.term, version, planned);
    }

    /// The next Ingress that is written, and with which address.
    async fn written(&mut self) -> (String, String) {
        let asked = tokio::time::timeout(Duration::from_secs(30), self.asked.recv());
        let (path, body) = asked.await.expect("something is written").expect("the fake is there");
        let name = path.strip_prefix("/apis/networking.k8s.io/v1/namespaces/shop/ingresses/");
        let name = name.and_then(|name| name.strip_suffix("/status")).expect("the status of an Ingress");
        let ip = body["status"]["loadBalancer"]["ingress"][0]["ip"].as_str().expect("an address");
        (name.to_owned(), ip.to_owned())
    }
}

async fn answer(
    State(fake): State<Arc<Fake>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    assert_eq!(
        (method, &headers["content-type"]),
        (Method::PATCH, &"application/merge-patch+json".parse().unwrap())
    );
    let name = uri.path().rsplit('/').nth(1).unwrap_or_default();
    let code = fake.instead.lock().get(name).copied().unwrap_or(200);
    let _ = fake.asked.send((uri.path().to_owned(), serde_json::from_slice(&body).unwrap()));
    let mut response = Response::new(Body::from(json!({"kind": "Status", "code": code}).to_string()));
    *response.status_mut() = StatusCode::from_u16(code).unwrap();
    response
}

fn pair(name: &str, ip: &str) -> (String, String) {
    (name.to_owned(), ip.to_owned())
}

#[tokio::test]
async fn what_differs_is_written_once_and_again_where_the_address_is_another() {
    let mut lab = Lab::start().await;
    lab.offer(ACTIVE, "10.96.0.1", &["a", "b"]);
    assert_eq!(lab.written().await, pair("a", "10.96.0.1"));
    assert_eq!(lab.written().await, pair("b", "10.96.0.1"));
    // A poll that was read before the writes arrived has the same to say.
    lab.offer(ACTIVE, "10.96.0.1", &["a", "b", "c"]);
    assert_eq!(lab.written().await, pair("c", "10.96.0.1"));
    lab.offer(ACTIVE, "10.96.0.2", &["a"]);
    assert_eq!(lab.written().await, pair("a", "10.96.0.2"));
}

#[tokio::test]
async fn one_that_is_refused_does_not_stand_in_the_way_of_others() {
    let mut lab = Lab::start().await;
    lab.fake.instead.lock().extend([("a".to_owned(), 422), ("b".to_owned(), 404)]);
    lab.offer(ACTIVE, "10.96.0.1", &["a", "b", "c"]);
    for name in ["a", "b", "c"] {
        assert_eq!(lab.written().await.0, name);
    }
    lab.offer(ACTIVE, "10.96.0.1", &["a", "b", "d"]);
    assert_eq!(lab.written().await.0, "d", "what was refused is left alone for a while");
}

#[tokio::test]
async fn only_the_leader_writes_and_only_after_the_table_is_active() {
    let mut lab = Lab::start().await;
    let next = Version { sequence: Sequence(6), ..ACTIVE };
    lab.offer(next, "10.96.0.1", &["early"]);
    taken_up().await;
    lab.term = Term::for_tests(Epoch(1), 0);
    lab.offer(ACTIVE, "10.96.0.1", &["late"]);
    taken_up().await;
    lab.term = Term::for_tests(Epoch(1), u64::MAX);
    lab.offer(ACTIVE, "10.96.0.1", &["now"]);
    assert_eq!(lab.written().await.0, "now");
}

/// The writer, on the same thread, has begun with what it was left.
async fn taken_up() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn who_is_not_asked_to_plans_nothing() {
    let planned = IngressStatus::default().plan(&Objects::default(), &Settings::default());
    assert!(planned.is_none());
}
