//! What the peers have activated. A new term asks before it announces anything, and takes the highest origin; a
//! replica without a leader asks to come to the same table as its peers (design D3, D9).
//!
//! Being asked by a term raises the peer's fence, so a peer that answered counts on no older grant any more. What can
//! go wrong: a peer is silent, or its table does not come whole; it is passed over.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;

use super::hub::Hub;
use super::peer::Security;
use super::transfer::Incoming;
use crate::aside::aside;
use crate::election::Term;
use crate::snapshot::{Announcement, Epoch, Snapshot, Target, TermId, Version};
use crate::wire;

/// How long a peer may take to say what it has. Whoever is slower is treated as gone. The leader before is, where it stands
/// still, and this much of the failover is then spent on it: a lease of 3 s, two calls and this are less than 3.3 s.
const DESCRIBE: Duration = Duration::from_millis(250);

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
#[derive(Clone, Debug)]
pub(super) struct Answer {
    address: String,
    fence: Epoch,
    accepted: bool,
    /// Whether it serves, and its active table is the newest truth.
    pub(super) current: bool,
    active: Option<Announcement>,
}

/// Asks `peers` (`HOST:PORT` each; this replica itself may be among them) on behalf of `term`.
pub async fn ask(hub: &Arc<Hub>, term: &Term, peers: &[String], security: &Security) -> CaughtUp {
    let answers = survey(hub, Some((term.epoch(), term.id())), peers, security).await;
    let all_answered = !peers.is_empty()
        && answers
            .iter()
            .all(|answer| answer.as_ref().is_ok_and(|it| it.as_ref().is_none_or(|it| it.accepted)));
    let answers: Vec<Answer> = answers.into_iter().filter_map(Result::ok).flatten().collect();
    let refused = answers.iter().filter(|answer| !answer.accepted);
    let outranked_by = refused.map(|answer| answer.fence).max();
    let best = best(hub, answers, security).await;
    CaughtUp { best, all_answered, outranked_by }
}

/// What each of `peers` says, on behalf of a term or of nobody; `None` where it is this process itself.
pub(super) async fn survey(
    hub: &Hub,
    term: Option<(Epoch, TermId)>,
    peers: &[String],
    security: &Security,
) -> Vec<Result<Option<Answer>, ()>> {
    let questions = peers.iter().map(|address| {
        let question = describe(hub, term, address, security);
        async move { tokio::time::timeout(DESCRIBE, question).await.unwrap_or(Err(())) }
    });
    join_all(questions).await
}

/// The snapshot with the highest origin among `answers` that can be had, where it is higher than the own one.
pub(super) async fn best(hub: &Hub, mut answers: Vec<Answer>, security: &Security) -> Option<Snapshot> {
    let own = hub.read(|core| core.active().map(|it| it.origin));
    answers.retain(|answer| answer.active.as_ref().is_some_and(|it| Some(it.origin) > own));
    answers.sort_by_key(|answer| std::cmp::Reverse(answer.active.as_ref().map(|it| it.origin)));
    for answer in answers {
        let Some(announcement) = answer.active else { continue };
        let origin = announcement.origin;
        match tokio::time::timeout(FETCH, fetch(hub, &answer.address, announcement, security)).await {
            Ok(Ok(snapshot)) => {
                tracing::info!(peer = answer.address, %origin, "took over a newer table from a peer");
                return Some(snapshot);
            }
            Ok(Err(reason)) => {
                tracing::warn!(peer = answer.address, %origin, reason, "cannot fetch its table")
            }
            Err(_) => tracing::warn!(peer = answer.address, %origin, "its table did not come in time"),
        }
    }
    None
}

/// What the peer at `address` has; `None` where it is this process itself.
async fn describe(
    hub: &Hub,
    term: Option<(Epoch, TermId)>,
    address: &str,
    security: &Security,
) -> Result<Option<Answer>, ()> {
    let unreachable = |reason: String| tracing::debug!(peer = address, reason, "peer does not answer");
    let (mut peer, proof) =
        security.connect(address).await.map_err(|error| unreachable(error.to_string()))?;
    let request = wire::DescribeRequest {
        identity: hub.identity().to_owned(),
        epoch: term.map_or(0, |(epoch, _)| epoch.0),
        term: term.map(|(_, id)| id.to_wire()).unwrap_or_default(),
        orders: Some((&*hub.orders().borrow()).into()),
    };
    let answer = peer.describe(request).await;
    let answer = answer.map_err(|status| unreachable(status.to_string()))?.into_inner();
    proof.of_identity(&answer.identity).map_err(|error| {
        tracing::warn!(peer = address, identity = answer.identity, %error, "a peer is not who it says");
    })?;
    if answer.identity == hub.identity() {
        return Ok(None);
    }
    if let Some(theirs) = answer.orders {
        hub.order(|orders| orders.merge(&theirs.into()));
    }
    let active = answer.active.map(Announcement::decode).transpose();
    let active = active.map_err(|error| unreachable(error.to_string()))?;
    let (fence, accepted, current) = (Epoch(answer.fence), answer.accepted, answer.current);
    Ok(Some(Answer { address: address.to_owned(), fence, accepted, current, active }))
}

/// What a peer has kept that was active under `version`, and which of `peers` that is.
pub async fn kept(
    version: Version,
    peers: &[String],
    security: &Security,
) -> Option<((String, Announcement), Target)> {
    let questions = peers.iter().map(|address| async move {
        let (mut peer, _) = security.connect(address).await.ok()?;
        let request = wire::FetchRequest { version: Some(version.into()), ..Default::default() };
        let header = peer.fetch(request).await.ok()?.into_inner().message().await.ok()??.header?;
        let header = Announcement::decode(header).ok()?;
        let target = Target { version, origin: header.origin, digest: header.digest() };
        Some(((address.clone(), header), target))
    });
    let asked =
        questions.map(|question| async { tokio::time::timeout(DESCRIBE, question).await.ok().flatten() });
    join_all(asked).await.into_iter().flatten().next()
}

/// The snapshot that `target` names, from a peer that has kept it.
pub async fn fetch_kept(
    hub: &Hub,
    target: &Target,
    peers: &[String],
    security: &Security,
) -> Option<Snapshot> {
    let ((address, header), found) = kept(target.version, peers, security).await?;
    if found.digest != target.digest {
        tracing::warn!(peer = address, version = %target.version, "keeps another table under this version");
        return None;
    }
    let fetched = tokio::time::timeout(FETCH, fetch(hub, &address, header, security)).await;
    let reason = match fetched {
        Ok(Ok(snapshot)) => return Some(snapshot),
        Ok(Err(reason)) => reason,
        Err(_) => "it did not come in time".to_owned(),
    };
    tracing::warn!(peer = address, version = %target.version, reason, "cannot fetch a table that it keeps");
    None
}

async fn fetch(
    hub: &Hub,
    address: &str,
    announcement: Announcement,
    security: &Security,
) -> Result<Snapshot, String> {
    let held = hub.read(|core| core.held());
    let lacking = announcement.lacking(&held.iter().map(AsRef::as_ref).collect::<Vec<_>>());
    let mut incoming =
        Incoming::new(announcement.clone(), &lacking, Vec::new()).map_err(|error| error.to_string())?;
    if !incoming.is_complete() {
        // Whoever sends the bytes: they are checked against the digest that the peer told.
        let (mut peer, _) = security.connect(address).await.map_err(|error| error.to_string())?;
        let request = wire::FetchRequest {
            origin: Some(announcement.origin.into()),
            digest: announcement.digest().to_wire(),
            tables: incoming.wanted(),
            version: None,
        };
        let answer = peer.fetch(request).await;
        let mut chunks = answer.map_err(|status| status.to_string())?.into_inner();
        while let Some(message) = chunks.message().await.map_err(|status| status.to_string())? {
            let chunk = message.chunk.unwrap_or_default();
            incoming.take(&chunk).map_err(|error| error.to_string())?;
        }
    }
    let assembled = aside(move || incoming.assemble(&held)).await;
    assembled.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
}
