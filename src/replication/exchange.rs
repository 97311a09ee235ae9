//! How orders come to every replica that can be reached, with or without a leader: each tells each, at once when there
//! is something new, and once a second whatever its standing. A few dozen bytes on a connection that is kept.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tonic::Code;

use super::hub::Hub;
use super::peer::{Client, Proof, Security};
use crate::orders::Orders;
use crate::wire::ExchangeRequest;

/// How often peers are told, and asked, where nothing is new.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long one of them may take to answer, connecting included.
const ANSWER: Duration = Duration::from_millis(800);

/// What each other replica knows, by its address: the highest number of its orders; none while it cannot be reached.
#[derive(Debug, Default)]
pub struct Reach(watch::Sender<BTreeMap<String, Option<u64>>>);

impl Reach {
    /// Waits until all have heard of the order `number`, or `patience` is over: how many have, and the addresses of those
    /// that have not.
    pub async fn told(&self, number: u64, patience: Duration) -> (usize, Vec<String>) {
        let knows = |known: &Option<u64>| known.is_some_and(|known| known >= number);
        let mut watch = self.0.subscribe();
        let all = watch.wait_for(|peers| peers.values().all(knows));
        let _ = tokio::time::timeout(patience, all).await;
        let peers = self.0.borrow();
        let silent: Vec<String> =
            peers.iter().filter(|(_, known)| !knows(known)).map(|(address, _)| address.clone()).collect();
        (peers.len() - silent.len(), silent)
    }

    fn heard(&self, address: &str, known: Option<u64>) {
        self.0.send_if_modified(|peers| peers.insert(address.to_owned(), known) != Some(known));
    }

    /// The address is this replica's own.
    fn forget(&self, address: &str) {
        self.0.send_modify(|peers| {
            peers.remove(address);
        });
    }
}

/// Exchanges orders with `peers` (`HOST:PORT` each; this replica itself may be among them) for the life of the process.
pub async fn exchange(hub: Arc<Hub>, peers: Vec<String>, security: Security, reach: Arc<Reach>) {
    join_all(peers.iter().map(|address| with(&hub, address, &security, &reach))).await;
    std::future::pending().await
}

/// With one peer; returns where it is this process itself.
async fn with(hub: &Hub, address: &str, security: &Security, reach: &Reach) {
    let (mut orders, mut client) = (hub.orders(), None);
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            Ok(()) = orders.changed() => {}
        }
        let ours = orders.borrow_and_update().clone();
        let told = tokio::time::timeout(ANSWER, tell(hub, address, security, &mut client, &ours)).await;
        match told.unwrap_or_else(|_| Err("no answer in time".to_owned())) {
            Ok(Some(known)) => reach.heard(address, Some(known)),
            Ok(None) => return reach.forget(address),
            Err(reason) => {
                tracing::debug!(peer = address, reason, "orders not exchanged");
                client = None;
                reach.heard(address, None);
            }
        }
    }
}

/// The highest number that the peer knows then; `None` where it is this process itself.
async fn tell(
    hub: &Hub,
    address: &str,
    security: &Security,
    client: &mut Option<(Client, Proof)>,
    ours: &Orders,
) -> Result<Option<u64>, String> {
    let (peer, proof) = match client {
        Some(known) => known,
        None => client.insert(security.connect(address).await.map_err(|error| error.to_string())?),
    };
    let request = ExchangeRequest { identity: hub.identity().to_owned(), orders: Some(ours.into()) };
    let answer = match peer.exchange(request).await {
        Ok(answer) => answer.into_inner(),
        // A peer of an older release; the connection is fine.
        Err(status) if status.code() == Code::Unimplemented => return Ok(Some(0)),
        Err(status) => return Err(status.to_string()),
    };
    proof.of_identity(&answer.identity).map_err(|error| error.to_string())?;
    if answer.identity == hub.identity() {
        return Ok(None);
    }
    let theirs = Orders::from(answer.orders.unwrap_or_default());
    hub.order(|orders| orders.merge(&theirs));
    Ok(Some(theirs.highest()))
}
