//! The ground that a stage stands on: where processes run, and how the net between them breaks.
//!
//! With root the harness starts itself again in namespaces of its own ([`Ground::enter`]): a network with nothing in it
//! but a bridge, and a place on it for each process. All packets between places pass the harness, whose nftables rules
//! lose them as they are told, and which is the Service's address too. Nothing is left of it when the harness ends,
//! however it ends. Without root there is loopback, and what breaks the net says that it cannot.

mod conntrack;
mod enter;
mod faults;
mod net;
mod place;
mod service;
#[cfg(test)]
mod tests;
mod tool;

use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::Result;

pub(crate) use conntrack::answerer;
pub use enter::{Entered, inside, missing};
use net::Net;
pub use place::Place;

/// Where everything runs. A clone is the same ground.
#[derive(Clone)]
pub struct Ground(Option<Arc<Net>>);

impl Ground {
    /// Starts the harness again, with the same arguments, in namespaces of its own, and waits for its end; in there, makes
    /// the bridge.
    ///
    /// # Errors
    ///
    /// Where something is [`missing`], or the bridge cannot be made.
    pub async fn enter() -> Result<Entered> {
        if inside() {
            return Ok(Entered::Inside(Self(Some(Arc::new(Net::make()?)))));
        }
        let args: Vec<_> = std::env::args_os().skip(1).collect();
        enter::again(&args).await.map(Entered::Over)
    }

    /// The machine as it is: every place is loopback.
    pub fn loopback() -> Self {
        Self(None)
    }

    /// The place of that name; made where there is none yet.
    ///
    /// # Errors
    ///
    /// Where it cannot be made.
    pub fn place(&self, name: &str) -> Result<Place> {
        match &self.0 {
            Some(net) => net.place(name),
            None => Ok(Place::on_loopback(name)),
        }
    }

    /// The harness's own address: its clients' and probes', unless they choose another, and that of what it serves itself.
    pub fn address(&self) -> Ipv4Addr {
        self.0.as_ref().map_or(Ipv4Addr::LOCALHOST, |_| net::HARNESS)
    }

    /// One more address of the harness, for a client or a server that is to be told apart: below 30,000, and always the
    /// same for one `number`.
    pub fn own(&self, number: u16) -> Ipv4Addr {
        let first = match self.0 {
            Some(_) => net::OWN,
            None => Ipv4Addr::new(127, 1, 0, 0),
        };
        Ipv4Addr::from_bits(first.to_bits() + 1 + u32::from(number))
    }

    /// Takes every fault of the net back.
    ///
    /// # Errors
    ///
    /// Where nft refuses.
    pub fn heal(&self) -> Result<()> {
        match &self.0 {
            Some(net) => net.break_so(|faults| *faults = faults::Faults::default()),
            None => Ok(()),
        }
    }

    /// Whether there are namespaces, and so faults of the net.
    pub fn has_places(&self) -> bool {
        self.0.is_some()
    }

    /// The net, where there is one: the Service's address is part of it.
    pub(crate) fn net(&self) -> Option<&Arc<Net>> {
        self.0.as_ref()
    }
}
