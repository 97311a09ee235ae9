//! One GET: the whole body, or a failure that says what is wrong and how to mend it.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use kube::client::{Body, Client};
use serde::Deserialize;

use super::explain;
use super::resource::Resource;
use crate::source::SourceError;

/// The largest body, in bytes: a page of 500 objects is a few MB, and no object is larger than 1.5 MB in etcd.
const MAX_BODY: usize = 1 << 30;

/// The largest part of an error's body that is read, in bytes.
const MAX_ERROR_BODY: usize = 64 << 10;

/// Why a call failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// Nothing came for so long.
    Stalled(Duration),
    /// No connection, or it broke.
    Transport(kube::Error),
    /// More than could be right.
    TooLarge,
    /// Another status than 200.
    Status { code: StatusCode, message: String, retry_after: Option<Duration> },
    /// A 200 that is not what was asked for.
    Decode(String),
}

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    List,
    Watch,
    Discover,
}

/// A call under way: what errors say of it.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) client: &'a Client,
    /// How long may pass without a byte.
    pub(super) stall: Duration,
    pub(super) verb: Verb,
    pub(super) resource: Resource,
}

impl Call<'_> {
    /// Asks for `target`, a path with its query. Ends soon after the server stops sending; the caller has the
    /// deadline for the whole.
    pub(super) async fn get(&self, target: &str) -> Result<Bytes, Failure> {
        let body = self.open(target).await?;
        self.body(body, MAX_BODY).await
    }

    /// Asks for `target`; what follows the head is the caller's to read.
    pub(super) async fn open(&self, target: &str) -> Result<Body, Failure> {
        let request = Request::get(target).header(header::ACCEPT, "application/json").body(Body::empty());
        let request = request.map_err(|error| Failure::Decode(format!("no path to ask for: {error}")))?;
        let answer = self.within_stall(self.client.send(request)).await?.map_err(Failure::Transport)?;
        let (head, body) = answer.into_parts();
        if head.status == StatusCode::OK {
            return Ok(body);
        }
        // The status says enough where its body cannot be had.
        let body = self.body(body, MAX_ERROR_BODY).await.unwrap_or_default();
        Err(Failure::Status {
            code: head.status,
            message: message(&body),
            retry_after: retry_after(&head.headers),
        })
    }

    async fn body(&self, mut body: Body, limit: usize) -> Result<Bytes, Failure> {
        let mut bytes = BytesMut::new();
        while let Some(frame) = self.within_stall(body.frame()).await? {
            let Ok(data) = frame.map_err(Failure::Transport)?.into_data() else { continue };
            if bytes.len() + data.len() > limit {
                return Err(Failure::TooLarge);
            }
            bytes.extend_from_slice(&data);
        }
        Ok(bytes.freeze())
    }

    async fn within_stall<F: Future>(&self, step: F) -> Result<F::Output, Failure> {
        tokio::time::timeout(self.stall, step).await.map_err(|_| Failure::Stalled(self.stall))
    }

    /// What the caller of the whole source gets to read.
    pub(super) fn error(&self, failure: &Failure) -> SourceError {
        explain::explain(self.verb, self.resource, failure)
    }

    /// The error of a list that took longer than its deadline, although bytes kept coming.
    pub(super) fn too_slow(&self, deadline: Duration) -> SourceError {
        explain::too_slow(self.verb, self.resource, deadline)
    }
}

/// The message of a `Status` (<https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/>), or
/// the first line of whatever a proxy in between has to say.
fn message(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Status {
        message: String,
    }
    serde_json::from_slice::<Status>(body).map_or_else(
        |_| String::from_utf8_lossy(body).lines().next().unwrap_or_default().chars().take(200).collect(),
        |status| status.message,
    )
}

/// `Retry-After` in seconds (RFC 9110, 10.2.3); the API server sends no dates.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}
