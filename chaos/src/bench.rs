//! The benchmark: Bellwether, routesrv and nginx in one run, one after the other, with the same data on the same cores.
//!
//! In: the sizes of clusters. Out: for each the CPU time per request and per poll, the times to a first and to a changed
//! table, the memory; min, median and max of rounds, and ratios. Wall times are shown and judged by nobody: only what the
//! servers answer can make a run fail.

mod cluster;
pub(crate) mod cost;
mod figures;
pub mod flames;
mod load;
mod making;
mod plot;
mod server;
mod serving;
mod upstream;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::stage::Folder;
use crate::table::render;
use cluster::Cluster;
use figures::{Figures, Row};
use making::Times;
use server::{Binaries, Program};
use serving::{Field, Lengths};
use upstream::Upstream;

/// The options of `bench`.
#[derive(Args, Debug)]
pub struct BenchArgs {
    /// How many Ingresses and RouteGroups together, size by size.
    #[arg(long, value_delimiter = ',', default_values_t = [100, 1_000, 5_000, 20_000])]
    sizes: Vec<usize>,
    /// How often each thing is measured.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// One round of the smallest size, for CI.
    #[arg(long, conflicts_with_all = ["sizes", "rounds"])]
    short: bool,
    /// Leave out what it costs to serve.
    #[arg(long)]
    no_serving: bool,
    /// Also write every sample here, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Also draw the medians over the sizes here, as SVG.
    #[arg(long)]
    svg: Option<PathBuf>,
    /// The binary of Bellwether; by default the one that Cargo builds, in the same profile.
    #[arg(long)]
    bellwether: Option<PathBuf>,
    /// Keep state and logs.
    #[arg(long)]
    keep: bool,
}

impl BenchArgs {
    /// Measures everything.
    ///
    /// # Errors
    ///
    /// Where a program is not there, does not start, or answers what it should not.
    pub async fn run(mut self) -> Result<bool> {
        if self.short {
            (self.sizes, self.rounds) = (vec![100], 1);
        }
        ensure!(self.sizes.iter().all(|size| *size >= 3), "a cluster has at least 3 objects");
        let mut folder = Folder::new()?;
        let measured = self.measure(&folder).await;
        if self.keep {
            println!("state and logs are in {}", folder.keep().display());
        }
        let figures = measured?;
        let write = |path: &Option<PathBuf>, text: String| match path {
            Some(path) => std::fs::write(path, text).with_context(|| format!("write {}", path.display())),
            None => Ok(()),
        };
        write(&self.json, figures.json())?;
        write(&self.svg, plot::svg(&figures))?;
        Ok(true)
    }

    async fn measure(&self, folder: &Folder) -> Result<Figures> {
        let binaries = Binaries::find(self.bellwether.clone()).await?;
        let seconds = |short, long| Duration::from_secs_f64(if self.short { short } else { long });
        let times = Times {
            polls: if self.short { 2 } else { 5 },
            changes: if self.short { 1 } else { 3 },
            rated: seconds(0.5, 5.0),
        };
        let lengths = Lengths { full: seconds(0.3, 2.0), rated: times.rated };
        let mut figures = Figures::default();
        for &objects in &self.sizes {
            let upstream = Upstream::start(Cluster::of(objects))?;
            let megabytes = upstream.bytes() as f64 / 1e6;
            println!("{objects} objects, lists of {megabytes:.1} MB, {} rounds", self.rounds);
            for program in Program::ALL {
                let binary = binaries.of(program);
                let bytes = binary.metadata().with_context(|| format!("look at {}", binary.display()))?.len();
                figures.add(objects, Row::Binary, program, bytes as f64 / 1e6);
            }
            for _ in 0..self.rounds {
                for program in Program::MAKERS {
                    let note = |row, sample| figures.add(objects, row, program, sample);
                    making::measure(program, &binaries, &upstream, times, folder, note).await?;
                }
            }
            if !self.no_serving {
                let field = Field::start(&binaries, &upstream, folder).await?;
                for _ in 0..self.rounds {
                    field.round(objects, lengths, &mut figures).await?;
                }
            }
            print!("{}", render(&figures.table(objects)));
        }
        Ok(figures)
    }
}
