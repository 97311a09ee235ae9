//! A small API server: five Ingresses, a Service and its endpoints in two zones. It can be down, and its Ingresses
//! can be changed.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A running API server; ends when it is dropped.
pub(super) struct Api {
    address: SocketAddr,
    state: Arc<AtomicU64>,
    _tasks: JoinSet<()>,
}

impl Api {
    /// Starts it on a free port: down, which is 503 to everything.
    pub(super) async fn start() -> Result<Self> {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("listen as the API server")?;
        let address = listener.local_addr()?;
        let state = Arc::<AtomicU64>::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, state.clone()));
        Ok(Self { address, state, _tasks: tasks })
    }

    /// Its URL.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on it is up, and each call changes the hosts of its Ingresses.
    pub(super) fn change(&self) {
        self.state.fetch_add(1, Ordering::SeqCst);
    }
}

async fn accept(listener: TcpListener, state: Arc<AtomicU64>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                let state = state.clone();
                let answer = service_fn(move |request| {
                    let answer = answer(&request, state.load(Ordering::SeqCst));
                    async move { Ok::<_, Infallible>(answer) }
                });
                let http = hyper::server::conn::http1::Builder::new();
                connections.spawn(http.serve_connection(TokioIo::new(stream), answer));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

fn answer(request: &Request<Incoming>, state: u64) -> Response<Full<Bytes>> {
    let (status, body) = match state {
        0 => (StatusCode::SERVICE_UNAVAILABLE, Value::Null),
        _ => match content(request.uri().path(), state) {
            Some(content) => (StatusCode::OK, content),
            None => (StatusCode::NOT_FOUND, json!({"kind": "Status", "status": "Failure", "code": 404})),
        },
    };
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
    response
}

fn content(path: &str, state: u64) -> Option<Value> {
    let list = |kind: &str, items: Vec<Value>| json!({"kind": format!("{kind}List"), "metadata": {"resourceVersion": (100 + state).to_string()}, "items": items});
    let meta =
        |name: &str| json!({"name": name, "namespace": "default", "uid": name, "resourceVersion": "7"});
    Some(match path {
        "/apis/zalando.org/v1" => json!({"kind": "APIResourceList", "resources": []}),
        "/apis/networking.k8s.io/v1/ingresses" => {
            let backend = json!({"service": {"name": "svc", "port": {"number": 80}}});
            let path = json!({"path": "/", "pathType": "Prefix", "backend": backend});
            let ingress = |number: u32| {
                let host = format!("app{number}-{state}.example.org");
                let rule = json!({"host": host, "http": {"paths": [path]}});
                json!({"metadata": meta(&format!("app{number}")), "spec": {"rules": [rule]}})
            };
            list("Ingress", (0..5).map(ingress).collect())
        }
        "/api/v1/services" => {
            let port = json!({"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"});
            let spec = json!({"type": "ClusterIP", "clusterIP": "10.3.0.1", "ports": [port]});
            list("Service", vec![json!({"metadata": meta("svc"), "spec": spec})])
        }
        "/apis/discovery.k8s.io/v1/endpointslices" => {
            // From three in a zone on a zone has a table of its own.
            let endpoint = |zone: u32, number: u32| {
                let (address, zone) = (format!("10.2.{zone}.{number}"), format!("zone-{zone}"));
                json!({"addresses": [address], "zone": zone, "conditions": {"ready": true}})
            };
            let endpoints: Vec<_> =
                (1..3).flat_map(|zone| (1..5).map(move |it| endpoint(zone, it))).collect();
            let mut metadata = meta("svc-1");
            metadata["labels"] = json!({"kubernetes.io/service-name": "svc"});
            let ports = json!([{"name": "http", "port": 8080, "protocol": "TCP"}]);
            let slice =
                json!({"metadata": metadata, "addressType": "IPv4", "endpoints": endpoints, "ports": ports});
            list("EndpointSlice", vec![slice])
        }
        _ => return None,
    })
}
