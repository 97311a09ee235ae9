//! EndpointSlice v1, as far as it is used
//! (<https://kubernetes.io/docs/reference/kubernetes-api/service-resources/endpoint-slice-v1/>).

use super::decode::{Decode, DecodeError, Fields};
use super::metadata::Metadata;

/// The label that names the Service.
pub const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// Some of the addresses of a Service, which the label `kubernetes.io/service-name` names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointSlice {
    /// What it says of itself.
    pub metadata: Metadata,
    /// The addresses with their conditions. A null, here and below, counts only for who comes upon it.
    pub endpoints: Vec<Option<SliceEndpoint>>,
    /// Their ports. None where the slice names none (null means every port, and no route can be made of that).
    pub ports: Option<Vec<Option<SlicePort>>>,
}

/// One endpoint of a slice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SliceEndpoint {
    /// Its addresses; the first one counts, as for kube-proxy.
    pub addresses: Vec<String>,
    /// The condition `ready`; unset means ready.
    pub ready: Option<bool>,
    /// The condition `terminating`.
    pub terminating: Option<bool>,
    /// Its topology zone; empty where unknown.
    pub zone: String,
}

/// A port of a slice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlicePort {
    /// The name of the service's port.
    pub name: String,
    /// The number at the pods.
    pub port: i64,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: String,
    /// As `kubernetes.io/h2c`; empty where unset.
    pub app_protocol: String,
}

impl SliceEndpoint {
    /// Whether its pod is on its way out.
    pub fn is_terminating(&self) -> bool {
        self.terminating == Some(true)
    }

    /// Whether it takes requests. `serving` is not looked at, as the peer does not.
    pub fn is_ready(&self) -> bool {
        !self.is_terminating() && self.ready != Some(false)
    }
}

impl Decode for EndpointSlice {
    fn decode(fields: &Fields<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            metadata: fields
                .object::<Metadata>("metadata")?
                .unwrap_or_default()
                .with_only(Some(SERVICE_NAME)),
            endpoints: fields.list_with_nulls("endpoints")?,
            ports: fields.list_with_nulls_if_present("ports")?,
        })
    }
}

impl Decode for SliceEndpoint {
    fn decode(fields: &Fields<'_>) -> Result<Self, DecodeError> {
        let conditions: Conditions = fields.object("conditions")?.unwrap_or_default();
        Ok(Self {
            addresses: fields.texts("addresses")?,
            ready: conditions.ready,
            terminating: conditions.terminating,
            zone: fields.text("zone")?,
        })
    }
}

impl Decode for SlicePort {
    fn decode(fields: &Fields<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            name: fields.text("name")?,
            port: fields.integer("port")?,
            protocol: fields.text("protocol")?,
            app_protocol: fields.text("appProtocol")?,
        })
    }
}

/// `endpoints[].conditions`
#[derive(Default)]
struct Conditions {
    ready: Option<bool>,
    terminating: Option<bool>,
}

impl Decode for Conditions {
    fn decode(fields: &Fields<'_>) -> Result<Self, DecodeError> {
        Ok(Self { ready: fields.boolean("ready")?, terminating: fields.boolean("terminating")? })
    }
}
