//! What happens on the way to the clients.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Result;

use super::set::{START, Set};
use crate::catalogue::Extent;
use crate::check::Figure;
use crate::history::{Change, Fault, Record, Request};
use crate::scenario::say;
use crate::stage::until;

/// A Skipper's connection ends in the middle of a table.
const CUT: &str = "a download is cut";

const LOOK: Duration = Duration::from_millis(5);

/// How long a Skipper is waited for that was cut.
const HEALS: Duration = Duration::from_secs(20);

/// Cuts every real Skipper's next download in its middle, and kills the leader at once.
pub async fn cut_download(set: &mut Set, extent: Extent) -> Result<()> {
    for _ in 0..extent.times() {
        let before: Vec<_> = set.lines.iter().map(|line| line.broken()).collect();
        set.lines.iter().for_each(|line| line.break_next());
        let generation = set.change().await?;
        for (index, line) in set.lines.iter().enumerate() {
            until("a table that is cut", START, LOOK, async || (line.broken() > before[index]).then_some(()))
                .await?;
            set.history.struck(CUT, &[&format!("skipper{index}")]);
        }
        say(&set.history, format!("{} downloads of generation {generation} were cut", before.len()));
        let leader = set.leader().await?;
        set.kill(leader).await?;
        // Judged by what came through them, not by this wait: the peer's stay as they are.
        tokio::time::sleep(HEALS.min(set.sizes.poll * 4)).await;
        set.start(leader).await?;
        set.change_arrives(START).await?;
        set.settle().await?;
    }
    Ok(())
}

/// How many polls it takes at most until a Skipper that was cut answers by the table that it was cut of. Without a value
/// where one never did. A poll is `POLL` long.
pub fn skippers_healed(history: &[Record]) -> Figure {
    let mut newest = 0;
    let mut waiting: HashMap<&str, (Duration, u64)> = HashMap::new();
    let mut times = Vec::new();
    for record in history {
        match record {
            Record::Change(Change { generation, .. }) => newest = *generation,
            Record::Fault(Fault { what, on, at, .. }) if **what == *CUT => {
                waiting.extend(on.iter().map(|name| (&**name, (*at, newest))));
            }
            // By that very table: a later one would heal anybody.
            Record::Request(Request { client, end, outcome: Ok(Some(generation)), .. })
                if waiting.get(&**client).is_some_and(|(_, wanted)| generation >= wanted) =>
            {
                let (cut, wanted) = waiting.remove(&**client).unwrap_or_default();
                times.push((*generation == wanted).then(|| end.saturating_sub(cut)));
            }
            _ => {}
        }
    }
    let healed = waiting.is_empty() && !times.is_empty() && times.iter().all(Option::is_some);
    let worst = times.iter().flatten().max().filter(|_| healed);
    Figure::time("from a cut download to its table, through Skipper", worst.copied()).of(times.len())
}
