//! The Kubernetes API of the simulation: one Lease with compare-and-swap and a watch, and objects that change.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, stream};
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::watch;
use turmoil::net::TcpListener;

const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/ns/leases";
const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/ns/leases/bellwether";

/// What etcd keeps: it outlasts everything.
pub struct Api {
    store: Mutex<Store>,
    lease: watch::Sender<Option<Value>>,
    /// Who cannot read or write the Lease, nor hears of it.
    hidden_from: Mutex<BTreeSet<IpAddr>>,
    /// A broken store carries out every replacement, whatever the Lease has become.
    pub forgets_versions: bool,
}

#[derive(Default)]
struct Store {
    version: u64,
    uids: u64,
    /// What the source was, change by change.
    labels: Vec<u64>,
}

impl Api {
    pub fn new(forgets_versions: bool) -> Self {
        let store = Store { version: 1_000, uids: 0, labels: vec![1] };
        Self {
            store: Mutex::new(store),
            lease: watch::Sender::new(None),
            hidden_from: Mutex::default(),
            forgets_versions,
        }
    }

    /// Changes what replicas read to what it was before the last change, or to what it never was: its label, which is
    /// part of every table made of it.
    pub fn change(&self, back: bool) -> u64 {
        let mut store = self.store.lock();
        store.version += 1;
        let new = store.labels.iter().max().map_or(1, |last| last + 1);
        let before = store.labels.iter().rev().nth(1).copied().filter(|_| back);
        store.labels.push(before.unwrap_or(new));
        before.unwrap_or(new)
    }

    /// The label of what replicas read now.
    pub fn label(&self) -> u64 {
        self.store.lock().labels.last().copied().unwrap_or_default()
    }

    /// Somebody deletes the Lease.
    pub fn delete_lease(&self) {
        self.store.lock().version += 1;
        self.lease.send_replace(None);
    }

    /// From now on this host neither reads the Lease nor writes it, nor hears of it; all else it reads.
    pub fn hide_lease(&self, from: IpAddr) {
        self.hidden_from.lock().insert(from);
    }

    fn hides_lease(&self, from: IpAddr) -> bool {
        self.hidden_from.lock().contains(&from)
    }

    /// Serves for ever.
    pub async fn serve(self: Arc<Self>) -> turmoil::Result {
        let listener = TcpListener::bind("0.0.0.0:8001").await?;
        loop {
            let (stream, from) = listener.accept().await?;
            let api = Arc::clone(&self);
            tokio::spawn(async move {
                let service = service_fn(move |request| Arc::clone(&api).respond(request, from.ip()));
                // A client that breaks off is its own affair.
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    }

    async fn respond(
        self: Arc<Self>,
        request: Request<Incoming>,
        from: IpAddr,
    ) -> Result<Response<BoxBody<Bytes, Infallible>>, hyper::Error> {
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let path = head.uri.path();
        if path.starts_with(LEASES) && self.hides_lease(from) {
            std::future::pending::<()>().await;
        }
        if path == LEASES && head.uri.query().is_some_and(|query| query.contains("watch=true")) {
            let frames = StreamBody::new(self.watch(from));
            return Ok(Response::new(BodyExt::boxed(frames)));
        }
        let body = serde_json::from_slice(&body).unwrap_or_default();
        let (status, answer) = self.answer(&head.method, path, body);
        let body = Full::new(Bytes::from(answer.to_string())).boxed();
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(status).expect("a status");
        Ok(response)
    }

    fn answer(&self, method: &Method, path: &str, body: Value) -> (u16, Value) {
        let current = self.lease.borrow().clone();
        match (method.as_str(), path) {
            ("GET", LEASE) => current.map_or_else(|| refuse(404, "NotFound"), |lease| (200, lease)),
            ("POST", LEASES) if current.is_some() => refuse(409, "AlreadyExists"),
            ("POST", LEASES) => {
                let uid = {
                    let mut store = self.store.lock();
                    store.uids += 1;
                    format!("lease-{}", store.uids)
                };
                (201, self.write(body, &json!(uid)))
            }
            ("PUT", LEASE) => {
                let Some(lease) = current else { return refuse(404, "NotFound") };
                let same = |field: &str| lease["metadata"][field] == body["metadata"][field];
                if self.forgets_versions || (same("uid") && same("resourceVersion")) {
                    (200, self.write(body, &lease["metadata"]["uid"]))
                } else {
                    refuse(409, "Conflict")
                }
            }
            ("GET", "/apis/networking.k8s.io/v1/ingresses") => self.list("Ingress", ingresses),
            ("GET", "/api/v1/services") => self.list("Service", |_| services()),
            ("GET", "/api/v1/endpoints") => self.list("Endpoints", |_| endpoints()),
            ("POST", path) if path.ends_with("/events") => (201, body),
            _ => refuse(404, "NotFound"),
        }
    }

    fn write(&self, mut lease: Value, uid: &Value) -> Value {
        let mut store = self.store.lock();
        store.version += 1;
        lease["metadata"]["uid"] = uid.clone();
        lease["metadata"]["resourceVersion"] = json!(store.version.to_string());
        self.lease.send_replace(Some(lease.clone()));
        lease
    }

    fn list(&self, kind: &str, items: impl Fn(u64) -> Vec<Value>) -> (u16, Value) {
        let store = self.store.lock();
        let metadata = json!({"resourceVersion": store.version.to_string()});
        (
            200,
            json!({"kind": format!("{kind}List"), "metadata": metadata, "items": items(store.labels.last().copied().unwrap_or_default())}),
        )
    }

    /// First the Lease as it is, then each change, for ten seconds.
    fn watch(
        self: Arc<Self>,
        from: IpAddr,
    ) -> Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, Infallible>> + Send + Sync>> {
        let end = tokio::time::Instant::now() + Duration::from_secs(10);
        let mut lease = self.lease.subscribe();
        lease.mark_changed();
        Box::pin(stream::unfold((lease, self), move |(mut lease, api)| async move {
            tokio::time::timeout_at(end, lease.changed()).await.ok()?.ok()?;
            if api.hides_lease(from) {
                tokio::time::sleep_until(end).await;
                return None;
            }
            let event = match lease.borrow_and_update().clone() {
                Some(now) => json!({"type": "MODIFIED", "object": now}),
                None => {
                    json!({"type": "DELETED", "object": {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "bellwether"}}})
                }
            };
            Some((Ok(Frame::data(Bytes::from(format!("{event}\n")))), (lease, api)))
        }))
    }
}

fn refuse(code: u16, reason: &str) -> (u16, Value) {
    let kind = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure"});
    let mut status = kind;
    status["message"] = json!(reason);
    status["reason"] = json!(reason);
    status["code"] = json!(code);
    (code, status)
}

fn named(name: &str, spec: Value) -> Value {
    json!({"metadata": {"name": name, "namespace": "ns", "uid": name}, "spec": spec})
}

fn ingresses(label: u64) -> Vec<Value> {
    let rule = |host: &str, path: &str| {
        let backend = json!({"service": {"name": "shop", "port": {"number": 80}}});
        json!({"rules": [{"host": host, "http": {"paths": [{"path": path, "pathType": "Exact", "backend": backend}]}}]})
    };
    let changing = named("changing", rule("now.example.org", &format!("/generation-{label}")));
    let steady =
        (0..15).map(|n| named(&format!("steady-{n}"), rule(&format!("s{n}.example.org"), "/steady")));
    std::iter::once(changing).chain(steady).collect()
}

fn services() -> Vec<Value> {
    vec![named("shop", json!({"clusterIP": "10.0.0.1", "ports": [{"port": 80, "targetPort": 8080}]}))]
}

fn endpoints() -> Vec<Value> {
    let mut endpoints = named("shop", Value::Null);
    endpoints["subsets"] =
        json!([{"addresses": [{"ip": "10.1.0.1"}, {"ip": "10.1.0.2"}], "ports": [{"port": 8080}]}]);
    vec![endpoints]
}
