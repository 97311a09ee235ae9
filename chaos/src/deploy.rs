//! What is deployed, checked: the chart by Helm, its objects by the schemas of three Kubernetes and by a real API server,
//! the manifests against the chart, the alerts by promtool, and every name in them by what replicas really measure.
//!
//! `--write` makes the parts that are made: the flags in `values.schema.json`, and `deploy/manifests/`.

mod api;
mod cascade;
mod chart;
mod flags;
mod manifests;
mod measured;
mod openapi;
mod queries;
mod rules;

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use clap::Args;

use crate::stage::Folder;

/// The options of `deploy`.
#[derive(Args, Debug)]
pub struct DeployArgs {
    /// Make what is made of the chart and of the program's flags.
    #[arg(long)]
    write: bool,
    /// The binary of Bellwether; by default the one that Cargo builds.
    #[arg(long)]
    bellwether: Option<PathBuf>,
    /// Keep state and logs.
    #[arg(long)]
    keep: bool,
}

impl DeployArgs {
    /// Checks everything, or writes; whether all is well.
    ///
    /// # Errors
    ///
    /// What is wrong, or missing to find out.
    pub async fn run(self) -> Result<bool> {
        let mut folder = Folder::new()?;
        let checked = self.check(&folder).await;
        if self.keep {
            println!("state and logs are in {}", folder.keep().display());
        }
        checked.map(|()| true)
    }

    async fn check(&self, folder: &Folder) -> Result<()> {
        if self.write {
            flags::write()?;
            manifests::write(folder).await?;
        }
        flags::check()?;
        said("the chart takes every flag of the program, by its name and type");
        let objects = chart::check(folder).await?;
        cascade::check(&objects)?;
        manifests::check(folder).await?;
        let checked = openapi::check(&objects)?;
        said(&format!("{checked} objects fit the schemas of Kubernetes {}", openapi::versions()));
        rules::check().await?;
        measured::check(self.bellwether.clone(), folder).await?;
        api::check(&objects, folder).await
    }
}

/// A check that passed.
fn said(what: &str) {
    println!("ok  {what}");
}

/// A check that this machine cannot make.
fn left_out(what: &str, program: &str) {
    println!("--  {what}: left out, as {program} is not there; Debian's package prometheus has it");
}

/// The folder `deploy/`.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy")
}

/// A command's output, if it succeeded.
async fn output(command: &mut tokio::process::Command, what: &str) -> Result<String> {
    let run = command.stdin(std::process::Stdio::null()).kill_on_drop(true).output().await?;
    let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    ensure!(run.status.success(), "{what} ({}):\n{out}{err}", run.status);
    Ok(out.into_owned())
}
