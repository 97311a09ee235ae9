//! From when on a failover counts: the last time that the leader before was heard of.
//!
//! In: the Lease as it is seen, and the epochs that replicas announce under. Out: how long it took from the one to the
//! other. Our own clock alone counts, so it is as a follower lives through it.

use std::time::Duration;

use super::record::{Record, Stored};
use crate::snapshot::{Epoch, TermId};
use crate::time::Moment;

/// What was seen of the last two holders.
#[derive(Debug, Default)]
pub(in crate::election) struct Sightings {
    newest: Option<Seen>,
    /// An epoch that another replica's followed, and when that one was last heard of.
    takeover: Option<(Epoch, Moment)>,
}

#[derive(Debug)]
struct Seen {
    version: u64,
    holder: String,
    epoch: Epoch,
    term: TermId,
    at: Moment,
}

impl Sightings {
    /// The Lease was seen so. What is older than the last sighting is no news, and nobody holds one that was just made.
    pub(in crate::election) fn saw(&mut self, stored: &Stored, now: Moment) {
        let Stored { key, record } = stored;
        let Record { holder, epoch, term, .. } = record;
        if record.is_bare() || self.newest.as_ref().is_some_and(|newest| key.version <= newest.version) {
            return;
        }
        if let Some(newest) = self.newest.as_mut().filter(|it| (it.epoch, it.term) == (*epoch, *term)) {
            // A renewal, or the release that ends the term.
            (newest.version, newest.at) = (key.version, now);
            return;
        }
        let new = Seen { version: key.version, holder: holder.clone(), epoch: *epoch, term: *term, at: now };
        let before = self.newest.replace(new);
        let before = before.filter(|before| before.holder != *holder);
        self.takeover = before.map(|before| (*epoch, before.at));
    }

    /// Something is announced under `epoch`: how long the failover to it took, told once.
    pub(in crate::election) fn announced(&mut self, epoch: Epoch, now: Moment) -> Option<Duration> {
        let (_, since) = self.takeover.take_if(|(taken, _)| epoch >= *taken)?;
        Some(now.since(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::election::record::Key;

    fn at(seconds: u64) -> Moment {
        Moment::from_nanos(seconds * 1_000_000_000)
    }

    fn lease(version: u64, holder: &str, epoch: u64) -> Stored {
        let record = Record {
            holder: holder.to_owned(),
            epoch: Epoch(epoch),
            term: TermId(epoch.into()),
            ..Record::default()
        };
        Stored { key: Key { uid: "u".to_owned(), version }, record }
    }

    #[test]
    fn a_failover_counts_from_the_last_renewal_to_the_first_announcement() {
        let mut sightings = Sightings::default();
        sightings.saw(&lease(1, "a", 1), at(0));
        assert_eq!(sightings.announced(Epoch(1), at(1)), None, "nobody knows when that began");
        sightings.saw(&lease(2, "a", 1), at(10));
        // Read again, but not renewed.
        sightings.saw(&lease(2, "a", 1), at(12));
        sightings.saw(&lease(3, "b", 3), at(13));
        assert_eq!(sightings.announced(Epoch(1), at(13)), None, "under the old epoch");
        assert_eq!(sightings.announced(Epoch(3), at(14)), Some(Duration::from_secs(4)));
        assert_eq!(sightings.announced(Epoch(3), at(15)), None, "it is over");
    }

    #[test]
    fn a_release_is_the_last_that_is_heard_and_a_lease_made_anew_tells_nothing() {
        let mut sightings = Sightings::default();
        sightings.saw(&lease(1, "a", 1), at(0));
        sightings.saw(&lease(2, "", 1), at(20));
        sightings.saw(&Stored { record: Record::default(), ..lease(3, "", 0) }, at(21));
        sightings.saw(&lease(4, "b", 4), at(22));
        assert_eq!(sightings.announced(Epoch(5), at(22)), Some(Duration::from_secs(2)), "raised at once");
    }

    #[test]
    fn a_leader_that_raises_its_epoch_is_no_failover() {
        let mut sightings = Sightings::default();
        sightings.saw(&lease(1, "a", 1), at(0));
        sightings.saw(&lease(2, "a", 2), at(1));
        assert_eq!(sightings.announced(Epoch(2), at(1)), None);
    }
}
