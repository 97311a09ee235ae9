//! A small API server: lists with pages, discovery, and whatever a test wants it to answer instead.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use futures::{StreamExt, stream};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::source::{Access, Deadlines, Kubernetes, KubernetesConfig};
use crate::time::ManualClock;

/// What a test answers in place of the fake: the path, the query and how often this was asked for before.
pub type Script = dyn Fn(&str, &str, usize) -> Option<Answer> + Send + Sync;

/// An answer.
pub enum Answer {
    /// A status and a body.
    Plain(u16, String),
    /// 429 with `Retry-After` in seconds.
    Later(u64),
    /// Nothing, ever.
    Silence,
    /// The beginning of a body, and then nothing.
    Stall(String),
    /// The beginning of a body, and then the connection breaks.
    Cut(String),
}

/// The fake's state.
pub struct Fake {
    pub lists: Mutex<BTreeMap<String, Vec<Value>>>,
    pub version: Mutex<u64>,
    pub asked: Mutex<Vec<String>>,
    pub authorizations: Mutex<Vec<String>>,
    script: Box<Script>,
}

pub const INGRESSES: &str = "/apis/networking.k8s.io/v1/ingresses";
pub const GROUPS: &str = "/apis/zalando.org/v1/routegroups";
pub const DISCOVERY: &str = "/apis/zalando.org/v1";
pub const SERVICES: &str = "/api/v1/services";
pub const ENDPOINTS: &str = "/api/v1/endpoints";
pub const SLICES: &str = "/apis/discovery.k8s.io/v1/endpointslices";

pub fn named(names: impl IntoIterator<Item = impl ToString>) -> Vec<Value> {
    let object =
        |name: &dyn ToString| json!({"metadata": {"name": name.to_string(), "namespace": "default"}});
    names.into_iter().map(|name| object(&name)).collect()
}

impl Fake {
    /// Starts it on a port of its own; it ends with the test's runtime.
    pub async fn start(
        script: impl Fn(&str, &str, usize) -> Option<Answer> + Send + Sync + 'static,
    ) -> (Arc<Self>, String) {
        let lists = [INGRESSES, GROUPS, SERVICES, ENDPOINTS, SLICES];
        let fake = Arc::new(Self {
            lists: Mutex::new(lists.map(|path| (path.to_owned(), named(["a"]))).into()),
            version: Mutex::new(100),
            asked: Mutex::default(),
            authorizations: Mutex::default(),
            script: Box::new(script),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = axum::Router::new().fallback(answer).with_state(Arc::clone(&fake));
        tokio::spawn(async move { axum::serve(listener, app).await });
        (fake, url)
    }

    fn plain(&self, path: &str, query: &str) -> Answer {
        if path == DISCOVERY {
            let resources = json!({"kind": "APIResourceList", "resources": [{"name": "routegroups/status"}, {"name": "routegroups"}]});
            return Answer::Plain(200, resources.to_string());
        }
        let lists = self.lists.lock();
        let Some(items) = lists.get(path) else {
            return Answer::Plain(404, r#"{"kind": "Status", "message": "not here"}"#.to_owned());
        };
        let number =
            |key: &str| query.split('&').find_map(|pair| pair.strip_prefix(key)?.parse::<usize>().ok());
        let from = number("continue=from-").unwrap_or(0);
        let page: Vec<_> = items.iter().skip(from).take(number("limit=").unwrap_or(usize::MAX)).collect();
        let next = from + page.len();
        let token = if next < items.len() { format!("from-{next}") } else { String::new() };
        let version = self.version.lock().to_string();
        let page = json!({"metadata": {"resourceVersion": version, "continue": token}, "items": page});
        Answer::Plain(200, page.to_string())
    }
}

async fn answer(State(fake): State<Arc<Fake>>, request: Request) -> Response {
    let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
    let authorization =
        request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
    fake.authorizations.lock().extend(authorization);
    let target = request.uri().to_string();
    let before = {
        let mut asked = fake.asked.lock();
        let before = asked.iter().filter(|other| **other == target).count();
        asked.push(target.clone());
        before
    };
    let scripted = (fake.script)(path, query, before);
    let chunk = |text: String| stream::iter([Ok::<_, std::io::Error>(Bytes::from(text))]);
    let response = Response::builder();
    match scripted.unwrap_or_else(|| fake.plain(path, query)) {
        Answer::Plain(status, body) => response.status(status).body(Body::from(body)),
        Answer::Later(wait) => response.status(429).header("retry-after", wait).body(Body::from("later")),
        Answer::Silence => std::future::pending().await,
        Answer::Stall(text) => response.body(Body::from_stream(chunk(text).chain(stream::pending()))),
        Answer::Cut(text) => {
            let broken = stream::iter([Err(std::io::Error::other("cut"))]);
            response.body(Body::from_stream(chunk(text).chain(broken)))
        }
    }
    .unwrap()
}

/// A source that asks the fake at `url`.
pub async fn source(url: &str, change: impl FnOnce(&mut KubernetesConfig)) -> (Kubernetes, ManualClock) {
    let mut config = KubernetesConfig {
        access: Access::Url { url: url.to_owned(), token_file: None, ca_file: None },
        net: crate::net::Net::Tcp,
        namespace: None,
        endpoint_slices: false,
        deadlines: Deadlines::default(),
        watch: None,
    };
    change(&mut config);
    let clock = ManualClock::default();
    (Kubernetes::new(config, None, Arc::new(clock.clone())).await.unwrap(), clock)
}
