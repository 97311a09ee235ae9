//! The default filters of a folder (`-default-filters-dir`): a file `<service>.<namespace>` holds a filter chain.
//!
//! What cannot be read becomes a diagnostic, the rest counts, as with the peer. Their text is parsed by the
//! compiler, which knows the routes that they belong to.

use std::collections::BTreeMap;
use std::fs::{self, DirEntry};
use std::io::Read;
use std::path::Path;

use crate::compile::Diagnostic;

/// The largest file that counts, in bytes, as with the peer.
const MAX_BYTES: u64 = 1 << 20;

/// Reads `dir`: `<service>.<namespace>` to the text of the file.
pub(super) fn read(dir: &Path, diagnostics: &mut Vec<Diagnostic>) -> BTreeMap<String, String> {
    let mut report = |path: &Path, reason: &str, hint: &str| {
        let reason = format!("default filters {}: {reason}", path.display());
        diagnostics.push(Diagnostic { object: None, reason, hint: hint.to_owned() });
    };
    let entries = match fs::read_dir(dir).and_then(Iterator::collect::<std::io::Result<Vec<_>>>) {
        Ok(entries) => entries,
        Err(error) => {
            report(
                dir,
                &error.to_string(),
                "mount a readable folder there, or leave -default-filters-dir out",
            );
            return BTreeMap::new();
        }
    };
    let mut filters = BTreeMap::new();
    for entry in entries.iter().filter(|entry| counts(entry)) {
        let Ok(name) = entry.file_name().into_string() else { continue };
        match text(&entry.path()) {
            Ok(text) => drop(filters.insert(name, text)),
            Err(reason) => {
                report(&entry.path(), &reason, "its service keeps its routes, without these filters")
            }
        }
    }
    filters
}

/// A regular file or a link, with one dot in its name.
fn counts(entry: &DirEntry) -> bool {
    let dots = entry.file_name().as_encoded_bytes().iter().filter(|&&byte| byte == b'.').count();
    dots == 1 && entry.file_type().is_ok_and(|kind| kind.is_file() || kind.is_symlink())
}

fn text(path: &Path) -> Result<String, String> {
    let mut text = Vec::new();
    let file = fs::File::open(path).map_err(|error| error.to_string())?;
    if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Err("is not a file".to_owned());
    }
    file.take(MAX_BYTES + 1).read_to_end(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > MAX_BYTES {
        return Err(format!("is larger than {MAX_BYTES} bytes"));
    }
    String::from_utf8(text).map_err(|_| "is not UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn files_named_after_a_service_count() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("api.prod"), "status(200)").unwrap();
        fs::write(dir.path().join("README"), "no dot").unwrap();
        fs::write(dir.path().join("a.b.c"), "two dots").unwrap();
        fs::create_dir(dir.path().join("a.folder")).unwrap();
        symlink("README", dir.path().join("web.prod")).unwrap();
        let mut diagnostics = Vec::new();
        let filters = read(dir.path(), &mut diagnostics);
        assert_eq!(
            filters.into_iter().collect::<Vec<_>>(),
            [("api.prod".to_owned(), "status(200)".to_owned()), ("web.prod".to_owned(), "no dot".to_owned())]
        );
        assert_eq!(diagnostics, []);
    }

    #[test]
    fn what_cannot_be_read_is_named_and_the_rest_counts() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("api.prod"), "status(200)").unwrap();
        fs::write(dir.path().join("big.prod"), vec![b'x'; 1 << 21]).unwrap();
        fs::write(dir.path().join("odd.prod"), b"\xff").unwrap();
        symlink("nowhere", dir.path().join("gone.prod")).unwrap();
        symlink(".", dir.path().join("dir.prod")).unwrap();
        let mut diagnostics = Vec::new();
        assert_eq!(read(dir.path(), &mut diagnostics).len(), 1);
        assert_eq!(diagnostics.len(), 4);
    }

    #[test]
    fn a_missing_folder_is_a_diagnostic() {
        let mut diagnostics = Vec::new();
        assert!(read(Path::new("/nowhere/at/all"), &mut diagnostics).is_empty());
        assert!(diagnostics[0].reason.contains("/nowhere/at/all"), "{diagnostics:?}");
    }
}
