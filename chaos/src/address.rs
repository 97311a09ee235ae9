//! Addresses of loopback as clients' own: replicas tell their clients apart by them, as they do in a cluster.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::net::{TcpSocket, TcpStream};

/// The address of whoever does not choose one.
pub const ANYBODY: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Connects to `to` from `from`, an address of loopback.
///
/// # Errors
///
/// Where there is no such address, or nobody listens.
pub async fn connect(from: IpAddr, to: SocketAddr) -> io::Result<TcpStream> {
    if from == ANYBODY {
        return TcpStream::connect(to).await;
    }
    let socket = TcpSocket::new_v4()?;
    // Ports of connections that have just ended may be taken again.
    socket.set_reuseaddr(true)?;
    socket.bind((from, 0).into())?;
    socket.connect(to).await
}
