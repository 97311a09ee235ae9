//! Endpoints v1, as far as they are used
//! (<https://kubernetes.io/docs/reference/kubernetes-api/service-resources/endpoints-v1/>).

use super::decode::{Decode, DecodeError, Fields};
use super::metadata::Metadata;

/// The addresses of a Service of the same name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// What they say of themselves.
    pub metadata: Metadata,
    /// Groups of addresses with the same ports. A null, here and below, counts only for who comes upon it.
    pub subsets: Vec<Option<Subset>>,
}

/// Addresses that share their ports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subset {
    /// The IPs of the ready addresses.
    pub addresses: Vec<Option<String>>,
    /// Their ports.
    pub ports: Vec<Option<EndpointPort>>,
}

/// A port of a subset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointPort {
    /// The name of the service's port.
    pub name: String,
    /// The number at the pods.
    pub port: i64,
}

impl Decode for Endpoints {
    fn decode(fields: &Fields<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            metadata: fields.object::<Metadata>("metadata")?.unwrap_or_default().with_only(None),
            subsets: fields.list_with_nulls("subsets")?,
        })
    }
}

impl Decode for Subset {
    fn decode(fields: &Fields<'_>) -> Result<Self, DecodeError> {
        let addresses: Vec<Option<Address>> = fields.list_with_nulls("addresses")?;
        Ok(Self {
            addresses: addresses.into_iter().map(|address| Some(address?.0)).collect(),
            ports: fields.list_with_nulls("ports")?,
        })
    }
}

impl Decode for EndpointPort {
    fn decode(fields: &Fields<'_>) -> Result<Self, DecodeError> {
        Ok(Self { name: fields.text("name")?, port: fields.integer("port")? })
    }
}

/// `subsets[].addresses[]`
struct Address(String);

impl Decode for Address {
    fn decode(fields: &Fields<'_>) -> Result<Self, DecodeError> {
        fields.text("ip").map(Self)
    }
}
