//! The documents hang together: each link leads to something that is there, and each page can be reached from the README.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

/// The pages, by their path from the root of the repository.
fn pages() -> BTreeMap<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = BTreeMap::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder)).expect("a folder of the repository") {
            let entry = entry.expect("an entry");
            let (name, path) = (entry.file_name(), folder.join(entry.file_name()));
            let name = name.to_string_lossy();
            if entry.file_type().expect("a type").is_dir() {
                // What is built, and what is not ours.
                if !name.starts_with('.') && !matches!(&*name, "target" | "bin" | "run") {
                    folders.push(path);
                }
            } else if name.ends_with(".md") {
                pages.insert(path.clone(), fs::read_to_string(root.join(path)).expect("text"));
            }
        }
    }
    pages
}

/// The targets of the links in `text`, but for those in code and those to other places than the repository.
fn links(text: &str) -> Vec<String> {
    let mut links = Vec::new();
    for line in lines(text) {
        let mut prose = String::new();
        line.split('`').step_by(2).for_each(|part| prose.push_str(part));
        let targets = prose.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
        links.extend(targets.filter(|target| !target.contains("://")).map(str::to_owned));
    }
    links
}

/// The lines that are no code.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fence && !fenced && !line.starts_with("    ")
    })
}

/// The names that the headings of `text` have in links, as GitHub and mdBook make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = lines(text).filter(|line| line.starts_with('#'));
    let name = |heading: &str| {
        let kept = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(name).collect()
}

/// Where `link` leads from the page `from`: a path from the root, and the name of a heading.
fn target(from: &Path, link: &str) -> (PathBuf, Option<String>) {
    let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
    let mut whole = if path.is_empty() { from.to_owned() } else { from.parent().expect("a file").to_owned() };
    for part in Path::new(path).components() {
        match part {
            Component::ParentDir => drop(whole.pop()),
            Component::CurDir => {}
            part => whole.push(part),
        }
    }
    (whole, anchor.map(str::to_owned))
}

#[test]
fn each_link_leads_somewhere() {
    let (root, pages) = (Path::new(env!("CARGO_MANIFEST_DIR")), pages());
    let mut broken = Vec::new();
    for (page, text) in &pages {
        for link in links(text) {
            let (path, anchor) = target(page, &link);
            let named = anchor
                .is_none_or(|anchor| pages.get(&path).is_none_or(|text| anchors(text).contains(&anchor)));
            if !named || !root.join(&path).exists() {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn each_page_is_reached_from_the_readme() {
    let (root, pages) = (Path::new(env!("CARGO_MANIFEST_DIR")), pages());
    let (mut seen, mut next) = (BTreeSet::new(), vec![PathBuf::from("README.md")]);
    while let Some(page) = next.pop() {
        if !seen.insert(page.clone()) {
            continue;
        }
        for link in links(&pages[&page]) {
            let (path, _) = target(&page, &link);
            // A folder shows its README, or else all that is in it.
            let folder = root.join(&path).is_dir();
            let readme = path.join("README.md");
            match (folder, pages.contains_key(&readme)) {
                (true, true) => next.push(readme),
                (true, false) => {
                    next.extend(pages.keys().filter(|page| page.parent() == Some(&*path)).cloned());
                }
                (false, _) => next.extend(pages.contains_key(&path).then_some(path)),
            }
        }
    }
    // The contents of the book lead to pages, not the other way.
    let contents = Path::new("docs/SUMMARY.md");
    let lost: Vec<_> = pages.keys().filter(|page| !seen.contains(*page) && *page != contents).collect();
    assert!(lost.is_empty(), "nothing leads to {lost:?}");
}

#[test]
fn each_page_is_in_the_book() {
    let pages = pages();
    let contents = PathBuf::from("docs/SUMMARY.md");
    let listed: BTreeSet<_> = links(&pages[&contents]).iter().map(|link| target(&contents, link).0).collect();
    let lost: Vec<_> = pages.keys().filter(|page| !listed.contains(*page) && **page != contents).collect();
    assert!(lost.is_empty(), "docs/SUMMARY.md does not list {lost:?}");
}

#[test]
fn what_leads_nowhere_is_found() {
    let text =
        "# One: two `x`\n[a](b.md#c) and `[no](code)`\n\n    [no](code)\n\n[d](https://e/) ![f](../g.svg)";
    assert_eq!(links(text), ["b.md#c", "../g.svg"]);
    assert_eq!(anchors(text).into_iter().collect::<Vec<_>>(), ["one-two-x"]);
    assert_eq!(target(Path::new("docs/h.md"), "../g.svg"), ("g.svg".into(), None));
    assert_eq!(target(Path::new("docs/h.md"), "#c"), ("docs/h.md".into(), Some("c".to_owned())));
}
