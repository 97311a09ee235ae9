//! What changed between two looks at the replicas: a pure difference.
//!
//! In: each replica's status, or none where it does not answer, and the moment of the look. Out: what a person would
//! want to be told, in order.

use std::fmt;
use std::time::Duration;

use super::status::{Findings, Status};

/// A version as `/status` has it: epoch and sequence.
type Version = (u64, u64);

/// Without a leader for longer than this, the next one is news even if it is the same replica.
const VACANT: Duration = Duration::from_secs(1);

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A replica leads that did not before; how long nobody had, where somebody had at all.
    Leads { replica: usize, after: Option<Duration> },
    /// A table with new bytes is served for the first time.
    Published { version: Version, digest: String, routes: u64, quarantined: usize },
    /// A version is served for the first time whose bytes were served before.
    Announced { version: Version, digest: String },
    /// All replicas that answer serve the same version now.
    Everywhere { version: Version, replicas: usize, after: Duration },
    /// Something is wrong with the manifests.
    Wrong(String),
}

/// Remembers the last look.
#[derive(Debug, Default)]
pub(super) struct Watch {
    leader: Option<usize>,
    /// When somebody was last seen leading.
    led: Option<Duration>,
    /// The newest version seen anywhere, and when it was first seen.
    newest: Option<(Version, Duration)>,
    /// The digest of the last table.
    digest: String,
    everywhere: bool,
    findings: Findings,
}

impl Watch {
    /// Who was last seen leading.
    pub(super) const fn leader(&self) -> Option<usize> {
        self.leader
    }

    /// Takes a look at `now` (since the start), and says what is new.
    pub(super) fn look(&mut self, now: Duration, replicas: &[Option<Status>]) -> Vec<Event> {
        let mut events = Vec::new();
        events.extend(self.leads(now, replicas));
        events.extend(self.newest(now, replicas));
        events.extend(self.wrong(replicas));
        events.extend(self.everywhere(now, replicas));
        events
    }

    fn leads(&mut self, now: Duration, replicas: &[Option<Status>]) -> Option<Event> {
        // One that has just been deposed may still say that it leads; the one with the newest table is meant.
        let (replica, _) = replicas
            .iter()
            .enumerate()
            .filter_map(|(replica, status)| Some((replica, status.as_ref()?)))
            .filter(|(_, status)| status.role == "leader")
            .max_by_key(|(_, status)| status.version())?;
        let after = self.led.replace(now).map(|led| now.saturating_sub(led));
        let vacant = after.is_some_and(|after| after > VACANT);
        let before = self.leader.replace(replica);
        (vacant || before != Some(replica)).then_some(Event::Leads { replica, after })
    }

    fn newest(&mut self, now: Duration, replicas: &[Option<Status>]) -> Option<Event> {
        let status = replicas.iter().flatten().max_by_key(|status| status.version())?;
        let version = status.version()?;
        if self.newest.is_some_and(|(known, _)| known >= version) {
            return None;
        }
        self.newest = Some((version, now));
        self.everywhere = false;
        let digest = status.digest.clone().unwrap_or_default();
        if self.digest == digest {
            return Some(Event::Announced { version, digest });
        }
        self.digest.clone_from(&digest);
        let (routes, quarantined) = (status.routes, status.quarantined.count);
        Some(Event::Published { version, digest, routes, quarantined })
    }

    /// What the leader finds wrong now and did not before, whether or not the table changed with it.
    fn wrong(&mut self, replicas: &[Option<Status>]) -> Vec<Event> {
        let Some(status) = self.leader.and_then(|leader| replicas.get(leader)?.as_ref()) else {
            return Vec::new();
        };
        let known = std::mem::replace(&mut self.findings, status.diagnostics.clone());
        let new = self.findings.items.iter().filter(|finding| !known.items.contains(finding));
        new.map(|finding| Event::Wrong(finding.reason.clone())).collect()
    }

    fn everywhere(&mut self, now: Duration, replicas: &[Option<Status>]) -> Option<Event> {
        let (version, since) = self.newest?;
        let all = replicas.iter().flatten().all(|status| status.version() == Some(version));
        let answering = replicas.iter().flatten().count();
        if self.everywhere || answering < 2 || !all {
            return None;
        }
        self.everywhere = true;
        Some(Event::Everywhere { version, replicas: answering, after: now.saturating_sub(since) })
    }
}

impl Status {
    fn version(&self) -> Option<Version> {
        Some((self.epoch?, self.sequence?))
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leads { replica, after: None } => write!(f, "r{replica} leads"),
            Self::Leads { replica, after: Some(after) } => {
                write!(f, "r{replica} leads, {:.1} s after the last leader was seen", after.as_secs_f64())
            }
            Self::Published { version: (epoch, sequence), digest, routes, quarantined } => {
                write!(f, "table {epoch}.{sequence} published: {routes} routes, digest {}", short(digest))?;
                match quarantined {
                    0 => Ok(()),
                    count => write!(f, ", {count} quarantined"),
                }
            }
            Self::Announced { version: (epoch, sequence), digest } => {
                write!(f, "table {epoch}.{sequence} announced: the same bytes, digest {}", short(digest))
            }
            Self::Everywhere { version: (epoch, sequence), replicas, after } => {
                write!(f, "table {epoch}.{sequence} is served by all {replicas} replicas")?;
                match after.as_millis() {
                    0 => Ok(()),
                    millis => write!(f, ", {millis} ms later"),
                }
            }
            Self::Wrong(reason) => write!(f, "wrong in the manifests: {reason}"),
        }
    }
}

fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::status::{Count, Finding};

    fn at(role: &str, epoch: u64, sequence: u64, digest: &str) -> Option<Status> {
        let (role, digest) = (role.to_owned(), Some(digest.to_owned()));
        Some(Status {
            role,
            epoch: Some(epoch),
            sequence: Some(sequence),
            digest,
            routes: 9,
            ..Status::default()
        })
    }

    fn lines(watch: &mut Watch, millis: u64, replicas: &[Option<Status>]) -> Vec<String> {
        let events = watch.look(Duration::from_millis(millis), replicas);
        events.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_start_a_change_and_a_fail_over() {
        let mut watch = Watch::default();
        assert!(lines(&mut watch, 0, &[None, None, None]).is_empty());
        let follower = Some(Status { role: "follower".to_owned(), ..Status::default() });
        let first = [at("leader", 1, 1, "a"), follower.clone(), follower];
        assert_eq!(lines(&mut watch, 100, &first), ["r0 leads", "table 1.1 published: 9 routes, digest a"]);
        let all = [at("leader", 1, 1, "a"), at("follower", 1, 1, "a"), at("follower", 1, 1, "a")];
        assert_eq!(lines(&mut watch, 200, &all), ["table 1.1 is served by all 3 replicas, 100 ms later"]);
        assert!(lines(&mut watch, 300, &all).is_empty());

        let dead = [None, at("follower", 1, 1, "a"), at("follower", 1, 1, "a")];
        assert!(lines(&mut watch, 400, &dead).is_empty());
        let next = [None, at("leader", 2, 0, "a"), at("follower", 2, 0, "a")];
        assert_eq!(
            lines(&mut watch, 3300, &next),
            [
                "r1 leads, 3.0 s after the last leader was seen",
                "table 2.0 announced: the same bytes, digest a",
                "table 2.0 is served by all 2 replicas",
            ]
        );
        let changed = [None, at("leader", 2, 1, "b"), at("follower", 2, 1, "b")];
        assert_eq!(lines(&mut watch, 3400, &changed)[0], "table 2.1 published: 9 routes, digest b");
    }

    #[test]
    fn a_replica_that_leads_again_is_news() {
        let mut watch = Watch::default();
        let leads = [at("leader", 1, 1, "a"), at("follower", 1, 1, "a")];
        watch.look(Duration::ZERO, &leads);
        assert!(watch.look(Duration::from_millis(100), &leads).is_empty());
        let again = [at("leader", 2, 0, "a"), at("follower", 1, 1, "a")];
        let events = watch.look(Duration::from_secs(3), &again);
        assert_eq!(events[0], Event::Leads { replica: 0, after: Some(Duration::from_millis(2900)) });
    }

    #[test]
    fn of_two_who_say_they_lead_the_newer_table_counts() {
        let mut watch = Watch::default();
        let both = [at("leader", 1, 5, "a"), at("leader", 2, 0, "a")];
        assert_eq!(watch.look(Duration::ZERO, &both)[0], Event::Leads { replica: 1, after: None });
    }

    #[test]
    fn what_is_wrong_with_a_manifest_is_told_once() {
        let mut watch = Watch::default();
        let with = |sequence: u64, reason: &str| {
            let mut status = at("leader", 1, sequence, "a").unwrap();
            status.quarantined = Count { count: 2 };
            status.diagnostics.items = vec![Finding { reason: reason.to_owned() }];
            vec![Some(status)]
        };
        let first = lines(&mut watch, 0, &with(1, "shop.yaml:3: odd"));
        assert_eq!(first[1], "table 1.1 published: 9 routes, digest a, 2 quarantined");
        assert_eq!(first[2], "wrong in the manifests: shop.yaml:3: odd");
        assert_eq!(lines(&mut watch, 100, &with(2, "shop.yaml:3: odd")).len(), 1);
        // Also where the table stays as it is.
        let other = lines(&mut watch, 200, &with(2, "blog.yaml:1: odd"));
        assert_eq!(other, ["wrong in the manifests: blog.yaml:1: odd"]);
    }
}
