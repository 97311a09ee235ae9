//! A real browser without a window: what it makes of a page, as text and as a picture.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

/// What Chromium is called, by who packages it.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// Where a browser is; `None` where there is none.
pub fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    NAMES.iter().find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|file| file.is_file()))
}

/// The page at `file` as the browser has it in memory.
///
/// # Errors
///
/// Where there is no browser, or it fails.
pub async fn dom(file: &Path) -> Result<String> {
    let printed = run(file, &["--dump-dom".to_owned()]).await?;
    String::from_utf8(printed).context("a page is text")
}

/// Writes a picture of the first `height` pixels of the page at `file` to `picture`.
///
/// # Errors
///
/// Where there is no browser, or it fails.
pub async fn screenshot(file: &Path, picture: &Path, height: u32, dark: bool) -> Result<()> {
    let mut args = vec![
        format!("--screenshot={}", std::path::absolute(picture)?.display()),
        format!("--window-size=1180,{height}"),
    ];
    if dark {
        args.push("--blink-settings=preferredColorScheme=0".to_owned());
    }
    run(file, &args).await?;
    ensure!(picture.is_file(), "the browser wrote no {}", picture.display());
    Ok(())
}

async fn run(file: &Path, args: &[String]) -> Result<Vec<u8>> {
    let browser =
        find().with_context(|| format!("no browser is installed; looked for {}", NAMES.join(", ")))?;
    let profile = tempfile::tempdir().context("make a folder for the browser's profile")?;
    let mut command = Command::new(browser);
    command
        // Its own sandbox needs rights that a container seldom has; the page is ours, and fetches nothing.
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"])
        .args(["--no-first-run", "--disable-extensions", "--disable-background-networking"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(args)
        .arg(format!("file://{}", std::path::absolute(file)?.display()))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let ran = tokio::time::timeout(PATIENCE, command.output())
        .await
        .context("the browser does not come back")??;
    ensure!(ran.status.success(), "the browser failed ({})", ran.status);
    Ok(ran.stdout)
}
