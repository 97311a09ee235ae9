//! `/swarm/redis/shards` and `/swarm/valkey/shards`: where the pods of a store are, for clients that share their limits
//! through it.

use serde::Serialize;

use crate::compile::ServiceName;

/// The stores that clients may ask for; `None` where there is no such path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shards {
    /// Behind `/swarm/redis/shards`.
    pub redis: Option<Store>,
    /// Behind `/swarm/valkey/shards`.
    pub valkey: Option<Store>,
}

/// A Service whose pods are the shards of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// The Service.
    pub service: ServiceName,
    /// The port of each pod.
    pub port: u16,
}

#[derive(Serialize)]
struct Body {
    endpoints: Vec<Shard>,
}

#[derive(Serialize)]
struct Shard {
    address: String,
}

impl Shards {
    /// The Services whose addresses must be known.
    pub fn services(&self) -> Vec<ServiceName> {
        self.redis.iter().chain(&self.valkey).map(|store| store.service.clone()).collect()
    }
}

/// What is answered for pods at `addresses`: `{"endpoints":[{"address":"10.2.5.7:6379"}]}`.
pub(super) fn json(addresses: &[String], port: u16) -> String {
    let shard = |ip: &String| Shard {
        address: if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") },
    };
    let body = Body { endpoints: addresses.iter().map(shard).collect() };
    serde_json::to_string(&body).expect("a list of texts is JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_is_the_peers() {
        let addresses = ["10.2.5.7".to_owned(), "fd00::7".to_owned()];
        let expected = r#"{"endpoints":[{"address":"10.2.5.7:6379"},{"address":"[fd00::7]:6379"}]}"#;
        assert_eq!(json(&addresses, 6379), expected);
        assert_eq!(json(&[], 6379), r#"{"endpoints":[]}"#);
    }
}
