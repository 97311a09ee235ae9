//! A pod's container, as this machine's kernel has it: one machine carries all nodes, so its process can be found and
//! killed, as nothing in a cluster could, and its log be read while it is written.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

use super::pods::Pod;

/// The control groups of all nodes.
const GROUPS: &str = "/sys/fs/cgroup/pids/chaos-cluster";

/// Where a kubelet puts pods, by what they ask for.
const CLASSES: [&str; 3] = ["kubepods/burstable", "kubepods/besteffort", "kubepods"];

/// The ticks of a second in `/proc`: the same on every machine that Rust has a standard library for.
const TICKS: f64 = 100.0;

/// The process of `pod`'s running container.
pub fn process(pod: &Pod) -> Option<Pid> {
    let container = pod.container.as_ref()?;
    let group = |class: &&str| {
        Path::new(GROUPS).join(&pod.node).join(class).join(format!("pod{}", pod.uid)).join(container)
    };
    let processes = |group: PathBuf| fs::read_to_string(group.join("cgroup.procs")).ok();
    let first = CLASSES.iter().map(group).find_map(processes)?;
    Pid::from_raw(first.lines().next()?.parse().ok()?)
}

/// How long it has run.
pub fn age(process: Pid) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero())).ok()?;
    let uptime = fs::read_to_string("/proc/uptime").ok()?;
    let up: f64 = uptime.split_whitespace().next()?.parse().ok()?;
    Duration::try_from_secs_f64(up - started(&stat)?).ok()
}

/// When the process of that `/proc/PID/stat` was started, in seconds since the machine was: the twentieth field after its
/// name, which may have anything in it.
fn started(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let ticks: f64 = rest.split(' ').nth(19)?.parse().ok()?;
    Some(ticks / TICKS)
}

/// Sends `signal` to the process of `pod`'s container.
///
/// # Errors
///
/// Where there is none.
pub fn signal(pod: &Pod, signal: Signal) -> Result<()> {
    let process = process(pod).with_context(|| format!("{} has no process on {}", pod.name, pod.node))?;
    kill_process(process, signal).with_context(|| format!("send a signal to {}", pod.name))
}

/// Where what the running container says is written, below `run`, for as long as the pod is there.
pub fn log(run: &Path, namespace: &str, pod: &Pod, container: &str) -> PathBuf {
    let folder = format!("{namespace}_{}_{}", pod.name, pod.uid);
    let pods = run.join(&pod.node).join("logs/pods").join(folder);
    pods.join(container).join(format!("{}.log", pod.restarts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_of_a_process_is_read_whatever_its_name() {
        let stat = "4711 (a) b) S 1 4711 4711 0 -1 4194560 1 0 0 0 1 2 0 0 20 0 9 0 123450 1000 5";
        assert_eq!(started(stat), Some(1234.5));
        assert_eq!(started("4711 (a) S 1"), None);
    }

    #[test]
    fn this_process_has_an_age() {
        let age = age(rustix::process::getpid()).unwrap();
        assert!(age < Duration::from_secs(3600), "{age:?}");
    }
}
