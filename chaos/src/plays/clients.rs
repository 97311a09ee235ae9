//! What happens on the way to the clients.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::set::{START, Set};
use crate::catalogue::Extent;
use crate::check::Figure;
use crate::history::{Change, Fault, Record, Request};
use crate::scenario::say;
use crate::stage::line::Line;
use crate::stage::until;

/// A Skipper's connection ends in the middle of a table.
const CUT: &str = "a download is cut";

const LOOK: Duration = Duration::from_millis(5);

/// How long a Skipper is waited for that was cut.
const HEALS: Duration = Duration::from_secs(20);

/// Holds every real Skipper's next download in its middle, kills the replica that the first of them comes from, and
/// ends there those that come from it; the others go on. So each that is cut is cut of a replica that can tell nobody
/// of it any more, and none is healed before.
pub async fn cut_download(set: &mut Set, extent: Extent) -> Result<()> {
    ensure!(!set.lines.is_empty(), "there is no real Skipper whose download could be cut");
    let ledger = set.vip.ledger();
    for _ in 0..extent.times() {
        set.lines.iter().for_each(Line::hold_next);
        let generation = set.change().await?;
        let from = |line: &Line| line.held().and_then(|own| ledger.taken_by(own));
        let victim =
            until("a table in its middle", START, LOOK, async || set.lines.iter().find_map(from)).await?;
        let index = (0..set.fleet.replicas.len()).find(|index| set.name(*index) == victim);
        let index = index.with_context(|| format!("{victim} is no replica"))?;
        set.kill(index).await?;
        let mut cut = Vec::new();
        for (number, line) in set.lines.iter().enumerate() {
            if from(line).as_ref() == Some(&victim) {
                line.cut();
                cut.push(format!("skipper{number}"));
            } else {
                line.pass();
            }
        }
        set.history.struck(CUT, &cut.iter().map(String::as_str).collect::<Vec<_>>());
        let skippers = cut.join(", ");
        say(
            &set.history,
            format!("{victim} died while {skippers} had half of generation {generation} from it"),
        );
        // Judged by what came through them, not by this wait: the peer's stay as they are.
        tokio::time::sleep(HEALS.min(set.sizes.poll * 4)).await;
        set.start(index).await?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::FaultEvent;

    fn request(at: u64, generation: u64) -> Record {
        let at = Duration::from_secs(at);
        let (client, host, outcome) = ("skipper0".into(), "marker.test".into(), Ok(Some(generation)));
        Record::Request(Request { client, at, end: at, host, outcome })
    }

    fn cut(then: &[Record]) -> Figure {
        let at = Duration::from_secs(10);
        let on = [crate::history::Name::from("skipper0")].into();
        let mut history = vec![
            Record::Change(Change { at, generation: 7 }),
            Record::Fault(Fault { id: 0, at, what: CUT.into(), on, event: FaultEvent::Struck }),
        ];
        history.extend_from_slice(then);
        skippers_healed(&history).at_most(7.0)
    }

    #[test]
    fn a_skipper_is_healed_by_the_table_that_it_was_cut_of_and_by_no_later_one() {
        let healed = cut(&[request(11, 6), request(14, 7)]);
        assert_eq!((healed.value, healed.kept), (Some(4.0), true));
        assert!(!cut(&[request(20, 7)]).kept, "late");
        assert!(!cut(&[request(11, 6), request(14, 8)]).kept, "by the next change");
        assert!(!cut(&[request(11, 6)]).kept, "never");
    }

    #[test]
    fn where_none_was_cut_nothing_was_shown() {
        assert!(!skippers_healed(&[request(1, 6), request(2, 7)]).at_most(7.0).kept);
    }
}
