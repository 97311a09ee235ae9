//! Ingress v1 (<https://kubernetes.io/docs/reference/kubernetes-api/service-resources/ingress-v1/>).

use std::fmt;

use super::certificate::names_certificates;
use super::decode::{Decode, DecodeError, Fields};
use super::load_balancer::{self, LoadBalancerAddress};
use super::metadata::Metadata;

/// An Ingress.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ingress {
    /// What it says of itself.
    pub metadata: Metadata,
    /// What it wants.
    pub spec: Option<IngressSpec>,
    /// Where its status says that it can be reached.
    pub status: Vec<LoadBalancerAddress>,
}

/// What an Ingress wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IngressSpec {
    /// Where requests go that no rule matches.
    pub default_backend: Option<IngressBackend>,
    /// `ingressClassName`; empty where none is written.
    pub class_name: String,
    /// The rules, one per host as a rule.
    pub rules: Vec<Rule>,
    /// Whether it has a `tls`. More is not read: a route server hands out no certificates.
    pub names_certificates: bool,
}

/// The paths of one host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// The host; empty for every host.
    pub host: String,
    /// The paths; none where the rule has no `http`.
    pub paths: Option<Vec<PathRule>>,
}

/// One path and where it leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathRule {
    /// The path; empty for every path.
    pub path: String,
    /// `Exact`, `Prefix`, or anything else, which the path mode decides about.
    pub path_type: String,
    /// Where it leads.
    pub backend: Option<IngressBackend>,
}

/// A service and one of its ports. A resource backend is one without a name: it leads nowhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IngressBackend {
    /// The service's name, in the namespace of the Ingress.
    pub service: String,
    /// The service's port.
    pub port: PortRef,
}

/// A port of a service, by number if that is not 0, else by name. Displayed as what counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortRef {
    /// The name.
    pub name: String,
    /// The number.
    pub number: i64,
}

impl fmt::Display for PortRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.number == 0 { f.write_str(&self.name) } else { write!(f, "{}", self.number) }
    }
}

impl Decode for Ingress {
    fn decode(fields: &Fields<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            metadata: fields.object("metadata")?.unwrap_or_default(),
            spec: fields.object("spec")?,
            status: load_balancer::addresses(fields),
        })
    }
}

impl Decode for IngressSpec {
    fn decode(fields: &Fields<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            default_backend: fields.object("defaultBackend")?,
            class_name: fields.text("ingressClassName")?,
            rules: fields.list("rules")?,
            names_certificates: names_certificates(fields)?,
        })
    }
}

impl Decode for Rule {
    fn decode(fields: &Fields<'_>) -> Result<Self, DecodeError> {
        let http: Option<Http> = fields.object("http")?;
        Ok(Self { host: fields.text("host")?, paths: http.map(|http| http.0) })
    }
}

impl Decode for PathRule {
    fn decode(fields: &Fields<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            path: fields.text("path")?,
            path_type: fields.text("pathType")?,
            backend: fields.object("backend")?,
        })
    }
}

impl Decode for IngressBackend {
    fn decode(fields: &Fields<'_>) -> Result<Self, DecodeError> {
        let service: Named = fields.object("service")?.unwrap_or_default();
        Ok(Self { service: service.name, port: service.port })
    }
}

impl Decode for PortRef {
    fn decode(fields: &Fields<'_>) -> Result<Self, DecodeError> {
        Ok(Self { name: fields.text("name")?, number: fields.integer("number")? })
    }
}

/// `rules[].http`
struct Http(Vec<PathRule>);

impl Decode for Http {
    fn decode(fields: &Fields<'_>) -> Result<Self, DecodeError> {
        Ok(Self(fields.list("paths")?))
    }
}

/// `backend.service`
#[derive(Default)]
struct Named {
    name: String,
    port: PortRef,
}

impl Decode for Named {
    fn decode(fields: &Fields<'_>) -> Result<Self, DecodeError> {
        Ok(Self { name: fields.text("name")?, port: fields.object("port")?.unwrap_or_default() })
    }
}
