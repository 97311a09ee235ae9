//! Whether the Lease can be read, and what it says.

use std::time::{Duration, SystemTime};

use super::{Check, Doctor, in_time};
use crate::election::name_of;
use crate::election::store::{FileLease, KubernetesLease, LeaseStore, StoreError};
use crate::flags::LeaseOptions;
use crate::source::Access;

const WHAT: &str = "Lease";

impl Doctor {
    pub(super) async fn lease(&self) -> Vec<Check> {
        in_time(WHAT, async {
            let check = match &self.options.lease {
                LeaseOptions::File(path) => match FileLease::open(path) {
                    Ok(store) => read(&store).await,
                    Err(error) => Check::bad(WHAT, error.to_string(), "mend --lease or the folder"),
                },
                LeaseOptions::Kubernetes { name, .. } => {
                    let access = Access::of(&self.options.api, self.in_pod);
                    let namespace = self.namespace.as_deref().unwrap_or_default();
                    match KubernetesLease::open(access, namespace, name).await {
                        Ok(store) => read(&store.over(self.net.clone())).await,
                        Err(error) => Check::bad(WHAT, error.to_string(), "mend the flag that it names"),
                    }
                }
            };
            vec![check]
        })
        .await
    }
}

async fn read(store: &impl LeaseStore) -> Check {
    let record = match store.get().await {
        Ok(stored) => stored.record,
        Err(StoreError::NotFound) => {
            let hint = "the first replica that may create it will; if it stays so, see the rights";
            return Check::look(WHAT, format!("{} is not there", store.name()), hint);
        }
        Err(error) => {
            let hint = "nobody can lead anew while it cannot be read; what is served stays";
            return Check::bad(WHAT, format!("{}: {error}", store.name()), hint);
        }
    };
    if record.holder.is_empty() {
        let found = format!("{} has no holder", store.name());
        return Check::look(WHAT, found, "a replica takes it within seconds; if not, see their logs");
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let renewed = Duration::from_micros(u64::try_from(record.renewed_micros).unwrap_or_default());
    let age = now.saturating_sub(renewed);
    let holder = name_of(&record.holder);
    let found = format!("{} is held by {holder}, renewed {:.1} s ago", store.name(), age.as_secs_f64());
    if age <= record.duration.max(LEAST) * 2 {
        return Check::good(WHAT, found);
    }
    let hint = "nobody leads, or the holder's clock is behind this one's; what is served stays";
    Check::look(WHAT, found, hint)
}

/// A Lease is renewed in thirds of its duration; whoever reads one may be a little behind.
const LEAST: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;
    use crate::election::Record;

    fn record(age: Duration) -> Record {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Record {
            holder: "r0_uid_nonce".to_owned(),
            duration: Duration::from_secs(3),
            renewed_micros: i64::try_from((now - age).as_micros()).expect("a date"),
            ..Record::default()
        }
    }

    #[tokio::test]
    async fn it_is_missing_held_or_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = FileLease::open(&folder.path().join("lease")).expect("a folder that can be written");
        assert_eq!(read(&store).await.verdict, Verdict::Look);
        let key = store.create(&record(Duration::from_secs(1))).await.expect("there was none");
        let held = read(&store).await;
        assert_eq!(held.verdict, Verdict::Good);
        assert!(held.found.contains("held by r0, renewed 1."), "{held:?}");
        let key = store.replace(&key, &record(Duration::from_secs(60))).await.expect("the same");
        assert_eq!(read(&store).await.verdict, Verdict::Look);
        store.replace(&key, &Record::default()).await.expect("the same");
        assert!(read(&store).await.found.ends_with("has no holder"));
    }
}
