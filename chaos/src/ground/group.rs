//! A control group: how much of the machine some processes may have. Version 1 or 2, whichever the machine has.
//!
//! The kernel does not remove groups by itself: those of a harness that was killed go when the next one starts.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use super::{Lacking, enter};

const ROOT: &str = "/sys/fs/cgroup";

/// The beginning of every name of ours; which run it is follows.
const PREFIX: &str = "bellwether-chaos-";

/// What CPU time is measured out in.
const PERIOD: Duration = Duration::from_millis(100);

/// A group; it is removed when this is dropped, and processes that are left go on without limits.
#[derive(Debug)]
pub struct Group {
    cpu: PathBuf,
    memory: PathBuf,
    files: &'static Files,
}

/// Where the two versions keep things.
#[derive(Debug)]
struct Files {
    /// Whether each controller has a tree of its own.
    trees: bool,
    cpu: &'static str,
    memory: &'static str,
    /// With swap, or only swap; not every kernel has it.
    swap: &'static str,
    no_limit: &'static str,
    used: &'static str,
    /// Where the kernel counts whom it has killed.
    killed: &'static str,
}

static VERSION_1: Files = Files {
    trees: true,
    cpu: "cpu.cfs_quota_us",
    memory: "memory.limit_in_bytes",
    swap: "memory.memsw.limit_in_bytes",
    no_limit: "-1",
    used: "memory.usage_in_bytes",
    killed: "memory.oom_control",
};

static VERSION_2: Files = Files {
    trees: false,
    cpu: "cpu.max",
    memory: "memory.max",
    swap: "memory.swap.max",
    no_limit: "max",
    used: "memory.current",
    killed: "memory.events",
};

impl Group {
    /// A new one without limits.
    ///
    /// # Errors
    ///
    /// Where the machine has no control groups, or does not let us make any.
    pub fn new(name: &str) -> Result<Self> {
        let files = files()?;
        let home = format!("{PREFIX}{}", enter::run());
        let folder = |controller: &str| {
            let tree = if files.trees { Path::new(ROOT).join(controller) } else { PathBuf::from(ROOT) };
            tree.join(&home).join(name)
        };
        let group = Self { cpu: folder("cpu"), memory: folder("memory"), files };
        for path in [&group.cpu, &group.memory] {
            let made = std::fs::create_dir_all(path).with_context(|| format!("make {}", path.display()));
            made.map_err(refused)?;
            if !files.trees {
                let parent = path.parent().context("a group has a parent")?;
                write(&parent.join("cgroup.subtree_control"), "+cpu +memory")?;
            }
        }
        Ok(group)
    }

    /// From now on the process `pid`, and what it starts, is in it. Memory that it has already is not counted by version 1.
    ///
    /// # Errors
    ///
    /// Where it has ended.
    pub fn add(&self, pid: i32) -> Result<()> {
        for path in [&self.cpu, &self.memory] {
            write(&path.join("cgroup.procs"), &pid.to_string())?;
        }
        Ok(())
    }

    /// From now on it gets so many hundredths of one CPU; `None` takes the limit away.
    ///
    /// # Errors
    ///
    /// Where the kernel refuses.
    pub fn limit_cpu(&self, percent: Option<u32>) -> Result<()> {
        let quota = percent.map(|percent| (PERIOD / 100 * percent).as_micros().to_string());
        let quota = quota.unwrap_or_else(|| self.files.no_limit.to_owned());
        write(&self.cpu.join(self.files.cpu), &quota)
    }

    /// From now on it may have so many bytes, and who asks for more is killed; `None` takes the limit away.
    ///
    /// # Errors
    ///
    /// Where it has more already, and cannot give it back.
    pub fn limit_memory(&self, bytes: Option<u64>) -> Result<()> {
        let (limit, swap) = (self.memory.join(self.files.memory), self.memory.join(self.files.swap));
        let text = bytes.map_or_else(|| self.files.no_limit.to_owned(), |bytes| bytes.to_string());
        // Version 1 counts swap with memory, and never less than memory alone.
        let swapped = if self.files.trees || bytes.is_none() { &text } else { "0" };
        if self.files.trees && bytes.is_none() && swap.exists() {
            write(&swap, swapped)?;
        }
        write(&limit, &text)?;
        match swap.exists() {
            true => write(&swap, swapped),
            false => Ok(()),
        }
    }

    /// In how many periods it wanted more CPU than it got.
    ///
    /// # Errors
    ///
    /// Where the kernel does not tell.
    pub fn throttled(&self) -> Result<u64> {
        number(&self.cpu.join("cpu.stat"), "nr_throttled ")
    }

    /// The memory that it has now, in bytes, the files included that the kernel keeps for it.
    ///
    /// # Errors
    ///
    /// Where the kernel does not tell.
    pub fn memory(&self) -> Result<u64> {
        number(&self.memory.join(self.files.used), "")
    }

    /// How many of its processes were killed for want of memory.
    ///
    /// # Errors
    ///
    /// Where the kernel does not tell.
    pub fn killed(&self) -> Result<u64> {
        number(&self.memory.join(self.files.killed), "oom_kill ")
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        remove(&self.cpu);
        remove(&self.memory);
        for path in [&self.cpu, &self.memory] {
            // Only where this was the last of them.
            path.parent().map(std::fs::remove_dir);
        }
    }
}

/// Removes what runs have left whose harness is no more, and what the run `over` has left.
pub fn tidy(over: Option<&str>) {
    for tree in ["cpu", "memory", ""] {
        let groups = std::fs::read_dir(Path::new(ROOT).join(tree)).into_iter().flatten().flatten();
        for group in groups {
            let name = group.file_name();
            let Some(run) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else { continue };
            let harness = run.split_once('-').map_or(run, |(pid, _)| pid);
            if over == Some(run) || !Path::new("/proc").join(harness).exists() {
                let children = std::fs::read_dir(group.path()).into_iter().flatten().flatten();
                children.for_each(|child| remove(&child.path()));
                remove(&group.path());
            }
        }
    }
}

/// Which version the machine has.
///
/// # Errors
///
/// Where it has none that can limit CPU and memory.
fn files() -> Result<&'static Files> {
    let root = Path::new(ROOT);
    let trees = |file: &str, controller: &str| root.join(controller).join(file).exists();
    if trees("cgroup.procs", "memory") && trees(VERSION_1.cpu, "cpu") {
        return Ok(&VERSION_1);
    }
    let controllers = std::fs::read_to_string(root.join("cgroup.controllers")).unwrap_or_default();
    for controller in ["cpu", "memory"] {
        if !controllers.split_whitespace().any(|one| one == controller) {
            return Err(Lacking::new(format!("the controller {controller} in {ROOT}")).into());
        }
    }
    write(&root.join("cgroup.subtree_control"), "+cpu +memory").map_err(refused)?;
    Ok(&VERSION_2)
}

fn refused(error: anyhow::Error) -> Lacking {
    Lacking::new(format!("the right to make control groups ({error:#})"))
}

/// Removes a group, once its processes are its parent's.
fn remove(path: &Path) {
    let processes = std::fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
    // In version 2 a group with children has no processes of its own: they go to the root.
    let root =
        path.ancestors().find(|path| path.parent().is_some_and(|it| !it.join("cgroup.procs").exists()));
    for pid in processes.lines() {
        let _ = write(&root.unwrap_or(path).join("cgroup.procs"), pid);
    }
    let _ = std::fs::remove_dir(path);
}

/// The number behind `name` in a file of the kernel's.
fn number(path: &Path, name: &str) -> Result<u64> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let number = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    number.with_context(|| format!("{}: {text}", path.display()))
}

fn write(path: &Path, value: &str) -> Result<()> {
    std::fs::write(path, value).with_context(|| format!("write {value} to {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tests of one process run side by side, each in a run of its own; the first that ended took the limits of the others.
    #[test]
    fn the_end_of_one_run_leaves_the_groups_of_another() {
        let group = match Group::new("of-two-runs") {
            Ok(group) => group,
            Err(error) => return assert!(error.is::<Lacking>(), "{error:#}"),
        };
        tidy(None);
        tidy(Some(&format!("{}-99", std::process::id())));
        assert!(group.cpu.exists() && group.memory.exists());
    }
}
