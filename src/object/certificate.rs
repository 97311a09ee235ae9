//! `spec.tls` of an Ingress or a RouteGroup: of no use to a route server, but it has to have its shape, as for the peer.

use super::decode::{Decode, DecodeError, Fields};

/// One entry.
struct Certificate;

impl Decode for Certificate {
    fn decode(fields: &Fields<'_>) -> Result<Self, DecodeError> {
        fields.texts("hosts")?;
        fields.text("secretName")?;
        Ok(Self)
    }
}

/// Whether the fields of a spec have a `tls`.
pub(super) fn names_certificates(spec: &Fields<'_>) -> Result<bool, DecodeError> {
    Ok(spec.list_with_nulls_if_present::<Certificate>("tls")?.is_some())
}
