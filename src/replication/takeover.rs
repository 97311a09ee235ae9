//! `--fast-takeover`: a leader whose stream broke off and whose address then refuses connections is taken for dead,
//! before its Lease expires. In: streams that broke. Out: the news for the election. What can go wrong: a firewall or a
//! proxy that refuses in place of a leader that lives; docs/protocol.md says what that may cost.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::hub::Hub;
use super::probe::{Found, probe};
use crate::net::Net;
use crate::snapshot::TermId;
use crate::time::Moment;

/// How often a connection must be refused in a row.
const TIMES: usize = 3;

/// From one connection to the next.
const BETWEEN: Duration = Duration::from_millis(100);

/// How often that is repeated: a Lease that was written just before its holder died may be seen to move after the first
/// connection, and then the next three count.
const ROUNDS: usize = 5;

/// Watches streams break for the life of the process; `gone` hears of the term whose leader refuses connections, and
/// since when it does.
pub async fn watch(hub: Arc<Hub>, net: Net, gone: impl Fn(TermId, Moment)) {
    let mut broken = hub.broken();
    while broken.changed().await.is_ok() {
        let Some(leader) = broken.borrow_and_update().clone() else { continue };
        for _ in 0..ROUNDS {
            let since = hub.now();
            if !refuses(&net, &leader.address).await {
                break;
            }
            gone(leader.term, since);
        }
    }
}

/// Whether nothing listens at `address`, [`TIMES`] in a row.
async fn refuses(net: &Net, address: &str) -> bool {
    let mut ticks = tokio::time::interval(BETWEEN);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for _ in 0..TIMES {
        ticks.tick().await;
        if probe(net, address, BETWEEN).await != Found::Refused {
            return false;
        }
    }
    true
}
