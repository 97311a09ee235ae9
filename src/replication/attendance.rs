//! A leader that nobody follows looks around: whether its peers live decides whether another one should lead
//! ([`quorum`](super::quorum)). In: the state of replication, the peers. Out: the order to give the Lease up.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::MissedTickBehavior;

use super::catch_up::survey;
use super::hub::Hub;
use super::peer::Security;
use super::probe::{Found, probe};
use super::quorum::{CutOff, Peer, Quorum};
use crate::election::Timing;

/// How often followers are counted.
const INTERVAL: Duration = Duration::from_millis(500);

/// How long a peer that gave no answer has to refuse a connection.
const PROBE: Duration = Duration::from_millis(300);

/// Counts for the life of the process; `give_up` is called when another replica should lead.
pub async fn attend(
    hub: Arc<Hub>,
    peers: Vec<String>,
    security: Security,
    timing: Timing,
    give_up: impl Fn(CutOff),
) {
    let mut quorum = Quorum::new(timing);
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if !quorum.counted(hub.read(|core| core.subscribed())) {
            continue;
        }
        let found = look(&hub, &peers, &security).await;
        // One may have come meanwhile.
        if quorum.counted(hub.read(|core| core.subscribed()))
            && let Some(why) = quorum.found(&found, hub.now())
        {
            tracing::warn!(reason = %why, "giving the lease up, so that another replica can lead");
            give_up(why);
        }
    }
}

/// What there is of others among `peers`.
async fn look(hub: &Hub, peers: &[String], security: &Security) -> Vec<Peer> {
    let answers = survey(hub, None, peers, security).await;
    let peers = peers.iter().zip(answers).map(async |(address, answer)| match answer {
        Ok(Some(_)) => Some(Peer::Answers),
        Ok(None) => None,
        Err(()) => Some(match probe(security.net(), address, PROBE).await {
            Found::Refused | Found::Nameless => Peer::Absent,
            Found::Listening | Found::Silent => Peer::Silent,
        }),
    });
    join_all(peers).await.into_iter().flatten().collect()
}
