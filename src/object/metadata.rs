//! What every object says of itself.

use std::collections::BTreeMap;

use super::decode::{Decode, DecodeError, Fields};

/// `metadata`, as far as it is used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The namespace as it is written. Empty where none is; whoever looks up a Service decides what that means.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// What tells two objects of one name apart that followed each other.
    pub uid: String,
    /// Changes whenever the object does.
    pub resource_version: String,
    /// Annotations by key.
    pub annotations: BTreeMap<String, String>,
    /// Labels by key.
    pub labels: BTreeMap<String, String>,
}

impl Metadata {
    /// The namespace, `default` where none is written.
    pub fn namespace_or_default(&self) -> &str {
        if self.namespace.is_empty() { "default" } else { &self.namespace }
    }

    /// The same without annotations and without labels but that one, for kinds of which nobody reads the others: there are
    /// many objects.
    pub(super) fn with_only(mut self, label: Option<&str>) -> Self {
        self.annotations = BTreeMap::new();
        self.labels.retain(|key, _| Some(key.as_str()) == label);
        self
    }

    /// The value of an annotation.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.get(key).map(String::as_str)
    }
}

impl Decode for Metadata {
    fn decode(fields: &Fields<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            namespace: fields.text("namespace")?,
            name: fields.text("name")?,
            uid: fields.text("uid")?,
            resource_version: fields.text("resourceVersion")?,
            annotations: fields.texts_by_name("annotations")?,
            labels: fields.texts_by_name("labels")?,
        })
    }
}
