//! Flame graphs: where the processor's time goes, of a first table and of a 304, in a real `bellwether serve`.
//!
//! In: the samples that `perf` takes of its stacks, kernel included. Out: two pictures. A 304 is drawn twice in one, on a
//! connection that is kept and on one of its own, each as wide as its time for one answer.

mod frame;
mod perf;
mod picture;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use rustix::process::Signal;

use super::cluster::Cluster;
use super::server::{Program, Server};
use super::upstream::Upstream;
use crate::report::commit;
use crate::stage::{Folder, program};
use frame::Frame;
use perf::Recording;
use picture::Unit;

/// Nothing is read while 304s are recorded.
const NEVER: Duration = Duration::from_secs(3600);

/// How many clients ask at once.
const CLIENTS: usize = 50;

/// Leaves a release its symbols. Its machine code is the same: stacks are unwound by the tables that every release has for panics, not
/// by frame pointers, which C and assembly would not have.
const SYMBOLS: &str = "--config=profile.release.strip=\"none\"";

/// Where the pictures are.
const PICTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/flames");

/// The options of `flames`.
#[derive(Args, Debug)]
pub struct FlamesArgs {
    /// How many Ingresses and RouteGroups together.
    #[arg(long, default_value_t = 5_000)]
    objects: usize,
    /// For how long clients ask, in seconds.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// The folder that gets the pictures.
    #[arg(long, default_value = PICTURES, hide_default_value = true)]
    out: PathBuf,
    /// A release of Bellwether with its symbols; by default one is built, in target/flames.
    #[arg(long)]
    bellwether: Option<PathBuf>,
}

impl FlamesArgs {
    /// Records and draws.
    ///
    /// # Errors
    ///
    /// Where there is no perf, or Bellwether does not build or does not answer as it should.
    pub async fn run(self) -> Result<bool> {
        let binary = match self.bellwether {
            Some(path) => path,
            None => program::built_apart("flames", &[SYMBOLS]).await?,
        };
        let commit = commit().context("a picture says of which commit it is, and git knows none")?;
        let folder = Folder::new()?;
        let upstream = Upstream::start(Cluster::of(self.objects))?;
        let first = first_table(&binary, &upstream, &folder).await?;
        let title = format!(
            "The first table of {} objects: processor time from start to served, commit {commit}",
            self.objects
        );
        write(&self.out.join("compile.svg"), &first, &title, Unit::MILLIS)?;
        let answers = not_modified(&binary, &upstream, Duration::from_secs(self.seconds), &folder).await?;
        let title = format!("A 304: processor time for one answer, commit {commit}");
        write(&self.out.join("not-modified.svg"), &answers, &title, Unit::MICROS)?;
        Ok(true)
    }
}

/// From its start until it serves a table.
async fn first_table(binary: &Path, upstream: &Upstream, folder: &Folder) -> Result<Frame> {
    let mut server = Server::start(Program::Bellwether, binary, &upstream.url(), NEVER, folder).await?;
    // It listens within milliseconds; that it has not read yet when perf comes to it.
    server.process.signal(Signal::STOP);
    let recording = Recording::start(server.pid(), folder).await?;
    server.process.signal(Signal::CONT);
    server.first_table().await?;
    recording.end().await
}

/// The 304 on a connection that is kept, and on one of its own as a Skipper asks.
async fn not_modified(binary: &Path, upstream: &Upstream, time: Duration, folder: &Folder) -> Result<Frame> {
    let server = Server::start(Program::Bellwether, binary, &upstream.url(), NEVER, folder).await?;
    server.first_table().await?;
    let tag = server.served().await?.gzip.0;
    let mut both = Frame::default();
    for (name, close) in [("on a connection that is kept", false), ("on a connection of its own", true)] {
        let load = server.load(Some(&tag), true, close);
        let recording = Recording::start(server.pid(), folder).await?;
        let answers = load.as_fast_as_answered(CLIENTS, time).await?;
        both.under(name, recording.end().await?.scaled(1.0 / answers.max(1) as f64));
    }
    Ok(both)
}

fn write(path: &Path, frames: &Frame, title: &str, unit: Unit) -> Result<()> {
    let text = picture::svg(frames, title, unit).into_string();
    let folder = path.parent().context("a picture lies in a folder")?;
    std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    std::fs::write(path, &text).with_context(|| format!("write {}", path.display()))?;
    println!("{}: {} in all, {} kB", path.display(), unit.of(frames.time), text.len() / 1000);
    Ok(())
}
