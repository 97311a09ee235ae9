//! The follower's half: hear, stage, activate on the leader's word, and be in touch.

use std::sync::Arc;
use std::time::Duration;

use super::{Refusal, Replica, Touch};
use crate::snapshot::{Announcement, Epoch, Snapshot, Version};
use crate::time::Moment;

impl Replica {
    /// A leader announces a snapshot. To be acknowledged at once; what follows is to stage it.
    ///
    /// # Errors
    ///
    /// Where its term is over, or something newer is active.
    pub fn hear(&mut self, announcement: Announcement) -> Result<(), Refusal> {
        self.see(announcement.version.epoch, Some(announcement.term))?;
        let active = self.active.as_ref().map(|it| it.version).unwrap_or_default();
        if active > announcement.version {
            return Err(Refusal::NotNewer(active));
        }
        if announcement.version > self.known() {
            self.announced = Some(announcement);
        }
        Ok(())
    }

    /// The announced snapshot that is neither staged nor active yet, if there is one. One that was read before the
    /// active one is only known of: it will never be active here.
    pub fn to_stage(&self) -> Option<&Announcement> {
        let staged = self.staged.as_ref().map(|it| it.version).unwrap_or_default();
        let origin = self.active.as_ref().map(|it| it.origin).unwrap_or_default();
        self.announced.as_ref().filter(|announced| announced.version > staged && announced.origin >= origin)
    }

    /// The snapshots that a transfer can take tables from.
    pub fn held(&self) -> Vec<Arc<Snapshot>> {
        self.active.iter().chain(&self.staged).cloned().collect()
    }

    /// Everything of an announced snapshot is there and verified.
    ///
    /// # Errors
    ///
    /// Where its term is over, or it would be a step back from what is active.
    pub fn stage(&mut self, snapshot: Snapshot) -> Result<(), Refusal> {
        self.see(snapshot.version.epoch, Some(snapshot.term))?;
        self.newer_than_active(&snapshot)?;
        if self.staged.as_ref().is_none_or(|staged| staged.version < snapshot.version) {
            self.staged = Some(Arc::new(snapshot));
        }
        Ok(())
    }

    /// The leader's word that `version` is active.
    ///
    /// # Errors
    ///
    /// Where it was never staged, its term is over, it would be a step back, or this replica is frozen: then the word is
    /// obeyed when it is not any more.
    pub fn activate(&mut self, version: Version) -> Result<Arc<Snapshot>, Refusal> {
        let staged =
            self.staged.clone().filter(|staged| staged.version == version).ok_or(Refusal::NotStaged)?;
        self.see(version.epoch, Some(staged.term))?;
        self.newer_than_active(&staged)?;
        if !self.may_activate(&staged.contents) {
            self.word = Some(version);
            return Err(Refusal::Frozen);
        }
        self.activate_now(staged.clone());
        Ok(staged)
    }

    /// The leader of `epoch` answered the ping that was sent at `sent_at`. It counts from the sending, so that the
    /// way there and back only shortens it.
    pub fn answered(&mut self, epoch: Epoch, sent_at: Moment, grant: Duration, leader_current: bool) {
        if epoch < self.fence.epoch() || self.leading.is_some() {
            return;
        }
        if grant.is_zero() {
            // Not the newest here: an older grant runs out by itself, but moves nobody any more.
            if let Some(touch) = &mut self.touch {
                touch.leader_current = false;
            }
            return;
        }
        let until = sent_at + grant.min(super::GRANT);
        let until = self.touch.map_or(until, |touch| touch.until.max(until));
        self.touch = Some(Touch { until, leader_current });
    }

    /// Whether there is a leader to take tables from: this replica, or one that it is in touch with.
    pub fn is_led(&self, now: Moment) -> bool {
        self.leading.is_some() || self.touch.is_some_and(|touch| touch.until > now)
    }

    /// A table that a peer has activated, taken over while nobody leads: the one that was read later wins (design
    /// D9). It keeps the version that it was published under; it moves nobody, for without a leader nobody is current.
    ///
    /// # Errors
    ///
    /// Where this replica leads or is in touch with who does, has activated a table that was read as late, or is frozen.
    pub fn converge(&mut self, snapshot: Snapshot, now: Moment) -> Result<Arc<Snapshot>, Refusal> {
        if self.is_led(now) {
            return Err(Refusal::Led);
        }
        if let Some(active) = self.active.as_ref().filter(|active| active.origin >= snapshot.origin) {
            return Err(Refusal::OlderOrigin(active.origin));
        }
        if !self.may_activate(&snapshot.contents) {
            return Err(Refusal::Frozen);
        }
        match self.see(snapshot.version.epoch, Some(snapshot.term)) {
            // An older epoch has nothing to say, but its table may still be the one that was read last.
            Ok(()) | Err(Refusal::StaleEpoch(_)) => {}
            Err(refusal) => return Err(refusal),
        }
        let snapshot = Arc::new(snapshot);
        self.activate_now(snapshot.clone());
        Ok(snapshot)
    }

    /// The leader says when a poll last confirmed `version`, in Unix milliseconds.
    pub fn hear_confirmed(&mut self, version: Version, at_millis: u64) {
        if let Some(origin) = self.active.as_ref().filter(|it| it.version == version).map(|it| it.origin) {
            self.confirm(origin, at_millis);
        }
    }

    fn newer_than_active(&self, snapshot: &Snapshot) -> Result<(), Refusal> {
        match &self.active {
            Some(active) if active.version >= snapshot.version => Err(Refusal::NotNewer(active.version)),
            Some(active) if active.origin > snapshot.origin => Err(Refusal::OlderOrigin(active.origin)),
            _ => Ok(()),
        }
    }
}
