//! How many files a process may open: 0 more is a fault that it has to live through.

use anyhow::{Context, Result};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

/// From now on the process `pid` may have so many files open, those it has included; `None` gives it all that it may ask
/// for.
///
/// # Errors
///
/// Where it has ended, or may ask for less.
pub fn limit(pid: i32, open: Option<u64>) -> Result<()> {
    let pid = Pid::from_raw(pid).context("a process has a pid")?;
    let most = rustix::process::getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit { current: open.or(most), maximum: most };
    prlimit(Some(pid), Resource::Nofile, limit).with_context(|| format!("limit the files of {pid:?}"))?;
    Ok(())
}

/// The highest number of a file that the process `pid` has open. A limit is one of numbers: lower ones that are free can
/// still be had under it.
///
/// # Errors
///
/// Where it has ended.
pub fn highest(pid: i32) -> Result<u64> {
    let folder = format!("/proc/{pid}/fd");
    let files = std::fs::read_dir(&folder).with_context(|| format!("read {folder}"))?;
    let numbers = files.filter_map(|file| file.ok()?.file_name().to_str()?.parse().ok());
    numbers.max().with_context(|| format!("{folder} is empty"))
}

/// How many files the process `pid` has open.
///
/// # Errors
///
/// Where it has ended.
pub fn open(pid: i32) -> Result<u64> {
    let folder = format!("/proc/{pid}/fd");
    Ok(std::fs::read_dir(&folder).with_context(|| format!("read {folder}"))?.count() as u64)
}
