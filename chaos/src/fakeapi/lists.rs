//! The objects of the fake API server, and its lists of them.

use serde_json::{Value, json};

use super::Endpoint;

/// What the store holds.
pub(super) struct Lists {
    objects: Vec<Value>,
    version: u64,
}

/// The first resource version.
const FIRST: u64 = 1000;

impl Lists {
    pub(super) fn new(objects: &[Value]) -> Self {
        let mut lists = Self { objects: Vec::new(), version: FIRST };
        lists.replace(objects);
        lists
    }

    /// Takes other objects. An object that is as it was keeps its resource version; one of the same name keeps its UID.
    pub(super) fn replace(&mut self, objects: &[Value]) {
        self.version += 1;
        let old = std::mem::take(&mut self.objects);
        for object in objects {
            let mut new = object.clone();
            let (kind, metadata) = (text(object, "/kind"), &object["metadata"]);
            let namespace = metadata["namespace"].as_str().unwrap_or("default");
            new["metadata"]["namespace"] = json!(namespace);
            new["metadata"]["uid"] = json!(format!("{kind}-{namespace}-{}", text(object, "/metadata/name")));
            let unchanged = old.iter().find(|other| {
                new["metadata"]["resourceVersion"] = other["metadata"]["resourceVersion"].clone();
                **other == new
            });
            if unchanged.is_none() {
                new["metadata"]["resourceVersion"] = json!(self.version.to_string());
            }
            self.objects.push(new);
        }
    }

    /// The status and the body for a request.
    pub(super) fn answer(&self, endpoint: Endpoint, path: &str, query: &str) -> (u16, Value) {
        let Some(kind) = endpoint.kind() else {
            let resource =
                json!({"name": "routegroups", "kind": "RouteGroup", "namespaced": true, "verbs": ["list"]});
            let list =
                json!({"kind": "APIResourceList", "groupVersion": "zalando.org/v1", "resources": [resource]});
            return (200, list);
        };
        let namespace = path.split_once("/namespaces/").and_then(|(_, rest)| rest.split('/').next());
        let within = |object: &&Value| {
            text(object, "/kind") == kind
                && namespace.is_none_or(|namespace| text(object, "/metadata/namespace") == namespace)
        };
        let all: Vec<_> = self.objects.iter().filter(within).collect();
        let from = match parameter(query, "continue") {
            None => 0,
            // The list has to be begun again once it is another one.
            Some(token) => match token.split_once('-') {
                Some((version, from)) if version == self.version.to_string() => from.parse().unwrap_or(0),
                _ => {
                    return (
                        410,
                        json!({"kind": "Status", "status": "Failure", "reason": "Expired", "code": 410}),
                    );
                }
            },
        };
        let limit = parameter(query, "limit").and_then(|limit| limit.parse().ok()).unwrap_or(usize::MAX);
        let items: Vec<_> = all.iter().skip(from).take(limit).map(|object| without_kind(object)).collect();
        let mut metadata = json!({"resourceVersion": self.version.to_string()});
        if from + items.len() < all.len() {
            metadata["continue"] = json!(format!("{}-{}", self.version, from + items.len()));
            metadata["remainingItemCount"] = json!(all.len() - from - items.len());
        }
        let version = if kind == "RouteGroup" { "zalando.org/v1" } else { "v1" };
        (
            200,
            json!({"kind": format!("{kind}List"), "apiVersion": version, "metadata": metadata, "items": items}),
        )
    }
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

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}
