//! One whole list, page by page: while one is decoded, the next one is on its way.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use url::form_urlencoded::byte_serialize;

use super::call::{Call, Failure};
use super::page::{self, Head, Page};
use crate::object::Kind;
use crate::source::SourceError;

/// The objects of a page, as many as client-go asks for.
const PAGE: usize = 500;

/// How often a list is begun again because its pages expired.
const RESTARTS: usize = 3;

/// From this size on a page is decoded away from the threads that serve, in bytes.
const LARGE: usize = 256 << 10;

/// A whole list.
#[derive(Debug, Default)]
pub(super) struct List {
    pub(super) pages: Vec<Arc<Page>>,
    pub(super) resource_version: String,
}

/// Reads the whole list at `path`, as new as the store knows it: no `resourceVersion` is sent, so no cache may
/// answer with an old one. Pages that are those `before` are taken from there.
pub(super) async fn list(
    call: Call<'_>,
    path: &str,
    before: &[Arc<Page>],
    deadline: Duration,
) -> Result<List, SourceError> {
    tokio::time::timeout(deadline, restarting(call, path, before))
        .await
        .map_err(|_| call.too_slow(deadline))?
        .map_err(|failure| call.error(&failure))
}

/// Pages come from one moment of the store. The store forgets it after some minutes (410), then the list begins
/// again: what comes after the gap would belong to another moment.
async fn restarting(call: Call<'_>, path: &str, before: &[Arc<Page>]) -> Result<List, Failure> {
    let mut restarts = 0;
    loop {
        match pages(call, path, before).await {
            Err((Failure::Status { code: StatusCode::GONE, .. }, true)) if restarts < RESTARTS => {
                restarts += 1
            }
            Err((failure, _)) => return Err(failure),
            Ok(list) => return Ok(list),
        }
    }
}

/// A failure comes with whether a page had come before it.
async fn pages(call: Call<'_>, path: &str, before: &[Arc<Page>]) -> Result<List, (Failure, bool)> {
    let (kind, mut list, mut token) = (call.resource.kind, List::default(), String::new());
    let mut bytes = call.get(&target(path, "")).await.map_err(|failure| (failure, false))?;
    loop {
        let fail = |failure| (failure, !token.is_empty());
        let next = page::head(&bytes, kind).and_then(|(head, _)| head.next);
        let next = next.filter(|next| *next != token);
        let ahead = async {
            match &next {
                Some(next) => Some(call.get(&target(path, next)).await),
                None => None,
            }
        };
        let known = before.get(list.pages.len()).cloned();
        let (read, ahead) = tokio::join!(read(bytes, kind, known), ahead);
        let (page, head) = read.map_err(fail)?;
        list.pages.push(page);
        list.resource_version = head.resource_version;
        let Some(next) = head.next else { return Ok(list) };
        if next == token {
            return Err(fail(Failure::Decode("the pages go in a circle".to_owned())));
        }
        let ahead = match ahead {
            Some(ahead) => ahead,
            None => call.get(&target(path, &next)).await,
        };
        bytes = ahead.map_err(|failure| (failure, true))?;
        token = next;
    }
}

/// The page at `token`, or the first one.
fn target(path: &str, token: &str) -> String {
    if token.is_empty() {
        return format!("{path}?limit={PAGE}");
    }
    let from: String = byte_serialize(token.as_bytes()).collect();
    format!("{path}?limit={PAGE}&continue={from}")
}

async fn read(bytes: Bytes, kind: Kind, before: Option<Arc<Page>>) -> Result<(Arc<Page>, Head), Failure> {
    if bytes.len() < LARGE {
        return page::read(&bytes, kind, before);
    }
    let work = tokio::task::spawn_blocking(move || page::read(&bytes, kind, before));
    work.await.unwrap_or_else(|error| Err(Failure::Decode(format!("decoding panicked: {error}"))))
}
