//! Whether the cluster knows RouteGroups at all.

use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;

use super::call::{Call, Failure};
use crate::source::SourceError;

/// The answer of discovery (<https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api>).
#[derive(Deserialize)]
struct Resources {
    resources: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

/// Whether the API serves the call's resource. Only a 404 and a list without it mean no: the peer takes every error
/// for a no, and drops all RouteGroups where the API server stumbles.
pub(super) async fn serves(call: Call<'_>, deadline: Duration) -> Result<bool, SourceError> {
    let path = call.resource.group_path();
    let answer =
        tokio::time::timeout(deadline, call.get(&path)).await.map_err(|_| call.too_slow(deadline))?;
    let bytes = match answer {
        Err(Failure::Status { code: StatusCode::NOT_FOUND, .. }) => return Ok(false),
        answer => answer.map_err(|failure| call.error(&failure))?,
    };
    let found: Resources = serde_json::from_slice(&bytes).map_err(|error| {
        call.error(&Failure::Decode(format!("the answer is not one of discovery: {error}")))
    })?;
    Ok(found.resources.iter().any(|resource| resource.name == call.resource.plural))
}
