//! The ground that a stage stands on: where processes run, and how the net between them breaks.
//!
//! With root the harness starts itself again in namespaces of its own ([`Ground::enter`]): a network with nothing in it
//! but a bridge, and a place on it for each process. All packets between places pass the harness, whose nftables rules
//! lose them as they are told, and which is the Service's address too. Nothing is left of it when the harness ends,
//! however it ends. Without root there is loopback, and what breaks the net says that it cannot.

mod clock;
mod conntrack;
pub mod disk;
mod enter;
mod faults;
pub mod files;
mod group;
mod net;
mod place;
pub mod proof;
mod service;
mod slow;
#[cfg(test)]
mod tests;
mod tool;

use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::Result;

pub use clock::WallClock;
pub(crate) use conntrack::answerer;
pub use enter::{Entered, inside, missing, to_its_end};
pub use group::Group;
use net::Net;
pub use place::Place;
pub use slow::Slow;

/// Where everything runs. A clone is the same ground.
#[derive(Clone)]
pub struct Ground(Option<Arc<Net>>);

/// What a fault needs and this machine, or this user, does not have.
#[derive(Debug, thiserror::Error)]
#[error("needs {0}")]
pub struct Lacking(String);

impl Lacking {
    /// It needs `what`.
    pub fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl Ground {
    /// [`Ground::enter`] where nothing is [`missing`]; else loopback, and a line that says what is left out for that.
    ///
    /// # Errors
    ///
    /// Where the bridge cannot be made.
    pub async fn best(left_out: &str) -> Result<Entered> {
        match missing() {
            None => Self::enter().await,
            Some(missing) => {
                println!("{left_out} are left out: they need {missing}");
                Ok(Entered::Inside(Self::loopback()))
            }
        }
    }

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

    /// Takes every fault of the net back, but a [`Slow`] way, which ends by itself.
    ///
    /// # Errors
    ///
    /// Where nft refuses.
    pub fn heal(&self) -> Result<()> {
        match &self.0 {
            Some(net) => {
                net.break_so(|faults| *faults = faults::Faults::default())?;
                net.limited().iter().try_for_each(|name| net.unlimit(name))
            }
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
