//! Service v1, as far as it is used
//! (<https://kubernetes.io/docs/reference/kubernetes-api/service-resources/service-v1/>).

use std::fmt;

use super::decode::{Decode, DecodeError, Fields, integer};
use super::load_balancer::{self, LoadBalancerAddress};
use super::metadata::Metadata;
use super::node::Node;

/// A Service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// What it says of itself.
    pub metadata: Metadata,
    /// What it wants.
    pub spec: Option<ServiceSpec>,
    /// Where its status says that it can be reached from outside.
    pub status: Vec<LoadBalancerAddress>,
}

/// What a Service wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceSpec {
    /// `ClusterIP`, `ExternalName`, …
    pub service_type: String,
    /// The name that an `ExternalName` service stands for.
    pub external_name: String,
    /// The address within the cluster; `None` in words for a headless Service.
    pub cluster_ip: String,
    /// Addresses outside of it that lead to the Service all the same.
    pub external_ips: Vec<String>,
    /// The ports, in their order. A null counts only for who comes upon it.
    pub ports: Vec<Option<ServicePort>>,
}

/// A port of a Service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServicePort {
    /// The name; empty where it has none.
    pub name: String,
    /// The number that clients of the service use.
    pub port: i64,
    /// The port of the pods. The API server always fills it in.
    pub target_port: Option<TargetPort>,
}

/// A port of the pods, by name or number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetPort {
    /// The name of a container's port.
    Name(String),
    /// The number.
    Number(i64),
}

impl TargetPort {
    /// The number, where it is one.
    pub fn number(&self) -> Option<i64> {
        match self {
            Self::Name(_) => None,
            Self::Number(number) => Some(*number),
        }
    }
}

impl fmt::Display for TargetPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

impl Decode for Service {
    fn decode(fields: &Fields<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            metadata: fields.object::<Metadata>("metadata")?.unwrap_or_default().with_only(None),
            spec: fields.object("spec")?,
            status: load_balancer::addresses(fields),
        })
    }
}

impl Decode for ServiceSpec {
    fn decode(fields: &Fields<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            service_type: fields.text("type")?,
            external_name: fields.text("externalName")?,
            // No route depends on these two: what cannot be read counts as none.
            cluster_ip: fields.text("clusterIP").unwrap_or_default(),
            external_ips: fields.texts("externalIPs").unwrap_or_default(),
            ports: fields.list_with_nulls("ports")?,
        })
    }
}

impl Decode for ServicePort {
    fn decode(fields: &Fields<'_>) -> Result<Self, DecodeError> {
        let target_port = match fields.value("targetPort") {
            None => None,
            Some(Node::Text(name)) => Some(TargetPort::Name(name.clone().into_owned())),
            Some(value) => {
                Some(TargetPort::Number(integer(value).map_err(|error| error.within("targetPort"))?))
            }
        };
        Ok(Self { name: fields.text("name")?, port: fields.integer("port")?, target_port })
    }
}
