//! A client that asks through Skipper, for one host after the other.

use std::net::SocketAddr;

use super::{Pace, generation};
use crate::history::{History, Name, Record, Request};
use crate::http::Call;

/// One such client.
pub struct Traffic {
    /// Its name in the history.
    pub name: Name,
    /// Skipper.
    pub to: SocketAddr,
    /// The hosts that must answer 200 at any time.
    pub hosts: Vec<String>,
}

impl Traffic {
    /// Asks until `pace` ends it.
    pub async fn run(self, history: History, mut pace: Pace) {
        let mut hosts = self.hosts.iter().cycle();
        while pace.next().await {
            let Some(host) = hosts.next() else { return };
            let at = history.now();
            let outcome = ask(self.to, host).await.map_err(Name::from);
            history.push(Record::Request(Request {
                client: self.name.clone(),
                at,
                end: history.now(),
                host: history.name(host),
                outcome,
            }));
        }
    }
}

/// One request for `host` through the Skipper at `to`: the generation in its answer, if there is one.
///
/// # Errors
///
/// Where the answer is not a complete 200.
pub async fn ask(to: SocketAddr, host: &str) -> Result<Option<u64>, String> {
    let (_, reply) = Call { host, ..Call::get(to, "/") }.send().await.map_err(|failure| failure.cause)?;
    if !reply.status.is_success() {
        return Err(format!("status {}", reply.status.as_u16()));
    }
    Ok(generation(&String::from_utf8_lossy(&reply.body)))
}
