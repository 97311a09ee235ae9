use std::fs;
use std::thread;

use proptest::prelude::*;

use super::*;
use crate::snapshot::{Epoch, TermId};

fn record(holder: &str, epoch: u64) -> Record {
    Record {
        holder: holder.to_owned(),
        epoch: Epoch(epoch),
        term: TermId(u128::from(epoch)),
        duration: Duration::from_secs(3),
        ..Record::default()
    }
}

fn open(folder: &tempfile::TempDir) -> Disk {
    Disk::open(&folder.path().join("lease.json")).unwrap()
}

#[test]
fn keeps_what_was_written_under_growing_versions() {
    let folder = tempfile::tempdir().unwrap();
    let disk = open(&folder);
    assert!(disk.read().unwrap().is_none());
    let first = disk.create(&record("", 0)).unwrap();
    assert_eq!(first.version, 1, "the first write that this store has ever seen");
    assert_eq!(disk.create(&record("a", 1)), Err(StoreError::Conflict));
    let second = disk.replace(&first, &record("a", 1)).unwrap();
    assert_eq!(second, Key { uid: first.uid.clone(), version: 2 });
    assert_eq!(disk.replace(&first, &record("b", 2)), Err(StoreError::Conflict));
    assert_eq!(open(&folder).read().unwrap().unwrap(), Stored { key: second, record: record("a", 1) });
}

#[test]
fn deletion_resets_neither_version_nor_lets_an_old_key_in() {
    let folder = tempfile::tempdir().unwrap();
    let disk = open(&folder);
    let first = disk.create(&record("a", 1)).unwrap();
    fs::remove_file(disk.path()).unwrap();
    assert_eq!(disk.replace(&first, &record("a", 1)), Err(StoreError::NotFound));
    let second = open(&folder).create(&record("b", 2)).unwrap();
    assert!(second.version > first.version && second.uid != first.uid);
    assert_eq!(disk.replace(&first, &record("a", 1)), Err(StoreError::Conflict));
}

#[test]
fn a_lost_counter_is_made_up_from_the_lease() {
    let folder = tempfile::tempdir().unwrap();
    let disk = open(&folder);
    let mut key = disk.create(&record("a", 1)).unwrap();
    fs::remove_file(folder.path().join("lease.json.counter")).unwrap();
    key = disk.replace(&key, &record("a", 1)).unwrap();
    fs::remove_file(disk.path()).unwrap();
    assert!(disk.create(&record("b", 2)).unwrap().version > key.version);
}

#[test]
fn what_is_no_lease_is_left_alone_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lease.json");
    for foreign in ["", "my notes", "{}", r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"x"}}"#] {
        fs::write(&path, foreign).unwrap();
        let error = FileLease::open(&path).unwrap_err().to_string();
        assert!(error.contains("lease.json") && error.contains("move it away"), "{error}");
        let disk = Disk::open(&path).unwrap();
        let key = Key { uid: "u".into(), version: 1 };
        assert!(matches!(disk.create(&record("a", 1)), Err(StoreError::Other(_))));
        assert!(matches!(disk.replace(&key, &record("a", 1)), Err(StoreError::Other(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), foreign);
    }
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = FileLease::open(&folder.path().join("none/lease.json")).unwrap_err().to_string();
    assert!(error.contains("none") && error.contains("--lease=file:"), "{error}");
}

#[test]
fn what_a_crash_left_behind_is_swept_up_but_not_what_is_being_written() {
    let folder = tempfile::tempdir().unwrap();
    let litter = folder.path().join("lease.json.1.0x1.0.tmp");
    let fresh = folder.path().join("lease.json.2.0x1.0.tmp");
    for path in [&litter, &fresh] {
        fs::write(path, "half").unwrap();
    }
    let old = std::time::SystemTime::now() - Duration::from_secs(3600);
    fs::File::options().write(true).open(&litter).unwrap().set_modified(old).unwrap();
    let disk = open(&folder);
    assert!(!litter.exists() && fresh.exists());
    let key = disk.create(&record("a", 1)).unwrap();
    disk.replace(&key, &record("a", 1)).unwrap();
    let left = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 3, "the lease, its counter and the fresh one of somebody else");
}

#[test]
fn eight_threads_race_and_one_wins_each_round() {
    const ROUNDS: usize = 60;
    let folder = tempfile::tempdir().unwrap();
    let start = open(&folder).create(&record("", 0)).unwrap();
    let barrier = std::sync::Barrier::new(8);
    let wins: Vec<Vec<u64>> = thread::scope(|scope| {
        let racer = |number: u64| {
            let (folder, barrier) = (&folder, &barrier);
            move || {
                let disk = open(folder);
                let mut won = Vec::new();
                for _ in 0..ROUNDS {
                    let key = disk.read().unwrap().unwrap().key;
                    barrier.wait();
                    match disk.replace(&key, &record(&format!("r{number}"), key.version)) {
                        Ok(next) => won.push(next.version),
                        Err(error) => assert_eq!(error, StoreError::Conflict),
                    }
                    barrier.wait();
                }
                won
            }
        };
        let threads: Vec<_> = (0..8).map(|number| scope.spawn(racer(number))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut versions: Vec<u64> = wins.into_iter().flatten().collect();
    versions.sort_unstable();
    let expected: Vec<u64> = (start.version + 1..=start.version + ROUNDS as u64).collect();
    assert_eq!(versions, expected, "each round has exactly one winner");
}

#[test]
fn eight_threads_create_and_one_wins_each_round() {
    let folder = tempfile::tempdir().unwrap();
    let barrier = std::sync::Barrier::new(8);
    let wins: usize = thread::scope(|scope| {
        let racer = || {
            let disk = open(&folder);
            let mut won = 0;
            for _ in 0..20 {
                barrier.wait();
                won += usize::from(disk.create(&record("r", 1)).is_ok());
                if barrier.wait().is_leader() {
                    fs::remove_file(disk.path()).unwrap();
                }
                barrier.wait();
            }
            won
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(racer)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(wins, 20);
}

#[tokio::test]
async fn a_change_is_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lease.json");
    let (ours, theirs) = (FileLease::open(&path).unwrap(), FileLease::open(&path).unwrap());
    let (changes, mut told) = mpsc::channel(4);
    let watch = tokio::spawn(async move { ours.watch(changes).await });
    tokio::time::sleep(GLANCE).await;
    let key = theirs.create(&record("a", 1)).await.unwrap();
    let change = tokio::time::timeout(Duration::from_secs(10), told.recv()).await.unwrap().unwrap();
    assert!(matches!(change, Change::Written(stored) if stored.key == key));
    fs::remove_file(&path).unwrap();
    let change = tokio::time::timeout(Duration::from_secs(10), told.recv()).await.unwrap().unwrap();
    assert!(matches!(change, Change::Look));
    watch.abort();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_file_cut_anywhere_is_refused_or_read_whole(cut in 0_usize..900) {
        let folder = tempfile::tempdir().unwrap();
        let disk = open(&folder);
        disk.create(&record("a", 7)).unwrap();
        let whole = fs::read(disk.path()).unwrap();
        let cut = cut.min(whole.len());
        fs::write(disk.path(), &whole[..cut]).unwrap();
        match disk.read() {
            Ok(stored) => prop_assert_eq!(stored.unwrap().record.epoch, Epoch(7)),
            Err(error) => prop_assert!(matches!(error, FileLeaseError::Foreign { .. }), "{}", error),
        }
    }
}
