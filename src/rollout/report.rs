//! What is said of the comparison: the verdict, why it is no better, and what differs.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::judge::{Judge, Rules, Standing};
use crate::compare::Difference;
use crate::time::Moment;

/// How many differences of all peers are shown; their number is always the whole.
pub(super) const SHOWN: usize = 50;

/// What a leader in `pre` says. Fields are only added.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Whether the fleet may move over.
    pub verdict: Verdict,
    /// Why not, or since when; for people.
    pub reasons: Vec<String>,
    /// When that was said.
    pub at: Option<Timestamp>,
    /// Differences that live this long are real.
    pub settle_seconds: f64,
    /// How long there must have been none.
    pub safe_after_seconds: f64,
    /// Over how many changes.
    pub safe_changes: u64,
    /// Each peer, in the order of `--rollout-compare`.
    pub peers: Vec<PeerReport>,
}

/// Whether the fleet may move over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It may: what it would get is what it has.
    Safe,
    /// Nothing speaks against it yet.
    NotYet,
    /// It would get something else.
    Different,
    /// There is nothing to compare with.
    Unknown,
}

/// What is known of one peer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PeerReport {
    /// Where it is.
    pub url: String,
    /// How many routes it had at the last look.
    pub routes: Option<usize>,
    /// Why the last look failed.
    pub error: Option<String>,
    /// Whether this peer's clients may move over.
    pub safe: bool,
    /// How long there has been neither a difference nor anything unsettled.
    pub clean_seconds: Option<f64>,
    /// Over how many changes of our table.
    pub changes: u64,
    /// How many routes differ.
    pub different: usize,
    /// How many more have differed for long, of which that cannot be said.
    pub unsettled: usize,
    /// The first of both.
    pub found: Vec<Found>,
}

/// A route that differs: from what the peer has to what we have.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Found {
    /// Whether it really does.
    pub settled: bool,
    /// What differs; its parts are empty until that has been read again.
    #[serde(flatten)]
    pub difference: Difference,
}

impl PeerReport {
    /// What `judge` knows of the peer at `url`.
    pub(super) fn of(
        url: &str,
        judge: &Judge,
        error: Option<String>,
        found: Vec<Found>,
        now: Moment,
    ) -> Self {
        let (mut different, mut unsettled) = (0, 0);
        for (_, standing) in judge.standing() {
            match standing {
                Standing::Different => different += 1,
                Standing::Unsettled => unsettled += 1,
            }
        }
        Self {
            url: url.to_owned(),
            routes: judge.routes(),
            error,
            safe: judge.is_safe(now),
            clean_seconds: judge.clean_for(now).filter(|_| !judge.is_blind(now)).map(|it| it.as_secs_f64()),
            changes: judge.changes(),
            different,
            unsettled,
            found,
        }
    }

    fn reasons(&self, rules: &Rules) -> Vec<String> {
        let (url, mut reasons) = (&self.url, Vec::new());
        if self.different > 0 {
            reasons.push(format!("{url}: {} differ", routes(self.different)));
        }
        if self.unsettled > 0 {
            let many = routes(self.unsettled);
            reasons.push(format!("{url}: {many} differ at each look, but never stand still"));
        }
        if let Some(error) = &self.error {
            reasons.push(format!("{url}: {error}"));
        }
        if !reasons.is_empty() || self.safe {
            return reasons;
        }
        let clean = Duration::from_secs_f64(self.clean_seconds.unwrap_or_default());
        if clean < rules.safe_after {
            let (clean, needed) = (clean.as_secs(), rules.safe_after.as_secs());
            reasons.push(format!("{url}: no difference for {clean} s; {needed} s are asked for"));
        }
        if self.changes < rules.safe_changes {
            let (changes, needed) = (self.changes, rules.safe_changes);
            reasons.push(format!("{url}: {changes} changes without a difference; {needed} are asked for"));
        }
        reasons
    }
}

fn routes(count: usize) -> String {
    if count == 1 { "1 route".to_owned() } else { format!("{count} routes") }
}

impl Report {
    /// The verdict on all `peers`. `stale` is why our own table is none to compare with, if it is none.
    pub(super) fn of(
        rules: &Rules,
        peers: Vec<PeerReport>,
        stale: Option<String>,
        at: Option<Timestamp>,
    ) -> Self {
        let mut reasons: Vec<String> = stale.into_iter().collect();
        reasons.extend(peers.iter().flat_map(|peer| peer.reasons(rules)));
        let verdict = if peers.is_empty() {
            reasons.push("there is nothing to compare with; give --rollout-compare".to_owned());
            Verdict::Unknown
        } else if peers.iter().any(|peer| peer.different > 0) {
            Verdict::Different
        } else if peers.iter().all(|peer| peer.safe) && reasons.is_empty() {
            let clean = peers.iter().filter_map(|peer| peer.clean_seconds).fold(f64::INFINITY, f64::min);
            let changes = peers.iter().map(|peer| peer.changes).min().unwrap_or_default();
            reasons.push(format!("no difference for {clean:.0} s over {changes} changes"));
            Verdict::Safe
        } else {
            Verdict::NotYet
        };
        Self {
            verdict,
            reasons,
            at,
            settle_seconds: rules.settle.as_secs_f64(),
            safe_after_seconds: rules.safe_after.as_secs_f64(),
            safe_changes: rules.safe_changes,
            peers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules =
        Rules { settle: Duration::from_secs(60), safe_after: Duration::from_secs(1800), safe_changes: 10 };

    fn peer() -> PeerReport {
        PeerReport {
            url: "http://a".to_owned(),
            routes: Some(3),
            error: None,
            safe: true,
            clean_seconds: Some(1900.0),
            changes: 12,
            different: 0,
            unsettled: 0,
            found: Vec::new(),
        }
    }

    fn verdict(peers: &[PeerReport]) -> (Verdict, String) {
        let report = Report::of(&RULES, peers.to_vec(), None, None);
        (report.verdict, report.reasons.join("; "))
    }

    #[test]
    fn safe_is_what_is_safe_for_all_peers() {
        let longer = PeerReport { clean_seconds: Some(2000.0), changes: 11, ..peer() };
        let safe = (Verdict::Safe, "no difference for 1900 s over 11 changes".to_owned());
        assert_eq!(verdict(&[peer(), longer]), safe);
        let young = PeerReport { safe: false, clean_seconds: Some(60.0), changes: 1, ..peer() };
        let (verdict, why) = verdict(&[peer(), young]);
        assert_eq!(verdict, Verdict::NotYet);
        assert_eq!(
            why,
            "http://a: no difference for 60 s; 1800 s are asked for; http://a: 1 changes without a difference; 10 are asked for"
        );
    }

    #[test]
    fn whatever_speaks_against_it_is_named() {
        let unsettled = PeerReport { safe: false, unsettled: 2, ..peer() };
        assert_eq!(verdict(std::slice::from_ref(&unsettled)).0, Verdict::NotYet);
        let differs = PeerReport { safe: false, different: 1, ..peer() };
        let (worst, why) = verdict(&[unsettled, differs]);
        assert_eq!(worst, Verdict::Different);
        assert!(why.contains("2 routes differ at each look") && why.contains("1 route differ"), "{why}");
        let silent = PeerReport { error: Some("it answers 503".to_owned()), ..peer() };
        assert_eq!(verdict(&[silent]), (Verdict::NotYet, "http://a: it answers 503".to_owned()));
        assert_eq!(verdict(&[]).0, Verdict::Unknown);
        let stale = Report::of(&RULES, vec![peer()], Some("ours is old".to_owned()), None);
        assert_eq!(stale.verdict, Verdict::NotYet);
    }
}
