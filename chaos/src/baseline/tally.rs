//! What came of all rounds, beside each other.

use std::time::Duration;

use super::rounds::{CUT, OFF, Round};
use crate::table::render;

/// All rounds of one kind of election.
pub(super) struct Tally {
    pub(super) race: Rounds,
    pub(super) partition: Rounds,
    pub(super) ahead: Rounds,
    pub(super) behind: Rounds,
}

/// All rounds of one thing that happens.
pub(super) struct Rounds(Vec<Round>);

/// Picks the rounds of one thing.
type Of = fn(&Tally) -> &Rounds;

impl From<Vec<Round>> for Rounds {
    fn from(rounds: Vec<Round>) -> Self {
        Self(rounds)
    }
}

impl Rounds {
    fn count(&self, which: impl Fn(&Round) -> bool) -> usize {
        self.0.iter().filter(|round| which(round)).count()
    }

    /// In how many rounds there were two leaders at once.
    pub(super) fn doubles(&self) -> usize {
        self.count(|round| !round.together.is_zero())
    }

    /// The median and the longest of these times.
    fn together(&self) -> String {
        let mut all: Vec<_> =
            self.0.iter().map(|round| round.together).filter(|time| !time.is_zero()).collect();
        all.sort_unstable();
        match (all.get(all.len() / 2), all.last()) {
            (Some(median), Some(most)) => format!("{:.1}, {:.1}", median.as_secs_f64(), most.as_secs_f64()),
            _ => "0".to_owned(),
        }
    }
}

impl Tally {
    fn all(&self) -> [&Rounds; 4] {
        [&self.race, &self.partition, &self.ahead, &self.behind]
    }

    /// There was a leader in every round, one took over in every partition, and there never were two.
    pub(super) fn is_safe(&self) -> bool {
        let led =
            |least: usize| move |round: &Round| round.leaders >= least && round.together == Duration::ZERO;
        self.all().iter().all(|rounds| !rounds.0.is_empty() && rounds.0.iter().all(led(1)))
            && self.partition.0.iter().all(led(2))
            && self.all().iter().all(|rounds| rounds.count(|round| round.same_token) == 0)
    }
}

/// The table for people: the baseline beside ours.
pub(super) fn table(theirs: &Tally, ours: &Tally) -> String {
    let mut rows = vec![["", "kube-leader-election 0.44.0", "Bellwether"].map(str::to_owned).to_vec()];
    let mut row = |name: &str, cell: &dyn Fn(&Tally) -> String| {
        rows.push(vec![name.to_owned(), cell(theirs), cell(ours)]);
    };
    row("race: rounds", &|all| all.race.0.len().to_string());
    row("  in which all five wrote at once", &|all| all.race.count(|round| round.at_once == 5).to_string());
    row("  with several leaders", &|all| all.race.doubles().to_string());
    row("  with several leaders under one token", &|all| {
        all.race.count(|round| round.same_token).to_string()
    });
    row("  most leaders in one round", &|all| {
        all.race.0.iter().map(|round| round.leaders).max().unwrap_or_default().to_string()
    });
    let (cut, off) = (CUT.as_secs(), OFF);
    let things: [(String, Of); 3] = [
        (format!("the leader is cut off for {cut} s: rounds"), |all| &all.partition),
        (format!("a candidate's clock is {off} s ahead: rounds"), |all| &all.ahead),
        (format!("the leader's clock is {off} s behind: rounds"), |all| &all.behind),
    ];
    for (name, of) in things {
        row(&name, &|all| of(all).0.len().to_string());
        row("  with two leaders", &|all| of(all).doubles().to_string());
        row("  seconds of two leaders: median, most", &|all| of(all).together());
    }
    render(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(leaders: usize, milliseconds: u64) -> Rounds {
        let together = Duration::from_millis(milliseconds);
        Rounds(vec![Round { leaders, together, same_token: false, at_once: 5 }])
    }

    fn tally() -> Tally {
        Tally { race: rounds(1, 0), partition: rounds(2, 0), ahead: rounds(1, 0), behind: rounds(1, 0) }
    }

    #[test]
    fn two_leaders_anywhere_fail() {
        assert!(tally().is_safe());
        for milliseconds in [1, 5000] {
            assert!(!Tally { race: rounds(2, milliseconds), ..tally() }.is_safe());
            assert!(!Tally { partition: rounds(2, milliseconds), ..tally() }.is_safe());
            assert!(!Tally { ahead: rounds(2, milliseconds), ..tally() }.is_safe());
            assert!(!Tally { behind: rounds(2, milliseconds), ..tally() }.is_safe());
        }
    }

    #[test]
    fn nobody_to_lead_fails_too() {
        assert!(!Tally { race: rounds(0, 0), ..tally() }.is_safe());
        assert!(!Tally { partition: rounds(1, 0), ..tally() }.is_safe());
        assert!(!Tally { ahead: Rounds(Vec::new()), ..tally() }.is_safe());
    }

    #[test]
    fn the_table_has_both() {
        let text = table(&Tally { race: rounds(3, 1500), ..tally() }, &tally());
        let line = text.lines().find(|line| line.contains("most leaders")).unwrap();
        assert!(line.trim_end().ends_with('1') && line.contains('3'), "{text}");
    }
}
