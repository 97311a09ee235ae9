//! Answers from the store: objects, lists and their pages, and writes.

use serde_json::{Value, json};

use super::Endpoint;
use super::endpoint::Target;
use super::store::{Key, Objects, Refusal, Store, key_of};

/// The status and the body for a request that is no watch.
pub(super) fn answer(
    store: &mut Store,
    method: &str,
    target: Target<'_>,
    query: &str,
    body: &[u8],
) -> (u16, Value) {
    let answered = match (method, target.endpoint, target.name) {
        ("GET", Endpoint::Discovery, _) => Ok((200, discovery())),
        ("GET", _, None) => list(store, target, query, store.version()).map(|list| (200, list)),
        ("GET", _, Some(_)) => {
            let found = key(target).and_then(|key| store.objects().get(&key));
            found.map(|object| (200, (**object).clone())).ok_or(Refusal::NotFound)
        }
        ("POST", _, None) => create(store, target, body).map(|made| (201, made)),
        ("PUT", _, Some(_)) => replace(store, target, body).map(|made| (200, made)),
        ("DELETE", _, Some(_)) => {
            let deleted = key(target).map_or(Err(Refusal::NotFound), |key| store.delete(&key));
            deleted.map(|_| (200, json!({"kind": "Status", "apiVersion": "v1", "status": "Success"})))
        }
        _ => return (405, status(405, "MethodNotAllowed")),
    };
    answered.unwrap_or_else(|refusal| {
        let (code, reason) = refusal.status();
        (code, status(code, reason))
    })
}

/// The list as it was at `version`, or the oldest that is remembered.
pub(super) fn answer_as_of(store: &Store, target: Target<'_>, query: &str, version: u64) -> (u16, Value) {
    if target.endpoint == Endpoint::Discovery {
        return (200, discovery());
    }
    match list(store, target, query, version.clamp(store.oldest(), store.version())) {
        Ok(list) => (200, list),
        Err(refusal) => {
            let (code, reason) = refusal.status();
            (code, status(code, reason))
        }
    }
}

fn discovery() -> Value {
    let resource =
        json!({"name": "routegroups", "kind": "RouteGroup", "namespaced": true, "verbs": ["list"]});
    json!({"kind": "APIResourceList", "groupVersion": "zalando.org/v1", "resources": [resource]})
}

/// One page, or all. Every page shows what the first one saw; where that is forgotten, the list must be begun again.
fn list(store: &Store, target: Target<'_>, query: &str, now: u64) -> Result<Value, Refusal> {
    let (version, from) = match parameter(query, "continue") {
        None => (now, 0),
        Some(token) => {
            let parts = token.split_once('-').and_then(|(version, from)| {
                Some((version.parse::<u64>().ok()?, from.parse::<usize>().ok()?))
            });
            parts.ok_or(Refusal::Expired)?
        }
    };
    let limit = parameter(query, "limit").and_then(|limit| limit.parse().ok()).filter(|limit| *limit > 0);
    let objects = store.at(version)?;
    let all = matching(&objects, target, query);
    let page: Vec<_> = all.iter().skip(from).take(limit.unwrap_or(usize::MAX)).collect();
    let next = from + page.len();
    let mut metadata = json!({"resourceVersion": version.to_string()});
    if next < all.len() {
        metadata["continue"] = json!(format!("{version}-{next}"));
        metadata["remainingItemCount"] = json!(all.len() - next);
    }
    let kind = format!("{}List", target.endpoint.kind().unwrap_or_default());
    let items: Vec<_> = page.into_iter().map(|object| without_kind(object)).collect();
    Ok(
        json!({"kind": kind, "apiVersion": target.endpoint.api_version(), "metadata": metadata, "items": items}),
    )
}

/// What a request for all of a kind, or of a namespace, is about.
pub(super) fn matches(target: Target<'_>, query: &str, Key(endpoint, namespace, name): &Key) -> bool {
    let wanted = parameter(query, "fieldSelector").and_then(|text| {
        let text = text.replace("%3D", "=");
        text.strip_prefix("metadata.name=").map(|name| name.trim_start_matches('=').to_owned())
    });
    *endpoint == target.endpoint
        && target.namespace.is_none_or(|wanted| wanted == namespace)
        && wanted.is_none_or(|wanted| wanted == *name)
}

fn matching<'a>(objects: &'a Objects, target: Target<'_>, query: &str) -> Vec<&'a Value> {
    objects.iter().filter(|(key, _)| matches(target, query, key)).map(|(_, object)| &**object).collect()
}

fn create(store: &mut Store, target: Target<'_>, body: &[u8]) -> Result<Value, Refusal> {
    let (object, name) = read(body)?;
    let namespace = target.namespace.unwrap_or("default").to_owned();
    store.create(Key(target.endpoint, namespace, name), object).map(|made| (*made).clone())
}

fn replace(store: &mut Store, target: Target<'_>, body: &[u8]) -> Result<Value, Refusal> {
    let (object, name) = read(body)?;
    let key = key(target).filter(|key| key.2 == name).ok_or(Refusal::Invalid)?;
    store.replace(key, object).map(|made| (*made).clone())
}

fn read(body: &[u8]) -> Result<(Value, String), Refusal> {
    let object: Value = serde_json::from_slice(body).map_err(|_| Refusal::Invalid)?;
    let name = object["metadata"]["name"].as_str().filter(|name| !name.is_empty()).map(str::to_owned);
    name.map(|name| (object, name)).ok_or(Refusal::Invalid)
}

fn key(target: Target<'_>) -> Option<Key> {
    Some(Key(target.endpoint, target.namespace?.to_owned(), target.name?.to_owned()))
}

/// Makes these, and only these, its objects, write by write; Leases are no manifests and stay.
pub(super) fn become_these(store: &mut Store, manifests: &[Value]) {
    let wanted: Vec<_> = manifests.iter().filter_map(|object| Some((key_of(object)?, object))).collect();
    let gone = |key: &&Key| key.0 != Endpoint::Leases && !wanted.iter().any(|(kept, _)| kept == *key);
    let gone: Vec<_> = store.objects().keys().filter(gone).cloned().collect();
    for key in &gone {
        store.delete(key).expect("it was found there");
    }
    for (key, object) in wanted {
        write(store, key, object);
    }
}

/// Makes each of these be there as it is, write by write; all others stay.
pub(super) fn put(store: &mut Store, manifests: &[Value]) {
    for (key, object) in manifests.iter().filter_map(|object| Some((key_of(object)?, object))) {
        write(store, key, object);
    }
}

fn write(store: &mut Store, key: Key, manifest: &Value) {
    let mut object = manifest.clone();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        // A manifest says what shall be, whatever was before.
        metadata.remove("uid");
        metadata.remove("resourceVersion");
    }
    let there = store.objects().contains_key(&key);
    let written = if there { store.replace(key, object) } else { store.create(key, object) };
    written.expect("nothing is asked of what was before");
}

/// Items of a list do not say what they are.
fn without_kind(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(map) = object.as_object_mut() {
        map.remove("kind");
        map.remove("apiVersion");
    }
    object
}

/// What an API server says where it does not answer with an object.
pub(super) fn status(code: u16, reason: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {},
        "status": "Failure", "message": reason, "reason": reason, "code": code,
    })
}

pub(super) fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, value)| *key == name && !value.is_empty()).map(|(_, value)| value)
}

impl Refusal {
    pub(super) const fn status(self) -> (u16, &'static str) {
        match self {
            Self::NotFound => (404, "NotFound"),
            Self::AlreadyExists => (409, "AlreadyExists"),
            Self::Conflict => (409, "Conflict"),
            Self::Expired => (410, "Expired"),
            Self::Invalid => (422, "Invalid"),
        }
    }
}
