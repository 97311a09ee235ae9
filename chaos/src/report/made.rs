//! How a report came to be: the command, the commit, the machine.

use std::process::Command;

use super::Made;

impl Made {
    /// This process, now, played with `sizes`. What cannot be found out stays empty.
    pub fn here(sizes: impl Into<String>) -> Self {
        let args: Vec<String> = std::env::args().skip(1).collect();
        Self {
            command: ["chaos"]
                .into_iter()
                .chain(args.iter().map(String::as_str))
                .collect::<Vec<_>>()
                .join(" "),
            commit: commit().unwrap_or_default(),
            at: jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string(),
            machine: machine(),
            sizes: sizes.into(),
        }
    }
}

/// The commit that the sources are at, and whether they differ from it.
pub(crate) fn commit() -> Option<String> {
    let git = |args: &[&str]| {
        let output = Command::new("git").args(["-C", env!("CARGO_MANIFEST_DIR")]).args(args).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=10", "HEAD"])?;
    let changed =
        git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|changes| !changes.is_empty());
    Some(if changed { format!("{commit}, changed since") } else { commit })
}

/// Processors, memory and kernel.
fn machine() -> String {
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = memory.lines().find_map(|line| {
        line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    });
    let kernel = rustix::system::uname();
    let kernel = format!("{} {}", kernel.sysname().to_string_lossy(), kernel.release().to_string_lossy());
    let gib = kib.map(|kib| format!("{} GiB", kib.div_ceil(1 << 20)));
    [Some(format!("{processors} processors")), gib, Some(kernel)]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_reads_can_make_it_again() {
        let made = Made::here("20,000 routes");
        assert!(made.command.starts_with("chaos") && made.at.ends_with("UTC"), "{made:?}");
        assert!(made.machine.contains("processors") && made.machine.contains("Linux"), "{made:?}");
        assert_eq!(made.sizes, "20,000 routes");
    }
}
