//! The report: what a run came to, as JSON and as one page that needs nothing beside itself.
//!
//! In: each scenario's part of the history, its figures and violations. Out: an [`Outcome`] each, small enough to keep
//! (time lines are drawn on a raster of fixed width), and of all of them one [`Report`].

pub mod browser;
mod command;
mod made;
mod page;
mod raster;
mod svg;
mod timeline;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use command::ReportArgs;
pub(crate) use made::commit;
pub use page::page;
pub use timeline::Timeline;

use crate::check::{Figure, Violation};
use crate::history::{Answer, Record};

/// How many violations are kept in words.
const WORDED: usize = 20;

/// A run, or several of them together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// How it came to be.
    pub made: Made,
    /// Each scenario, in the order of the page.
    pub outcomes: Vec<Outcome>,
}

/// How a report came to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Made {
    /// The command.
    pub command: String,
    /// The commit of the tree that it was built from.
    pub commit: String,
    /// When it ended: RFC 3339.
    pub at: String,
    /// On what: processors, memory, kernel.
    pub machine: String,
    /// With what: routes, clients, replicas.
    pub sizes: String,
}

/// What a scenario came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// What `run` knows it by.
    pub name: String,
    /// What is broken, in one line.
    pub broken: String,
    /// The numbers of the failure modes that it shows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modes: Vec<u8>,
    /// Bellwether.
    pub ours: Side,
    /// The peer on the same stage, where it has the part that is broken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<Side>,
}

/// One route server in one scenario.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// Its name.
    pub program: String,
    /// The commit that it was played at: a run that is taken up again may be of several.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub commit: String,
    /// How many seconds it took.
    pub seconds: f64,
    /// Why it did not come to its end, where it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken_off: Option<String>,
    /// How much was asked.
    pub asked: Asked,
    /// What it comes to; one row for each name.
    pub figures: Vec<Figure>,
    /// How many violations there were.
    pub violations: usize,
    /// The first of them, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub worded: Vec<String>,
    /// What happened when.
    pub timeline: Timeline,
}

/// How much was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Polls that were answered with a table.
    pub tables: usize,
    /// Polls that were answered with 304.
    pub kept: usize,
    /// Polls without a good answer.
    pub lost: usize,
    /// Requests through Skipper.
    pub requests: usize,
    /// Faults, with and without a length.
    pub faults: usize,
}

impl Side {
    /// What `program` came to in `history`. Of figures with one name the last one stays: a scenario puts its limits
    /// after what everybody is asked for.
    pub fn new(
        program: &str,
        history: &[Record],
        figures: &[Figure],
        violations: &[Violation],
        broken_off: Option<String>,
    ) -> Self {
        let timeline = Timeline::of(history);
        let mut rows: Vec<Figure> = Vec::new();
        for figure in figures {
            match rows.iter_mut().find(|row| row.name == figure.name) {
                Some(row) => *row = figure.clone(),
                None => rows.push(figure.clone()),
            }
        }
        Self {
            program: program.to_owned(),
            commit: String::new(),
            seconds: timeline.seconds,
            broken_off,
            asked: Asked { faults: timeline.struck(), ..Asked::of(history) },
            figures: rows,
            violations: violations.len(),
            worded: violations.iter().take(WORDED).map(ToString::to_string).collect(),
            timeline,
        }
    }

    /// Whether it came to its end, every limit was kept, and somebody asked.
    pub fn good(&self) -> bool {
        let asked = self.asked.tables + self.asked.kept > 0 && self.asked.requests > 0;
        asked
            && self.broken_off.is_none()
            && self.violations == 0
            && self.figures.iter().all(|figure| figure.kept)
    }

    /// The figure of that name.
    pub fn figure(&self, name: &str) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.name == name)
    }
}

impl Asked {
    fn of(history: &[Record]) -> Self {
        let mut asked = Self::default();
        for record in history {
            match record {
                Record::Poll(poll) => match poll.answer {
                    Answer::Table(_) => asked.tables += 1,
                    Answer::Kept => asked.kept += 1,
                    Answer::Status(_) | Answer::Failed(_) | Answer::Cut(_) => asked.lost += 1,
                },
                Record::Request(_) => asked.requests += 1,
                _ => {}
            }
        }
        asked
    }

    /// Both together.
    #[must_use]
    pub const fn and(&self, other: &Self) -> Self {
        Self {
            tables: self.tables + other.tables,
            kept: self.kept + other.kept,
            lost: self.lost + other.lost,
            requests: self.requests + other.requests,
            faults: self.faults + other.faults,
        }
    }

    /// All polls.
    pub const fn polls(&self) -> usize {
        self.tables + self.kept + self.lost
    }
}

impl Report {
    /// Adds the outcomes of `other`. One that is there already is replaced: a run that is resumed plays it again.
    pub fn merge(&mut self, other: Self) {
        for outcome in other.outcomes {
            match self.outcomes.iter_mut().find(|it| it.name == outcome.name) {
                Some(it) => {
                    let peer = outcome.peer.clone().or_else(|| it.peer.take());
                    *it = Outcome { peer, ..outcome };
                }
                None => self.outcomes.push(outcome),
            }
        }
        if self.made == Made::default() {
            self.made = other.made;
        }
    }

    /// Whether every scenario kept every limit; and there is one.
    pub fn good(&self) -> bool {
        !self.outcomes.is_empty() && self.outcomes.iter().all(|outcome| outcome.ours.good())
    }
}
