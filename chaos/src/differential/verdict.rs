//! Whether we and the peer make the same of a cluster, and which known deviation explains it where not.
//!
//! Each deviation is a row of `docs/compatibility.md`. A rule tells it by what is seen on both sides, never by the cluster;
//! and whatever it does not explain is a difference.

use anyhow::Result;
use bellwether::compile::{Compiled, Past};

use super::compiler::{self, Ours};
use super::less;
use super::oracle::{Answer, Oracle};
use super::tables::against;
use crate::generate::Cluster;

/// How often at most the peer is asked where it may decide at random. It goes through its hosts in the order of a Go map: up
/// to eight lie in a circle, and each walk starts anywhere. Of two neighbours that make one id the second one
/// wins where the walk starts between them, once in eight times; it never shows up in 200 with a probability of
/// (7/8)^200, some 10^-12.
const MOST_RUNS: usize = 200;

/// How often it is asked at once.
const RUNS: usize = 20;

/// How many things at most are left out to explain that the peer makes nothing of a cluster.
const DEPTH: usize = 2;

/// What came of a comparison, with the number of our routes.
pub(super) enum Verdict {
    Same(usize),
    Deviates(Vec<Deviation>, usize),
    /// What differs, in a few lines.
    Differs(String),
}

/// A known deviation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Deviation {
    /// The peer publishes routes that no client can use.
    Poison,
    /// An address with a quote or a line break ends a route early, and what follows it is read as something else.
    Smuggling,
    /// Objects whose hosts make the same id: the peer publishes one of them at random.
    RandomWinner,
    /// One object of a wrong shape fails the peer's whole poll; we leave the object out.
    Shape,
    /// One object of a wrong shape ends the peer.
    Crash,
    /// Routes that share a list of filters: the peer edits it for each of them.
    SharedFilters,
}

/// A verdict, and what it was made of.
pub(super) struct Judged {
    pub(super) verdict: Verdict,
    /// What the peer answered; several answers where it decides at random, none where it fails or ends.
    pub(super) answers: Vec<Answer>,
}

impl Deviation {
    #[cfg(test)]
    const ALL: [Self; 6] =
        [Self::Poison, Self::Smuggling, Self::RandomWinner, Self::Shape, Self::Crash, Self::SharedFilters];

    /// Its row in `docs/compatibility.md`, by what it begins with.
    pub(super) const fn row(self) -> &'static str {
        match self {
            Self::Poison => "A route that no parser takes",
            Self::Smuggling => "Backend addresses with quotes or line breaks",
            Self::RandomWinner => "Routes with one id from several Ingresses",
            Self::Shape => "An object of another shape than its kind wants",
            Self::Crash => {
                "An object that makes the conversion panic; a null in a list, where somebody comes upon it"
            }
            Self::SharedFilters => "`-edit-route` where routes share their filters",
        }
    }
}

/// Compares both sides.
///
/// # Errors
///
/// Where the oracle cannot be asked.
pub(super) fn judge(cluster: &Cluster, oracle: &mut Oracle) -> Result<Judged> {
    let differs = |difference| Judged { verdict: Verdict::Differs(difference), answers: Vec::new() };
    let ours = match compiler::compile(cluster, &Past::default()) {
        Ok(ours) => ours,
        Err(error) => return Ok(differs(error)),
    };
    let mut judged = look(&ours, cluster, oracle, DEPTH, MOST_RUNS)?;
    if matches!(judged.verdict, Verdict::Differs(_))
        && let Some(unshared) = with_filters_of_their_own(cluster)
        && let Verdict::Same(_) | Verdict::Deviates(..) = judge(&unshared, oracle)?.verdict
    {
        judged.verdict = Verdict::Deviates(vec![Deviation::SharedFilters], ours.compiled.table.count);
    }
    Ok(judged)
}

/// The cluster with a default filter, where routes are edited and have none: with it the peer gives each route a list of
/// filters of its own.
fn with_filters_of_their_own(cluster: &Cluster) -> Option<Cluster> {
    let has = |name: &str| cluster.flags.iter().any(|flag| flag.starts_with(name));
    (has("-edit-route=") && !has("-default-filters-prepend=") && !has("-default-filters-append=")).then(
        || {
            let mut unshared = cluster.clone();
            unshared.flags.push("-default-filters-append=annotate(\"own\", \"list\")".to_owned());
            unshared
        },
    )
}

/// Compares ours with what the peer makes of `cluster`. Where it makes nothing of it, ours must be what it makes of the
/// cluster without something that we left out too; twice at most, for there may be several such things.
fn look(ours: &Ours, cluster: &Cluster, oracle: &mut Oracle, depth: usize, most: usize) -> Result<Judged> {
    let (deviation, error, less) = match oracle.ask(cluster, 1)? {
        None => (Deviation::Crash, "the peer ends".to_owned(), less::without_what_ends_it(ours, cluster)),
        Some(answers) if answers[0].error.starts_with("failed to fetch routes") => {
            let error = answers.into_iter().map(|answer| answer.error).collect::<String>();
            let less = less::without_what_it_cannot_read(ours, cluster, &error);
            (Deviation::Shape, error, less)
        }
        Some(answers) if !answers[0].error.is_empty() => {
            let error = answers.into_iter().map(|answer| answer.error).collect();
            return Ok(Judged { verdict: Verdict::Differs(error), answers: Vec::new() });
        }
        Some(answers) => {
            return match against(&ours.compiled, &answers) {
                Verdict::Differs(_) => draw(&ours.compiled, cluster, answers, oracle, most),
                verdict => Ok(Judged { verdict, answers }),
            };
        }
    };
    let less = less.into_iter().filter(|less| depth > 0 && less != cluster);
    for less in less {
        let mut deviations = match look(ours, &less, oracle, depth - 1, RUNS)?.verdict {
            Verdict::Same(_) => Vec::new(),
            Verdict::Deviates(deviations, _) => deviations,
            Verdict::Differs(_) => continue,
        };
        if !deviations.contains(&deviation) {
            deviations.push(deviation);
        }
        let verdict = Verdict::Deviates(deviations, ours.compiled.table.count);
        return Ok(Judged { verdict, answers: Vec::new() });
    }
    let verdict = Verdict::Differs(format!("{error}\n  nothing that we leave out explains ours\n"));
    Ok(Judged { verdict, answers: Vec::new() })
}

/// Asks again, until one of the peer's draws is ours or there is no doubt left.
fn draw(
    ours: &Compiled,
    cluster: &Cluster,
    mut answers: Vec<Answer>,
    oracle: &mut Oracle,
    most: usize,
) -> Result<Judged> {
    let mut verdict = against(ours, &answers);
    for _ in 0..most / RUNS {
        let Some(more) = oracle.ask(cluster, RUNS)? else {
            let verdict = Verdict::Differs("the peer ends in some of its runs".to_owned());
            return Ok(Judged { verdict, answers: Vec::new() });
        };
        for answer in more {
            if !answers.contains(&answer) {
                answers.push(answer);
            }
        }
        if answers.len() == 1 {
            continue;
        }
        verdict = against(ours, &answers);
        let mut deviations = match &verdict {
            Verdict::Differs(_) => continue,
            Verdict::Same(_) => Vec::new(),
            Verdict::Deviates(deviations, _) => deviations.clone(),
        };
        deviations.push(Deviation::RandomWinner);
        verdict = Verdict::Deviates(deviations, ours.table.count);
        break;
    }
    Ok(Judged { verdict, answers })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_deviation_is_a_row_of_the_page() {
        let page = include_str!("../../../docs/compatibility.md");
        for deviation in Deviation::ALL {
            let row = format!("\n| {}", deviation.row());
            assert!(page.contains(&row), "{}", deviation.row());
        }
    }
}
