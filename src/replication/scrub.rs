//! Hashes what is served again, every few seconds: memory that flips a bit must not serve a table under another's
//! ETag. In: the active tables. Out: the same ones, with a flipped bit as it was. What can go wrong: more than a bit of
//! a block is damaged; then the process ends, for a restart from disk verifies what it serves.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::hub::Hub;
use crate::aside::aside;
use crate::snapshot::{Condition, Table};

/// How often: damage is found and mended within ten seconds, hashing included.
const INTERVAL: Duration = Duration::from_secs(5);

/// Runs for the life of the process; ends where a table is lost.
pub async fn scrub(hub: Arc<Hub>) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(active) = hub.read(|core| core.active().cloned()) else { continue };
        let looked = aside(move || {
            let contents = &active.contents;
            let tables = std::iter::once(&contents.table).chain(contents.zones.values());
            tables.map(|table| table.inspect()).filter(|it| !matches!(it, Condition::Sound)).collect()
        });
        let damaged: Vec<Condition> = looked.await.unwrap_or_default();
        for condition in damaged {
            hub.metrics().damaged();
            let Condition::Mended(sound) = condition else {
                tracing::error!("a table is damaged in memory beyond repair; ending, to start from disk");
                return;
            };
            tracing::error!(digest = ?sound.digest(), "a table was damaged in memory, and is mended; check this machine's memory");
            let sound: Arc<Table> = Arc::new(*sound);
            hub.update(|core, _| core.mend(&sound));
        }
    }
}
