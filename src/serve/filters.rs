//! Filters in front of the main listener (`-route-server-filters`): who may ask, how often, and what else an answer says.
//!
//! In: the head of a request, and from where it comes. Out: headers for the answer that follows, or an answer in its
//! place. As with the peer, requests go through the filters in order until one answers, responses go back through those
//! before anything is looked up: a filter can say more than an answer does, but takes nothing away from it, and of an
//! answer of another filter only `status` changes anything. `/health` is never asked. What can go wrong: a file of
//! passwords that cannot be read at the start.

mod passwords;
mod rate;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::answer::Answer;
use crate::time::Moment;

use passwords::Passwords;
use rate::Rate;

pub use passwords::PasswordsError;
pub use rate::MOST_MOMENTS;

/// One filter, its arguments checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerFilter {
    /// `basicAuth`: only who knows a password.
    BasicAuth {
        /// Users and bcrypt hashes, as `htpasswd -B` writes them; taken up when it changes.
        file: PathBuf,
        /// The challenge, with the realm.
        challenge: HeaderValue,
    },
    /// `ratelimit` and `clientRatelimit`: so many requests in any window of this length.
    RateLimit {
        /// How many; none at all with 0.
        hits: usize,
        /// The length of the window.
        window: Duration,
        /// What is counted together.
        per: Per,
        /// The status for the others.
        status: StatusCode,
    },
    /// `status`: the status of what another filter answers.
    Status(StatusCode),
    /// `inlineContent`: answers with this.
    InlineContent {
        /// The body.
        text: Bytes,
        /// Its type.
        mime: HeaderValue,
    },
    /// `setResponseHeader`
    SetHeader(HeaderName, HeaderValue),
    /// `appendResponseHeader`
    AppendHeader(HeaderName, HeaderValue),
    /// `dropResponseHeader`: of those that filters behind it have set.
    DropHeader(HeaderName),
}

/// Whose requests are counted together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Per {
    /// Everybody's.
    All,
    /// Those from one address.
    Address,
    /// Those with one value of this header; those without it are not counted.
    Header(HeaderName),
}

/// The filters, ready for requests.
#[derive(Clone, Debug, Default)]
pub struct Filters(Arc<[Filter]>);

#[derive(Debug)]
enum Filter {
    BasicAuth(Arc<Passwords>, HeaderValue),
    RateLimit(Rate, Per, StatusCode),
    Status(StatusCode),
    InlineContent(Bytes, HeaderValue),
    SetHeader(HeaderName, HeaderValue),
    AppendHeader(HeaderName, HeaderValue),
    DropHeader(HeaderName),
}

/// What becomes of a request.
#[derive(Debug)]
pub(super) enum Passage {
    /// It goes on; its answer says this too, as far as it does not say it of itself.
    Through(HeaderMap),
    /// This is its answer.
    Answered(Answer),
}

impl Filters {
    /// Makes `filters` ready.
    ///
    /// # Errors
    ///
    /// Where a file of passwords cannot be read, or holds none.
    pub fn new(filters: &[ServerFilter]) -> Result<Self, PasswordsError> {
        Ok(Self(filters.iter().map(Filter::new).collect::<Result<_, _>>()?))
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Lets a request with `headers` from `peer` through, or answers it.
    pub(super) async fn pass(&self, headers: &HeaderMap, peer: Option<SocketAddr>, now: Moment) -> Passage {
        let mut answer = None;
        let mut ran = 0;
        while answer.is_none() && ran < self.0.len() {
            answer = self.0[ran].request(headers, peer, now).await;
            ran += 1;
        }
        let back = self.0[..ran].iter().rev();
        if let Some(mut answer) = answer {
            back.for_each(|filter| {
                if let Filter::Status(status) = filter {
                    answer.status = *status;
                }
            });
            return Passage::Answered(answer);
        }
        let mut said = HeaderMap::new();
        back.for_each(|filter| filter.response(&mut said));
        Passage::Through(said)
    }
}

/// Adds to an answer what filters say and it does not say of itself.
pub(super) fn add(said: HeaderMap, answer: &mut HeaderMap) {
    let own: Vec<HeaderName> = answer.keys().cloned().collect();
    let mut current = None;
    for (name, value) in said {
        // Further values of one header come without its name.
        current = name.or(current);
        if let Some(name) = current.as_ref().filter(|name| !own.contains(name)) {
            answer.append(name, value);
        }
    }
}

impl Filter {
    fn new(filter: &ServerFilter) -> Result<Self, PasswordsError> {
        Ok(match filter.clone() {
            ServerFilter::BasicAuth { file, challenge } => {
                Self::BasicAuth(Arc::new(Passwords::load(file)?), challenge)
            }
            ServerFilter::RateLimit { hits, window, per, status } => {
                Self::RateLimit(Rate::new(hits, window), per, status)
            }
            ServerFilter::Status(status) => Self::Status(status),
            ServerFilter::InlineContent { text, mime } => Self::InlineContent(text, mime),
            ServerFilter::SetHeader(name, value) => Self::SetHeader(name, value),
            ServerFilter::AppendHeader(name, value) => Self::AppendHeader(name, value),
            ServerFilter::DropHeader(name) => Self::DropHeader(name),
        })
    }

    /// An answer, where it lets nobody through.
    async fn request(&self, headers: &HeaderMap, peer: Option<SocketAddr>, now: Moment) -> Option<Answer> {
        match self {
            Self::BasicAuth(passwords, challenge) => {
                if Passwords::admit(passwords, headers, now).await {
                    return None;
                }
                let mut answer = Answer::bare(StatusCode::UNAUTHORIZED);
                answer.headers.insert(WWW_AUTHENTICATE, challenge.clone());
                Some(answer)
            }
            Self::RateLimit(rate, per, status) => {
                let retry_secs = rate.take(&per.key(headers, peer)?, now).err()?;
                let mut answer = Answer::bare(*status);
                answer.headers.insert(HeaderName::from_static("x-rate-limit"), rate.per_hour().into());
                answer.headers.insert(http::header::RETRY_AFTER, retry_secs.into());
                Some(answer)
            }
            Self::InlineContent(text, mime) => Some(Answer::inline(text.clone(), mime.clone())),
            Self::Status(_) | Self::SetHeader(..) | Self::AppendHeader(..) | Self::DropHeader(_) => None,
        }
    }

    fn response(&self, said: &mut HeaderMap) {
        match self {
            Self::SetHeader(name, value) => drop(said.insert(name, value.clone())),
            Self::AppendHeader(name, value) => drop(said.append(name, value.clone())),
            Self::DropHeader(name) => drop(said.remove(name)),
            Self::BasicAuth(..) | Self::RateLimit(..) | Self::Status(_) | Self::InlineContent(..) => {}
        }
    }
}

impl Per {
    /// What the request is counted under; none where it is not counted.
    fn key(&self, headers: &HeaderMap, peer: Option<SocketAddr>) -> Option<Vec<u8>> {
        match self {
            Self::All => Some(Vec::new()),
            Self::Address => Some(peer?.ip().to_canonical().to_string().into_bytes()),
            Self::Header(name) => {
                let value = headers.get(name)?.as_bytes();
                (!value.is_empty()).then(|| value.to_vec())
            }
        }
    }
}

#[cfg(test)]
mod tests;
