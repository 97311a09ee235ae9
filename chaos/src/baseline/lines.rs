//! The candidates' lines to the API server, one each, which the harness has its hands on.
//!
//! In: plain HTTP requests about Leases. Out: the same to the API server, with an administrator's rights. On the way, for
//! one Lease: writes wait for each other at a [`Gate`], a candidate's line is cut, or its clock is another.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::{Context, Result};
use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderName, Method, Request, Response, Uri, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::client::Body;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::clock;
use super::gate::Gate;

type Answer = Response<UnsyncBoxBody<Bytes, Failure>>;

/// Why a request or its answer was not carried.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the candidate has gone")]
    Candidate(#[from] hyper::Error),
    #[error("the API server has gone")]
    Server(#[from] kube::Error),
    #[error("no request to pass on")]
    Request(#[from] http::Error),
}

/// All lines; they end when this is dropped.
pub(super) struct Lines {
    urls: Vec<String>,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

struct Shared {
    client: kube::Client,
    gates: Mutex<HashMap<String, Arc<Gate>>>,
    ways: Mutex<HashMap<(usize, String), Arc<Way>>>,
}

/// How one candidate reaches one Lease.
struct Way {
    cut: watch::Sender<bool>,
    /// By how many seconds the candidate's wall clock is ahead.
    ahead: Mutex<i64>,
}

impl Lines {
    /// One for each of `candidates`, to the API server of `client`.
    ///
    /// # Errors
    ///
    /// Where one cannot listen.
    pub(super) async fn start(client: kube::Client, candidates: usize) -> Result<Self> {
        let shared = Arc::new(Shared { client, gates: Mutex::default(), ways: Mutex::default() });
        let (mut urls, mut tasks) = (Vec::new(), JoinSet::new());
        for candidate in 0..candidates {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("listen as a line")?;
            urls.push(format!("http://{}", listener.local_addr()?));
            tasks.spawn(accept(listener, candidate, Arc::clone(&shared)));
        }
        Ok(Self { urls, shared, _tasks: tasks })
    }

    /// Where each candidate connects.
    pub(super) fn urls(&self) -> &[String] {
        &self.urls
    }

    /// From now on the first writes to `lease` wait for each other.
    pub(super) fn gate(&self, lease: &str) -> Arc<Gate> {
        let gate = Arc::new(Gate::new(self.urls.len()));
        self.shared.gates.lock().insert(lease.to_owned(), Arc::clone(&gate));
        gate
    }

    /// What `candidate` asks about `lease`, and what it is told, goes nowhere and is not refused either; or goes on.
    pub(super) fn cut(&self, candidate: usize, lease: &str, cut: bool) {
        self.shared.way(candidate, lease).cut.send_replace(cut);
    }

    /// The wall clock of `candidate`, as far as `lease` shows it, is so many seconds ahead; behind where they are
    /// negative.
    pub(super) fn set_ahead(&self, candidate: usize, lease: &str, seconds: i64) {
        *self.shared.way(candidate, lease).ahead.lock() = seconds;
    }
}

async fn accept(listener: TcpListener, candidate: usize, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                let shared = Arc::clone(&shared);
                let carry = move |request| {
                    let shared = Arc::clone(&shared);
                    async move { shared.carry(candidate, request).await }
                };
                let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(carry));
                // An error is the candidate that has gone.
                connections.spawn(async move { drop(serving.await) });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

impl Shared {
    fn way(&self, candidate: usize, lease: &str) -> Arc<Way> {
        let key = (candidate, lease.to_owned());
        let new = || Arc::new(Way { cut: watch::Sender::new(false), ahead: Mutex::default() });
        Arc::clone(self.ways.lock().entry(key).or_insert_with(new))
    }

    async fn carry(&self, candidate: usize, request: Request<Incoming>) -> Result<Answer, Failure> {
        let lease = lease_of(request.uri());
        let way = self.way(candidate, &lease);
        let ahead = *way.ahead.lock();
        let (head, body) = request.into_parts();
        let body = clock::shift(body.collect().await?.to_bytes(), ahead);
        way.open().await;
        let gate = self.gates.lock().get(&lease).filter(|_| head.method != Method::GET).cloned();
        let _passing = match &gate {
            Some(gate) => gate.pass().await,
            None => None,
        };
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut onward = Request::builder().method(head.method).uri(path);
        for name in [header::CONTENT_TYPE, header::ACCEPT] {
            onward = with(onward, &head.headers, name);
        }
        let answer = self.client.send(onward.body(Body::from(body))?).await?;
        way.open().await;
        let (head, body) = answer.into_parts();
        let mut back = Response::builder().status(head.status);
        if let Some(kind) = head.headers.get(header::CONTENT_TYPE) {
            back = back.header(header::CONTENT_TYPE, kind);
        }
        let pieces = clock::by_line(body.into_data_stream().boxed(), -ahead).then(move |piece| {
            let way = Arc::clone(&way);
            async move {
                way.open().await;
                piece.map(Frame::data)
            }
        });
        Ok(back.body(BodyExt::boxed_unsync(StreamBody::new(pieces)))?)
    }
}

impl Way {
    /// Waits until it is not cut.
    async fn open(&self) {
        let _ = self.cut.subscribe().wait_for(|cut| !cut).await;
    }
}

fn with(
    request: http::request::Builder,
    headers: &http::HeaderMap,
    name: HeaderName,
) -> http::request::Builder {
    match headers.get(&name) {
        Some(value) => request.header(name, value),
        None => request,
    }
}

/// The Lease that a request is about: the last part of its path, or what a watch asks for.
fn lease_of(uri: &Uri) -> String {
    let watched = uri.query().and_then(|query| query.split_once("metadata.name%3D"));
    match watched {
        Some((_, rest)) => rest.split('&').next().unwrap_or_default().to_owned(),
        None => uri.path().rsplit('/').next().unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_which_lease_it_is_about() {
        let all = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
        let of = |rest: &str| lease_of(&format!("{all}{rest}").parse().unwrap());
        assert_eq!(of("/race-7?fieldManager=bellwether"), "race-7");
        assert_eq!(of("?watch=true&fieldSelector=metadata.name%3Drace-7&timeoutSeconds=10"), "race-7");
        assert_eq!(of(""), "leases");
    }
}
