//! A replica's way to something: the net between their places, or a link on loopback. It can be cut without a word.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result};

use crate::ground::{Ground, Place};
use crate::stage::link::{Link, Way};

/// One way.
pub enum Path {
    /// Packets between two places.
    Net {
        /// The replica's.
        from: Place,
        /// Where it leads.
        to: SocketAddr,
    },
    /// Bytes over a port of the harness.
    Link(Link),
}

impl Path {
    /// Packets from the place `from`, where the ground has places and `to` is in one; else a link.
    ///
    /// # Errors
    ///
    /// Where the link cannot listen.
    pub async fn start(ground: &Ground, from: &Place, to: SocketAddr) -> Result<Self> {
        if ground.has_places() && !to.ip().is_loopback() {
            return Ok(Self::Net { from: from.clone(), to });
        }
        Ok(Self::Link(Link::start(ground.address(), to).await?))
    }

    /// Where the replica connects.
    pub fn address(&self) -> SocketAddr {
        match self {
            Self::Net { to, .. } => *to,
            Self::Link(link) => link.address(),
        }
    }

    /// Nothing passes from now on, and nobody is told.
    ///
    /// # Errors
    ///
    /// Where nft refuses.
    pub fn silence(&self) -> Result<()> {
        match self {
            Self::Net { from, to } => from.part(ip(*to)?),
            Self::Link(link) => {
                link.set(Way::Silent);
                Ok(())
            }
        }
    }

    /// Where it is a link: it carries so from now on.
    ///
    /// # Errors
    ///
    /// Where it is no link.
    pub fn carry(&self, way: Way) -> Result<()> {
        match self {
            Self::Net { .. } => anyhow::bail!("packets between places are cut or not; delay needs a link"),
            Self::Link(link) => {
                link.set(way);
                Ok(())
            }
        }
    }

    /// Everything passes again; the ground's own faults are healed by the ground.
    pub fn open(&self) {
        if let Self::Link(link) = self {
            link.set(Way::Open);
        }
    }
}

fn ip(address: SocketAddr) -> Result<Ipv4Addr> {
    match address.ip() {
        std::net::IpAddr::V4(ip) => Ok(ip),
        std::net::IpAddr::V6(_) => None.context("places have IPv4 addresses"),
    }
}
