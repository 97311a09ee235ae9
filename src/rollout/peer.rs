//! Reads what a peer of the fleet has: the table of a route server, or what a Skipper runs.
//!
//! In: a URL. Out: the text of a table. Which of the two answers there is seen from the answer: a Skipper's support listener has
//! `X-Timestamp`, the second in which it built its table, and lists its routes in pages. What it was given and refuses to run
//! it lists apart; that is asked for too, as it was in the table that it was given. What can go wrong: no whole answer in time,
//! an answer that is too large or no text, a table that changes between two pages each time.

use std::error::Error;
use std::io::Read as _;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// The largest text that is read, in bytes: the largest table that we would publish.
const LARGEST: usize = 512 << 20;

/// How many routes of a Skipper are asked for at once.
const PAGE: usize = 10_000;

/// How often pages are asked for anew, where the table changed between two.
const ATTEMPTS: usize = 3;

/// A Skipper's stamp has whole seconds: in the second of the stamp, and by clocks that differ a little, another table may
/// come under the same one.
const STAMP_IS_OLD: u64 = 2;

const X_TIMESTAMP: &str = "x-timestamp";
const X_COUNT: &str = "x-count";

/// Reads one peer, and remembers what it read last.
#[derive(Debug)]
pub struct Peer {
    http: Client<HttpConnector, Empty<Bytes>>,
    url: String,
    deadline: Duration,
    known: Known,
}

/// What was read last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Known {
    #[default]
    Nothing,
    /// A table under this tag.
    Tag(String),
    /// A Skipper's table of this stamp, which no other can have.
    Stamp(Stamp),
}

/// What is the same on all pages of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    timestamp: u64,
    count: usize,
}

/// A table that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Eskip.
    pub text: String,
    /// How many routes that should be; none where the peer does not say.
    pub count: Option<usize>,
}

/// Why a peer could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// The address is no URL.
    #[error("{0:?} is no address; write http://HOST:PORT or http://HOST:PORT/routes")]
    Address(String),
    /// Nobody answers, or the answer broke off.
    #[error("{0}")]
    Connection(String),
    /// The whole answer did not arrive in time.
    #[error("no whole answer within {} s", .0.as_secs_f32())]
    Deadline(Duration),
    /// It answered that it could not.
    #[error("it answers {0}")]
    Status(StatusCode),
    /// The answer cannot be read.
    #[error("its answer is {0}")]
    Text(&'static str),
    /// The pages do not fit together.
    #[error("its table changed while it was read, {ATTEMPTS} times in a row")]
    Moving,
}

impl Peer {
    /// A peer at `url`, each look at which ends after `deadline`. Without a path, `/routes` is meant.
    ///
    /// # Errors
    ///
    /// Where that is no address of plain HTTP.
    pub fn new(url: &str, deadline: Duration) -> Result<Self, PeerError> {
        let refuse = || PeerError::Address(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| refuse())?;
        let is_http = uri.scheme_str() == Some("http") && uri.host().is_some_and(|host| !host.is_empty());
        if !is_http || uri.query().is_some() {
            return Err(refuse());
        }
        let whole = match uri.path() {
            "" | "/" => format!("{}/routes", url.trim_end_matches('/')),
            _ => url.to_owned(),
        };
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(deadline));
        let http = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { http, url: whole, deadline, known: Known::Nothing })
    }

    /// The next look reads everything anew.
    pub fn forget(&mut self) {
        self.known = Known::Nothing;
    }

    /// Its table; none where that is the one that was read last.
    ///
    /// # Errors
    ///
    /// Where it cannot be read in time.
    pub async fn look(&mut self) -> Result<Option<Shown>, PeerError> {
        let looked = tokio::time::timeout(self.deadline, self.read()).await;
        let (shown, known) = looked.unwrap_or(Err(PeerError::Deadline(self.deadline)))?;
        self.known = known;
        Ok(shown)
    }

    async fn read(&self) -> Result<(Option<Shown>, Known), PeerError> {
        if let Known::Stamp(stamp) = &self.known {
            let (_, headers, _) = self.ask(Method::HEAD, "", None).await?;
            if Stamp::of(&headers).as_ref() == Some(stamp) {
                return Ok((None, self.known.clone()));
            }
        }
        for _ in 0..ATTEMPTS {
            let tag = if let Known::Tag(tag) = &self.known { Some(tag.as_str()) } else { None };
            let (status, headers, text) = self.ask(Method::GET, &page(0, false), tag).await?;
            if status == StatusCode::NOT_MODIFIED {
                return Ok((None, self.known.clone()));
            }
            let Some(stamp) = Stamp::of(&headers) else {
                let count = number(&headers, X_COUNT).and_then(|count| usize::try_from(count).ok());
                let known = tag_of(&headers).map_or(Known::Nothing, Known::Tag);
                return Ok((Some(Shown { text, count }), known));
            };
            let is_final = age(&headers, stamp.timestamp) >= Some(STAMP_IS_OLD);
            if let Some(shown) = self.pages(&stamp, text).await? {
                return Ok((Some(shown), if is_final { Known::Stamp(stamp) } else { Known::Nothing }));
            }
        }
        Err(PeerError::Moving)
    }

    /// All that a Skipper has, where its first page is `first`; none where the table changes meanwhile.
    async fn pages(&self, stamp: &Stamp, first: String) -> Result<Option<Shown>, PeerError> {
        let Some(valid) = self.rest(stamp, false, first).await? else { return Ok(None) };
        let (_, headers, first) = self.ask(Method::GET, &page(0, true), None).await?;
        let Some(refused) = Stamp::of(&headers).filter(|refused| refused.timestamp == stamp.timestamp) else {
            return Ok(None);
        };
        let Some(invalid) = self.rest(&refused, true, first).await? else { return Ok(None) };
        // An older Skipper does not know the question, and lists what it runs once more.
        if invalid == valid {
            return Ok(Some(Shown { text: valid, count: Some(stamp.count) }));
        }
        let text = format!("{valid}\n{invalid}");
        if text.len() > LARGEST {
            return Err(PeerError::Text("too large"));
        }
        Ok(Some(Shown { text, count: Some(stamp.count + refused.count) }))
    }

    async fn rest(&self, stamp: &Stamp, refused: bool, first: String) -> Result<Option<String>, PeerError> {
        let mut text = first;
        for offset in (PAGE..stamp.count).step_by(PAGE) {
            let (_, headers, more) = self.ask(Method::GET, &page(offset, refused), None).await?;
            if Stamp::of(&headers).as_ref() != Some(stamp) {
                return Ok(None);
            }
            if text.len() + more.len() > LARGEST {
                return Err(PeerError::Text("too large"));
            }
            text.push('\n');
            text.push_str(&more);
        }
        Ok(Some(text))
    }

    async fn ask(
        &self,
        method: Method,
        query: &str,
        tag: Option<&str>,
    ) -> Result<(StatusCode, HeaderMap, String), PeerError> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{query}", self.url))
            .header(header::ACCEPT_ENCODING, "gzip");
        if let Some(tag) = tag {
            request = request.header(header::IF_NONE_MATCH, tag);
        }
        let request = request.body(Empty::new()).map_err(|_| PeerError::Address(self.url.clone()))?;
        let connection = |error: &(dyn Error + 'static)| PeerError::Connection(innermost(error));
        let response = self.http.request(request).await.map_err(|error| connection(&error))?;
        let (head, body) = Response::into_parts(response);
        if head.status != StatusCode::OK && (head.status != StatusCode::NOT_MODIFIED || tag.is_none()) {
            return Err(PeerError::Status(head.status));
        }
        let body = Limited::new(body, LARGEST).collect().await.map_err(|error| connection(error.as_ref()))?;
        let gzip = head.headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding == "gzip");
        Ok((head.status, head.headers, text(body.to_bytes(), gzip)?))
    }
}

impl Stamp {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let count = usize::try_from(number(headers, X_COUNT)?).ok()?;
        Some(Self { timestamp: number(headers, X_TIMESTAMP)?, count })
    }
}

fn page(offset: usize, refused: bool) -> String {
    let refused = if refused { "&invalid=true" } else { "" };
    format!("?nopretty&offset={offset}&limit={PAGE}{refused}")
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}

/// How long before the answer the second `since` was, by the peer's own clock.
fn age(headers: &HeaderMap, since: u64) -> Option<u64> {
    let date = httpdate::parse_http_date(headers.get(header::DATE)?.to_str().ok()?).ok()?;
    let date = date.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
    date.checked_sub(since)
}

fn tag_of(headers: &HeaderMap) -> Option<String> {
    Some(headers.get(header::ETAG)?.to_str().ok()?.to_owned())
}

fn text(body: Bytes, gzip: bool) -> Result<String, PeerError> {
    let plain = match gzip {
        false => Vec::from(body),
        true => {
            let mut plain = Vec::new();
            let most = LARGEST as u64 + 1;
            let read = MultiGzDecoder::new(&body[..]).take(most).read_to_end(&mut plain);
            read.map_err(|_| PeerError::Text("no gzip, although it says so"))?;
            plain
        }
    };
    if plain.len() > LARGEST {
        return Err(PeerError::Text("too large"));
    }
    String::from_utf8(plain).map_err(|_| PeerError::Text("no text"))
}

fn innermost(mut error: &(dyn Error + 'static)) -> String {
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests;
