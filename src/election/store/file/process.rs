//! Whether a process on this machine still runs, from a description of it.
//!
//! A description holds for one boot of one machine and one PID namespace; under another nothing is proven.

use std::fs;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

/// `<boot>-<namespace>-<pid>-<start>` for the process `pid`, where `/proc` tells.
pub(super) fn describe(pid: u32) -> Option<String> {
    let start = stat(pid)?.start;
    Some(format!("{}-{pid}-{start}", here()?))
}

/// Whether the process that `description` describes certainly runs no more. `false` where that cannot be known.
pub(super) fn is_gone(description: &str) -> bool {
    let mut parts = description.rsplitn(3, '-');
    let (Some(start), Some(pid), Some(place)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let (Ok(start), Ok(pid)) = (start.parse::<u64>(), pid.parse::<u32>()) else { return false };
    if here().as_deref() != Some(place) {
        return false;
    }
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if process.is_some_and(|pid| test_kill_process(pid) == Err(Errno::SRCH)) {
        return true;
    }
    // Something has that number: the same process, its remains that nobody has collected, or another one.
    stat(pid).is_some_and(|stat| stat.start != start || stat.dead)
}

struct Stat {
    /// In clock ticks since the machine started.
    start: u64,
    /// No thread of it runs any more.
    dead: bool,
}

/// The fields of `/proc/PID/stat` (proc_pid_stat(5)) behind the name, which may hold spaces and brackets.
fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let threads: u64 = fields.get(17)?.parse().ok()?;
    Some(Stat {
        start: fields.get(19)?.parse().ok()?,
        dead: matches!(fields.first(), Some(&"Z" | &"X")) && threads <= 1,
    })
}

fn here() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().replace('-', "");
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    let namespace: String = namespace.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
    Some(format!("{boot}-{namespace}"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_living_are_not_gone_and_the_dead_are() {
        assert!(!is_gone(&describe(std::process::id()).unwrap()));
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let description = describe(child.id()).unwrap();
        assert!(!is_gone(&description));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(is_gone(&description));
    }

    #[test]
    fn a_number_that_another_process_has_now_is_gone() {
        let me = describe(std::process::id()).unwrap();
        let (rest, start) = me.rsplit_once('-').unwrap();
        let earlier: u64 = start.parse::<u64>().unwrap() - 1;
        assert!(is_gone(&format!("{rest}-{earlier}")));
    }

    #[test]
    fn elsewhere_nothing_is_proven() {
        let me = describe(std::process::id()).unwrap();
        let elsewhere = format!("x{me}");
        let (rest, start) = elsewhere.rsplit_once('-').unwrap();
        assert!(!is_gone(&format!("{rest}-{}", start.parse::<u64>().unwrap() - 1)));
        assert!(!is_gone("") && !is_gone("a-b-c") && !is_gone("3f2a"));
    }
}
