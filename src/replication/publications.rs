//! The last publications, as each replica remembers them: the leader writes them down, and they travel on its streams.
//!
//! In: what this leader has published, what other replicas remember. Out: the newest of them, and messages for the
//! replicas that do not know them. They are for people: nothing is decided by them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::snapshot::{Publication, Version};
use crate::wire;

/// How many are remembered.
pub const REMEMBERED: usize = 20;

/// The last publications.
#[derive(Debug, Default)]
pub struct Publications {
    known: Mutex<BTreeMap<Version, Publication>>,
    changed: watch::Sender<()>,
}

impl Publications {
    /// The newest first.
    pub fn list(&self) -> Vec<Publication> {
        self.known.lock().values().rev().cloned().collect()
    }

    /// This leader has published.
    pub fn add(&self, publication: Publication) {
        self.take([publication]);
    }

    /// Another replica says what it remembers. What makes no sense is passed over.
    pub fn heard(&self, message: wire::Publications) {
        self.take(message.publications.into_iter().take(REMEMBERED).filter_map(Publication::decode));
    }

    /// What a stream is to be told, from the beginning on.
    pub fn feed(self: &Arc<Self>) -> Feed {
        let mut changed = self.changed.subscribe();
        changed.mark_changed();
        Feed { publications: Arc::clone(self), changed, told: BTreeSet::new() }
    }

    /// Of two about one version the first word stays: they are the same.
    fn take(&self, publications: impl IntoIterator<Item = Publication>) {
        let mut known = self.known.lock();
        let mut news = false;
        for publication in publications {
            let version = publication.version;
            known.entry(version).or_insert_with(|| {
                news = true;
                publication
            });
            if known.len() > REMEMBERED {
                known.pop_first();
            }
        }
        drop(known);
        if news {
            self.changed.send_replace(());
        }
    }
}

/// What the other end of a stream was told.
pub struct Feed {
    publications: Arc<Publications>,
    changed: watch::Receiver<()>,
    told: BTreeSet<Version>,
}

impl Feed {
    /// The other end tells what it knows: that is no news to it.
    pub fn heard(&mut self, message: wire::Publications) {
        let versions = message.publications.iter().filter_map(|it| it.version);
        self.told.extend(versions.map(Version::from).take(REMEMBERED));
        self.publications.heard(message);
    }

    /// The next message, as soon as there is one. Loses nothing where it is dropped while it waits.
    pub async fn next(&mut self) -> wire::Publications {
        loop {
            if self.changed.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            let all = self.publications.list();
            // What is forgotten is not told again.
            let oldest = all.last().map(|it| it.version).unwrap_or_default();
            self.told.retain(|version| *version >= oldest);
            let news: Vec<_> = all.iter().filter(|it| self.told.insert(it.version)).collect();
            if !news.is_empty() {
                return wire::Publications {
                    publications: news.into_iter().map(Publication::encode).collect(),
                };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::snapshot::{Digest, Lengths};

    fn publication(sequence: u64) -> Publication {
        Publication {
            version: Version::new(7, sequence),
            origin: Version::new(7, sequence),
            digest: Digest::of(&sequence.to_le_bytes()),
            cause: "change".to_owned(),
            by: "r0".to_owned(),
            routes: sequence,
            difference: None,
            activated_at_millis: 0,
            lengths: Lengths::default(),
            replicas: 1,
        }
    }

    fn sequences(publications: &Publications) -> Vec<u64> {
        publications.list().iter().map(|it| it.version.sequence.0).collect()
    }

    async fn said(feed: &mut Feed) -> Option<wire::Publications> {
        tokio::time::timeout(Duration::from_millis(1), feed.next()).await.ok()
    }

    #[tokio::test(start_paused = true)]
    async fn every_replica_comes_to_know_the_newest_and_is_told_nothing_twice() {
        let [leader, first, second] = [0; 3].map(|_| Arc::<Publications>::default());
        // The first one has been here longer than the leader.
        (1..=30).for_each(|sequence| first.add(publication(sequence)));
        assert_eq!(sequences(&first), (11..=30).rev().collect::<Vec<_>>());
        let (mut up, mut down, mut other) = (first.feed(), leader.feed(), leader.feed());
        down.heard(said(&mut up).await.expect("all that it knows"));
        assert!(said(&mut down).await.is_none(), "it came from there");
        second.heard(said(&mut other).await.expect("what the leader has learned"));
        assert_eq!(sequences(&second), sequences(&first));
        leader.add(publication(31));
        for (feed, replica) in [(&mut down, &first), (&mut other, &second)] {
            let news = said(feed).await.expect("it is new");
            assert_eq!(news.publications.len(), 1);
            replica.heard(news);
        }
        for replica in [&leader, &first, &second] {
            assert_eq!(sequences(replica), (12..=31).rev().collect::<Vec<_>>());
            assert_eq!(replica.list(), leader.list());
        }
        leader.add(publication(1));
        assert!(said(&mut down).await.is_none(), "it is older than what is remembered");
    }
}
