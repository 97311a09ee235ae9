//! The stores whose shards are told under `/swarm`.

use super::Values;
use crate::compile::ServiceName;
use crate::flags::{FlagError, Note};
use crate::serve::{Shards, Store};

/// What the flags name.
pub(super) fn shards(values: &Values, notes: &mut Vec<Note>) -> Result<Shards, FlagError> {
    let redis = [
        "kubernetes-redis-service-namespace",
        "kubernetes-redis-service-name",
        "kubernetes-redis-service-port",
    ];
    let valkey = [
        "kubernetes-valkey-service-namespace",
        "kubernetes-valkey-service-name",
        "kubernetes-valkey-service-port",
    ];
    Ok(Shards { redis: store(values, redis, notes)?, valkey: store(values, valkey, notes)? })
}

/// A store, where both its names are given; as for the peer one alone does nothing.
fn store(
    values: &Values,
    [namespace, name, port]: [&'static str; 3],
    notes: &mut Vec<Note>,
) -> Result<Option<Store>, FlagError> {
    let service = match (values.non_empty(namespace), values.non_empty(name)) {
        (Some(namespace), Some(name)) => ServiceName { namespace, name },
        (None, None) => return Ok(None),
        _ => {
            let text = format!("-{namespace} and -{name} have an effect only together");
            notes.push(Note { warning: true, text });
            return Ok(None);
        }
    };
    match u16::try_from(values.integer(port)) {
        Ok(number @ 1..) => Ok(Some(Store { service, port: number })),
        _ => Err(FlagError::value(port, values.text(port), "is no port; use 1 to 65535")),
    }
}
