//! Ports for the replicas: the well-known ones where they are free, any others where not.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// Where one replica listens, all on loopback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ports {
    /// `/routes`.
    pub routes: SocketAddr,
    /// `/status`.
    pub support: SocketAddr,
    /// Replication.
    pub replication: SocketAddr,
}

/// Free ports for `count` replicas: 9090, 9911 and 9912 for the first, ten more for each further one.
///
/// # Errors
///
/// Where the machine has no free ports on loopback.
pub(super) fn choose(count: usize) -> std::io::Result<Vec<Ports>> {
    // All are held until all are chosen, so that no two are the same.
    let mut held = Vec::new();
    let mut take = |wanted: u16| -> std::io::Result<SocketAddr> {
        let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
        let listener = bind(wanted).or_else(|_| bind(0))?;
        let address = listener.local_addr()?;
        held.push(listener);
        Ok(address)
    };
    (0..count)
        .map(|replica| {
            let step = 10 * u16::try_from(replica).unwrap_or_default();
            Ok(Ports {
                routes: take(9090 + step)?,
                support: take(9911 + step)?,
                replication: take(9912 + step)?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_differ_and_are_free() {
        let chosen = choose(3).unwrap();
        let mut all: Vec<_> =
            chosen.iter().flat_map(|ports| [ports.routes, ports.support, ports.replication]).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 9);
        assert!(all.iter().all(|address| address.ip().is_loopback()));
    }

    #[test]
    fn a_port_in_use_is_replaced() {
        // Whether 9090 is free here or not, after this it is not.
        let _held = TcpListener::bind((Ipv4Addr::LOCALHOST, 9090));
        assert_ne!(choose(1).unwrap()[0].routes.port(), 9090);
    }
}
