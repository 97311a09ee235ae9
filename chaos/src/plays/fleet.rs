//! What operators do to all replicas.

use anyhow::Result;

use super::set::{START, Set};
use crate::catalogue::Extent;
use crate::check::{self, Figure};
use crate::history::Record;
use crate::scenario::say;

/// What a round of restarts is called in the history.
const ROUND: &str = "rolling restart";

/// The changes of leader that one round may take: away from the replica that leads, and once more where its successor
/// is restarted after it.
const CHANGES: f64 = 2.0;

/// Asks each replica to stop, starts it again and waits until it is in the rotation, one after the other; a change comes
/// in the middle of each round.
pub async fn rolling_restart(set: &mut Set, extent: Extent) -> Result<()> {
    for round in 1..=extent.times() {
        set.begin(ROUND, &[]);
        let change =
            async |set: &mut Set, index| if index == 1 { set.change().await.map(drop) } else { Ok(()) };
        restart_each(set, change).await?;
        set.heal().await?;
        set.agreed().await?;
        say(&set.history, format!("round {round}: all replicas were restarted, one after the other"));
    }
    Ok(())
}

/// Asks each replica to stop, does `then` while it does, starts it again, and waits until it is in the rotation.
pub async fn restart_each(
    set: &mut Set,
    mut then: impl AsyncFnMut(&mut Set, usize) -> Result<()>,
) -> Result<()> {
    for index in 0..set.fleet.replicas.len() {
        set.terminate(index);
        then(set, index).await?;
        set.fleet.replicas[index].ended(START).await?;
        set.launch(index)?;
        set.fleet.ready(START).await?;
        set.vip.whole(START).await?;
    }
    Ok(())
}

/// The most changes of leader within one round of restarts.
pub fn changes_per_round(history: &[Record]) -> Vec<Figure> {
    let rounds = rounds(history, ROUND);
    let counts = rounds.iter().map(|round| check::changes_of_leader(history, round.clone()));
    let worst = counts.max_by(|a, b| a.value.unwrap_or_default().total_cmp(&b.value.unwrap_or_default()));
    // A history without a round has not shown anything.
    let worst = worst.unwrap_or_else(|| Figure::time("", None));
    vec![worst.named("changes of leader in one rolling restart").of(rounds.len()).at_most(CHANGES)]
}

/// When each round of `what` was.
pub fn rounds(history: &[Record], what: &str) -> Vec<std::ops::Range<std::time::Duration>> {
    let mut rounds = Vec::new();
    let mut begun = None;
    for record in history {
        match record {
            Record::Fault(fault) if *fault.what == *what => match begun.take() {
                None => begun = Some(fault.at),
                Some(start) => rounds.push(start..fault.at),
            },
            _ => {}
        }
    }
    rounds
}
