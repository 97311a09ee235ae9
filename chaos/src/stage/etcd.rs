//! One etcd, in a folder of its own, without fsync: what it holds ends with the run.

use std::net::SocketAddr;

use anyhow::Result;

use crate::ground::Place;
use crate::peers;
use crate::process::Process;
use crate::stage::Folder;

/// A running etcd.
pub struct Etcd {
    address: SocketAddr,
    _process: Process,
}

impl Etcd {
    /// Starts it in `place`; the API server waits for it by itself.
    ///
    /// # Errors
    ///
    /// Where it is not built or does not start.
    pub fn start(place: &Place, folder: &Folder) -> Result<Self> {
        let (address, peer) = (place.socket(2379)?, place.socket(2380)?);
        let mut command = place.command(peers::ETCD.binary()?);
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
