//! One etcd, in a folder of its own, without fsync: what it holds ends with the run. It can be backed up and restored.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use rustix::process::Signal;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::ground::Place;
use crate::peers;
use crate::process::Process;
use crate::stage::Folder;

/// A put through etcd's JSON gateway: the key `/chaos`, which no API server looks at, and an empty value.
const PUT: &str = r#"{"key":"L2NoYW9z","value":""}"#;

/// How long all of [`Etcd::write`] may take.
const WRITTEN: Duration = Duration::from_secs(120);

/// A running etcd.
pub struct Etcd {
    place: Place,
    address: SocketAddr,
    data: PathBuf,
    logs: PathBuf,
    process: Process,
}

impl Etcd {
    /// Starts it in `place`; the API server waits for it by itself.
    ///
    /// # Errors
    ///
    /// Where it is not built or does not start.
    pub fn start(place: &Place, folder: &Folder) -> Result<Self> {
        let (address, data, logs) = (place.socket(2379)?, folder.sub("etcd")?, folder.sub("logs")?);
        let process = spawn(place, address, &data, &logs)?;
        Ok(Self { place: place.clone(), address, data, logs, process })
    }

    /// Its URL for clients.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Copies what it has on disk to the folder `to`. It is stopped meanwhile, for some milliseconds, so that its files
    /// are of one moment: as after a power cut, which they are made for.
    ///
    /// # Errors
    ///
    /// Where a file cannot be copied.
    pub fn back_up(&mut self, to: &Path) -> Result<()> {
        self.process.signal(Signal::STOP);
        let copied = copy(&self.data, to);
        self.process.signal(Signal::CONT);
        copied
    }

    /// Ends it, and starts it again with what [`Etcd::back_up`] copied to `from`.
    ///
    /// # Errors
    ///
    /// Where it does not end or start, or a file cannot be copied.
    pub async fn restore(&mut self, from: &Path) -> Result<()> {
        self.process.kill().await?;
        fs::remove_dir_all(&self.data).with_context(|| format!("remove {}", self.data.display()))?;
        copy(from, &self.data)?;
        self.process = spawn(&self.place, self.address, &self.data, &self.logs)?;
        Ok(())
    }

    /// Writes so often to a key of its own: each write is a revision, and so a resource version.
    ///
    /// # Errors
    ///
    /// Where it does not answer in time, or refuses one.
    pub async fn write(&self, times: u32) -> Result<()> {
        let writing = async {
            let stream = TcpStream::connect(self.address).await.context("connect to etcd")?;
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.context("speak to etcd")?;
            let mut background = JoinSet::new();
            background.spawn(connection);
            for _ in 0..times {
                let put = Request::post("/v3/kv/put")
                    .header(header::HOST, self.address.to_string())
                    .body(Full::new(Bytes::from_static(PUT.as_bytes())))?;
                sender.ready().await.context("write to etcd")?;
                let (head, body) = sender.send_request(put).await.context("write to etcd")?.into_parts();
                let body = body.collect().await.context("write to etcd")?.to_bytes();
                ensure!(head.status.is_success(), "etcd: {}: {}", head.status, body.escape_ascii());
            }
            Ok(())
        };
        tokio::time::timeout(WRITTEN, writing).await.context("etcd takes too long to write")?
    }
}

fn spawn(place: &Place, address: SocketAddr, data: &Path, logs: &Path) -> Result<Process> {
    let peer = place.socket(2380)?;
    let mut command = place.command(peers::ETCD.binary()?);
    command
        .arg("--data-dir")
        .arg(data)
        .arg("--unsafe-no-fsync")
        .arg(format!("--listen-client-urls=http://{address}"))
        .arg(format!("--advertise-client-urls=http://{address}"))
        .arg(format!("--listen-peer-urls=http://{peer}"))
        .arg(format!("--initial-advertise-peer-urls=http://{peer}"))
        .arg(format!("--initial-cluster=default=http://{peer}"));
    Process::spawn("etcd", command, logs)
}

/// Copies the folder `from` with all that is in it.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let context = || format!("copy {} to {}", from.display(), to.display());
    fs::create_dir_all(to).with_context(context)?;
    for entry in fs::read_dir(from).with_context(context)? {
        let entry = entry.with_context(context)?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to)?;
        } else {
            fs::copy(&from, &to).with_context(context)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_every_file_of_every_folder() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("a"), folder.path().join("b"));
        fs::create_dir_all(from.join("member/wal")).unwrap();
        fs::write(from.join("member/wal/0"), "log").unwrap();
        fs::write(from.join("name"), "x").unwrap();
        copy(&from, &to).unwrap();
        assert_eq!(fs::read(to.join("member/wal/0")).unwrap(), b"log");
        assert_eq!(fs::read(to.join("name")).unwrap(), b"x");
        assert!(copy(&folder.path().join("c"), &to).is_err());
    }
}
