//! Before a new term announces anything, it asks every peer what it has activated, and takes the highest origin.
//!
//! Being asked raises the peer's fence to this term, so a peer that answered counts on no older grant any more.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;

use super::hub::Hub;
use super::peer::Security;
use super::transfer::Incoming;
use crate::election::Term;
use crate::snapshot::{Announcement, Epoch, Snapshot};
use crate::wire;

/// How long a peer may take to say what it has. Whoever is slower is treated as gone.
const DESCRIBE: Duration = Duration::from_millis(300);

/// How long its bytes may take.
const FETCH: Duration = Duration::from_secs(5);

/// What the peers said.
#[derive(Debug, Default)]
pub struct CaughtUp {
    /// The snapshot with the highest origin, where it is higher than the own one.
    pub best: Option<Snapshot>,
    /// Every peer answered, and accepted this term.
    pub all_answered: bool,
    /// A peer has seen an epoch that this term does not exceed.
    pub outranked_by: Option<Epoch>,
}

/// A peer's answer.
struct Answer {
    address: String,
    fence: Epoch,
    accepted: bool,
    active: Option<Announcement>,
}

/// Asks `peers` (`HOST:PORT` each; this replica itself may be among them) on behalf of `term`.
pub async fn ask(hub: &Arc<Hub>, term: &Term, peers: &[String], security: &Security) -> CaughtUp {
    let questions = peers.iter().map(|address| {
        let question = describe(hub, term, address, security);
        async move { tokio::time::timeout(DESCRIBE, question).await.unwrap_or(Err(())) }
    });
    let answers = join_all(questions).await;
    let all_answered = !peers.is_empty()
        && answers
            .iter()
            .all(|answer| answer.as_ref().is_ok_and(|it| it.as_ref().is_none_or(|it| it.accepted)));
    let mut answers: Vec<Answer> = answers.into_iter().filter_map(Result::ok).flatten().collect();
    let refused = answers.iter().filter(|answer| !answer.accepted);
    let outranked_by = refused.map(|answer| answer.fence).max();
    let own = hub.read(|core| core.active().map(|it| it.origin));
    answers.retain(|answer| answer.active.as_ref().is_some_and(|it| Some(it.origin) > own));
    answers.sort_by_key(|answer| std::cmp::Reverse(answer.active.as_ref().map(|it| it.origin)));
    let mut best = None;
    for answer in answers {
        let Some(announcement) = answer.active else { continue };
        let origin = announcement.origin;
        match tokio::time::timeout(FETCH, fetch(hub, &answer.address, announcement, security)).await {
            Ok(Ok(snapshot)) => {
                tracing::info!(peer = answer.address, %origin, "took over a newer table from a peer");
                best = Some(snapshot);
                break;
            }
            Ok(Err(reason)) => {
                tracing::warn!(peer = answer.address, %origin, reason, "cannot fetch its table")
            }
            Err(_) => tracing::warn!(peer = answer.address, %origin, "its table did not come in time"),
        }
    }
    CaughtUp { best, all_answered, outranked_by }
}

/// What the peer at `address` has; `None` where it is this process itself.
async fn describe(hub: &Hub, term: &Term, address: &str, security: &Security) -> Result<Option<Answer>, ()> {
    let unreachable = |reason: String| tracing::debug!(peer = address, reason, "peer does not answer");
    let mut peer = security.connect(address).await.map_err(|error| unreachable(error.to_string()))?;
    let request = wire::DescribeRequest {
        identity: hub.identity().to_owned(),
        epoch: term.epoch().0,
        term: term.id().to_wire(),
    };
    let answer = peer.describe(request).await;
    let answer = answer.map_err(|status| unreachable(status.to_string()))?.into_inner();
    if answer.identity == hub.identity() {
        return Ok(None);
    }
    let active = answer.active.map(Announcement::decode).transpose();
    let active = active.map_err(|error| unreachable(error.to_string()))?;
    let (fence, accepted) = (Epoch(answer.fence), answer.accepted);
    Ok(Some(Answer { address: address.to_owned(), fence, accepted, active }))
}

async fn fetch(
    hub: &Hub,
    address: &str,
    announcement: Announcement,
    security: &Security,
) -> Result<Snapshot, String> {
    let held = hub.read(|core| core.held());
    let lacking = announcement.lacking(&held.iter().map(AsRef::as_ref).collect::<Vec<_>>());
    let mut incoming = Incoming::new(announcement.clone(), &lacking).map_err(|error| error.to_string())?;
    if !incoming.is_complete() {
        let mut peer = security.connect(address).await.map_err(|error| error.to_string())?;
        let request = wire::FetchRequest {
            origin: Some(announcement.origin.into()),
            digest: announcement.digest().to_wire(),
            tables: incoming.wanted(),
        };
        let answer = peer.fetch(request).await;
        let mut chunks = answer.map_err(|status| status.to_string())?.into_inner();
        while let Some(message) = chunks.message().await.map_err(|status| status.to_string())? {
            let chunk = message.chunk.unwrap_or_default();
            incoming.take(chunk.table, &chunk.data).map_err(|error| error.to_string())?;
        }
    }
    let assembled = tokio::task::spawn_blocking(move || incoming.assemble(&held)).await;
    assembled.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
}
