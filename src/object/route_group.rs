//! RouteGroup v1 of zalando.org (<https://opensource.zalando.com/skipper/kubernetes/routegroup-crd/>).

use super::certificate::names_certificates;
use super::decode::{Decode, DecodeError, Fields};
use super::metadata::Metadata;

/// A RouteGroup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteGroup {
    /// What it says of itself.
    pub metadata: Metadata,
    /// What it wants.
    pub spec: Option<RouteGroupSpec>,
}

/// What a RouteGroup wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteGroupSpec {
    /// The hosts of all its routes; none for every host.
    pub hosts: Vec<String>,
    /// The backends that may be referred to.
    pub backends: Vec<RouteGroupBackend>,
    /// The backends of those routes that name none.
    pub default_backends: Vec<BackendReference>,
    /// The routes; a null one is kept, because it makes the object invalid.
    pub routes: Vec<Option<RouteSpec>>,
    /// Whether it has a `tls`. More is not read: a route server hands out no certificates.
    pub names_certificates: bool,
}

/// A backend, as it is written: nothing of it is checked yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteGroupBackend {
    /// The name that references use.
    pub name: String,
    /// `service` (or empty), `network`, `shunt`, `loopback`, `dynamic`, `lb`, `forward`, or something unknown.
    pub backend_type: String,
    /// The address of a `network` backend.
    pub address: String,
    /// The algorithm of a `lb` or `service` backend; empty for the default; may be unknown.
    pub algorithm: String,
    /// The endpoints of a `lb` backend.
    pub endpoints: Vec<String>,
    /// The name of a `service` backend's Service.
    pub service_name: String,
    /// Its port.
    pub service_port: i64,
}

/// A reference to a backend, with its share of the traffic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackendReference {
    /// The backend's name.
    pub backend_name: String,
    /// Its weight among its neighbours.
    pub weight: i64,
}

/// One route, as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteSpec {
    /// `Path`; empty where unset, as the others are.
    pub path: String,
    /// `PathSubtree`.
    pub path_subtree: String,
    /// `PathRegexp`.
    pub path_regexp: String,
    /// The backends instead of the default ones.
    pub backends: Vec<BackendReference>,
    /// One filter each, in Eskip.
    pub filters: Vec<String>,
    /// One predicate each, in Eskip.
    pub predicates: Vec<String>,
    /// The methods; none for every method.
    pub methods: Vec<String>,
}

impl Decode for RouteGroup {
    fn decode(fields: &Fields<'_>) -> Result<Self, DecodeError> {
        Ok(Self { metadata: fields.object("metadata")?.unwrap_or_default(), spec: fields.object("spec")? })
    }
}

impl Decode for RouteGroupSpec {
    fn decode(fields: &Fields<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            hosts: fields.texts("hosts")?,
            backends: fields.list("backends")?,
            default_backends: fields.list("defaultBackends")?,
            routes: fields.list_with_nulls("routes")?,
            names_certificates: names_certificates(fields)?,
        })
    }
}

impl Decode for RouteGroupBackend {
    fn decode(fields: &Fields<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            name: fields.text("name")?,
            backend_type: fields.text("type")?,
            address: fields.text("address")?,
            algorithm: fields.text("algorithm")?,
            endpoints: fields.texts("endpoints")?,
            service_name: fields.text("serviceName")?,
            service_port: fields.integer("servicePort")?,
        })
    }
}

impl Decode for BackendReference {
    fn decode(fields: &Fields<'_>) -> Result<Self, DecodeError> {
        Ok(Self { backend_name: fields.text("backendName")?, weight: fields.integer("weight")? })
    }
}

impl Decode for RouteSpec {
    fn decode(fields: &Fields<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            path: fields.text("path")?,
            path_subtree: fields.text("pathSubtree")?,
            path_regexp: fields.text("pathRegexp")?,
            backends: fields.list("backends")?,
            filters: fields.texts("filters")?,
            predicates: fields.texts("predicates")?,
            methods: fields.texts("methods")?,
        })
    }
}
