//! `status.loadBalancer.ingress` of Services and Ingresses: where they can be reached from outside.

use serde::Serialize;

use super::decode::{Decode, DecodeError, Fields};

/// One place, by address or by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct LoadBalancerAddress {
    /// Its address; empty where it has a name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ip: String,
    /// Its name; empty where it has an address.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hostname: String,
}

/// The places in the `status` among `fields`. No route depends on them: what cannot be read counts as none.
pub(super) fn addresses(fields: &Fields<'_>) -> Vec<LoadBalancerAddress> {
    let status: Option<Status> = fields.object("status").unwrap_or_default();
    status.unwrap_or_default().0
}

#[derive(Default)]
struct Status(Vec<LoadBalancerAddress>);

#[derive(Default)]
struct LoadBalancer(Vec<LoadBalancerAddress>);

impl Decode for Status {
    fn decode(fields: &Fields<'_>) -> Result<Self, DecodeError> {
        let balancer: Option<LoadBalancer> = fields.object("loadBalancer")?;
        Ok(Self(balancer.unwrap_or_default().0))
    }
}

impl Decode for LoadBalancer {
    fn decode(fields: &Fields<'_>) -> Result<Self, DecodeError> {
        Ok(Self(fields.list("ingress")?))
    }
}

impl Decode for LoadBalancerAddress {
    fn decode(fields: &Fields<'_>) -> Result<Self, DecodeError> {
        Ok(Self { ip: fields.text("ip")?, hostname: fields.text("hostname")? })
    }
}
