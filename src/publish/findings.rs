//! What is quarantined, said once for each change: a line when an object goes bad, or is bad in another way, and one
//! when it is well again or gone.

use std::collections::BTreeMap;

use crate::compile::{ObjectRef, Quarantined};
use crate::election::Term;
use crate::writes::{Event, Events};

/// A flood of bad objects is one event, not ten thousand lines; `/status` counts them all.
const MOST_LINES: usize = 50;

/// What was said last.
#[derive(Debug, Default)]
pub struct Findings(BTreeMap<ObjectRef, Bad>);

/// What is wrong with an object: the first of its routes that is left out speaks for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bad {
    pub(super) reason: String,
    pub(super) hint: String,
    pub(super) uid: String,
}

/// What is new since the last poll.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    /// Objects that are bad in a way that was not said yet.
    pub(super) bad: Vec<(ObjectRef, Bad)>,
    /// Objects that were bad, with their UIDs.
    pub(super) well: Vec<(ObjectRef, String)>,
}

impl Findings {
    /// A term begins with a table of which this was left out: what still is will be said again, what is not any more too.
    pub(super) fn inherit(&mut self, quarantined: &[Quarantined]) {
        let unsaid = |it: &Quarantined| {
            (it.object.clone(), Bad { reason: String::new(), hint: String::new(), uid: it.uid.clone() })
        };
        self.0 = quarantined.iter().map(unsaid).collect();
    }

    /// What is new in `quarantined`; it is known from now on.
    pub(super) fn news(&mut self, quarantined: &[Quarantined]) -> News {
        let mut now: BTreeMap<ObjectRef, Bad> = BTreeMap::new();
        for Quarantined { object, reason, hint, uid, .. } in quarantined {
            now.entry(object.clone()).or_insert_with(|| Bad {
                reason: reason.clone(),
                hint: hint.clone(),
                uid: uid.clone(),
            });
        }
        let changed = now.iter().filter(|(object, bad)| self.0.get(*object) != Some(*bad));
        let bad = changed.map(|(object, bad)| (object.clone(), bad.clone())).collect();
        let gone = self.0.iter().filter(|(object, _)| !now.contains_key(*object));
        let well = gone.map(|(object, bad)| (object.clone(), bad.uid.clone())).collect();
        self.0 = now;
        News { bad, well }
    }
}

impl News {
    /// Tells the people of each object, on the object. Nothing of those that are deleted: `is_well` knows them.
    pub(super) fn tell(&self, events: &Events, term: &Term, is_well: impl Fn(&ObjectRef, &str) -> bool) {
        for (object, Bad { reason, hint, uid }) in &self.bad {
            events.tell(term, Event::quarantined(object, uid, reason, hint));
        }
        for (object, uid) in self.well.iter().filter(|(object, uid)| is_well(object, uid)) {
            events.tell(term, Event::mended(object, uid));
        }
    }

    /// Writes it to the log.
    pub(super) fn log(&self) {
        for (object, Bad { reason, hint, .. }) in self.bad.iter().take(MOST_LINES) {
            tracing::warn!(%object, reason, hint, "quarantined");
        }
        for (object, _) in self.well.iter().take(MOST_LINES) {
            tracing::info!(%object, "out of quarantine: mended or deleted");
        }
        let more = self.bad.len().saturating_sub(MOST_LINES) + self.well.len().saturating_sub(MOST_LINES);
        if more > 0 {
            tracing::warn!(more, "the quarantine changed for more objects; /status lists them");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_out(name: &str, reason: &str) -> Quarantined {
        let object = ObjectRef { name: name.to_owned(), ..ObjectRef::default() };
        Quarantined { object, reason: reason.to_owned(), ..Quarantined::default() }
    }

    fn said(news: &News) -> (Vec<(&str, &str)>, Vec<&str>) {
        let bad = news.bad.iter().map(|(object, bad)| (object.name.as_str(), bad.reason.as_str()));
        (bad.collect(), news.well.iter().map(|(object, _)| object.name.as_str()).collect())
    }

    #[test]
    fn a_new_leader_says_again_what_is_bad_and_what_was() {
        let mut findings = Findings::default();
        findings.inherit(&[left_out("a", "x"), left_out("b", "x")]);
        assert_eq!(said(&findings.news(&[left_out("a", "x")])), (vec![("a", "x")], vec!["b"]));
    }

    #[test]
    fn each_change_is_said_once() {
        let mut findings = Findings::default();
        let first = [left_out("a", "x"), left_out("a", "also"), left_out("b", "x")];
        assert_eq!(said(&findings.news(&first)), (vec![("a", "x"), ("b", "x")], vec![]));
        assert_eq!(findings.news(&first), News::default());
        assert_eq!(said(&findings.news(&[left_out("b", "y")])), (vec![("b", "y")], vec!["a"]));
        assert_eq!(said(&findings.news(&[])), (vec![], vec!["b"]));
    }
}
