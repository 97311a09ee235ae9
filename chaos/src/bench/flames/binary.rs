//! The binary that is recorded: the released one with its symbols. Its machine code is the same: stacks are unwound by the
//! tables that every release has for panics, not by frame pointers, which C and assembly would not have.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

/// Builds it, in a folder of its own: another profile would have everything built anew, now and next time.
///
/// # Errors
///
/// Where it does not build.
pub(super) async fn build() -> Result<PathBuf> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/flames");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--release", "--locked", "--package=bellwether", "--bin=bellwether", "--target-dir"])
        .arg(&target)
        .env("CARGO_PROFILE_RELEASE_STRIP", "none")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let status = cargo.status().await.context("run cargo")?;
    ensure!(status.success(), "cargo could not build bellwether ({status})");
    Ok(target.join("release/bellwether"))
}
