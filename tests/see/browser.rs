//! A real browser without a window.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What Chromium is called, by who packages it.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Where one is.
pub fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    NAMES.iter().find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|file| file.is_file()))
}

/// The page at `url` as the browser has it in memory.
pub fn dom(browser: &Path, url: &str) -> String {
    String::from_utf8(run(browser, &["--dump-dom"], url)).expect("text")
}

/// A picture of the page at `url`.
pub fn picture(browser: &Path, url: &str, into: &Path) {
    let into = std::path::absolute(into).expect("a path");
    run(browser, &[&format!("--screenshot={}", into.display()), "--window-size=1280,1130"], url);
}

fn run(browser: &Path, arguments: &[&str], url: &str) -> Vec<u8> {
    let profile = tempfile::tempdir().expect("a folder");
    let output = Command::new("timeout")
        .arg("90")
        .arg(browser)
        // Its own sandbox needs rights that a container seldom has; the page is ours, and fetches nothing.
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"])
        .args(["--no-first-run", "--disable-extensions", "--disable-background-networking"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(arguments)
        .arg(url)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .expect("the browser runs");
    assert!(output.status.success(), "the browser failed: {}", output.status);
    output.stdout
}
