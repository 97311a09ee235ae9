//! What a replica does that is not current: once a second it asks its peers. In: what they have activated. Out: the
//! table that was read last, where nobody leads (design D9), and whether a peer is current, to which a replica that is
//! provably behind may leave the Service (design D8). Only a peer that is current counts: of two that are both behind
//! neither leaves, so never do all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::catch_up::{best, survey};
use super::core::Hold;
use super::hub::Hub;
use super::peer::Security;

/// How often peers are asked.
const INTERVAL: Duration = Duration::from_secs(1);

/// Asks `peers` for the life of the process; `another_current` tells what came of it.
pub async fn converge(
    hub: Arc<Hub>,
    peers: Vec<String>,
    security: Security,
    another_current: Arc<AtomicBool>,
) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let now = hub.now();
        if hub.read(|core| core.view().is_current(now)) {
            continue;
        }
        let answers = survey(&hub, None, &peers, &security).await;
        let answers: Vec<_> = answers.into_iter().filter_map(Result::ok).flatten().collect();
        another_current.store(answers.iter().any(|answer| answer.current), Ordering::Relaxed);
        if hub.read(|core| core.is_led(now)) {
            continue;
        }
        if hub.read(|core| core.held_by_order() == Hold::Frozen && core.active().is_some()) {
            continue;
        }
        let Some(snapshot) = best(&hub, answers, &security).await else { continue };
        let (version, origin) = (snapshot.version, snapshot.origin);
        match hub.update(|core, now| core.converge(snapshot, now)) {
            Ok(_) => tracing::info!(%version, %origin, "activated a peer's table; there is no leader"),
            // A leader came, or its table, while the bytes were on their way.
            Err(refusal) => {
                tracing::debug!(%version, %origin, %refusal, "a peer's table is not needed any more")
            }
        }
    }
}
