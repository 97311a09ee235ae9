//! Whether the other replicas answer on the replication network.

use super::{Check, Doctor};
use crate::election::name_of;
use crate::replication::observe::observe;

impl Doctor {
    /// A look at each has a deadline of a second of its own.
    pub(super) async fn peers(&self) -> Vec<Check> {
        let peers = &self.options.replication.peers;
        let seen = observe(self.hub.identity(), peers, &self.security).await;
        let check = |it: &crate::replication::observe::Observation| {
            let what = format!("peer {}", it.address);
            match &it.seen {
                Ok(seen) => Check::good(what, format!("{} answers", name_of(&seen.identity))),
                Err(error) => {
                    let hint = "see whether it runs, and whether --peers, the NetworkPolicy and the certificates let us in";
                    Check::bad(what, error.clone(), hint)
                }
            }
        };
        if peers.is_empty() {
            let hint = "name all replicas with --peers: without, nobody to agree with while nobody leads";
            return vec![Check::look("peers", "none are named", hint)];
        }
        seen.iter().map(check).collect()
    }
}
