//! How many instructions a run of each path executes, counted under callgrind and held against the stored counts: unlike a
//! time, a count is the same on every machine, whatever else that does.
//!
//! A run is the difference between a process of three runs and one of one, halved, so that what comes before does not count.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::ErrorKind;
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use super::{PATHS, prepared};

const STORED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/paths/instructions.tsv");

/// What a count may rise by, in percent.
const TOLERANCE: f64 = 3.0;

/// The options of `instructions`.
#[derive(Args, Debug)]
pub struct InstructionsArgs {
    /// Store what is counted.
    #[arg(long)]
    save: bool,
}

/// The options of `path`.
#[derive(Args, Debug)]
pub struct PathArgs {
    /// Which one.
    name: String,
    /// How often.
    #[arg(long)]
    runs: u32,
}

impl PathArgs {
    /// Runs it, and nothing else.
    ///
    /// # Errors
    ///
    /// Where it cannot be prepared.
    pub fn run(&self) -> Result<bool> {
        let mut run = prepared(&self.name)?;
        (0..self.runs).for_each(|_| run());
        Ok(true)
    }
}

impl InstructionsArgs {
    /// Counts, prints, and says whether no count has risen above what may be.
    ///
    /// # Errors
    ///
    /// Where there is no valgrind, or a run fails.
    pub fn run(&self) -> Result<bool> {
        ensure!(!cfg!(debug_assertions), "the stored counts are of a release build; run this with --release");
        let text = fs::read_to_string(STORED).unwrap_or_default();
        let stored = stored(&text)?;
        let (mut counts, mut all_well) = (String::new(), true);
        for (name, _) in PATHS {
            let count = counted(name, 3)?.saturating_sub(counted(name, 1)?) / 2;
            let _ = writeln!(counts, "{name}\t{count}");
            let change = stored.get(name).map(|before| (count as f64 / before - 1.0) * 100.0);
            let well = self.save || is_well(change);
            all_well &= well;
            let verdict = if well { "" } else { "  above what is stored; mend it, or say why and --save" };
            println!("{name:<8} {count:>12}  {:+.2} %{verdict}", change.unwrap_or(f64::NAN));
        }
        if self.save {
            fs::write(STORED, counts).with_context(|| format!("write {STORED}"))?;
        }
        Ok(all_well)
    }
}

/// Whether a count may change by so many percent; one that is not stored is not well.
fn is_well(change: Option<f64>) -> bool {
    change.is_some_and(|change| change <= TOLERANCE)
}

/// The counts in the text of the file.
fn stored(text: &str) -> Result<BTreeMap<&str, f64>> {
    let count = |(name, count): (_, &str)| {
        let count = count.parse().with_context(|| format!("{STORED}: {name} has no count"))?;
        Ok((name, count))
    };
    text.lines().filter_map(|line| line.split_once('\t')).map(count).collect()
}

/// The instructions of a process that makes so many runs.
fn counted(name: &str, runs: u32) -> Result<u64> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    command.arg(env::current_exe()?).args(["path", name, "--runs", &runs.to_string()]);
    let output = match command.output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("valgrind is not installed; on Debian: apt-get install valgrind")
        }
        output => output.context("run valgrind")?,
    };
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{name}: {said}");
    collected(&said).with_context(|| format!("callgrind counted nothing: {said}"))
}

/// The sum in what callgrind says at its end.
fn collected(said: &str) -> Option<u64> {
    said.lines().find_map(|line| line.split_once("Collected :"))?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_has_a_stored_count() {
        let text = fs::read_to_string(STORED).unwrap();
        let stored: Vec<_> = stored(&text).unwrap().into_keys().collect();
        let mut names = PATHS.map(|(name, _)| name);
        names.sort_unstable();
        assert_eq!(stored, names);
    }

    #[test]
    fn a_count_may_fall_and_hardly_rise() {
        assert!(is_well(Some(-50.0)) && is_well(Some(2.9)));
        assert!(!is_well(Some(3.1)) && !is_well(None));
    }

    #[test]
    fn the_sum_is_found_in_what_callgrind_says() {
        let said = "==7== Events    : Ir\n==7== Collected : 5180420\n==7== \n";
        assert_eq!(collected(said), Some(5_180_420));
        assert_eq!(collected("==7== Events"), None);
    }
}
