//! The main listener: reads the cell once per request and answers from memory.

use std::future::ready;
use std::sync::Arc;

use http::{HeaderMap, Method, Request, Response, Uri, Version as HttpVersion, header};
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::answer::{self, Answer, Served};
use super::body::Pieces;
use super::listener::{self, Drain, DrainReport, Limits};
use super::metrics::Metrics;
use super::path::{self, Target};
use super::shards::{self, Shards, Store};
use super::tls::{Certified, Tls};
use crate::snapshot::Cell;
use crate::time::Clock;

/// Serves `/routes`, `/routes/{zone}` and `/health`.
#[derive(Clone)]
pub struct RoutesServer {
    /// What is served.
    pub cell: Arc<Cell>,
    /// What grants and terms are held against.
    pub clock: Arc<dyn Clock>,
    /// What is counted.
    pub metrics: Metrics,
    /// Woken when a client was left with a table that this replica does not have: it may be behind.
    pub kick: Arc<Notify>,
    /// How much it takes on.
    pub limits: Limits,
    /// Mutual TLS, where it is asked for; plain text otherwise.
    pub tls: Option<Arc<Tls>>,
    /// The stores whose shards clients may ask for.
    pub shards: Shards,
}

impl RoutesServer {
    /// Serves until `drain` closes it and the last connection is done.
    pub async fn run(self, listener: TcpListener, drain: Drain) -> DrainReport {
        let (limits, metrics, tls, server) =
            (self.limits, self.metrics.clone(), self.tls.clone(), Arc::new(self));
        let handle = move |request: Request<Incoming>| ready(server.respond(&request));
        listener::serve(listener, tls, handle, limits, drain, metrics).await
    }

    fn respond(&self, request: &Request<Incoming>) -> Response<Pieces> {
        let (method, certified) = (request.method(), request.extensions().get::<Certified>().is_some());
        let (version, uri, headers) = (request.version(), request.uri(), request.headers());
        let Answer { status, mut headers, body, .. } = if certified || self.tls.is_none() || is_health(uri) {
            self.answer(version, method, uri, headers)
        } else {
            answer::uncertified()
        };
        // The length of what a GET would get is not known here, as with a 412 or a redirect; the peer is silent too.
        if method == Method::HEAD && body.is_empty() && !headers.contains_key(header::CONTENT_RANGE) {
            headers.remove(header::CONTENT_LENGTH);
        }
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }

    fn answer(&self, version: HttpVersion, method: &Method, uri: &Uri, headers: &HeaderMap) -> Answer {
        // RFC 9112 section 3.2.
        match headers.get_all(header::HOST).iter().count() {
            0 if version == HttpVersion::HTTP_11 => {
                return answer::malformed("400 Bad Request: missing required Host header");
            }
            0 | 1 => {}
            _ => return answer::malformed("400 Bad Request"),
        }
        match path::target(uri.path(), uri.query()) {
            Target::Routes => self.routes(method, headers, None),
            Target::Zone(zone) => self.routes(method, headers, Some(&zone)),
            Target::RedisShards => self.shards(method, self.shards.redis.as_ref()),
            Target::ValkeyShards => self.shards(method, self.shards.valkey.as_ref()),
            Target::Health => answer::health(self.cell.load().active.is_some()),
            Target::Server => answer::server(method),
            Target::Moved(location) => answer::moved(method, &location),
            Target::Nothing => answer::nothing(),
            Target::Malformed => answer::malformed("400 Bad Request"),
        }
    }

    fn shards(&self, method: &Method, store: Option<&Store>) -> Answer {
        let Some(Store { service, port }) = store else { return answer::nothing() };
        let view = self.cell.load();
        let known = view.active.as_ref().and_then(|it| it.contents.addresses.get(&service.to_string()));
        answer::shards(method, known.map(|addresses| shards::json(addresses, *port)))
    }

    fn routes(&self, method: &Method, headers: &HeaderMap, zone: Option<&str>) -> Answer {
        let start = Instant::now();
        // The view before the time: a grant that runs out in between counts as over.
        let view = self.cell.load();
        let current = view.is_current(self.clock.now());
        let served = view.active.as_deref().map(|active| Served {
            table: zone.map_or(&active.contents.table, |zone| active.contents.for_zone(zone)),
            version: active.version,
            current,
        });
        let answer = answer::routes(method, headers, served);
        if answer.kept {
            self.metrics.client_kept.inc();
            self.kick.notify_one();
        }
        self.metrics.answered(answer.status, start.elapsed());
        answer
    }
}

/// What a kubelet asks, which has no certificate to show.
fn is_health(uri: &Uri) -> bool {
    path::target(uri.path(), uri.query()) == Target::Health
}
