//! The address of a table: `http://HOST[:PORT][/PATH]`, or `https://…`.

use std::fmt;
use std::str::FromStr;

use http::Uri;
use http::uri::Authority;

/// Where a route server answers, as its clients know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Whether TLS is spoken there.
    pub tls: bool,
    /// `HOST`, without the brackets of an IPv6 address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The path, with the query if there is one.
    pub target: String,
}

/// What is no such address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AddressError(&'static str);

/// Where route servers have their table.
const PATH: &str = "/routes";

impl Address {
    /// `HOST:PORT`, to be dialled.
    pub fn authority(&self) -> String {
        let host = &self.host;
        if host.contains(':') { format!("[{host}]:{}", self.port) } else { format!("{host}:{}", self.port) }
    }

    /// What its document is called: the host and the path.
    pub fn name(&self) -> String {
        format!("{}{}", self.host, self.target)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let uri: Uri = text.parse().map_err(|_| AddressError("is no URL"))?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(AddressError("begins with neither http:// nor https://")),
        };
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(AddressError("has a user in it; who we are is said by -upstream-cert-file"));
        }
        let is_port =
            |authority: &Authority| authority.port_u16().is_some() || authority.as_str() == authority.host();
        if !uri.authority().is_some_and(is_port) {
            return Err(AddressError("has a port that is none"));
        }
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(AddressError("names no host"));
        }
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let target = match uri.path_and_query().map_or("", |target| target.as_str()) {
            "" | "/" => PATH.to_owned(),
            target => target.to_owned(),
        };
        Ok(Self { tls, host, port, target })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", if self.tls { "https" } else { "http" }, self.authority(), self.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_what_route_servers_have() {
        for (text, whole, name) in [
            ("http://a", "http://a:80/routes", "a/routes"),
            ("https://a.b/", "https://a.b:443/routes", "a.b/routes"),
            ("http://[::1]:9090/routes/zone?x=1", "http://[::1]:9090/routes/zone?x=1", "::1/routes/zone?x=1"),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!((address.to_string().as_str(), address.name().as_str()), (whole, name));
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "a:80", "ftp://a", "http://", "http://:80", "http://me@a", "/routes", "http://a:b"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
