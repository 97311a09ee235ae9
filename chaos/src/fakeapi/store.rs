//! The objects, their versions and their history, with the rules of the real store.
//!
//! In: writes. Out: objects as of now, or as of an older version that is not forgotten yet, and what changed since one
//! (<https://kubernetes.io/docs/reference/using-api/api-concepts/>). What can go wrong: an object is there already, or not
//! there; a write was meant for another version or another object of that name; a version is forgotten.

use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::Endpoint;

/// The version of an empty store.
const FIRST: u64 = 1000;

/// How many changes are remembered.
const HISTORY: usize = 4096;

/// Where an object is: its kind, its namespace and its name. In the order of the real store's keys, which end a namespace by
/// a slash: `a-b/x` comes before `a/x`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key(pub(super) Endpoint, pub(super) String, pub(super) String);

/// What the store holds, in the order of its keys, as it is listed.
pub(super) type Objects = BTreeMap<Key, Arc<Value>>;

/// What a whole control plane keeps.
pub(super) struct Store {
    version: watch::Sender<u64>,
    objects: Objects,
    history: VecDeque<Change>,
    uids: u64,
}

/// One write.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) version: u64,
    pub(super) key: Key,
    pub(super) before: Option<Arc<Value>>,
    pub(super) after: Option<Arc<Value>>,
}

/// Why a write did not happen, or a read has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    NotFound,
    AlreadyExists,
    Conflict,
    Expired,
    Invalid,
}

impl Key {
    fn path(&self) -> impl Iterator<Item = u8> + use<'_> {
        self.1.bytes().chain([b'/']).chain(self.2.bytes())
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0).then_with(|| self.path().cmp(other.path()))
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Store {
    pub(super) fn new() -> Self {
        Self {
            version: watch::Sender::new(FIRST),
            objects: Objects::new(),
            history: VecDeque::new(),
            uids: 0,
        }
    }

    /// The version of the last write.
    pub(super) fn version(&self) -> u64 {
        *self.version.borrow()
    }

    /// Tells of each write.
    pub(super) fn versions(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    pub(super) const fn objects(&self) -> &Objects {
        &self.objects
    }

    /// What it held at `version`.
    pub(super) fn at(&self, version: u64) -> Result<Objects, Refusal> {
        let mut objects = self.objects.clone();
        for Change { key, before, .. } in self.since(version)?.rev() {
            match before {
                Some(before) => objects.insert(key.clone(), Arc::clone(before)),
                None => objects.remove(key),
            };
        }
        Ok(objects)
    }

    /// What was written after `version`, in order.
    pub(super) fn since(
        &self,
        version: u64,
    ) -> Result<impl DoubleEndedIterator<Item = &Change> + use<'_>, Refusal> {
        if version < self.oldest() {
            return Err(Refusal::Expired);
        }
        Ok(self.history.iter().filter(move |change| change.version > version))
    }

    /// The oldest version that it remembers.
    pub(super) fn oldest(&self) -> u64 {
        self.history.front().map_or(self.version(), |change| change.version - 1)
    }

    /// Forgets how it came to be what it is.
    pub(super) fn compact(&mut self) {
        self.history.clear();
    }

    /// Adds `object` under a new UID.
    pub(super) fn create(&mut self, key: Key, object: Value) -> Result<Arc<Value>, Refusal> {
        if self.objects.contains_key(&key) {
            return Err(Refusal::AlreadyExists);
        }
        self.uids += 1;
        let uid = format!("00000000-0000-4000-8000-{:012x}", self.uids);
        Ok(self.write(key, object, &uid))
    }

    /// Puts `object` in the place of the one at `key`: of that very one where it has a UID, and only if that is as it was
    /// where it has a version. What changes nothing is no write.
    pub(super) fn replace(&mut self, key: Key, mut object: Value) -> Result<Arc<Value>, Refusal> {
        let Some(old) = self.objects.get(&key) else { return Err(Refusal::NotFound) };
        let (wanted, found) = (&object["metadata"], &old["metadata"]);
        let meets = |field: &str| {
            wanted[field].as_str().is_none_or(|text| text.is_empty() || found[field] == wanted[field])
        };
        if !meets("uid") || !meets("resourceVersion") {
            return Err(Refusal::Conflict);
        }
        let uid = found["uid"].as_str().unwrap_or_default().to_owned();
        let version = found["resourceVersion"].clone();
        complete(&key, &mut object, &uid);
        object["metadata"]["resourceVersion"] = version;
        if **old == object {
            return Ok(Arc::clone(old));
        }
        Ok(self.write(key, object, &uid))
    }

    /// Removes the object at `key`.
    pub(super) fn delete(&mut self, key: &Key) -> Result<Arc<Value>, Refusal> {
        let Some(before) = self.objects.remove(key) else { return Err(Refusal::NotFound) };
        self.note(key.clone(), Some(Arc::clone(&before)), None);
        Ok(before)
    }

    fn write(&mut self, key: Key, mut object: Value, uid: &str) -> Arc<Value> {
        complete(&key, &mut object, uid);
        object["metadata"]["resourceVersion"] = json!((self.version() + 1).to_string());
        let after = Arc::new(object);
        let before = self.objects.insert(key.clone(), Arc::clone(&after));
        self.note(key, before, Some(Arc::clone(&after)));
        after
    }

    fn note(&mut self, key: Key, before: Option<Arc<Value>>, after: Option<Arc<Value>>) {
        let version = self.version() + 1;
        self.history.push_back(Change { version, key, before, after });
        if self.history.len() > HISTORY {
            self.history.pop_front();
        }
        self.version.send_replace(version);
    }
}

/// The key of a manifest; none where its kind is not served.
pub(super) fn key_of(manifest: &Value) -> Option<Key> {
    let endpoint = Endpoint::of_kind(manifest["kind"].as_str()?)?;
    let text = |field: &str| manifest["metadata"][field].as_str().filter(|text| !text.is_empty());
    Some(Key(endpoint, text("namespace").unwrap_or("default").to_owned(), text("name")?.to_owned()))
}

/// Gives an object what every object has.
fn complete(Key(endpoint, namespace, name): &Key, object: &mut Value, uid: &str) {
    object["apiVersion"] = json!(endpoint.api_version());
    object["kind"] = json!(endpoint.kind());
    object["metadata"]["namespace"] = json!(namespace);
    object["metadata"]["name"] = json!(name);
    object["metadata"]["uid"] = json!(uid);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key(Endpoint::Services, "x".to_owned(), name.to_owned())
    }

    fn version_of(object: &Value) -> &str {
        object["metadata"]["resourceVersion"].as_str().unwrap()
    }

    #[test]
    fn each_write_has_the_next_version_and_what_changes_nothing_is_none() {
        let mut store = Store::new();
        let one = store.create(key("a"), json!({"spec": 1})).unwrap();
        assert_eq!((version_of(&one), store.version()), ("1001", 1001));
        assert_eq!(store.create(key("a"), json!({})), Err(Refusal::AlreadyExists));
        assert_eq!(store.replace(key("a"), json!({"spec": 1})), Ok(Arc::clone(&one)));
        assert_eq!(store.version(), 1001);
        let two = store.replace(key("a"), json!({"spec": 2})).unwrap();
        assert_eq!((version_of(&two), &two["metadata"]["uid"]), ("1002", &one["metadata"]["uid"]));
        assert_eq!(store.replace(key("b"), json!({})), Err(Refusal::NotFound));
        assert_eq!(store.delete(&key("b")), Err(Refusal::NotFound));
    }

    #[test]
    fn who_has_seen_another_version_or_another_object_writes_nothing() {
        let mut store = Store::new();
        let first = store.create(key("a"), json!({"spec": 1})).unwrap();
        store.replace(key("a"), json!({"spec": 2})).unwrap();
        let stale = json!({"spec": 3, "metadata": {"resourceVersion": version_of(&first)}});
        assert_eq!(store.replace(key("a"), stale), Err(Refusal::Conflict));
        store.delete(&key("a")).unwrap();
        let again = store.create(key("a"), json!({})).unwrap();
        assert_ne!(again["metadata"]["uid"], first["metadata"]["uid"]);
        let of_the_first = json!({"metadata": {"uid": first["metadata"]["uid"]}});
        assert_eq!(store.replace(key("a"), of_the_first), Err(Refusal::Conflict));
        let mut current = (*again).clone();
        current["spec"] = json!(4);
        assert_eq!(store.replace(key("a"), current).unwrap()["spec"], 4);
    }

    #[test]
    fn the_past_can_be_read_until_it_is_forgotten() {
        let mut store = Store::new();
        let one = store.create(key("a"), json!({"spec": 1})).unwrap();
        store.replace(key("a"), json!({"spec": 2})).unwrap();
        store.create(key("b"), json!({})).unwrap();
        store.delete(&key("a")).unwrap();
        assert_eq!(store.at(1000).unwrap().len(), 0);
        assert_eq!(store.at(1001).unwrap(), Objects::from([(key("a"), one)]));
        assert_eq!(store.at(1003).unwrap().len(), 2);
        assert_eq!(&store.at(1004).unwrap(), store.objects());
        assert_eq!(store.since(1002).unwrap().count(), 2);
        store.compact();
        assert_eq!(store.at(1003), Err(Refusal::Expired));
        assert_eq!(&store.at(1004).unwrap(), store.objects());
    }

    #[test]
    fn manifests_without_a_namespace_are_in_the_default_one() {
        let found = key_of(&json!({"kind": "Ingress", "metadata": {"name": "a", "namespace": null}}));
        assert_eq!(found, Some(Key(Endpoint::Ingresses, "default".to_owned(), "a".to_owned())));
        assert_eq!(key_of(&json!({"kind": "Ingress", "metadata": null})), None);
        assert_eq!(key_of(&json!({"kind": "Pod", "metadata": {"name": "a"}})), None);
    }
}
