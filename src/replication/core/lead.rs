//! The leader's half: announce, wait for who may be in touch, activate; grant; keep the newest of what waits.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use super::state::names;
use super::{GRANT, Refusal, Replica, STAGE_WAIT};
use crate::election::{Term, TermOver};
use crate::protection::Protection;
use crate::snapshot::{Contents, Digest, Epoch, Snapshot, Standing, TermId, Version};
use crate::time::Moment;

/// One connection of one follower process. Acknowledgements belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u64);

/// What a successful read of the upstream gave, before it has a version.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The compiled tables.
    pub contents: Contents,
    /// When the upstream was read, in Unix milliseconds.
    pub read_at_millis: u64,
}

/// What became of a draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// It is announced under this version.
    Announced(Version),
    /// It waits for the publication under way; a newer draft would take its place.
    Waiting,
    /// It is what the newest publication holds.
    Unchanged,
    /// An operator's order holds it back.
    Held,
}

/// How far the publication under way is.
#[derive(Clone, Debug)]
pub enum Progress {
    /// Nothing is under way.
    Idle,
    /// It cannot be activated before this moment, unless somebody acknowledges.
    Wait(Moment),
    /// It is active now.
    Activated(Arc<Snapshot>),
}

/// The answer to a ping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pong {
    /// The leader's newest version.
    pub newest: Version,
    /// The digest of its main table.
    pub digest: Option<Digest>,
    /// How long the follower is in touch, counted from its ping.
    pub grant: Duration,
    /// Whether the leader is current.
    pub current: bool,
    /// When a poll last confirmed the newest version, in Unix milliseconds; zero where none has since its reading.
    pub confirmed_at_millis: u64,
}

/// What a follower's stream should send next.
#[derive(Clone, Debug)]
pub struct Outlook {
    /// The newest snapshot of this term, announced or active.
    pub newest: Option<Arc<Snapshot>>,
    /// What the follower has staged and the leader has activated.
    pub activate: Option<Version>,
}

/// The state of a term.
#[derive(Debug)]
pub(super) struct Leading {
    term: Term,
    caught_up: bool,
    under_way: Option<Publication>,
    waiting: Option<Draft>,
    next: Version,
    read_since: Option<Version>,
    /// Until when grants of the term before may still run.
    inherited_until: Moment,
    followers: BTreeMap<String, Follower>,
    /// What was announced and then taken back: nobody may ever activate it.
    withdrawn: BTreeSet<Version>,
}

#[derive(Clone, Debug)]
struct Publication {
    snapshot: Arc<Snapshot>,
    announced_at: Moment,
}

#[derive(Clone, Debug)]
struct Follower {
    stream: Option<StreamId>,
    announced: Version,
    staged: Version,
    granted_until: Moment,
}

impl Leading {
    pub(super) const fn epoch(&self) -> Epoch {
        self.term.epoch()
    }

    pub(super) fn under_way(&self) -> Option<&Arc<Snapshot>> {
        self.under_way.as_ref().map(|publication| &publication.snapshot)
    }

    pub(super) fn standing(&self) -> Standing {
        Standing::Leads { term: self.term.clone(), read_since: self.read_since }
    }

    pub(super) const fn term(&self) -> &Term {
        &self.term
    }

    /// A copy whose term is renewed and ended by itself.
    pub(super) fn fork(&self) -> Self {
        Self {
            term: self.term.fork_for_tests(),
            caught_up: self.caught_up,
            under_way: self.under_way.clone(),
            waiting: self.waiting.clone(),
            next: self.next,
            read_since: self.read_since,
            inherited_until: self.inherited_until,
            followers: self.followers.clone(),
            withdrawn: self.withdrawn.clone(),
        }
    }

    pub(super) fn hash_for_tests(&self, now: Moment, state: &mut impl Hasher) {
        let Self {
            term,
            caught_up,
            under_way,
            waiting,
            next,
            read_since,
            inherited_until,
            followers,
            withdrawn,
        } = self;
        (term.epoch(), term.id(), term.left(now), caught_up, next, read_since, withdrawn).hash(state);
        let publication = |it: &Publication| {
            let patience = (it.announced_at + STAGE_WAIT).since(now);
            (names(&it.snapshot), patience)
        };
        under_way.as_ref().map(publication).hash(state);
        let draft = |draft: &Draft| (draft.read_at_millis, Arc::as_ptr(&draft.contents.table) as usize);
        (waiting.as_ref().map(draft), inherited_until.since(now)).hash(state);
        for (identity, follower) in followers {
            let Follower { stream, announced, staged, granted_until } = follower;
            let granted = granted_until.since(now);
            if stream.is_some() || !granted.is_zero() {
                (identity, stream, announced, staged, granted).hash(state);
            }
        }
    }

    /// Takes back what is under way or waits: nobody has been told to activate it, and nobody will be.
    fn withdraw(&mut self) {
        self.waiting = None;
        let Some(publication) = self.under_way.take() else { return };
        let version = publication.snapshot.version;
        self.withdrawn.insert(version);
        self.read_since.take_if(|since| *since == version);
    }

    /// Until when the publication under way must wait, if it must.
    fn blocked_until(&self, publication: &Publication, now: Moment) -> Option<Moment> {
        if Protection::Grants.is_off() {
            return None;
        }
        let version = publication.snapshot.version;
        let patience = publication.announced_at + STAGE_WAIT;
        let inherited = Some(self.inherited_until).filter(|until| *until > now);
        let followers = self.followers.values().filter_map(|follower| {
            if follower.staged >= version {
                return None;
            }
            let in_touch = follower.granted_until > now;
            // Who is only connected moves nobody; waiting for it a little makes all flip together.
            let waited_for = now < patience && (in_touch || follower.stream.is_some());
            let knows = follower.announced >= version;
            match (waited_for, in_touch && !knows) {
                (true, true) => Some(patience.min(follower.granted_until)),
                (true, false) => Some(patience),
                (false, true) => Some(follower.granted_until),
                (false, false) => None,
            }
        });
        followers.chain(inherited).min()
    }
}

impl Replica {
    /// This process leads now. What was announced or granted by the leader before is void.
    ///
    /// # Errors
    ///
    /// Where a newer epoch was seen meanwhile: the election must come to a higher one first.
    pub fn lead(&mut self, term: Term) -> Result<(), Refusal> {
        self.see(term.epoch(), Some(term.id()))?;
        (self.touch, self.staged, self.announced) = (None, None, None);
        // Unless its full duration had passed, replicas may still be in touch with the leader before.
        let inherited_until =
            if term.after_expiry() { Moment::from_nanos(0) } else { term.acquired_at() + GRANT };
        self.leading = Some(Leading {
            caught_up: false,
            under_way: None,
            waiting: None,
            next: Version { epoch: term.epoch(), sequence: Default::default() },
            read_since: None,
            inherited_until,
            followers: BTreeMap::new(),
            withdrawn: BTreeSet::new(),
            term,
        });
        Ok(())
    }

    /// When what is under way was announced.
    pub fn announced_at(&self) -> Option<Moment> {
        Some(self.leading.as_ref()?.under_way.as_ref()?.announced_at)
    }

    /// The epoch and the term that this replica leads, if it does.
    pub fn leads(&self) -> Option<(Epoch, TermId)> {
        self.leading.as_ref().map(|leading| (leading.epoch(), leading.term.id()))
    }

    /// How many followers are connected, and the epoch that this replica leads; `None` where it does not.
    pub fn subscribed(&self) -> Option<(Epoch, usize)> {
        let leading = self.leading.as_ref()?;
        let connected = leading.followers.values().filter(|follower| follower.stream.is_some());
        Some((leading.epoch(), connected.count()))
    }

    /// The term is over: nothing more is announced, granted or activated under it.
    pub fn retire(&mut self) {
        self.leading = None;
    }

    /// Everyone who could be reached was asked; `best` is the snapshot with the highest origin that others have
    /// activated. The highest of all is announced again under this term, without a byte where it is known.
    /// `all_answered`: every peer answered under this epoch, so no older grant can run.
    ///
    /// # Errors
    ///
    /// Where this replica does not lead.
    pub fn caught_up(
        &mut self,
        best: Option<Snapshot>,
        all_answered: bool,
        now: Moment,
    ) -> Result<(), Refusal> {
        let leading = self.leading.as_mut().ok_or(Refusal::NotLeader)?;
        leading.caught_up = true;
        if all_answered {
            leading.inherited_until = Moment::from_nanos(0);
        }
        let version = leading.next;
        let term = leading.term.id();
        let own = self.active.clone();
        let best = best.map(Arc::new).filter(|best| own.as_ref().is_none_or(|own| own.origin < best.origin));
        leading.next = version.next();
        let Some(inherited) = best.or_else(|| own.clone()) else { return Ok(()) };
        let snapshot = Arc::new(inherited.adopted(version, term));
        if own.is_some_and(|own| own.contents.same_tables(&snapshot.contents)) {
            // Not a byte changes here, so nobody has to be waited for.
            self.activate_now(snapshot);
        } else {
            leading.under_way = Some(Publication { snapshot, announced_at: now });
        }
        Ok(())
    }

    /// Publishes what was read, under the proof of leadership. The first read of a term is always published, even
    /// where nothing changed: it is what makes replicas current again. So are findings that changed where the table
    /// did not, for followers show them and the next leader starts from them.
    ///
    /// # Errors
    ///
    /// Where the term is over.
    pub fn publish(&mut self, term: &Term, draft: Draft, now: Moment) -> Result<Published, TermOver> {
        term.check(now)?;
        let may_publish = self.may_publish(&draft.contents);
        let under_way = self.leading.as_ref().and_then(Leading::under_way);
        let is_held = under_way.is_some_and(|it| !self.may_activate(&it.contents));
        let ours = |leading: &&mut Leading| leading.epoch() == term.epoch() && leading.caught_up;
        let leading = self.leading.as_mut().filter(ours).ok_or(TermOver(term.epoch()))?;
        if !may_publish {
            return Ok(Published::Held);
        }
        let newest = leading.under_way().or(self.active.as_ref());
        let same = newest.is_some_and(|newest| {
            newest.contents.same_tables(&draft.contents) && newest.contents.same_findings(&draft.contents)
        });
        if same && leading.read_since.is_some() {
            let origin = newest.map(|newest| newest.origin).unwrap_or_default();
            leading.waiting = None;
            self.confirm(origin, draft.read_at_millis);
            return Ok(Published::Unchanged);
        }
        if draft.contents.order != 0 || is_held {
            leading.withdraw();
        } else if leading.under_way.is_some() {
            leading.waiting = Some(draft);
            return Ok(Published::Waiting);
        }
        Ok(Published::Announced(self.announce(draft, now).ok_or(TermOver(term.epoch()))?))
    }

    fn announce(&mut self, draft: Draft, now: Moment) -> Option<Version> {
        let leading = self.leading.as_mut()?;
        let version = leading.next;
        leading.next = version.next();
        leading.read_since.get_or_insert(version);
        let contents = match &self.active {
            Some(active) => draft.contents.unchanged_since(&active.contents),
            None => draft.contents,
        };
        let snapshot = Snapshot {
            version,
            origin: version,
            term: leading.term.id(),
            read_at_millis: draft.read_at_millis,
            contents: Arc::new(contents),
        };
        leading.under_way = Some(Publication { snapshot: Arc::new(snapshot), announced_at: now });
        Some(version)
    }

    /// Takes back the publication that a freeze does not let become active, and announces the active table in its place:
    /// a fleet that is frozen stays current with what it has. What another term published is left for the end of the freeze.
    pub(super) fn announce_active_again(&mut self, now: Moment) {
        let under_way = self.leading.as_ref().and_then(Leading::under_way);
        let is_held = under_way.is_some_and(|it| !self.may_activate(&it.contents));
        let Some(leading) = self.leading.as_mut().filter(|_| is_held) else { return };
        let Some(active) = self.active.as_ref().filter(|it| it.version.epoch == leading.epoch()) else {
            return;
        };
        leading.withdraw();
        let version = leading.next;
        leading.next = version.next();
        let snapshot = Arc::new(active.adopted(version, leading.term.id()));
        leading.under_way = Some(Publication { snapshot, announced_at: now });
    }

    /// Activates the publication under way as soon as nobody who might move a client with an older table is left,
    /// and announces what has waited for it.
    pub fn progress(&mut self, now: Moment) -> Progress {
        let Some(leading) = &self.leading else { return Progress::Idle };
        if leading.term.check(now).is_err() {
            return Progress::Idle;
        }
        let Some(publication) = &leading.under_way else { return Progress::Idle };
        if let Some(until) = leading.blocked_until(publication, now) {
            return Progress::Wait(until);
        }
        let snapshot = publication.snapshot.clone();
        if !self.may_activate(&snapshot.contents) {
            return Progress::Idle;
        }
        let Some(leading) = &mut self.leading else { return Progress::Idle };
        leading.under_way = None;
        let waiting = leading.waiting.take();
        self.activate_now(snapshot.clone());
        if let Some(draft) = waiting.filter(|draft| self.may_publish(&draft.contents)) {
            self.announce(draft, now);
        }
        Progress::Activated(snapshot)
    }

    /// A follower greets on a new stream. Older acknowledgements of the process are void, its grants are not.
    ///
    /// # Errors
    ///
    /// Where this replica does not lead, or the follower has seen a newer epoch.
    pub fn subscribe(&mut self, identity: &str, stream: StreamId, fence: Epoch) -> Result<(), Refusal> {
        let leading = self.leading.as_mut().ok_or(Refusal::NotLeader)?;
        if fence > leading.epoch() {
            return Err(Refusal::StaleEpoch(fence));
        }
        let granted_until =
            leading.followers.get(identity).map_or_else(Moment::default, |it| it.granted_until);
        let (announced, staged) = Default::default();
        let follower = Follower { stream: Some(stream), announced, staged, granted_until };
        leading.followers.insert(identity.to_owned(), follower);
        Ok(())
    }

    /// A follower's stream has ended. It may be in touch until its last grant has run out.
    pub fn unsubscribe(&mut self, identity: &str, stream: StreamId, now: Moment) {
        let Some(leading) = &mut self.leading else { return };
        if let Some(follower) = leading.followers.get_mut(identity).filter(|it| it.stream == Some(stream)) {
            follower.stream = None;
            (follower.announced, follower.staged) = Default::default();
        }
        leading.followers.retain(|_, follower| follower.stream.is_some() || follower.granted_until > now);
    }

    fn follower(&mut self, identity: &str, stream: StreamId) -> Result<&mut Follower, Refusal> {
        let leading = self.leading.as_mut().ok_or(Refusal::NotLeader)?;
        let follower = leading.followers.get_mut(identity).filter(|it| it.stream == Some(stream));
        follower.ok_or(Refusal::OldStream)
    }

    /// A follower knows of `version`.
    ///
    /// # Errors
    ///
    /// Where this replica does not lead, or the stream is not the follower's last.
    pub fn acknowledge_announced(
        &mut self,
        id: &str,
        stream: StreamId,
        version: Version,
    ) -> Result<(), Refusal> {
        let follower = self.follower(id, stream)?;
        follower.announced = follower.announced.max(version);
        Ok(())
    }

    /// A follower holds all of `version`, verified.
    ///
    /// # Errors
    ///
    /// Where this replica does not lead, or the stream is not the follower's last.
    pub fn acknowledge_staged(
        &mut self,
        id: &str,
        stream: StreamId,
        version: Version,
    ) -> Result<(), Refusal> {
        let follower = self.follower(id, stream)?;
        follower.staged = follower.staged.max(version);
        follower.announced = follower.announced.max(version);
        Ok(())
    }

    /// Answers a ping. Grants only to who knows the newest version, never longer than the term is valid, and notes
    /// the grant before it is given.
    ///
    /// # Errors
    ///
    /// Where this replica does not lead, or the stream is not the follower's last.
    pub fn ping(&mut self, id: &str, stream: StreamId, known: Version, now: Moment) -> Result<Pong, Refusal> {
        let current = self.view().is_current(now);
        let newest = self.outlook(id).newest;
        let leading = self.leading.as_ref().ok_or(Refusal::NotLeader)?;
        let left = leading.term.left(now);
        let newest_version = newest.as_ref().map(|it| it.version).unwrap_or_default();
        let confirmed_at_millis = newest.as_ref().map_or(0, |newest| self.confirmed(newest));
        let grant =
            if known == newest_version && leading.caught_up { left.min(GRANT) } else { Duration::ZERO };
        let follower = self.follower(id, stream)?;
        follower.granted_until = follower.granted_until.max(now + grant);
        let digest = newest.map(|it| it.digest());
        Ok(Pong { newest: newest_version, digest, grant, current, confirmed_at_millis })
    }

    /// What the stream of `identity` should send.
    pub fn outlook(&self, identity: &str) -> Outlook {
        let Some(leading) = &self.leading else { return Outlook { newest: None, activate: None } };
        let active = self.active.as_ref().filter(|it| it.version.epoch == leading.epoch());
        let newest = leading.under_way().or(active).cloned();
        let staged = leading.followers.get(identity).map(|it| it.staged);
        let out = |staged: &Version| {
            active.is_some_and(|active| active.version >= *staged) && !leading.withdrawn.contains(staged)
        };
        let activate = staged.filter(out);
        Outlook { newest, activate: activate.filter(|staged| staged.epoch == leading.epoch()) }
    }

    /// The process that is best prepared to lead next: connected, and holding the newest version.
    pub fn successor(&self) -> Option<String> {
        let leading = self.leading.as_ref()?;
        let ready = leading.followers.iter().filter(|(_, follower)| follower.stream.is_some());
        ready.max_by_key(|(_, follower)| follower.staged).map(|(identity, _)| identity.clone())
    }
}
