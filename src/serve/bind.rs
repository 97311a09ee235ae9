//! Opening a port: Go's way of writing addresses, and an error that says what to do.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

use crate::net::{Listener, Net};

/// How long a client may leave what we sent unacknowledged, or its window shut, before its connection is dropped
/// (`TCP_USER_TIMEOUT`, tcp(7)), in milliseconds. Twenty times what a client of the fleet gives one poll: no living
/// client meets it, and a dead one does not hold an old table in memory for the kernel's quarter of an hour.
const STALLED_MILLIS: u32 = 60_000;

/// Connections that the kernel holds until they are accepted; the kernel has a limit of its own (`somaxconn`).
const BACKLOG: u32 = 4096;

/// Why a port cannot be listened on. Names the flag that says which.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The text is no address, or its host is not known.
    #[error(
        "{flag}={address:?} is no address to listen on; write HOST:PORT, or :PORT for all of this machine's"
    )]
    NoAddress {
        /// The flag.
        flag: &'static str,
        /// Its value.
        address: String,
    },
    /// Another process listens there.
    #[error("{flag}={address}: the port is in use; stop the process that has it, or choose another port")]
    InUse {
        /// The flag.
        flag: &'static str,
        /// Its value.
        address: String,
    },
    /// The user may not.
    #[error(
        "{flag}={address}: no right to listen there; choose a port above 1023, or grant CAP_NET_BIND_SERVICE"
    )]
    Denied {
        /// The flag.
        flag: &'static str,
        /// Its value.
        address: String,
    },
    /// The address is another machine's.
    #[error("{flag}={address}: this machine does not have the address; choose one that it has, or :PORT")]
    Elsewhere {
        /// The flag.
        flag: &'static str,
        /// Its value.
        address: String,
    },
    /// The system refused for another reason.
    #[error("{flag}={address}: cannot listen there")]
    Refused {
        /// The flag.
        flag: &'static str,
        /// Its value.
        address: String,
        /// What the system said.
        source: io::Error,
    },
}

/// Listens on `address`, the value of `flag`: `HOST:PORT`, or `:PORT` for every address of the machine, IPv4 and IPv6.
///
/// # Errors
///
/// Where it cannot; the error is one line that says how to mend it.
pub async fn bind(net: &Net, flag: &'static str, address: &str) -> Result<Listener, BindError> {
    let mut last = None;
    for candidate in candidates(net, address).await {
        match open(net, candidate) {
            Ok(listener) => return Ok(listener),
            // The first counts: the second is there for machines without IPv6.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                return Err(explain(flag, address, error));
            }
            Err(error) => last = Some(error),
        }
    }
    let address = address.to_owned();
    Err(last.map_or(BindError::NoAddress { flag, address: address.clone() }, |e| explain(flag, &address, e)))
}

async fn candidates(net: &Net, address: &str) -> Vec<SocketAddr> {
    match address.strip_prefix(':') {
        Some(port) => port.parse().map_or_else(
            |_| Vec::new(),
            |port| vec![(Ipv6Addr::UNSPECIFIED, port).into(), (Ipv4Addr::UNSPECIFIED, port).into()],
        ),
        None => net.resolve(address).await.unwrap_or_default(),
    }
}

fn open(net: &Net, address: SocketAddr) -> io::Result<Listener> {
    match net {
        Net::Tcp => open_tcp(address).map(Listener::Tcp),
        Net::Other(other) => other.listen(address).map(Listener::Other),
    }
}

/// Linux hands the options of a listening socket on to the connections that it accepts, so none of them costs a call.
fn open_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv6() { TcpSocket::new_v6() } else { TcpSocket::new_v4() }?;
    socket.set_reuseaddr(true)?;
    socket.set_nodelay(true)?;
    rustix::net::sockopt::set_tcp_user_timeout(&socket, STALLED_MILLIS)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn explain(flag: &'static str, address: &str, source: io::Error) -> BindError {
    let address = address.to_owned();
    match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse { flag, address },
        io::ErrorKind::PermissionDenied => BindError::Denied { flag, address },
        io::ErrorKind::AddrNotAvailable => BindError::Elsewhere { flag, address },
        _ => BindError::Refused { flag, address, source },
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;
    use crate::net::Stream;

    #[tokio::test]
    async fn connections_inherit_the_options_of_the_listener() {
        let listener = bind(&Net::Tcp, "-address", "127.0.0.1:0").await.expect("loopback has a port");
        let client = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("it listens");
        let Stream::Tcp(accepted) = listener.accept().await.expect("connected") else {
            panic!("not over TCP")
        };
        assert!(accepted.nodelay().expect("open"));
        let stalled = rustix::net::sockopt::tcp_user_timeout(&accepted).expect("open");
        assert_eq!(stalled, STALLED_MILLIS);
        drop(client);
    }

    #[tokio::test]
    async fn port_alone_listens_on_every_address() {
        let listener = bind(&Net::Tcp, "-address", ":0").await.expect("some port is free");
        let port = listener.local_addr().expect("bound").port();
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.expect("IPv4 too");
    }

    #[tokio::test]
    async fn errors_name_the_flag_and_say_what_to_do() {
        let taken = bind(&Net::Tcp, "-address", "127.0.0.1:0").await.expect("loopback has a port");
        let address = taken.local_addr().expect("bound").to_string();
        let error = bind(&Net::Tcp, "-address", &address).await.expect_err("taken");
        assert_eq!(
            error.to_string(),
            format!(
                "-address={address}: the port is in use; stop the process that has it, or choose another port"
            )
        );
        // TEST-NET-1 (RFC 5737) is nobody's.
        let error = bind(&Net::Tcp, "-support-listener", "192.0.2.1:0").await.expect_err("not ours");
        assert!(matches!(error, BindError::Elsewhere { .. }), "{error}");
        for nonsense in ["", "9090", ":", ":http", ":70000", "a b:1"] {
            let error = bind(&Net::Tcp, "-address", nonsense).await.expect_err("no address");
            assert!(matches!(error, BindError::NoAddress { .. }), "{nonsense:?}: {error}");
        }
    }

    #[test]
    fn missing_right_is_explained() {
        let error = explain("-address", ":80", io::ErrorKind::PermissionDenied.into());
        assert!(error.to_string().contains("CAP_NET_BIND_SERVICE"), "{error}");
    }
}
