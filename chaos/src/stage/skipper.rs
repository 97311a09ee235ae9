//! A real Skipper that polls the Service for its routes.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;

use crate::ground::Place;
use crate::http::Call;
use crate::peers;
use crate::process::Process;
use crate::stage::{Folder, until};

/// A running Skipper.
pub struct Skipper {
    address: SocketAddr,
    process: Process,
    launch: Launch,
}

/// How one is started.
struct Launch {
    place: Place,
    support: SocketAddr,
    routes_url: String,
    poll: Duration,
    host: String,
}

impl Skipper {
    /// Starts one in `place`, under its name, on the routes at `routes_url`, polled each `poll`, and waits until it has loaded them: until it
    /// answers 200 for `host`.
    ///
    /// # Errors
    ///
    /// Where it is not built or has no routes in time; with the end of its log.
    pub async fn start(
        place: &Place,
        folder: &Folder,
        routes_url: &str,
        poll: Duration,
        host: &str,
    ) -> Result<Self> {
        let (address, support) = (place.socket(9090)?, place.socket(9911)?);
        let (routes_url, host) = (routes_url.to_owned(), host.to_owned());
        let launch = Launch { place: place.clone(), support, routes_url, poll, host };
        let process = launch.start(address, &[], folder).await?;
        Ok(Self { address, process, launch })
    }

    /// Ends it and starts it again at its addresses, with `more` flags.
    ///
    /// # Errors
    ///
    /// Where it has no routes in time; with the end of its log.
    pub async fn restart(&mut self, more: &[&str], folder: &Folder) -> Result<()> {
        self.process.kill().await?;
        self.process = self.launch.start(self.address, more, folder).await?;
        Ok(())
    }

    /// Where it shows its routes.
    pub fn support(&self) -> SocketAddr {
        self.launch.support
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Launch {
    async fn start(&self, address: SocketAddr, more: &[&str], folder: &Folder) -> Result<Process> {
        let Self { place, support, routes_url, poll, host } = self;
        let mut command = place.command(peers::SKIPPER.binary()?);
        command
            .arg(format!("-address={address}"))
            .arg(format!("-support-listener={support}"))
            .arg(format!("-routes-urls={routes_url}"))
            .arg(format!("-source-poll-timeout={}", poll.as_millis()))
            .args(["-wait-first-route-load", "-access-log-disabled"])
            .args(more)
            // It keeps what it downloads in a temporary file that it leaves behind.
            .env("TMPDIR", folder.sub(place.name())?);
        let process = Process::spawn(place.name(), command, &folder.sub("logs")?)?;
        let loaded = until("Skipper with routes", Duration::from_secs(30), *poll / 2, async || {
            let call = Call { host, ..Call::get(address, "/") };
            call.send().await.is_ok_and(|(_, reply)| reply.status.is_success()).then_some(())
        });
        loaded.await.map_err(|error| process.blame(&error))?;
        Ok(process)
    }
}
