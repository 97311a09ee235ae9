//! What each replica shows of itself to the others, so that the page of any of them shows the whole fleet. Nothing is
//! decided by it.
//!
//! In: a question of somebody who looks. Out: what each peer answers within a second. What can go wrong: a peer that does
//! not answer, or runs an older release; it is named with the reason.

use std::time::Duration;

use futures::future::join_all;
use tonic::Code;

use super::peer::Security;
use crate::wire::{ObserveRequest, ObserveResponse};

/// How long a peer may take to answer, connecting included.
const ANSWER: Duration = Duration::from_secs(1);

/// What a replica shows of itself when it is asked; its identity is added.
pub type Shows = dyn Fn() -> ObserveResponse + Send + Sync;

/// A peer, and what came of asking it.
#[derive(Clone, Debug)]
pub struct Observation {
    /// `HOST:PORT`.
    pub address: String,
    /// What it shows, or why not.
    pub seen: Result<ObserveResponse, String>,
}

/// Asks all `peers` at once. The replica `identity`, which asks, is left out where it is among them.
pub async fn observe(identity: &str, peers: &[String], security: &Security) -> Vec<Observation> {
    let asked = peers.iter().map(async |address| {
        let answer = tokio::time::timeout(ANSWER, ask(identity, address, security)).await;
        let seen = answer.unwrap_or_else(|_| Err("no answer in time".to_owned()));
        Observation { address: address.clone(), seen }
    });
    let mut all = join_all(asked).await;
    all.retain(|it| it.seen.as_ref().map_or(true, |seen| seen.identity != identity));
    all
}

async fn ask(identity: &str, address: &str, security: &Security) -> Result<ObserveResponse, String> {
    let (mut peer, proof) = security.connect(address).await.map_err(|error| error.to_string())?;
    let request = ObserveRequest { identity: identity.to_owned() };
    let answer = peer.observe(request).await.map_err(|status| match status.code() {
        Code::Unimplemented => "it runs a release that does not show itself".to_owned(),
        _ => status.to_string(),
    })?;
    let answer = answer.into_inner();
    proof.of_identity(&answer.identity).map_err(|error| error.to_string())?;
    Ok(answer)
}
