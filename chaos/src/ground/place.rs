//! A place: an address of its own, and the processes that run there.

use std::ffi::OsStr;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result, anyhow};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::net::TcpListener;
use tokio::process::Command;

use super::faults::Faults;
use super::slow::Slow;
use super::{Lacking, Net, tool};
use crate::ports;

/// Where a process runs. A clone is the same place.
#[derive(Clone, Debug)]
pub struct Place {
    name: String,
    address: Ipv4Addr,
    namespace: Option<Namespace>,
}

#[derive(Clone, Debug)]
struct Namespace {
    path: PathBuf,
    net: Arc<Net>,
}

impl Place {
    /// One on loopback, whose net cannot break.
    pub fn on_loopback(name: &str) -> Self {
        Self { name: name.to_owned(), address: Ipv4Addr::LOCALHOST, namespace: None }
    }

    pub(super) fn in_namespace(name: &str, address: Ipv4Addr, path: PathBuf, net: Arc<Net>) -> Self {
        Self { name: name.to_owned(), address, namespace: Some(Namespace { path, net }) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Where a server can listen: on `port`, or, on loopback, which all places share, on one that is free.
    ///
    /// # Errors
    ///
    /// Where loopback has none that is free.
    pub fn socket(&self, port: u16) -> Result<SocketAddr> {
        match &self.namespace {
            Some(_) => Ok((self.address, port).into()),
            None => ports::free(),
        }
    }

    /// Whether its net can break: not on loopback.
    pub fn can_break(&self) -> bool {
        self.namespace.is_some()
    }

    /// A command that runs `program` here. Its pid is the program's own.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let Some(namespace) = &self.namespace else { return Command::new(program) };
        let mut command = Command::new(tool::find("nsenter").unwrap_or_else(|| "nsenter".into()));
        command.arg(format!("--net={}", namespace.path.display())).arg("--").arg(program);
        command
    }

    /// Runs `deed` with the eyes of this place: what it opens is open here, and stays so.
    ///
    /// # Errors
    ///
    /// Where the place is gone.
    pub fn within<T: Send>(&self, deed: impl FnOnce() -> T + Send) -> Result<T> {
        let Some(namespace) = &self.namespace else { return Ok(deed()) };
        let file = File::open(&namespace.path).with_context(|| format!("the place {}", self.name))?;
        // A thread of its own: it cannot go back.
        thread::scope(|scope| {
            let there = scope.spawn(|| {
                move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?;
                Ok(deed())
            });
            there.join().map_err(|_| anyhow!("a thread in {} has panicked", self.name))?
        })
    }

    /// Listens here, as a part of the harness; on `port`, or, on loopback, on any.
    ///
    /// # Errors
    ///
    /// Where it is taken.
    pub fn listen(&self, port: u16) -> Result<TcpListener> {
        let port = self.namespace.as_ref().map_or(0, |_| port);
        let bound = self.within(|| std::net::TcpListener::bind((self.address, port)))?;
        let bound = bound.with_context(|| format!("listen in {} on {port}", self.name))?;
        bound.set_nonblocking(true)?;
        Ok(TcpListener::from_std(bound)?)
    }

    /// From now on no packet from `from` arrives here; its sender does not hear of that.
    ///
    /// # Errors
    ///
    /// On loopback.
    pub fn cut(&self, from: impl Into<Ipv4Addr>) -> Result<()> {
        let pair = (from.into(), self.address);
        self.break_so(|faults| {
            faults.cut.insert(pair);
        })
    }

    /// From now on no packet goes between here and `other`, either way.
    ///
    /// # Errors
    ///
    /// On loopback.
    pub fn part(&self, other: impl Into<Ipv4Addr>) -> Result<()> {
        let other = other.into();
        self.break_so(|faults| faults.cut.extend([(other, self.address), (self.address, other)]))
    }

    /// From now on `percent` of the packets from `from` are lost on their way here; 0 heals that.
    ///
    /// # Errors
    ///
    /// On loopback.
    pub fn lose(&self, from: impl Into<Ipv4Addr>, percent: u8) -> Result<()> {
        let pair = (from.into(), self.address);
        self.break_so(|faults| {
            faults.lost.insert(pair, percent);
        })
    }

    /// From now on nobody reaches this place and it reaches nobody, silently: a machine that has lost its power or its
    /// cable. The harness, its probes and clients are somebody too.
    ///
    /// # Errors
    ///
    /// On loopback.
    pub fn vanish(&self) -> Result<()> {
        self.break_so(|faults| {
            faults.gone.insert(self.address);
        })
    }

    /// From now on this place and all others do not reach each other; the harness's [`address`](super::Ground::address)
    /// and it still do, as a node's own kubelet would.
    ///
    /// # Errors
    ///
    /// On loopback.
    pub fn isolate(&self) -> Result<()> {
        self.break_so(|faults| {
            faults.alone.insert(self.address);
        })
    }

    /// From now on no more than so many bytes a second leave this place, nor arrive; `None` takes the limit away.
    ///
    /// # Errors
    ///
    /// On loopback, or where the kernel has no tbf.
    pub fn limit(&self, bytes_per_second: Option<u64>) -> Result<()> {
        self.net()?.limit(&self.name, bytes_per_second)
    }

    /// Makes connections from `from` to `port` here a long way, which can be made longer while they are open. Those that
    /// are open already are left alone.
    ///
    /// # Errors
    ///
    /// On loopback.
    pub async fn slow(&self, from: &Place, port: u16) -> Result<Slow> {
        Slow::start(from, self, port).await
    }

    /// Takes back every fault that this place has part in, but a [`Slow`] way, which ends by itself.
    ///
    /// # Errors
    ///
    /// On loopback.
    pub fn heal(&self) -> Result<()> {
        self.break_so(|faults| faults.heal(self.address))?;
        self.net()?.unlimit(&self.name)
    }

    fn break_so(&self, change: impl FnOnce(&mut Faults)) -> Result<()> {
        self.net()?.break_so(change)
    }

    pub(super) fn net(&self) -> Result<&Arc<Net>> {
        match &self.namespace {
            Some(namespace) => Ok(&namespace.net),
            None => Err(Lacking::new("places of their own, and so root").into()),
        }
    }
}

impl From<&Place> for Ipv4Addr {
    fn from(place: &Place) -> Self {
        place.address
    }
}
