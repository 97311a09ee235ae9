//! What is at an address where a replica should listen: asked by a connection that says nothing.

use std::io::ErrorKind;
use std::time::Duration;

use crate::net::Net;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Something listens.
    Listening,
    /// Every address that the name has refuses.
    Refused,
    /// The name has no address.
    Nameless,
    /// Nothing came back in time, or the network is down.
    Silent,
}

/// What is at `address`, `HOST:PORT`, as far as `deadline` tells.
pub(super) async fn probe(net: &Net, address: &str, deadline: Duration) -> Found {
    let look = async {
        let Ok(addresses) = net.resolve(address).await else { return Found::Nameless };
        let mut found = Found::Nameless;
        for address in addresses {
            match net.connect(address).await {
                Ok(_) => return Found::Listening,
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => found = Found::Refused,
                Err(_) => return Found::Silent,
            }
        }
        found
    };
    tokio::time::timeout(deadline, look).await.unwrap_or(Found::Silent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tells_who_listens_from_who_refuses() {
        let deadline = Duration::from_secs(5);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        assert_eq!(probe(&Net::Tcp, &address, deadline).await, Found::Listening);
        drop(listener);
        assert_eq!(probe(&Net::Tcp, &address, deadline).await, Found::Refused);
        assert_eq!(probe(&Net::Tcp, "127.0.0.1", deadline).await, Found::Nameless, "no port, no address");
    }
}
