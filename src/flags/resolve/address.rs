//! Addresses: Go's `:9090`, and what other replicas can reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};

use crate::flags::{Environment, FlagError};

/// Where to listen: `host:port`, or `:port` for all interfaces. Names are looked up.
pub(super) fn listener(flag: &'static str, text: &str) -> Result<SocketAddr, FlagError> {
    let refuse = |complaint: String| FlagError::value(flag, text, complaint);
    let (host, port) = split(text).ok_or_else(|| refuse("is not HOST:PORT or :PORT".to_owned()))?;
    if host.is_empty() {
        return Ok(SocketAddr::new(all_interfaces(), port));
    }
    (host, port)
        .to_socket_addrs()
        .map_err(|error| refuse(format!("cannot be looked up: {error}")))?
        .next()
        .ok_or_else(|| refuse("has no address".to_owned()))
}

/// What others connect to: `host:port`, as it is; they look it up.
pub(super) fn reachable(flag: &'static str, text: String) -> Result<String, FlagError> {
    match split(&text) {
        Some((host, 1..)) if !host.is_empty() => Ok(text),
        _ => Err(FlagError::value(flag, text, "is not HOST:PORT")),
    }
}

/// How others reach `listener` as far as can be told from here.
pub(super) fn advertised(listener: SocketAddr, environment: &dyn Environment) -> String {
    if !listener.ip().is_unspecified() {
        return listener.to_string();
    }
    let pod = environment.variable("POD_IP").and_then(|text| text.parse::<IpAddr>().ok());
    match (pod, environment.host_name()) {
        (Some(ip), _) => SocketAddr::new(ip, listener.port()).to_string(),
        (None, Some(host)) => format!("{host}:{}", listener.port()),
        (None, None) => listener.to_string(),
    }
}

/// Host and port; an IPv6 host stands in brackets.
fn split(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse().ok()?;
    match host.strip_prefix('[') {
        Some(inner) => {
            Some((inner.strip_suffix(']').filter(|inner| inner.parse::<Ipv6Addr>().is_ok())?, port))
        }
        None if host.contains(':') => None,
        None => Some((host, port)),
    }
}

/// `[::]`, which takes IPv4 as well, unless the machine has no IPv6.
fn all_interfaces() -> IpAddr {
    match UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)) {
        Ok(_) => Ipv6Addr::UNSPECIFIED.into(),
        Err(_) => Ipv4Addr::UNSPECIFIED.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_in_gos_notation() {
        let all = listener("address", ":9090").unwrap();
        assert!(all.ip().is_unspecified() && all.port() == 9090);
        assert_eq!(listener("address", "127.0.0.1:0").unwrap(), "127.0.0.1:0".parse().unwrap());
        assert_eq!(listener("address", "[::1]:80").unwrap(), "[::1]:80".parse().unwrap());
        assert!(listener("address", "localhost:80").unwrap().ip().is_loopback());
        for bad in ["", "9090", "127.0.0.1", "::1:80", "[x]:80", "a:99999", ":x"] {
            assert!(listener("address", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_advertised_can_be_reached() {
        let pod = |name: &str| (name == "POD_IP").then(|| "10.0.0.7".to_owned());
        assert_eq!(advertised("[::]:9912".parse().unwrap(), &pod), "10.0.0.7:9912");
        assert_eq!(advertised("127.0.0.1:9922".parse().unwrap(), &pod), "127.0.0.1:9922");
        let host = |name: &str| (name == "HOSTNAME").then(|| "r0".to_owned());
        assert_eq!(advertised("0.0.0.0:9912".parse().unwrap(), &host), "r0:9912");
        assert!(reachable("peers", "r0.bellwether:9912".to_owned()).is_ok());
        for bad in ["r0", ":9912", "r0:0", "r0:x"] {
            assert!(reachable("peers", bad.to_owned()).is_err(), "{bad}");
        }
    }
}
