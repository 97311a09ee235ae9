//! What a conversion comes upon that cannot be read: a Service or its addresses of another shape than their kind wants,
//! or a null in one of their lists.
//!
//! In: the objects, and what is looked up. Out: the first such thing since it was last asked. The peer fails its whole
//! poll at the one, and dies of the other, but only when it comes upon it.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::object::{EndpointSlice, Kind, Metadata, Misshapen, Objects};

use super::{Id, id, slices};

/// Knows where the hurdles are, and which one was met.
#[derive(Debug, Default)]
pub(super) struct Hurdles<'a> {
    /// What is wrong with the Service of that name.
    services: HashMap<Id<'a>, &'a str>,
    /// What is wrong with the Endpoints or an EndpointSlice of the Service of that name.
    addresses: HashMap<Id<'a>, &'a str>,
    met: RefCell<Option<String>>,
}

impl<'a> Hurdles<'a> {
    /// Those of `objects`.
    pub(super) fn of(objects: &'a Objects, endpoint_slices: bool) -> Self {
        let of_kind = |kind: Kind| objects.misshapen.iter().filter(move |object| object.kind == kind);
        let reason = |object: &'a Misshapen| object.reason.as_str();
        let services = of_kind(Kind::Service).map(|object| (id(&object.metadata), reason(object)));
        let addresses = if endpoint_slices {
            let misshapen =
                of_kind(Kind::EndpointSlice).map(|object| (of_slice(&object.metadata), reason(object)));
            let with_null = objects.endpoint_slices.iter().filter(|slice| has_null(slice));
            misshapen
                .chain(with_null.map(|slice| (of_slice(&slice.metadata), "a null among its endpoints")))
                .collect()
        } else {
            of_kind(Kind::Endpoints).map(|object| (id(&object.metadata), reason(object))).collect()
        };
        Self { services: services.collect(), addresses, met: RefCell::default() }
    }

    /// Whether the Service cannot be read.
    pub(super) fn is_service(&self, id: Id<'_>) -> bool {
        let reason = self.services.get(&id);
        if let Some(reason) = reason {
            self.meet(format!("the Service {}/{} cannot be read: {reason}", id.0, id.1));
        }
        reason.is_some()
    }

    /// Whether the addresses of a Service cannot be read.
    pub(super) fn are_addresses(&self, id: Id<'_>) -> bool {
        let reason = self.addresses.get(&id);
        if let Some(reason) = reason {
            self.meet(format!("the addresses of the Service {}/{} cannot be read: {reason}", id.0, id.1));
        }
        reason.is_some()
    }

    /// The elements of a list up to its first null. Who comes there has met it.
    pub(super) fn up_to_null<'l, T>(&self, list: &'l [Option<T>], what: &str) -> impl Iterator<Item = &'l T> {
        list.iter().map_while(move |element| {
            if element.is_none() {
                self.meet_null(what);
            }
            element.as_ref()
        })
    }

    /// A null is in the way.
    pub(super) fn meet_null(&self, what: &str) {
        self.meet(format!("there is a null among {what}"));
    }

    fn meet(&self, what: String) {
        self.met.borrow_mut().get_or_insert(what);
    }

    /// Whether one was met since the last was taken.
    pub(super) fn is_met(&self) -> bool {
        self.met.borrow().is_some()
    }

    /// The first that was met since the last was taken.
    pub(super) fn take(&self) -> Option<String> {
        self.met.take()
    }
}

fn of_slice(metadata: &Metadata) -> Id<'_> {
    (&metadata.namespace, slices::service_name(metadata))
}

/// A slice without ports is passed over, whatever its endpoints are.
fn has_null(slice: &EndpointSlice) -> bool {
    slice.ports.is_some() && slice.endpoints.iter().any(Option::is_none)
}
