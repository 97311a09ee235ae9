//! One scenario's part of a longer history, judged as a history of its own.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::history::{Act, Deed, Life, LifeEvent, Record};

/// The records from the last [`Record::Stage`] on, and before them what was true by then and no later record says, as of
/// `at`: who stands in the rotation, and who leads.
pub fn excerpt(records: &[Record], at: Duration) -> Vec<Record> {
    let first = records.iter().rposition(|record| matches!(record, Record::Stage(_)));
    let (before, part) = records.split_at(first.unwrap_or_default());
    let Some((stage @ Record::Stage(_), part)) = part.split_first() else { return part.to_vec() };
    let mut rotation = BTreeSet::new();
    let mut leads: Option<&Deed> = None;
    for record in before {
        match record {
            Record::Life(Life { replica, event: LifeEvent::In, .. }) => {
                rotation.insert(replica.clone());
            }
            Record::Life(Life { replica, event: LifeEvent::Out, .. }) => {
                rotation.remove(replica);
            }
            // Logs are read a moment after they are written: two leaders' lines may come in any order.
            Record::Deed(deed @ Deed { act: Act::Leads(epoch), .. })
                if Some(*epoch) >= leads.and_then(epoch_of) =>
            {
                leads = Some(deed);
            }
            _ => {}
        }
    }
    let mut all = vec![stage.clone()];
    all.extend(rotation.into_iter().map(|replica| Record::Life(Life { replica, at, event: LifeEvent::In })));
    for (deed, epoch) in leads.into_iter().filter_map(|deed| Some((deed, epoch_of(deed)?))) {
        let now = |act| Record::Deed(Deed { replica: deed.replica.clone(), at, act });
        all.extend([now(Act::Leads(epoch)), now(Act::CaughtUp(epoch))]);
    }
    all.extend_from_slice(part);
    all
}

fn epoch_of(deed: &Deed) -> Option<u64> {
    match deed.act {
        Act::Leads(epoch) => Some(epoch),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;
    use crate::history::History;

    #[test]
    fn an_excerpt_knows_who_rotates_and_leads_and_of_no_earlier_fault() {
        let history = History::default();
        let deed = |replica: &str, act| {
            let (replica, at) = (history.name(replica), history.now());
            history.push(Record::Deed(Deed { replica, at, act }));
        };
        for replica in ["r0", "r1"] {
            history.life(replica, LifeEvent::In);
        }
        deed("r0", Act::Leads(3));
        history.life("r0", LifeEvent::Killed);
        history.life("r0", LifeEvent::Out);
        deed("r1", Act::Leads(4));
        deed("r1", Act::CaughtUp(4));
        history.stage("next", &["r0", "r1"], 10);
        history.say("it begins");
        deed("r0", Act::Leads(5));
        let part = excerpt(&history.records(), history.now());
        let lives: Vec<_> = part.iter().filter(|record| matches!(record, Record::Life(_))).collect();
        assert!(
            matches!(lives[..], [Record::Life(life)] if *life.replica == *"r1" && life.event == LifeEvent::In)
        );
        let changes = check::changes_of_leader(&part, Duration::ZERO..Duration::MAX);
        assert_eq!(changes.value, Some(1.0));
        assert!(check::failovers(&part).value.is_none());
    }
}
