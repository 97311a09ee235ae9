//! The manifests of the demo: those of the repository, or the same from inside the program.

use std::io;
use std::path::{Path, PathBuf};

/// Where the repository has them, seen from its root.
const FOLDER: &str = "examples/manifests";

const EMBEDDED: [(&str, &str); 6] = [
    ("blog.yaml", include_str!("../../examples/manifests/blog.yaml")),
    ("docs.yaml", include_str!("../../examples/manifests/docs.yaml")),
    ("images.yaml", include_str!("../../examples/manifests/images.yaml")),
    ("old.yaml", include_str!("../../examples/manifests/old.yaml")),
    ("search.yaml", include_str!("../../examples/manifests/search.yaml")),
    ("shop.yaml", include_str!("../../examples/manifests/shop.yaml")),
];

/// The folder to read: `asked` for, the repository's, or a copy under `scratch`.
///
/// # Errors
///
/// Where the one asked for is not there, or the copy cannot be written.
pub(super) fn folder(asked: Option<&Path>, scratch: &Path) -> io::Result<PathBuf> {
    if let Some(asked) = asked {
        return asked.canonicalize();
    }
    if let Ok(found) = Path::new(FOLDER).canonicalize() {
        return Ok(found);
    }
    let copy = scratch.join("manifests");
    std::fs::create_dir(&copy)?;
    for (name, text) in EMBEDDED {
        std::fs::write(copy.join(name), text)?;
    }
    Ok(copy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_carries_all_of_the_repositorys_manifests() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(FOLDER);
        let mut names: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort_unstable();
        assert_eq!(names, EMBEDDED.map(|(name, _)| name));
    }

    #[test]
    fn a_folder_that_was_asked_for_must_be_there() {
        let scratch = tempfile::tempdir().unwrap();
        assert!(folder(Some(Path::new("/nonexistent")), scratch.path()).is_err());
        let found = folder(Some(scratch.path()), scratch.path()).unwrap();
        assert_eq!(found, scratch.path().canonicalize().unwrap());
    }
}
