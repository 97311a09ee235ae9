//! An older version of Bellwether, built from the repository's own history, to be played beside this one.
//!
//! In: a revision; by default the newest release before this commit. Out: its binary, in a folder that git ignores. What can
//! go wrong: there is no such revision, or it does not build.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use clap::Args;
use tokio::process::Command;

use crate::stage::program;

/// The options of `before`.
#[derive(Args, Debug)]
pub struct BeforeArgs {
    /// A commit, a tag or a branch; by default the newest tag of a release before this commit.
    revision: Option<String>,
    /// A build without optimisations.
    #[arg(long)]
    debug: bool,
}

/// The binary that [`BeforeArgs::run`] built last; none where it built none.
pub fn built() -> Option<PathBuf> {
    Some(binary()).filter(|path| path.is_file())
}

impl BeforeArgs {
    /// Builds it.
    ///
    /// # Errors
    ///
    /// Where git or Cargo fails.
    pub async fn run(self) -> Result<bool> {
        let revision = match &self.revision {
            Some(revision) => revision.clone(),
            None => git(&["describe", "--tags", "--abbrev=0", "--match=v*", "HEAD^"])
                .await
                .context("there is no release yet: name a revision")?,
        };
        let commit = git(&["rev-parse", "--verify", &format!("{revision}^{{commit}}")]).await?;
        let source = folder().join("source");
        if source.exists() {
            std::fs::remove_dir_all(&source).with_context(|| format!("remove {}", source.display()))?;
        }
        std::fs::create_dir_all(&source).with_context(|| format!("make {}", source.display()))?;
        let archive = folder().join("source.tar");
        git(&["archive", "--format=tar", "--output", &archive.display().to_string(), &commit]).await?;
        run(Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(&source)).await?;
        let built = folder().join("target");
        let mut cargo = program::cargo();
        cargo
            .args(["build", "--locked", "--package=bellwether", "--bin=bellwether", "--target-dir"])
            .arg(&built);
        if !self.debug {
            cargo.arg("--release");
        }
        run(cargo.current_dir(&source)).await?;
        let profile = if self.debug { "debug" } else { "release" };
        let from = built.join(profile).join("bellwether");
        std::fs::copy(&from, binary()).with_context(|| format!("copy {}", from.display()))?;
        println!("{revision} ({commit}) is {}", binary().display());
        Ok(true)
    }
}

/// Where it all lies.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/before")
}

fn binary() -> PathBuf {
    folder().join("bellwether")
}

/// What git says of the whole repository: in a folder of it, an archive would hold that folder alone.
async fn git(arguments: &[&str]) -> Result<String> {
    let mut command = Command::new("git");
    command
        .args(arguments)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = command.output().await.context("run git")?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "git {}: {}", arguments.join(" "), error.trim());
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

async fn run(command: &mut Command) -> Result<()> {
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).kill_on_drop(true);
    let status = command.status().await.with_context(|| format!("run {name}"))?;
    ensure!(status.success(), "{name} failed ({status})");
    Ok(())
}
