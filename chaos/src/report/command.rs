//! `report`: the page of one or more runs, from their JSON or from a history.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;

use super::{Made, Outcome, Report, Side, browser, page};
use crate::history::{self, Record};
use crate::{check, judge};

/// The options of `report`.
#[derive(Args, Debug)]
pub struct ReportArgs {
    /// Reports as JSON, which are put together (a scenario that comes again replaces the first); or histories as JSON
    /// lines, each of which is judged as a scenario.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Write the page there.
    #[arg(long)]
    html: Option<PathBuf>,
    /// Write the JSON there.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Write a picture of the page's first part there, as Chromium shows it. Needs --html.
    #[arg(long, requires = "html")]
    screenshot: Option<PathBuf>,
    /// How many pixels of the page the picture has.
    #[arg(long, default_value_t = 1600)]
    height: u32,
    /// The picture on a dark ground.
    #[arg(long)]
    dark: bool,
}

impl ReportArgs {
    /// Makes it; whether every limit in it is kept.
    ///
    /// # Errors
    ///
    /// Where a file is neither, or cannot be written; or there is no browser for the picture.
    pub async fn run(self) -> Result<bool> {
        let mut report = Report::default();
        for file in &self.files {
            report.merge(read(file)?);
        }
        if let Some(path) = &self.json {
            let json = serde_json::to_vec(&report).context("a report is plain values")?;
            std::fs::write(path, json).with_context(|| format!("write {}", path.display()))?;
        }
        if let Some(path) = &self.html {
            std::fs::write(path, page(&report)).with_context(|| format!("write {}", path.display()))?;
            if let Some(picture) = &self.screenshot {
                browser::screenshot(path, picture, self.height, self.dark).await?;
            }
        }
        let kept = report.outcomes.iter().filter(|outcome| outcome.ours.good()).count();
        println!("{kept} of {} scenarios kept every limit", report.outcomes.len());
        Ok(report.good())
    }
}

/// The report in `file`, be it one or a history.
fn read(file: &Path) -> Result<Report> {
    let context = || format!("read {}", file.display());
    if file.extension().is_some_and(|extension| extension == "jsonl") {
        let history = history::read(file).with_context(context)?;
        return Ok(Report { made: Made::default(), outcomes: vec![judged(&history, file)?] });
    }
    let bytes = std::fs::read(file).with_context(context)?;
    serde_json::from_slice(&bytes).with_context(context)
}

/// The scenario that `history` is of.
fn judged(history: &[Record], file: &Path) -> Result<Outcome> {
    let stage = history.iter().find_map(|record| match record {
        Record::Stage(stage) => Some(stage),
        _ => None,
    });
    let stage = stage.with_context(|| format!("{} does not say what was played", file.display()))?;
    let least = judge::least_routes(history);
    let (figures, violations) = (check::figures(history, least), check::all(history, least));
    let peer = stage.replicas.iter().any(|name| name.starts_with("routesrv"));
    Ok(Outcome {
        name: stage.scenario.to_string(),
        broken: String::new(),
        modes: Vec::new(),
        ours: Side::new(if peer { "routesrv" } else { "Bellwether" }, history, &figures, &violations, None),
        peer: None,
    })
}
