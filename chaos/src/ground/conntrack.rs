//! Where the kernel has sent a connection to a Service: one question to its table of connections, over netlink.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

/// Attributes that hold attributes say so.
const NESTED: u16 = 0x8000;

// Numbers of linux/netfilter/nfnetlink_conntrack.h.
const GET: u16 = 1 << 8 | 1;
const TUPLE_ORIGINAL: u16 = 1;
const TUPLE_REPLY: u16 = 2;
const TUPLE_IP: u16 = 1;
const TUPLE_PROTOCOL: u16 = 2;
const SOURCE: u16 = 1;
const DESTINATION: u16 = 2;
const PROTOCOL_NUMBER: u16 = 1;
const SOURCE_PORT: u16 = 2;
const DESTINATION_PORT: u16 = 3;

/// A message's own header and that of its subsystem.
const HEADS: usize = 16 + 4;

const REQUEST: u16 = 1;
const INET: u8 = 2;
const TCP: u8 = 6;

/// The address of whoever answers the TCP connection from `client` to `service`, if the kernel knows of it: while it is
/// open, and some seconds longer.
pub fn answerer(client: SocketAddr, service: SocketAddr) -> Option<Ipv4Addr> {
    let family = AddressFamily::NETLINK;
    let kernel = socket_with(family, SocketType::RAW, SocketFlags::CLOEXEC, Some(netlink::NETFILTER)).ok()?;
    send(&kernel, &question(client, service)?, SendFlags::empty()).ok()?;
    let mut answer = [0; 4096];
    // The answer is there before the question's call returns.
    let (length, _) = recv(&kernel, &mut answer, RecvFlags::DONTWAIT).ok()?;
    read(&answer[..length])
}

fn question(client: SocketAddr, service: SocketAddr) -> Option<Vec<u8>> {
    let (IpAddr::V4(from), IpAddr::V4(to)) = (client.ip(), service.ip()) else { return None };
    let addresses = [attribute(SOURCE, &from.octets()), attribute(DESTINATION, &to.octets())].concat();
    let ports = [
        attribute(PROTOCOL_NUMBER, &[TCP]),
        attribute(SOURCE_PORT, &client.port().to_be_bytes()),
        attribute(DESTINATION_PORT, &service.port().to_be_bytes()),
    ];
    let tuple =
        [attribute(TUPLE_IP | NESTED, &addresses), attribute(TUPLE_PROTOCOL | NESTED, &ports.concat())];
    let tuple = attribute(TUPLE_ORIGINAL | NESTED, &tuple.concat());
    let length = u32::try_from(HEADS + tuple.len()).expect("a question is short");
    let mut message = Vec::from(length.to_ne_bytes());
    message.extend(GET.to_ne_bytes());
    message.extend(REQUEST.to_ne_bytes());
    // No sequence, no port, then the subsystem's: IPv4, version 0, no resource.
    message.extend([0; 8]);
    message.extend([INET, 0, 0, 0]);
    message.extend(tuple);
    Some(message)
}

fn read(message: &[u8]) -> Option<Ipv4Addr> {
    let kind = u16::from_ne_bytes(message.get(4..6)?.try_into().ok()?);
    // An error has another kind.
    if kind >> 8 != GET >> 8 {
        return None;
    }
    let reply = find(message.get(HEADS..)?, TUPLE_REPLY)?;
    let source: [u8; 4] = find(find(reply, TUPLE_IP)?, SOURCE)?.try_into().ok()?;
    Some(source.into())
}

/// One attribute: length, kind, value, and zeros up to a multiple of four.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).expect("an attribute is short");
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// The value of the attribute `wanted` among `attributes`.
fn find(mut attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    while attributes.len() >= 4 {
        let length = usize::from(u16::from_ne_bytes([attributes[0], attributes[1]]));
        let kind = u16::from_ne_bytes([attributes[2], attributes[3]]) & !NESTED;
        let value = attributes.get(4..length)?;
        if kind == wanted {
            return Some(value);
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answerer_is_the_source_of_the_reply() {
        let addresses =
            [attribute(SOURCE, &[10, 77, 0, 3]), attribute(DESTINATION, &[10, 77, 0, 1])].concat();
        let reply = attribute(TUPLE_REPLY | NESTED, &attribute(TUPLE_IP | NESTED, &addresses));
        let mut message = vec![0; HEADS];
        message[4..6].copy_from_slice(&(1_u16 << 8).to_ne_bytes());
        message.extend(attribute(9, &[1]));
        message.extend(reply);
        assert_eq!(read(&message), Some(Ipv4Addr::new(10, 77, 0, 3)));
        // NLMSG_ERROR: there is no such connection.
        message[4..6].copy_from_slice(&2_u16.to_ne_bytes());
        assert_eq!(read(&message), None);
        assert_eq!(read(&[]), None);
    }
}
