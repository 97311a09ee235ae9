//! What was measured: samples by size, row and program; the table for people, and JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use super::server::Program;

/// A row of the table: what is measured, and in which unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) enum Row {
    KeepAlive304,
    Connection304,
    Plain304,
    Gzip200,
    Listening,
    FirstTable,
    FirstTableCpu,
    PollCpu,
    PollWall,
    Change,
    ChangeMade,
    SteadyMemory,
    PeakMemory,
    QuietP99,
    BusyP99,
    Binary,
}

/// All samples.
#[derive(Debug, Default)]
pub(super) struct Figures(BTreeMap<(usize, Row), BTreeMap<Program, Vec<f64>>>);

/// A cell of the table, as JSON.
#[derive(Serialize)]
struct Cell<'a> {
    objects: usize,
    what: &'static str,
    program: Program,
    median: f64,
    samples: &'a [f64],
}

impl Row {
    /// In words, with the unit.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::KeepAlive304 => "CPU per 304, keep-alive (µs)",
            Self::Connection304 => "CPU per 304, one connection each (µs)",
            Self::Plain304 => "CPU per 304, client without gzip (µs)",
            Self::Gzip200 => "CPU per 200 with gzip (µs)",
            Self::Listening => "start to listening (ms)",
            Self::FirstTable => "start to first 200 (ms)",
            Self::FirstTableCpu => "CPU until first 200 (ms)",
            Self::PollCpu => "CPU per unchanged poll (ms)",
            Self::PollWall => "time per unchanged poll (ms)",
            Self::Change => "pod replaced to new table served, reading included (ms)",
            Self::ChangeMade => "  of it from decoded objects to announced, mean (ms)",
            Self::SteadyMemory => "steady RSS, 300 connections, 3 zones (MiB)",
            Self::PeakMemory => "peak RSS (MiB)",
            Self::QuietP99 => "p99 of a 304 at 1,000/s, nothing else (ms)",
            Self::BusyP99 => "p99 of a 304 at 1,000/s while tables are made (ms)",
            Self::Binary => "binary (MB)",
        }
    }
}

impl Figures {
    pub(super) fn add(&mut self, objects: usize, row: Row, program: Program, sample: f64) {
        self.0.entry((objects, row)).or_default().entry(program).or_default().push(sample);
    }

    /// The rows of one size: min/median/max of each program, and our median over theirs.
    pub(super) fn table(&self, objects: usize) -> Vec<Vec<String>> {
        let head = ["min/median/max", "bellwether", "routesrv", "nginx", "of routesrv", "of nginx"];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        for ((_, row), programs) in self.0.iter().filter(|((size, _), _)| *size == objects) {
            let mut cells = vec![row.name().to_owned()];
            cells.extend(
                Program::ALL.map(|program| programs.get(&program).map_or("-".to_owned(), |it| spread(it))),
            );
            let ours = programs.get(&Program::Bellwether).map(|samples| median(samples));
            for theirs in [Program::Routesrv, Program::Nginx] {
                let theirs =
                    programs.get(&theirs).map(|samples| median(samples)).filter(|median| *median > 0.0);
                cells.push(ours.zip(theirs).map_or("-".to_owned(), |(ours, theirs)| short(ours / theirs)));
            }
            rows.push(cells);
        }
        rows
    }

    /// Every sample, as JSON.
    pub(super) fn json(&self) -> String {
        let cells: Vec<_> = self.cells().collect();
        serde_json::to_string_pretty(&cells).expect("numbers and names are JSON")
    }

    /// The sizes that were measured, and the medians of a row, by program.
    pub(super) fn medians(&self, row: Row, program: Program) -> Vec<(usize, f64)> {
        let of_row = self.0.iter().filter(|((_, of), _)| *of == row);
        of_row.filter_map(|((objects, _), all)| Some((*objects, median(all.get(&program)?)))).collect()
    }

    fn cells(&self) -> impl Iterator<Item = Cell<'_>> {
        self.0.iter().flat_map(|(&(objects, row), programs)| {
            programs.iter().map(move |(&program, samples)| Cell {
                objects,
                what: row.name().trim(),
                program,
                median: median(samples),
                samples,
            })
        })
    }
}

fn sorted(samples: &[f64]) -> Vec<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// The middle one; of an even number the lower.
fn median(samples: &[f64]) -> f64 {
    let sorted = sorted(samples);
    sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}

/// The sample below which so much of all lies.
pub(super) fn quantile(samples: &[f64], part: f64) -> f64 {
    let sorted = sorted(samples);
    let at = (sorted.len() as f64 * part).ceil() as usize;
    sorted.get(at.saturating_sub(1)).copied().unwrap_or_default()
}

fn spread(samples: &[f64]) -> String {
    let sorted = sorted(samples);
    match sorted.as_slice() {
        [] => "-".to_owned(),
        [only] => short(*only),
        [first, .., last] => format!("{}/{}/{}", short(*first), short(median(samples)), short(*last)),
    }
}

/// Three digits that count.
fn short(number: f64) -> String {
    match number.abs() {
        size if size >= 100.0 => format!("{number:.0}"),
        size if size >= 10.0 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_spreads_and_ratios_of_medians() {
        let mut figures = Figures::default();
        for sample in [3.0, 1.0, 2.0] {
            figures.add(100, Row::Gzip200, Program::Bellwether, sample);
            figures.add(100, Row::Gzip200, Program::Routesrv, sample * 10.0);
        }
        let row = &figures.table(100)[1];
        assert_eq!(row[1..], ["1.00/2.00/3.00", "10.0/20.0/30.0", "-", "0.10", "-"]);
        assert_eq!(figures.table(7).len(), 1);
        assert_eq!(figures.medians(Row::Gzip200, Program::Routesrv), [(100, 20.0)]);
    }

    #[test]
    fn a_quantile_is_a_sample() {
        let samples: Vec<_> = (1..=100).map(f64::from).collect();
        assert_eq!((quantile(&samples, 0.99), quantile(&samples, 1.0)), (99.0, 100.0));
        assert_eq!(quantile(&[], 0.99), 0.0);
    }

    #[test]
    fn json_has_every_sample() {
        let mut figures = Figures::default();
        figures.add(100, Row::Binary, Program::Nginx, 1.5);
        let json: serde_json::Value = serde_json::from_str(&figures.json()).unwrap();
        assert_eq!((json[0]["program"].as_str(), json[0]["samples"][0].as_f64()), (Some("nginx"), Some(1.5)));
    }
}
