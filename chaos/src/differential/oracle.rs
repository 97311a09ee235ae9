//! The peer's side: a process that answers for one cluster after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::json;

use crate::generate::Cluster;

/// The oracle, with the process that answers now.
pub(super) struct Oracle {
    binary: PathBuf,
    process: Process,
}

struct Process {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// What the peer made of a cluster in one run.
#[derive(Debug, Default, PartialEq, Deserialize)]
pub(super) struct Answer {
    /// Why there is no table; empty if there is one.
    #[serde(default)]
    pub(super) error: String,
    pub(super) status: u16,
    pub(super) routes: String,
    pub(super) count: usize,
    /// The tables of the zones, where they differ.
    #[serde(default)]
    pub(super) zones: BTreeMap<String, String>,
    /// The ids of routes that no client can use.
    #[serde(default)]
    pub(super) refused: BTreeSet<String>,
}

impl Oracle {
    pub(super) fn start(binary: &Path) -> Result<Self> {
        Ok(Self { binary: binary.to_owned(), process: Process::start(binary)? })
    }

    /// What the peer serves for `cluster` in each of `runs` runs; none where the peer dies of it.
    pub(super) fn ask(&mut self, cluster: &Cluster, runs: usize) -> Result<Option<Vec<Answer>>> {
        let question = json!({
            "flags": cluster.flags,
            "objects": cluster.objects,
            "defaultFilters": cluster.default_filters,
            "runs": runs,
        });
        // A failure to write is the end of the process, which reading then finds.
        let _ = writeln!(self.process.questions, "{question}");
        let mut line = String::new();
        self.process.answers.read_line(&mut line).context("read the oracle's answer")?;
        if line.is_empty() {
            self.process = Process::start(&self.binary)?;
            return Ok(None);
        }
        let answers: Vec<Answer> = serde_json::from_str(&line).context("the oracle's answer")?;
        ensure!(answers.len() == runs, "the oracle answered {} times instead of {runs}", answers.len());
        Ok(Some(answers))
    }
}

impl Process {
    fn start(binary: &Path) -> Result<Self> {
        let mut child = Command::new(binary)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("run {}", binary.display()))?;
        let questions = child.stdin.take().expect("standard input is piped");
        let answers = BufReader::new(child.stdout.take().expect("standard output is piped"));
        Ok(Self { child, questions, answers })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
