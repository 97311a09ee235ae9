//! One etcd, in a folder of its own, without fsync: what it holds ends with the run.

use std::net::SocketAddr;

use anyhow::Result;
use tokio::process::Command;

use crate::peers;
use crate::ports;
use crate::process::Process;
use crate::stage::Folder;

/// A running etcd.
pub struct Etcd {
    address: SocketAddr,
    _process: Process,
}

impl Etcd {
    /// Starts it; the API server waits for it by itself.
    ///
    /// # Errors
    ///
    /// Where it is not built or does not start.
    pub fn start(folder: &Folder) -> Result<Self> {
        let (address, peer) = (ports::free()?, ports::free()?);
        let mut command = Command::new(peers::ETCD.binary()?);
        command
            .arg("--data-dir")
            .arg(folder.sub("etcd")?)
            .arg("--unsafe-no-fsync")
            .arg(format!("--listen-client-urls=http://{address}"))
            .arg(format!("--advertise-client-urls=http://{address}"))
            .arg(format!("--listen-peer-urls=http://{peer}"))
            .arg(format!("--initial-advertise-peer-urls=http://{peer}"))
            .arg(format!("--initial-cluster=default=http://{peer}"));
        Ok(Self { address, _process: Process::spawn("etcd", command, &folder.sub("logs")?)? })
    }

    /// Its URL for clients.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}
