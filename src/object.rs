//! The upstream's objects, as the compiler reads them: only the fields used, decoded leniently.
//!
//! In: JSON values, one per object, or `List`s of them; documents of routes. Out: [`Objects`], sorted into kinds. What can go
//! wrong: an object of the wrong shape; it alone is put aside as [`Misshapen`], and a [`Diagnostic`] says which and why.

mod array;
mod certificate;
mod decode;
mod definition;
mod endpoint_slice;
mod endpoints;
mod ingress;
mod kind;
mod load_balancer;
mod metadata;
mod misshapen;
mod node;
mod route_group;
mod service;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::compile::Diagnostic;

use decode::{Decode, Fields};
use node::Node;

pub use decode::DecodeError;
pub use definition::Definition;
pub use endpoint_slice::{EndpointSlice, SERVICE_NAME, SliceEndpoint, SlicePort};
pub use endpoints::{EndpointPort, Endpoints, Subset};
pub use ingress::{Ingress, IngressBackend, IngressSpec, PathRule, PortRef, Rule};
pub use kind::Kind;
pub use load_balancer::LoadBalancerAddress;
pub use metadata::Metadata;
pub use misshapen::Misshapen;
pub use route_group::{BackendReference, RouteGroup, RouteGroupBackend, RouteGroupSpec, RouteSpec};
pub use service::{Service, ServicePort, ServiceSpec, TargetPort};

/// One consistent input of a compilation: everything that one poll read. What did not change since the poll before is
/// shared with it.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    /// Ingresses of every class, as the upstream lists them.
    pub ingresses: Vec<Arc<Ingress>>,
    /// RouteGroups of every class, as the upstream lists them.
    pub route_groups: Vec<Arc<RouteGroup>>,
    /// Services.
    pub services: Vec<Arc<Service>>,
    /// Endpoints; read only where EndpointSlices are not used.
    pub endpoints: Vec<Arc<Endpoints>>,
    /// EndpointSlices. Their order matters, as it does for the peer: the ports of a service's last slice count.
    pub endpoint_slices: Vec<Arc<EndpointSlice>>,
    /// Definitions of documents, where the upstream has routes and no objects.
    pub definitions: Vec<Arc<Definition>>,
    /// Objects of these kinds that are there, but cannot be read.
    pub misshapen: Vec<Arc<Misshapen>>,
    /// `<service>.<namespace>` to the text of its default filters (`-default-filters-dir`).
    pub default_filters: BTreeMap<String, String>,
    /// The resource version of each list that was read, by kind (`Ingress`, `RouteGroup`, …).
    pub resource_versions: BTreeMap<String, String>,
}

impl Objects {
    /// Sorts `values` into kinds. Lists are expanded, kinds that the compiler does not read are ignored, and an object
    /// of the wrong shape becomes a diagnostic.
    pub fn from_values(values: impl IntoIterator<Item = Value>) -> (Self, Vec<Diagnostic>) {
        let mut objects = Self::default();
        let diagnostics = values.into_iter().flat_map(|value| objects.add(&value)).collect();
        (objects, diagnostics)
    }

    /// Adds one object, or each item of a list, by what it says of its own kind. Returns what was wrong.
    pub fn add(&mut self, value: &Value) -> Vec<Diagnostic> {
        let name = value["kind"].as_str().unwrap_or_default();
        match (Kind::of(value), name.strip_suffix("List"), value["items"].as_array()) {
            (Some(kind), _, _) => self.add_as(kind, value).err().into_iter().collect(),
            (None, Some(item_kind), Some(items)) => {
                items.iter().flat_map(|item| self.add_item(item, item_kind)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Adds an item of a list. The API server leaves the kind out of the items; the list's name tells it.
    fn add_item(&mut self, item: &Value, item_kind: &str) -> Vec<Diagnostic> {
        match Kind::named(item_kind) {
            Some(kind) if item["kind"].is_null() => self.add_as(kind, item).err().into_iter().collect(),
            _ => self.add(item),
        }
    }

    /// Keeps only what is in `namespace`, as an API server does that is asked for one namespace.
    pub fn retain_namespace(&mut self, namespace: &str) {
        let within = |metadata: &Metadata| metadata.namespace_or_default() == namespace;
        self.ingresses.retain(|object| within(&object.metadata));
        self.route_groups.retain(|object| within(&object.metadata));
        self.services.retain(|object| within(&object.metadata));
        self.endpoints.retain(|object| within(&object.metadata));
        self.endpoint_slices.retain(|object| within(&object.metadata));
        self.misshapen.retain(|object| within(&object.metadata));
    }

    /// Adds one object of a known kind, whatever it says of itself: what a list call of that kind answered.
    ///
    /// # Errors
    ///
    /// Where the object has another shape than its kind wants: it is [`Misshapen`], the diagnostic says which and why.
    pub fn add_as(&mut self, kind: Kind, value: &Value) -> Result<(), Diagnostic> {
        let added = self.add_node(kind, &Node::of(value));
        added.map_err(|error| self.keep(Misshapen::of(kind, value, error.to_string())))
    }

    /// Adds one object of a known kind from its text.
    ///
    /// # Errors
    ///
    /// As [`Self::add_as`], and where the text is nested too deeply.
    pub fn add_text(&mut self, kind: Kind, text: &str) -> Result<(), Diagnostic> {
        let added = match Node::read(text) {
            Ok(node) => self.add_node(kind, &node).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        added.map_err(|reason| self.keep(Misshapen::of_text(kind, text, reason)))
    }

    /// The objects of a known kind that stand in the JSON array `text`, as [`Self::add_text`] reads each of them, but sooner.
    /// None where that would put one of them aside.
    pub fn of_array(kind: Kind, text: &str) -> Option<Self> {
        let mut objects = Self::default();
        array::read(text, |node| objects.add_node(kind, node)).then_some(objects)
    }

    fn add_node(&mut self, kind: Kind, node: &Node<'_>) -> Result<(), DecodeError> {
        match kind {
            Kind::Ingress => decode_into(&mut self.ingresses, node),
            Kind::RouteGroup => decode_into(&mut self.route_groups, node),
            Kind::Service => decode_into(&mut self.services, node),
            Kind::Endpoints => decode_into(&mut self.endpoints, node),
            Kind::EndpointSlice => decode_into(&mut self.endpoint_slices, node),
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        let addresses = self.endpoints.len() + self.endpoint_slices.len();
        self.ingresses.len()
            + self.route_groups.len()
            + self.services.len()
            + addresses
            + self.definitions.len()
            + self.misshapen.len()
    }

    fn keep(&mut self, misshapen: Misshapen) -> Diagnostic {
        let diagnostic = misshapen.diagnostic();
        self.misshapen.push(Arc::new(misshapen));
        diagnostic
    }
}

fn decode_into<T: Decode>(list: &mut Vec<Arc<T>>, node: &Node<'_>) -> Result<(), DecodeError> {
    list.push(Arc::new(T::decode(&Fields::of(node)?)?));
    Ok(())
}

#[cfg(test)]
mod tests;
