//! Whether the state folder can be written, and what is in it checks out.

use std::fs;
use std::path::Path;

use super::{Check, Doctor, in_time};
use crate::aside::aside;
use crate::snapshot::Shelf;
use crate::snapshot::disk::{Disk, Rejected};

const WHAT: &str = "state folder";
const PROBE: &str = "doctor.probe";

impl Doctor {
    pub(super) async fn state(&self) -> Vec<Check> {
        let (folder, disk) = (self.options.state_dir.clone(), self.disk.clone());
        in_time(WHAT, async move {
            let looked = aside(move || look(&folder, &disk)).await;
            looked.unwrap_or_else(|error| vec![Check::bad(WHAT, error.to_string(), "this is a defect")])
        })
        .await
    }
}

fn look(folder: &Path, disk: &Disk) -> Vec<Check> {
    let mut checks = Vec::new();
    let probe = folder.join(PROBE);
    let written = fs::write(&probe, b"x").and_then(|()| fs::remove_file(&probe));
    checks.push(match written {
        Ok(()) => Check::good(WHAT, format!("{} can be written", folder.display())),
        Err(error) => {
            let hint = "give --state-dir a volume with room that this user can write; a restart would start from older tables";
            Check::bad(WHAT, format!("{}: {error}", folder.display()), hint)
        }
    });
    let (last_known_good, rejected) = disk.read();
    checks.push(match &last_known_good {
        Some(snapshot) => {
            let (version, routes) = (snapshot.version, snapshot.contents.table.routes());
            Check::good("last known good", format!("{version} with {routes} routes checks out"))
        }
        None => {
            let hint =
                "it is written with the first table; until then a restart serves nothing without a peer";
            Check::look("last known good", "there is none", hint)
        }
    });
    let (kept, more) = Shelf::new(folder).list();
    checks.push(Check::good("history", format!("{} tables check out", kept.len())));
    checks.extend(rejected.iter().chain(&more).map(unsound));
    checks
}

fn unsound(it: &Rejected) -> Check {
    let hint = "it is never served; remove it, and look at the disk if there are more";
    Check::bad(format!("file {}", it.path.display()), it.reason.to_string(), hint)
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;
    use crate::snapshot::{Snapshot, Version};

    #[test]
    fn what_is_there_is_read_and_what_is_damaged_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = Disk::open(folder.path()).expect("can be written");
        let verdicts = |checks: &[Check]| checks.iter().map(|it| it.verdict).collect::<Vec<_>>();
        let empty = look(folder.path(), &disk);
        assert_eq!(verdicts(&empty), [Verdict::Good, Verdict::Look, Verdict::Good], "{empty:?}");
        disk.write(&Snapshot::for_tests(Version::new(7, 3), "a: * -> <shunt>;")).expect("written");
        let sound = look(folder.path(), &disk);
        assert_eq!(verdicts(&sound), [Verdict::Good; 3], "{sound:?}");
        assert_eq!(sound[1].found, "7.3 with 1 routes checks out");
        fs::write(folder.path().join("last-known-good"), b"BWSNAP\r\nx").expect("written");
        let damaged = look(folder.path(), &disk);
        assert_eq!(verdicts(&damaged), [Verdict::Good, Verdict::Look, Verdict::Good, Verdict::Bad]);
        assert!(fs::read_dir(folder.path()).expect("it is there").count() == 1, "the probe is gone");
        let gone = look(&folder.path().join("gone"), &disk);
        assert_eq!(gone[0].verdict, Verdict::Bad);
    }
}
