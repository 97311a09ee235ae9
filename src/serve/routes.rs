//! The main listener: reads the cell once per answer and answers from memory. A request for a table may have to wait
//! for its turn; then it is answered from what the cell holds after the wait, since what was current before may be not.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version as HttpVersion, header};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::admission::{Admission, Busy};
use super::answer::{self, Answer, Served};
use super::body::Pieces;
use super::clients::{Asked, Clients};
use super::crowd::Crowd;
use super::filters::{self, Filters, Passage};
use super::glance::Glance;
use super::hold::{Ended, Hold};
use super::line::Line;
use super::listener::{self, Brought, Drain, DrainReport, Limits, Peer};
use super::metrics::Metrics;
use super::path::{self, Target};
use super::poll;
use super::prefer::{self, Wish};
use super::sending::{Receipt, Sending};
use super::shards::{self, Shards, Store};
use super::tls::{Certified, Tls};
use crate::net::Listener;
use crate::replication::deliveries::Deliveries;
use crate::snapshot::{Cell, Digest, Sharder, Snapshot, Table};
use crate::time::Clock;

/// Serves `/routes`, `/routes/{zone}` and `/health`.
#[derive(Clone)]
pub struct RoutesServer {
    /// What is served.
    pub cell: Arc<Cell>,
    /// What grants and terms are held against.
    pub clock: Arc<dyn Clock>,
    /// Who has which table whole.
    pub deliveries: Arc<Deliveries>,
    /// What is counted.
    pub metrics: Metrics,
    /// Who polls.
    pub clients: Arc<Clients>,
    /// Woken when a client was left with a table that this replica does not have: it may be behind.
    pub kick: Arc<Notify>,
    /// Wakes after each change of the cell.
    pub changed: watch::Receiver<u64>,
    /// Who cuts tables into shards, where clients may ask for those.
    pub sharder: Option<Arc<Sharder>>,
    /// How much it takes on.
    pub limits: Limits,
    /// Mutual TLS, where it is asked for; plain text otherwise.
    pub tls: Option<Arc<Tls>>,
    /// The stores whose shards clients may ask for.
    pub shards: Shards,
    /// What stands before everything but `/health`.
    pub filters: Filters,
}

/// A server with what its connections share.
#[derive(Clone)]
struct Serving {
    server: Arc<RoutesServer>,
    waits: Arc<Waits>,
}

/// What a request may have to wait for.
struct Waits {
    /// Its turn to be sent a table.
    admission: Admission,
    /// A table that it does not have.
    hold: Hold,
}

impl RoutesServer {
    /// Serves until `drain` closes it and the last connection is done.
    ///
    /// # Errors
    ///
    /// Where the system refuses to say when somebody connects.
    pub async fn run(self, listener: impl Into<Listener>, drain: Drain) -> io::Result<DrainReport> {
        let (limits, metrics, tls) = (self.limits, self.metrics.clone(), self.tls.clone());
        let waits = Arc::new(Waits {
            admission: Admission::new(limits.bodies, metrics.clone()),
            hold: Hold::new(limits.hold, metrics.clone()),
        });
        let serving = Serving { server: Arc::new(self), waits };
        let Serving { server, waits } = serving.clone();
        let answering = serving.clone();
        let handle = move |request: Request<Brought>| {
            let Serving { server, waits } = answering.clone();
            async move { server.respond(&request, &waits).await }
        };
        let watching = waits.hold.watch(&server.cell, &*server.clock, server.changed.clone(), &drain);
        tokio::select! {
            never = watching => match never {},
            report = listener::serve(listener.into(), tls, serving, handle, limits, drain.clone(), metrics) => report,
        }
    }

    async fn respond(&self, request: &Request<Brought>, waits: &Waits) -> Response<Pieces> {
        let (method, uri) = (request.method(), request.uri());
        let target = path::target(uri.path(), uri.query());
        // A kubelet asks for its health, and has no certificate to show.
        let certified = request.extensions().get::<Certified>().is_some() || target == Target::Health;
        let (answer, sending) = if self.tls.is_some() && !certified {
            (answer::uncertified(), None)
        } else if let Some(reason) = malformed(request) {
            (answer::malformed(reason), None)
        } else if target == Target::Health || self.filters.is_empty() {
            self.answer(request, target, waits).await
        } else {
            let peer = request.extensions().get::<Peer>().and_then(|peer| peer.0);
            match self.filters.pass(request.headers(), peer, self.clock.now()).await {
                Passage::Answered(answer) => (answer, None),
                Passage::Through(said) => {
                    let (mut answer, sending) = self.answer(request, target, waits).await;
                    filters::add(said, &mut answer.headers);
                    (answer, sending)
                }
            }
        };
        let Answer { status, mut headers, body, .. } = answer;
        // The length of what a GET would get is not known here, as with a 412 or a redirect; the peer is silent too.
        if method == Method::HEAD && body.is_empty() && !headers.contains_key(header::CONTENT_RANGE) {
            headers.remove(header::CONTENT_LENGTH);
        }
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        if let Some(sending) = sending {
            response.extensions_mut().insert(sending);
        }
        response
    }

    /// Answers at a glance, where it can: `head` is the whole poll of a client that has the table and is owed nothing.
    /// Appends the 304 to `out`, and says whether it is the last of its connection, as `last` or the client asks for. Else
    /// `None`, and nothing is appended.
    pub fn glance(
        &self,
        head: &[u8],
        from: Option<SocketAddr>,
        last: bool,
        out: &mut Vec<u8>,
    ) -> Option<bool> {
        if self.tls.is_some() || !self.filters.is_empty() {
            return None;
        }
        let poll = poll::read(head)?;
        let view = self.cell.load();
        let now = self.clock.now();
        let active = view.active.as_deref()?;
        let table = poll.zone.map_or(&active.contents.table, |zone| active.contents.for_zone(zone));
        if poll.tag != table.tag(poll.gzip) {
            return None;
        }
        let client = from.map(client_of);
        let owes = |client| self.deliveries.owes(client, table.digest(), view.is_current(now), now);
        if client.is_some_and(owes) {
            return None;
        }
        if let Some(client) = client {
            let status = StatusCode::NOT_MODIFIED;
            let asked = Asked { has: Some(table.digest()), zone: poll.zone.unwrap_or_default(), status };
            self.clients.saw(client, asked, now);
        }
        let last = last || poll.last;
        poll::unchanged(out, table, poll.gzip, active.version, last);
        self.metrics.answered(StatusCode::NOT_MODIFIED, self.clock.now().since(now));
        Some(last)
    }

    async fn answer(
        &self,
        request: &Request<Brought>,
        target: Target,
        waits: &Waits,
    ) -> (Answer, Option<Sending>) {
        match target {
            Target::Routes => self.routes(request, Which::Main, waits).await,
            Target::Zone(zone) => self.routes(request, Which::Zone(&zone), waits).await,
            Target::Shard(shard, of) => match &self.sharder {
                Some(sharder) if sharder.number() == of && shard < of => {
                    self.routes(request, Which::Shard(shard), waits).await
                }
                Some(sharder) => (answer::no_shard(sharder.number()), None),
                None => (answer::nothing(), None),
            },
            other => (self.other(request.method(), other), None),
        }
    }

    fn other(&self, method: &Method, target: Target) -> Answer {
        match target {
            Target::RedisShards => self.shards(method, self.shards.redis.as_ref()),
            Target::ValkeyShards => self.shards(method, self.shards.valkey.as_ref()),
            Target::Health => answer::health(self.cell.load().active.is_some()),
            Target::Server => answer::server(method),
            Target::Moved(location) => answer::moved(method, &location),
            Target::Nothing | Target::Routes | Target::Zone(_) | Target::Shard(..) => answer::nothing(),
            Target::Malformed => answer::malformed("400 Bad Request"),
        }
    }

    fn shards(&self, method: &Method, store: Option<&Store>) -> Answer {
        let Some(Store { service, port }) = store else { return answer::nothing() };
        let view = self.cell.load();
        let known = view.active.as_ref().and_then(|it| it.contents.addresses.get(&service.to_string()));
        answer::shards(method, known.map(|addresses| shards::json(addresses, *port)))
    }

    async fn routes(
        &self,
        request: &Request<Brought>,
        which: Which<'_>,
        waits: &Waits,
    ) -> (Answer, Option<Sending>) {
        let mut start = Instant::now();
        let (method, headers) = (request.method(), request.headers());
        let client = request.extensions().get::<Peer>().and_then(|peer| peer.0).map(client_of);
        let now = || self.now(method, headers, which, client);
        let mut answer = now();
        let held = self.hold(request, waits, &mut answer, now).await;
        // What is gone of the time of a client that does not know that it may have to wait.
        let mut spent = Duration::ZERO;
        if let Some((wish, _)) = held {
            spent = if wish.asked { Duration::ZERO } else { start.elapsed() };
            start = Instant::now();
        }
        let mut sending = None;
        if answer.sends_table(method) {
            let bytes = answer.body.len();
            let place = match waits.admission.enter(bytes) {
                Some(place) => Ok(place),
                None => {
                    // Who waits holds no table in memory.
                    answer.body = Pieces::default();
                    let starting = !headers.contains_key(header::IF_NONE_MATCH);
                    let place = waits.admission.wait(bytes, starting, spent).await;
                    answer = now();
                    place
                }
            };
            match place {
                Ok(place) if answer.sends_table(method) => {
                    let receipt = client.zip(answer.whole).map(|(client, digest)| Receipt {
                        deliveries: Arc::clone(&self.deliveries),
                        client,
                        digest,
                    });
                    sending = Some(Sending::new(place, receipt));
                }
                Err(Busy) if answer.sends_table(method) => {
                    answer = answer::busy(self.cell.load().active.as_ref().map(|active| active.version));
                }
                _ => {}
            }
        }
        if answer.kept {
            self.metrics.client_kept.inc();
            self.kick.notify_one();
        }
        if answer.healed {
            self.metrics.client_healed.inc();
        }
        if let Some(client) = client {
            let asked =
                Asked { has: self.has(which, &answer, headers), zone: which.zone(), status: answer.status };
            self.clients.saw(client, asked, self.clock.now());
        }
        if let Some((wish, ended)) = held {
            say(wish, ended, &mut answer.headers);
        }
        self.metrics.answered(answer.status, start.elapsed());
        (answer, sending)
    }

    /// Lets a client that has the table wait for another one, if it may, and answers it anew. How long it might wait, and what
    /// ended it.
    async fn hold(
        &self,
        request: &Request<Brought>,
        waits: &Waits,
        answer: &mut Answer,
        now: impl Fn() -> Answer,
    ) -> Option<(Wish, Ended)> {
        let wish = prefer::wish(request.method(), request.headers(), self.limits.hold)?;
        let bytes = answer.unchanged.filter(|_| waits.hold.is_open())?;
        let _room = waits.admission.hold(bytes)?;
        let unchanged = || {
            *answer = now();
            answer.unchanged.is_some()
        };
        let ended = waits.hold.wait(wish.length, request.extensions().get::<Line>(), unchanged).await;
        if ended != Ended::Changed {
            *answer = now();
        }
        Some((wish, ended))
    }

    /// The answer at this instant.
    fn now(&self, method: &Method, headers: &HeaderMap, which: Which<'_>, client: Option<IpAddr>) -> Answer {
        // The view before the time: a grant that runs out in between counts as over.
        let view = self.cell.load();
        let now = self.clock.now();
        let asked = view.active.as_deref().and_then(|active| Some((active, self.asked(which, active)?)));
        let served = asked.as_ref().map(|(active, (table, is_active))| {
            let current = *is_active && view.is_current(now);
            let owed =
                client.is_some_and(|client| self.deliveries.owes(client, table.digest(), current, now));
            Served { table, version: active.version, current, owed }
        });
        answer::routes(method, headers, served)
    }

    /// The table that is asked for, and whether it is of what is active. Shards are not for a moment where a table came to
    /// be active that was not cut before; then nobody is moved to what there is of an earlier one.
    fn asked(&self, which: Which<'_>, active: &Snapshot) -> Option<(Arc<Table>, bool)> {
        let contents = &active.contents;
        let shard = match which {
            Which::Main => return Some((Arc::clone(&contents.table), true)),
            Which::Zone(zone) => return Some((Arc::clone(contents.for_zone(zone)), true)),
            Which::Shard(shard) => shard,
        };
        let sharder = self.sharder.as_ref()?;
        let (sharded, is_active) = match sharder.of(contents.table.digest()) {
            Some(sharded) => (sharded, true),
            None => (sharder.active()?, false),
        };
        Some((Arc::clone(sharded.shard(shard)?), is_active))
    }

    /// The table that a client has, as far as is known, once it is answered. Of a shard it has the table that this is of.
    fn has(&self, which: Which<'_>, answer: &Answer, headers: &HeaderMap) -> Option<Digest> {
        match which {
            Which::Main | Which::Zone(_) => answer.whole.or_else(|| named(headers)),
            Which::Shard(_) if answer.whole.is_some() || answer.unchanged.is_some() => {
                self.cell.load().active.as_ref().map(|active| active.digest())
            }
            Which::Shard(_) => None,
        }
    }
}

/// What of a table is asked for.
#[derive(Clone, Copy, Debug)]
enum Which<'a> {
    Main,
    Zone(&'a str),
    Shard(u16),
}

impl<'a> Which<'a> {
    const fn zone(self) -> &'a str {
        match self {
            Self::Zone(zone) => zone,
            Self::Main | Self::Shard(_) => "",
        }
    }
}

impl Glance for Serving {
    fn answer(&self, head: &[u8], from: Option<SocketAddr>, last: bool, out: &mut Vec<u8>) -> Option<bool> {
        // A glance cannot wait.
        if self.waits.hold.is_open() && self.waits.admission.may_hold() {
            return None;
        }
        self.server.glance(head, from, last, out)
    }

    fn crowd(&self) -> Arc<Crowd> {
        Arc::clone(self.waits.hold.crowd())
    }
}

/// Says in `headers` what came of a client's wish to wait; and that a connection is over that there is no descriptor for.
fn say(wish: Wish, ended: Ended, headers: &mut HeaderMap) {
    if wish.asked {
        let applied = format!("wait={}", wish.length.as_secs());
        headers.insert(prefer::PREFERENCE_APPLIED, applied.try_into().expect("a word and a number"));
    }
    if ended == Ended::Crowded {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
}

/// One client, over whichever protocol its address comes.
fn client_of(from: SocketAddr) -> IpAddr {
    from.ip().to_canonical()
}

/// The table that a client says it has, if it says so.
fn named(headers: &HeaderMap) -> Option<Digest> {
    let tag = headers.get(header::IF_NONE_MATCH)?.to_str().ok()?.trim();
    let tag = tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"')?;
    tag.get(..Digest::HEX)?.parse().ok()
}

/// Why a request is none (RFC 9112 section 3.2), if it is none.
fn malformed(request: &Request<Brought>) -> Option<&'static str> {
    match request.headers().get_all(header::HOST).iter().count() {
        0 if request.version() == HttpVersion::HTTP_11 => {
            Some("400 Bad Request: missing required Host header")
        }
        0 | 1 => None,
        _ => Some("400 Bad Request"),
    }
}
