//! A [`Record`] as a `coordination.k8s.io/v1` Lease: the object that Kubernetes keeps, and that a lease file holds.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

use super::record::{Key, Record, Stored};
use crate::snapshot::{Epoch, TermId};

/// The prefix of our annotations. The Lease's own fields cannot carry a fencing token: `leaseTransitions` restarts
/// with the object, and the API server forbids `preferredHolder` without a strategy.
const PREFIX: &str = "bellwether.dev/";

/// Why an object is not a Lease that we can write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeaseError {
    /// It has no UID or no resourceVersion.
    #[error("the lease has no metadata.{0}")]
    Missing(&'static str),
    /// Its resourceVersion is not a number (KEP-5504 says that it is).
    #[error("the lease's resourceVersion {0:?} is not a number")]
    Version(String),
}

/// What `lease` says. Annotations that are missing or make no sense count as absent: their next writer mends them.
///
/// # Errors
///
/// Where the object cannot be a store's answer.
pub(in crate::election) fn read(lease: &Lease) -> Result<Stored, LeaseError> {
    let meta = &lease.metadata;
    let uid = meta.uid.clone().ok_or(LeaseError::Missing("uid"))?;
    let version = meta.resource_version.as_deref().ok_or(LeaseError::Missing("resourceVersion"))?;
    let version = version.parse().map_err(|_| LeaseError::Version(version.to_owned()))?;
    let note = |name: &str| {
        let notes = meta.annotations.as_ref()?;
        notes.get(&format!("{PREFIX}{name}")).map(String::as_str)
    };
    let spec = lease.spec.clone().unwrap_or_default();
    let term: TermId = note("term").and_then(|text| text.parse().ok()).unwrap_or_default();
    let released = note("released").is_some_and(|text| text.parse() == Ok(term));
    let record = Record {
        holder: spec.holder_identity.unwrap_or_default(),
        epoch: Epoch(note("epoch").and_then(|text| text.parse().ok()).unwrap_or(0)),
        term,
        beat: note("beat").and_then(|text| text.parse().ok()).unwrap_or(0),
        released: released && term != TermId::default(),
        address: note("address").unwrap_or_default().to_owned(),
        software: note("release").unwrap_or_default().to_owned(),
        successor: note("successor").map(str::to_owned),
        duration: Duration::from_secs(spec.lease_duration_seconds.unwrap_or(0).max(0).unsigned_abs().into()),
        transitions: spec.lease_transitions.unwrap_or(0).max(0).unsigned_abs(),
        acquired_micros: spec.acquire_time.map_or(0, |time| time.0.as_microsecond()),
        renewed_micros: spec.renew_time.map_or(0, |time| time.0.as_microsecond()),
    };
    Ok(Stored { key: Key { uid, version }, record })
}

/// Writes `record` into `lease`; what others keep there (owners, labels, their annotations) stays.
pub(in crate::election) fn write(record: &Record, lease: &mut Lease) {
    let notes = lease.metadata.annotations.get_or_insert_default();
    let mut note = |name: &str, value: Option<String>| {
        let name = format!("{PREFIX}{name}");
        match value {
            Some(value) => notes.insert(name, value),
            None => notes.remove(&name),
        };
    };
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let held = record.term != TermId::default();
    note("epoch", Some(record.epoch.to_string()));
    note("term", held.then(|| record.term.to_string()));
    note("beat", held.then(|| record.beat.to_string()));
    note("released", record.released.then(|| record.term.to_string()));
    note("address", some(&record.address));
    note("release", some(&record.software));
    note("successor", record.successor.clone());
    let seconds = record.duration.as_millis().div_ceil(1000);
    let time = |micros: i64| {
        let time = Timestamp::from_microsecond(micros).ok()?;
        (micros != 0).then_some(MicroTime(time))
    };
    let spec = lease.spec.take().unwrap_or_default();
    lease.spec = Some(LeaseSpec {
        holder_identity: Some(record.holder.clone()),
        // The API server refuses 0.
        lease_duration_seconds: i32::try_from(seconds).ok().filter(|seconds| *seconds > 0),
        lease_transitions: i32::try_from(record.transitions).ok().or(Some(i32::MAX)),
        acquire_time: time(record.acquired_micros),
        renew_time: time(record.renewed_micros),
        ..spec
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            holder: "r0_u_1".into(),
            epoch: Epoch(7),
            term: TermId(5),
            beat: 3,
            released: false,
            address: "10.0.0.7:9912".into(),
            software: "bellwether 0.1.0".into(),
            successor: Some("r1".into()),
            duration: Duration::from_secs(3),
            transitions: 4,
            acquired_micros: 1_000_001,
            renewed_micros: 2_000_002,
        }
    }

    fn stored(record: &Record) -> Lease {
        let mut lease = Lease::default();
        lease.metadata.uid = Some("u".into());
        lease.metadata.resource_version = Some("12".into());
        write(record, &mut lease);
        lease
    }

    #[test]
    fn reads_what_it_writes() {
        let released = Record { holder: String::new(), released: true, ..record() };
        for record in [record(), released, Record { duration: Duration::from_secs(3), ..Record::default() }] {
            let expected = Stored { key: Key { uid: "u".into(), version: 12 }, record: record.clone() };
            assert_eq!(read(&stored(&record)), Ok(expected));
        }
    }

    #[test]
    fn leaves_alone_what_is_not_ours() {
        let mut lease = stored(&record());
        let notes = lease.metadata.annotations.get_or_insert_default();
        notes.insert("example.org/owner".into(), "us".into());
        lease.spec.get_or_insert_default().strategy = Some("OldestEmulationVersion".into());
        write(&Record { successor: None, ..record() }, &mut lease);
        let notes = lease.metadata.annotations.unwrap();
        assert_eq!(notes["example.org/owner"], "us");
        assert!(!notes.contains_key("bellwether.dev/successor"));
        assert_eq!(lease.spec.unwrap().strategy.as_deref(), Some("OldestEmulationVersion"));
    }

    #[test]
    fn a_holder_removed_by_hand_is_no_release() {
        let released = Record { holder: String::new(), released: true, ..record() };
        let mut lease = stored(&released);
        assert!(read(&lease).unwrap().record.released);
        let notes = lease.metadata.annotations.get_or_insert_default();
        notes.insert("bellwether.dev/term".into(), TermId(6).to_string());
        assert!(!read(&lease).unwrap().record.released, "the mark names another term");
        let mut cleared = stored(&record());
        cleared.spec.get_or_insert_default().holder_identity = None;
        assert!(!read(&cleared).unwrap().record.released);
    }

    #[test]
    fn nonsense_counts_as_absent() {
        let mut lease = stored(&record());
        let notes = lease.metadata.annotations.get_or_insert_default();
        notes.insert("bellwether.dev/epoch".into(), "-1".into());
        notes.insert("bellwether.dev/term".into(), "xyz".into());
        lease.spec.get_or_insert_default().lease_duration_seconds = Some(-5);
        let record = read(&lease).unwrap().record;
        assert_eq!((record.epoch, record.term, record.duration), (Epoch(0), TermId(0), Duration::ZERO));
        lease.metadata.resource_version = Some("abc".into());
        assert_eq!(read(&lease), Err(LeaseError::Version("abc".into())));
    }

    #[test]
    fn seconds_are_rounded_up() {
        let mut lease = Lease::default();
        write(&Record { duration: Duration::from_millis(2001), ..record() }, &mut lease);
        assert_eq!(lease.spec.unwrap().lease_duration_seconds, Some(3));
    }
}
