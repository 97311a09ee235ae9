//! Samples of what a process has on the processors, by perf.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use tokio::process::Command;

use super::frame::Frame;
use crate::process::Process;
use crate::stage::Folder;

/// So many samples a second of each thread: odd, so as not to go in step with what the process does.
const RATE: &str = "997";

/// How stacks are unwound, and how many bytes of each are kept for that: as many as can be, for those of tasks are large.
const STACKS: &str = "--call-graph=dwarf,65528";

/// perf says nothing once it is there.
const COMES: Duration = Duration::from_secs(1);

/// Until it has written what it has.
const PATIENCE: Duration = Duration::from_secs(60);

/// One that runs.
pub(super) struct Recording {
    perf: Process,
    file: PathBuf,
}

impl Recording {
    /// Begins with the process `pid`, its threads, and those that it will have.
    ///
    /// # Errors
    ///
    /// Where perf is not installed, or may not.
    pub(super) async fn start(pid: i32, folder: &Folder) -> Result<Self> {
        let file = folder.path().join("perf.data");
        let mut command = Command::new("perf");
        // A timer of the kernel's: a virtual machine seldom has counters.
        command.args(["record", "--event=cpu-clock", STACKS, "--freq", RATE, "--mmap-pages=64M"]);
        command.args(["--pid", &pid.to_string(), "--output"]).arg(&file);
        let mut perf = Process::spawn("perf", command, &folder.sub("logs")?)
            .context("without perf there is no flame graph; on Debian: apt-get install linux-perf")?;
        tokio::time::sleep(COMES).await;
        ensure!(perf.exited().is_none(), "perf records nothing: {}", perf.tail(5));
        Ok(Self { perf, file })
    }

    /// Ends; the time of each frame in seconds, by thread.
    ///
    /// # Errors
    ///
    /// Where perf fails, or has seen nothing.
    pub(super) async fn end(mut self) -> Result<Frame> {
        self.perf.signal(Signal::INT);
        self.perf.wait(PATIENCE).await?;
        let mut command = Command::new("perf");
        command.args(["script", "--no-inline", "--fields=comm,period,ip,sym", "--input"]).arg(&self.file);
        let output = command.kill_on_drop(true).output().await.context("run perf")?;
        ensure!(output.status.success(), "perf script: {}", String::from_utf8_lossy(&output.stderr));
        let frames = Frame::read(&String::from_utf8_lossy(&output.stdout));
        ensure!(frames.time > 0.0, "perf has no samples: {}", self.perf.tail(5));
        Ok(frames)
    }
}
