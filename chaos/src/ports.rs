//! Free ports on loopback, below the range that the kernel takes for outgoing connections.
//!
//! A port that was free at port 0 and then closed may be taken as the source of anybody's connection before its
//! server starts, or while a replica is down for a moment. Ports below the ephemeral range are not.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Result, bail};

const FIRST: u32 = 18_000;
const COUNT: u32 = 12_000;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A loopback address that nobody listens on and that this process has not handed out before.
///
/// # Errors
///
/// Where the whole range is taken.
pub fn free() -> Result<SocketAddr> {
    // Two harnesses on one machine start at different places.
    let start = std::process::id().wrapping_mul(97) % COUNT;
    for _ in 0..COUNT {
        let offset = (start + NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let port = u16::try_from(FIRST + offset).expect("the range ends below 65536");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no free port on loopback between {FIRST} and {}", FIRST + COUNT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_handed_out_once() {
        assert_ne!(free().unwrap(), free().unwrap());
    }
}
