//! What a process has cost so far, from `/proc` (proc(5)).

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// The CPU time of all threads that it has or had, in user and kernel mode, in steps of 10 ms.
///
/// # Errors
///
/// Where it has ended.
pub(crate) fn cpu(pid: i32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("read the times of a process")?;
    ticks(&stat).map(|ticks| Duration::from_millis(ticks * 10)).context("/proc/PID/stat has no times")
}

/// User and system time, fields 14 and 15: USER_HZ is 100 wherever Linux runs.
fn ticks(stat: &str) -> Option<u64> {
    // The name of the program may hold anything but ends with the last bracket.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(user + system)
}

/// Its resident memory and the most that it ever had, in MiB.
///
/// # Errors
///
/// Where it has ended.
pub(super) fn memory(pid: i32) -> Result<(f64, f64)> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("read the memory of a process")?;
    let field = |name| mebibytes(&status, name).with_context(|| format!("/proc/PID/status has no {name}"));
    Ok((field("VmRSS:")?, field("VmHWM:")?))
}

fn mebibytes(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_behind_a_name_that_may_hold_anything() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 100 0 0 0 31 11 0 0 20 0 4 0 5";
        assert_eq!(ticks(stat), Some(42));
        assert_eq!(ticks("7 (a"), None);
    }

    #[test]
    fn memory_is_in_kibibytes() {
        assert_eq!(mebibytes("Name:\tx\nVmRSS:\t    2048 kB\n", "VmRSS:"), Some(2.0));
        assert!(memory(i32::try_from(std::process::id()).unwrap()).unwrap().0 > 0.0);
    }
}
