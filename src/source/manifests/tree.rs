//! What lies under a path, and a stamp of it that changes when any of it does.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::ManifestError;
use super::document::Syntax;
use super::format::Format;

/// The folders that may lie within each other.
const MAX_DEPTH: usize = 32;

/// File systems stamp a change with a clock that ticks at most each 10 ms.
const TICK: Duration = Duration::from_millis(50);

/// The files under a path in the order of their names: equal trees hold equal content, once settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tree {
    pub(super) files: Vec<File>,
}

/// A file, and what changes with its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) syntax: Option<Syntax>,
    pub(super) size: u64,
    identity: (u64, u64),
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Tree {
    /// Looks at `path`: a file, or a folder with all its folders. In a folder only the names of the format count, and none
    /// that starts with a dot (a mounted ConfigMap keeps its real files behind those).
    pub(super) fn walk(path: &Path, format: Format) -> Result<Self, ManifestError> {
        let metadata = look(path)?;
        let mut files = Vec::new();
        if metadata.is_dir() {
            folder(path, format, 0, &mut files)?;
        } else {
            files.push(File::new(path.to_owned(), &metadata));
        }
        Ok(Self { files })
    }

    /// Whether the newest change is old enough that a later one would carry another stamp.
    pub(super) fn settled(&self, now: SystemTime) -> bool {
        let newest = self.files.iter().map(|file| file.changed).max().unwrap_or_default();
        let newest =
            Duration::new(u64::try_from(newest.0).unwrap_or(0), u32::try_from(newest.1).unwrap_or(0));
        now.duration_since(SystemTime::UNIX_EPOCH + newest).is_ok_and(|age| age > TICK)
    }
}

impl File {
    fn new(path: PathBuf, metadata: &Metadata) -> Self {
        Self {
            syntax: Syntax::of(&path),
            path,
            size: metadata.len(),
            identity: (metadata.dev(), metadata.ino()),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Its path from the `root` that was looked at.
    pub(super) fn name(&self, root: &Path) -> String {
        let below = self.path.strip_prefix(root).ok().filter(|below| !below.as_os_str().is_empty());
        let name = below.or_else(|| self.path.file_name().map(Path::new)).unwrap_or(&self.path);
        name.display().to_string()
    }
}

fn folder(path: &Path, format: Format, depth: usize, files: &mut Vec<File>) -> Result<(), ManifestError> {
    let unreadable = |source| ManifestError::Unreadable { path: path.to_owned(), source };
    if depth > MAX_DEPTH {
        return Err(unreadable(io::Error::other("too many folders within each other")));
    }
    let mut entries =
        fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(unreadable)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let path = entry.path();
        // A link to a folder is not followed: it could lead in a circle, or count a file twice.
        if entry.file_type().map_err(unreadable)?.is_dir() {
            folder(&path, format, depth + 1, files)?;
        } else if format.has(&path) {
            let metadata = look(&path)?;
            if metadata.is_file() {
                files.push(File::new(path, &metadata));
            }
        }
    }
    Ok(())
}

fn look(path: &Path) -> Result<Metadata, ManifestError> {
    fs::metadata(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => ManifestError::Missing { path: path.to_owned() },
        _ => ManifestError::Unreadable { path: path.to_owned(), source },
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(root: &Path) -> Vec<String> {
        let files = Tree::walk(root, Format::Objects).unwrap().files;
        files.iter().map(|file| file.path.strip_prefix(root).unwrap().display().to_string()).collect()
    }

    #[test]
    fn only_manifests_count_and_in_the_order_of_their_names() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("b/c")).unwrap();
        fs::create_dir(dir.path().join(".git")).unwrap();
        for name in ["z.yml", "a.JSON", "b/x.yaml", "b/c/y.json", "README.md", ".git/a.yaml", ".swap.yaml"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        symlink(dir.path(), dir.path().join("b/loop.yaml")).unwrap();
        assert_eq!(names(dir.path()), ["a.JSON", "b/c/y.json", "b/x.yaml", "z.yml"]);
    }

    #[test]
    fn a_mounted_config_map_is_read_once() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("..2026_01_01")).unwrap();
        fs::write(dir.path().join("..2026_01_01/a.yaml"), "").unwrap();
        symlink("..2026_01_01", dir.path().join("..data")).unwrap();
        symlink("..data/a.yaml", dir.path().join("a.yaml")).unwrap();
        assert_eq!(names(dir.path()), ["a.yaml"]);
    }

    #[test]
    fn each_kind_of_change_changes_the_stamp() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a.yaml"), dir.path().join("b.yaml"));
        fs::write(&a, "1").unwrap();
        let mut last = Tree::walk(dir.path(), Format::Objects).unwrap();
        let mut differs = |what: &str| {
            let now = Tree::walk(dir.path(), Format::Objects).unwrap();
            assert_ne!(now, last, "{what}");
            last = now;
        };
        fs::write(&a, "22").unwrap();
        differs("size");
        fs::write(&b, "33").unwrap();
        differs("one more");
        fs::rename(&b, &a).unwrap();
        differs("replaced");
        fs::File::options().write(true).open(&a).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        differs("time");
        fs::remove_file(&a).unwrap();
        differs("removed");
    }

    #[test]
    fn a_tree_settles_only_after_a_tick() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.yaml"), "1").unwrap();
        let tree = Tree::walk(dir.path(), Format::Objects).unwrap();
        assert!(!tree.settled(SystemTime::UNIX_EPOCH));
        assert!(tree.settled(SystemTime::now() + Duration::from_secs(1)));
    }
}
