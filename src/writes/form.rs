//! An Event as a `v1` Event (<https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/>).
//!
//! The core group's and not `events.k8s.io`: it has the count and the two times that `kubectl describe` and what people
//! have built around it read, and the API server keeps both kinds as one.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event as Object, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use sha2::{Digest, Sha256};

use super::event::{Event, Subject};

/// The longest message in bytes: what `events.k8s.io` takes for a note.
const LONGEST_MESSAGE: usize = 1024;

/// The longest name of an object (RFC 1123 subdomain).
const LONGEST_NAME: usize = 253;

/// Who writes it: `source.component`.
const COMPONENT: &str = "bellwether";

/// The object to be created for `event`, which happened `at` that time and is told by the replica `reporter`. Its name is
/// made of what it says: told once more, by whoever leads then, it is there already.
pub(super) fn object(event: &Event, reporter: &str, at: Timestamp) -> Object {
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let Subject { kind, api_version, name, uid, .. } = &event.about;
    let namespace = if event.about.namespace.is_empty() { "default" } else { &event.about.namespace };
    Object {
        metadata: ObjectMeta {
            name: Some(name_of(event)),
            namespace: some(namespace),
            ..ObjectMeta::default()
        },
        involved_object: ObjectReference {
            api_version: some(api_version),
            kind: some(kind),
            name: some(name),
            namespace: some(namespace),
            uid: some(uid),
            ..ObjectReference::default()
        },
        reason: some(event.reason),
        message: Some(shortened(&event.message)),
        type_: some(event.severity.name()),
        first_timestamp: Some(Time(at)),
        last_timestamp: Some(Time(at)),
        count: Some(1),
        source: Some(EventSource { component: some(COMPONENT), host: None }),
        reporting_component: some(COMPONENT),
        reporting_instance: some(reporter),
        ..Object::default()
    }
}

fn name_of(event: &Event) -> String {
    let Subject { kind, name, uid, .. } = &event.about;
    let mut hash = Sha256::new();
    for part in [kind, uid, event.reason, &event.message] {
        hash.update(part);
        hash.update([0]);
    }
    let mark = hex::encode(&hash.finalize()[..8]);
    let fits = &name[..name.floor_char_boundary(LONGEST_NAME - mark.len() - 1)];
    format!("{}.{mark}", fits.trim_end_matches(['.', '-']))
}

fn shortened(message: &str) -> String {
    const MORE: &str = "…";
    if message.len() <= LONGEST_MESSAGE {
        return message.to_owned();
    }
    format!("{}{MORE}", &message[..message.floor_char_boundary(LONGEST_MESSAGE - MORE.len())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::writes::Severity;

    fn event(name: &str, message: &str) -> Event {
        Event {
            about: Subject {
                kind: "Ingress".to_owned(),
                api_version: "networking.k8s.io/v1".to_owned(),
                namespace: "shop".to_owned(),
                name: name.to_owned(),
                uid: "u1".to_owned(),
            },
            severity: Severity::Warning,
            reason: "Quarantined",
            message: message.to_owned(),
            is_state: true,
        }
    }

    fn at() -> Timestamp {
        "2024-05-06T07:08:09Z".parse().unwrap()
    }

    #[test]
    fn the_object_is_what_kubectl_reads() {
        let object = serde_json::to_value(object(&event("cart", "a bad number"), "r0", at())).unwrap();
        assert_eq!(
            object,
            serde_json::json!({
                "apiVersion": "v1", "kind": "Event",
                "metadata": {"name": object["metadata"]["name"], "namespace": "shop"},
                "involvedObject": {
                    "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "namespace": "shop",
                    "name": "cart", "uid": "u1",
                },
                "type": "Warning", "reason": "Quarantined", "message": "a bad number", "count": 1,
                "firstTimestamp": "2024-05-06T07:08:09Z", "lastTimestamp": "2024-05-06T07:08:09Z",
                "source": {"component": "bellwether"},
                "reportingComponent": "bellwether", "reportingInstance": "r0",
            })
        );
    }

    #[test]
    fn equal_news_have_one_name_whoever_tells_them() {
        let name = |event: &Event| object(event, "r0", at()).metadata.name.unwrap();
        let first = name(&event("cart", "a bad number"));
        assert!(first.starts_with("cart.") && first.len() == 21, "{first}");
        assert_eq!(object(&event("cart", "a bad number"), "r1", at()).metadata.name.unwrap(), first);
        assert_ne!(name(&event("cart", "another one")), first);
    }

    #[test]
    fn what_is_too_long_is_cut_between_characters() {
        let name = format!("{}-.{}", "a".repeat(234), "b".repeat(19));
        let object = object(&event(&name, &"ü".repeat(600)), "r0", at());
        assert!(object.metadata.name.unwrap().starts_with(&format!("{}.", "a".repeat(234))));
        let message = object.message.unwrap();
        assert!(message.len() <= LONGEST_MESSAGE && message.ends_with("ü…"), "{}", message.len());
    }
}
