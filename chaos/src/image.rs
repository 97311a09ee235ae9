//! `image`: the container image, without a container engine: built, written as an OCI layout, unpacked again and run.
//!
//! In: the commit that is checked out. Out: a folder that `skopeo`, `crane` or `podman` push as it is: an image for each
//! architecture, and what each is made of. What can go wrong: no compiler for the other architecture, which is then left
//! out and said; a program that is too large, not static, or does not do its work in there.

mod container;
mod layout;
mod materials;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use cargo_metadata::MetadataCommand;
use clap::Args;
use tokio::process::Command;

use crate::stage::Folder;
use layout::{About, Layout, Part};

/// The architectures, as Go and as Rust call them, and what runs them elsewhere.
const ARCHITECTURES: [(&str, &str); 2] = [("amd64", "x86_64"), ("arm64", "aarch64")];

/// What `deploy/image/compile` ends with where there is no compiler for the architecture.
const NO_COMPILER: i32 = 3;

/// The most that an image may have, in bytes, as it travels.
const MOST_BYTES: usize = 20_000_000;

/// The options of `image`.
#[derive(Args, Debug)]
pub struct ImageArgs {
    /// Only this architecture.
    #[arg(long)]
    arch: Option<String>,
    /// Where the layout is written.
    #[arg(long, default_value = "target/image/oci")]
    out: PathBuf,
    /// Compile it a second time, from another folder, and compare the bytes.
    #[arg(long)]
    twice: bool,
    /// Keep state and logs.
    #[arg(long)]
    keep: bool,
}

impl ImageArgs {
    /// Builds, writes and runs it; whether all is well.
    ///
    /// # Errors
    ///
    /// What is wrong with it, or missing to make it.
    pub async fn run(self) -> Result<bool> {
        let mut folder = Folder::new()?;
        let made = self.make(&folder).await;
        if self.keep {
            println!("state and logs are in {}", folder.keep().display());
        }
        made.map(|()| true)
    }

    async fn make(&self, folder: &Folder) -> Result<()> {
        let about = about().await?;
        let mut parts = Vec::new();
        for (architecture, machine) in ARCHITECTURES {
            if self.arch.as_deref().is_some_and(|only| only != architecture) {
                continue;
            }
            let Some(program) = compiled(&root(), architecture, folder).await? else {
                println!(
                    "--  {architecture}: left out, as its compiler is not there; on Debian: gcc-aarch64-linux-gnu"
                );
                continue;
            };
            if self.twice {
                let elsewhere = elsewhere(folder).await?;
                let again = compiled(&elsewhere, architecture, folder).await?;
                ensure!(
                    again.as_ref() == Some(&program),
                    "{architecture}: compiled elsewhere it has other bytes"
                );
                println!("ok  {architecture}: compiled in another folder it has the same bytes");
            }
            let materials = materials(machine, &about).await?;
            parts.push(Part { architecture: architecture.to_owned(), program, materials });
        }
        ensure!(!parts.is_empty(), "there is nothing to build: --arch is one of amd64, arm64");
        let layout = Layout::of(&about, &parts)?;
        write(&layout, &self.out)?;
        for part in &parts {
            self.tried(part, folder).await?;
        }
        println!("ok  {} is an OCI layout, of {}", self.out.display(), about.version);
        Ok(())
    }

    /// What was written, as somebody who pulls it has it.
    async fn tried(&self, part: &Part, folder: &Folder) -> Result<()> {
        let architecture = &part.architecture;
        let (root, bytes) = container::unpack(&self.out, architecture, folder)?;
        ensure!(bytes <= MOST_BYTES, "{architecture}: {bytes} bytes are more than {MOST_BYTES}");
        let program = std::fs::read(root.join(layout::PROGRAM)).context("the image has no program")?;
        ensure!(program == part.program, "{architecture}: the program in the image is another one");
        let megabytes = |bytes: usize| bytes as f64 / 1e6;
        println!(
            "ok  {architecture}: {:.1} MB to pull, a program of {:.1} MB",
            megabytes(bytes),
            megabytes(program.len())
        );
        let native = ARCHITECTURES.iter().any(|it| it.0 == architecture && it.1 == std::env::consts::ARCH);
        let machine = ARCHITECTURES.iter().find(|it| it.0 == architecture).map_or("", |it| it.1);
        let emulator = match native {
            true => None,
            false => match emulator(machine) {
                Some(emulator) => Some(emulator),
                None => {
                    println!("--  {architecture}: not run, as qemu-{machine}-static is not there");
                    return Ok(());
                }
            },
        };
        if !container::can() {
            println!("--  {architecture}: not run, which needs root");
            return Ok(());
        }
        container::serve(&root, emulator.as_deref(), folder).await?;
        println!(
            "ok  {architecture}: as nobody, on a read-only root, it elects itself, reads, serves, and ends when told"
        );
        Ok(())
    }
}

/// The repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

async fn about() -> Result<About> {
    let [revision, seconds] = ["%H", "%ct"].map(|what| format!("--format={what}"));
    let revision = output("git", &["log", "-1", &revision]).await?;
    let seconds = output("git", &["log", "-1", &seconds]).await?.parse().context("the time of the commit")?;
    Ok(About { version: env!("CARGO_PKG_VERSION").to_owned(), revision, seconds })
}

/// The program for `architecture`, built from `source`; none where there is no compiler for it.
async fn compiled(source: &Path, architecture: &str, folder: &Folder) -> Result<Option<Vec<u8>>> {
    let into = folder.path().join(format!("bellwether-{architecture}"));
    let mut command = Command::new(source.join("deploy/image/compile"));
    command.arg(architecture).arg(&into).stdin(Stdio::null()).kill_on_drop(true);
    // What Cargo says about the harness is not for what it builds.
    for (name, _) in std::env::vars_os() {
        if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    let status = command.status().await.context("run deploy/image/compile")?;
    if status.code() == Some(NO_COMPILER) {
        return Ok(None);
    }
    ensure!(status.success(), "deploy/image/compile {architecture} failed ({status})");
    std::fs::read(&into).with_context(|| format!("read {}", into.display())).map(Some)
}

/// The same commit in another folder.
async fn elsewhere(folder: &Folder) -> Result<PathBuf> {
    let to = folder.path().join("elsewhere");
    if !to.exists() {
        let (from, to) = (root().display().to_string(), to.display().to_string());
        output("git", &["clone", "--quiet", &from, &to]).await?;
    }
    Ok(to)
}

async fn materials(machine: &str, about: &About) -> Result<serde_json::Value> {
    let target = format!("{machine}-unknown-linux-gnu");
    let options = ["--locked".to_owned(), format!("--filter-platform={target}")];
    let mut command = MetadataCommand::new();
    command.manifest_path(root().join("Cargo.toml")).other_options(options);
    let metadata =
        tokio::task::spawn_blocking(move || command.exec()).await?.context("run cargo metadata")?;
    let libc = output("getconf", &["GNU_LIBC_VERSION"]).await?;
    materials::of(&metadata, "bellwether", libc.trim_start_matches("glibc "), about)
}

/// Writes the layout into a folder of its own, in place of one that was there.
fn write(layout: &Layout, out: &Path) -> Result<()> {
    if out.exists() {
        ensure!(out.join("oci-layout").exists(), "{} is there, and no layout", out.display());
        std::fs::remove_dir_all(out).with_context(|| format!("remove {}", out.display()))?;
    }
    let files: BTreeMap<PathBuf, &Vec<u8>> = layout.0.iter().map(|(path, it)| (out.join(path), it)).collect();
    for (path, bytes) in files {
        let parent = path.parent().context("a file lies in a folder")?;
        std::fs::create_dir_all(parent).with_context(|| format!("make {}", parent.display()))?;
        std::fs::write(&path, bytes).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

/// The emulator of a processor, where the machine has it.
fn emulator(machine: &str) -> Option<PathBuf> {
    let name = format!("qemu-{machine}-static");
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(&name)).find(|path| path.is_file())
}

async fn output(program: &str, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.with_context(|| format!("run {program}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} {}: {}", arguments.join(" "), said.trim());
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
