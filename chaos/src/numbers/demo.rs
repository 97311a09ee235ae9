//! How soon the demo serves its first table, to whoever follows what it prints.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, anyhow};
use rustix::process::Signal;
use tokio::process::Command;
use tokio::time::Instant;

use crate::http::Call;
use crate::process::Process;
use crate::stage::{Folder, until};

/// Whatever takes longer has not started at all.
const DEADLINE: Duration = Duration::from_secs(30);

/// Between two looks at its output, and two questions for its table.
const SAMPLE: Duration = Duration::from_millis(5);

/// From the start of `bellwether demo` until `/routes` answers 200 at the first address that it prints.
///
/// # Errors
///
/// Where it serves nothing in time, or does not end on SIGINT.
pub async fn first_table(binary: &Path, folder: &Folder, round: usize) -> Result<Duration> {
    let mut command = Command::new(binary);
    // Its manifests are those of the repository.
    command.arg("demo").current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    let start = Instant::now();
    let mut demo = Process::spawn(&format!("demo-{round}"), command, &folder.sub("logs")?)?;
    let served = until("the demo's first table", DEADLINE, SAMPLE, async || {
        if let Some(status) = demo.exited() {
            return Some(Err(anyhow!("the demo ended: {status}")));
        }
        let call = Call::get(address(&demo.tail(usize::MAX))?, "/routes");
        let (_, reply) = call.send().await.ok()?;
        reply.status.is_success().then(|| Ok(start.elapsed()))
    });
    let served = served.await.flatten().map_err(|error| demo.blame(&error));
    // It ends its replicas itself, so it is asked and not killed.
    demo.signal(Signal::INT);
    demo.wait(DEADLINE).await?;
    served
}

/// The first address of which `output` names a URL that ends in `/routes`.
fn address(output: &str) -> Option<SocketAddr> {
    let (before, _) = output.split_once("/routes")?;
    before.rsplit_once("http://")?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_what_the_demo_prints() {
        let output =
            "r0 leads\ntable: http://127.0.0.1:9090/routes (r0), http://127.0.0.1:9190/routes (r1)\n";
        assert_eq!(address(output), Some(SocketAddr::from(([127, 0, 0, 1], 9090))));
        assert_eq!(address("starting three replicas"), None);
    }
}
