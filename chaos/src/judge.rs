//! A run judged again, from the file of its history.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;

use crate::history::{self, Record};
use crate::scenario::verdict;

/// The options of `judge`.
#[derive(Args, Debug)]
pub struct JudgeArgs {
    /// The history of a run, as JSON lines.
    file: PathBuf,
    /// No table has fewer routes; by default what the history says.
    #[arg(long)]
    least_routes: Option<usize>,
}

impl JudgeArgs {
    /// Prints the verdict; whether all is well.
    ///
    /// # Errors
    ///
    /// Where the file is no history.
    pub fn run(self) -> Result<bool> {
        let records = history::read(&self.file).with_context(|| format!("read {}", self.file.display()))?;
        Ok(verdict::print(&records, self.least_routes.unwrap_or_else(|| least_routes(&records))))
    }
}

/// The fewest routes that a table may have, as the history says.
pub fn least_routes(history: &[Record]) -> usize {
    let stage = history.iter().find_map(|record| match record {
        Record::Stage(stage) => Some(stage.least_routes),
        _ => None,
    });
    stage.unwrap_or_default()
}
