//! Objects that are there, but of another shape than their kind wants.
//!
//! In: an object, or its text, and what is wrong with it. Out: what it says of itself, as far as that can be read: whoever
//! counts objects counts it too, and its last good routes are found by its name. Nothing can go wrong any more.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::compile::{Diagnostic, ObjectRef};

use super::decode::Fields;
use super::endpoint_slice::SliceEndpoint;
use super::node::Node;
use super::{Decode, Kind, Metadata};

/// An object that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misshapen {
    /// Its kind.
    pub kind: Kind,
    /// What it says of itself; what cannot be read is empty.
    pub metadata: Metadata,
    /// The `ingressClassName` of an Ingress.
    pub class_name: String,
    /// How many ready addresses it has at least, where it has addresses.
    pub addresses: usize,
    /// What is wrong with it, and where.
    pub reason: String,
}

/// How far below its top an object that is nested too deeply is looked at.
const LEVELS: usize = 4;

impl Misshapen {
    pub(super) fn of(kind: Kind, value: &Value, reason: String) -> Self {
        let node = Node::of(value);
        let top = Fields::of(&node).unwrap_or_else(|_| Fields::none());
        let metadata = top.readable("metadata");
        let text = |name: &str| metadata.text(name).unwrap_or_default();
        Self {
            kind,
            metadata: Metadata {
                namespace: text("namespace"),
                name: text("name"),
                uid: text("uid"),
                resource_version: text("resourceVersion"),
                annotations: metadata.readable_texts("annotations"),
                labels: metadata.readable_texts("labels"),
            },
            class_name: top.readable("spec").text("ingressClassName").unwrap_or_default(),
            addresses: match kind {
                Kind::Endpoints => in_subsets(value),
                Kind::EndpointSlice => in_endpoints(value),
                Kind::Ingress | Kind::RouteGroup | Kind::Service => 0,
            },
            reason,
        }
    }

    /// The same for an object whose text is no value: it is nested too deeply, or one of its strings is none.
    pub(super) fn of_text(kind: Kind, text: &str, reason: String) -> Self {
        Self::of(kind, &readable(text, LEVELS), reason)
    }

    /// Its name, as far as it has one that can be read.
    pub fn object(&self) -> ObjectRef {
        ObjectRef::new(self.kind.name(), &self.metadata)
    }

    pub(super) fn diagnostic(&self) -> Diagnostic {
        Diagnostic {
            object: Some(self.object()),
            reason: self.reason.clone(),
            hint: "mend it; until then the last good routes that it is needed for stay, if there are any"
                .to_owned(),
        }
    }
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn in_subsets(value: &Value) -> usize {
    items(&value["subsets"]).map(|subset| items(&subset["addresses"]).count()).sum()
}

fn in_endpoints(value: &Value) -> usize {
    let is_ready = |endpoint: &&Value| {
        let node = Node::of(endpoint);
        let decoded = Fields::of(&node).and_then(|fields| SliceEndpoint::decode(&fields));
        decoded.map_or(true, |endpoint| endpoint.is_ready())
    };
    items(&value["endpoints"]).filter(is_ready).count()
}

/// What can be read of a text that as a whole cannot.
fn readable(text: &str, levels: usize) -> Value {
    let parts = || serde_json::from_str::<BTreeMap<String, &RawValue>>(text).unwrap_or_default();
    match serde_json::from_str(text) {
        Ok(value) => value,
        Err(_) if levels == 0 => Value::Null,
        Err(_) => {
            let part = |(name, part): (String, &RawValue)| (name, readable(part.get(), levels - 1));
            Value::Object(parts().into_iter().map(part).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::object::Objects;

    fn misshapen(value: Value) -> Arc<Misshapen> {
        let (objects, diagnostics) = Objects::from_values([value]);
        assert_eq!(diagnostics.len(), 1);
        let [misshapen] = objects.misshapen.try_into().expect("it is kept");
        misshapen
    }

    #[test]
    fn what_can_be_read_is_known() {
        let known = misshapen(json!({
            "kind": "Ingress",
            "metadata": {"Namespace": "n", "name": "a", "uid": 7, "annotations": {"a": "x", "b": 1}},
            "spec": {"ingressClassName": "c", "rules": "none"},
        }));
        assert_eq!(known.object().to_string(), "Ingress n/a");
        assert_eq!((known.metadata.uid.as_str(), known.class_name.as_str()), ("", "c"));
        assert_eq!(known.metadata.annotations, BTreeMap::from([("a".to_owned(), "x".to_owned())]));
        assert_eq!(known.reason, "metadata.uid: a string was expected, 7 was found");
    }

    #[test]
    fn nothing_at_all_is_still_an_object() {
        let known = misshapen(json!({"kind": "Service", "metadata": [], "spec": 1}));
        assert_eq!(known.object().to_string(), "Service /");
    }

    #[test]
    fn addresses_are_counted_around_what_is_wrong() {
        let subsets = json!([{"addresses": [{"ip": 1}, {"ip": "10.0.0.1"}]}, 5]);
        assert_eq!(misshapen(json!({"kind": "Endpoints", "subsets": subsets})).addresses, 2);
        let endpoints =
            json!([{"addresses": 1}, {"conditions": {"ready": false}}, {"addresses": ["10.0.0.1"]}]);
        assert_eq!(misshapen(json!({"kind": "EndpointSlice", "endpoints": endpoints})).addresses, 2);
    }

    #[test]
    fn an_object_that_is_nested_too_deeply_keeps_its_name() {
        let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
        let text = format!(
            r#"{{"metadata": {{"name": "a", "namespace": "n", "x": {deep}}}, "spec": {{"ingressClassName": "c", "y": {deep}}}}}"#
        );
        let mut objects = Objects::default();
        let diagnostic = objects.add_text(Kind::Ingress, &text).expect_err("too deep");
        assert!(diagnostic.reason.contains("recursion limit"), "{diagnostic:?}");
        assert_eq!(objects.misshapen[0].object().to_string(), "Ingress n/a");
        assert_eq!(objects.misshapen[0].class_name, "c");
    }
}
