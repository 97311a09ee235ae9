//! One whole list, page by page. An object of the wrong shape costs only itself; anything else costs the list.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;
use url::form_urlencoded::byte_serialize;

use super::call::{Call, Failure};
use crate::compile::Diagnostic;
use crate::object::{Kind, Objects};
use crate::source::SourceError;

/// The objects of a page, as many as client-go asks for.
const PAGE: usize = 500;

/// How often a list is begun again because its pages expired.
const RESTARTS: usize = 3;

/// From this size on a page is decoded away from the threads that serve, in bytes.
const LARGE: usize = 256 << 10;

/// A list as far as it has been read.
#[derive(Debug, Default)]
pub(super) struct List {
    pub(super) objects: Objects,
    pub(super) diagnostics: Vec<Diagnostic>,
    pub(super) resource_version: String,
}

/// An answer to a list call (<https://kubernetes.io/docs/reference/using-api/api-concepts/>). The items stay text,
/// so that one of them alone can be wrong.
#[derive(Deserialize)]
struct Page<'a> {
    kind: Option<String>,
    metadata: Option<PageMetadata>,
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageMetadata {
    #[serde(default)]
    resource_version: String,
    #[serde(default)]
    r#continue: Option<String>,
}

/// Reads the whole list at `path`, as new as the store knows it: no `resourceVersion` is sent, so no cache may
/// answer with an old one.
pub(super) async fn list(call: Call<'_>, path: &str, deadline: Duration) -> Result<List, SourceError> {
    tokio::time::timeout(deadline, restarting(call, path))
        .await
        .map_err(|_| call.too_slow(deadline))?
        .map_err(|failure| call.error(&failure))
}

/// Pages come from one moment of the store. The store forgets it after some minutes (410), then the list begins
/// again: what comes after the gap would belong to another moment.
async fn restarting(call: Call<'_>, path: &str) -> Result<List, Failure> {
    let mut restarts = 0;
    loop {
        match pages(call, path).await {
            Err((Failure::Status { code: StatusCode::GONE, .. }, true)) if restarts < RESTARTS => {
                restarts += 1
            }
            Err((failure, _)) => return Err(failure),
            Ok(list) => return Ok(list),
        }
    }
}

/// A failure comes with whether a page had come before it.
async fn pages(call: Call<'_>, path: &str) -> Result<List, (Failure, bool)> {
    let (mut list, mut token) = (List::default(), String::new());
    loop {
        let begun = !token.is_empty();
        let fail = |failure| (failure, begun);
        let from: String = byte_serialize(token.as_bytes()).collect();
        let query = if begun { format!("limit={PAGE}&continue={from}") } else { format!("limit={PAGE}") };
        let bytes = call.get(&format!("{path}?{query}")).await.map_err(fail)?;
        let next;
        (list, next) = decode(bytes, call.resource.kind, list).await.map_err(fail)?;
        match next {
            None => return Ok(list),
            Some(next) if next == token => {
                return Err(fail(Failure::Decode("the pages go in a circle".to_owned())));
            }
            Some(next) => token = next,
        }
    }
}

async fn decode(bytes: Bytes, kind: Kind, list: List) -> Result<(List, Option<String>), Failure> {
    if bytes.len() < LARGE {
        return add_page(&bytes, kind, list);
    }
    let work = tokio::task::spawn_blocking(move || add_page(&bytes, kind, list));
    work.await.unwrap_or_else(|error| Err(Failure::Decode(format!("decoding panicked: {error}"))))
}

/// Adds a page to `list`; also gives where the next one starts. An answer that is not clearly a list of this kind
/// is none: an empty `items` must be the store's word, not that of something in between.
fn add_page(bytes: &[u8], kind: Kind, mut list: List) -> Result<(List, Option<String>), Failure> {
    let no_list =
        |cause: &str| Failure::Decode(format!("the answer is not a list of {}: {cause}", kind.name()));
    let page: Page<'_> = serde_json::from_slice(bytes).map_err(|error| no_list(&error.to_string()))?;
    if let Some(other) = page.kind.filter(|name| name.strip_suffix("List") != Some(kind.name())) {
        return Err(no_list(&format!("it is a {other}")));
    }
    let items = page.items.ok_or_else(|| no_list("it has no items"))?;
    let metadata = page.metadata.ok_or_else(|| no_list("it has no metadata"))?;
    if metadata.resource_version.is_empty() {
        return Err(no_list("it has no resourceVersion"));
    }
    for item in items {
        list.diagnostics.extend(list.objects.add_text(kind, item.get()).err());
    }
    list.resource_version = metadata.resource_version;
    Ok((list, metadata.r#continue.filter(|token| !token.is_empty())))
}
