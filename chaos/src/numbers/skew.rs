//! How far apart in time the replicas come to serve a new table.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures::future::try_join_all;
use http::{Method, StatusCode, header};
use tokio::time::Instant;

use super::rig::Rig;
use crate::http::Call;

/// Between two questions to one replica: what the measurement may be wrong by, beside the answer's own time.
const PAUSE: Duration = Duration::from_millis(2);

/// From a changed manifest until the last replica serves it.
const DEADLINE: Duration = Duration::from_secs(10);

/// Changes a manifest; the time from the first replica that serves the new table to the last.
///
/// # Errors
///
/// Where one does not serve it in time.
pub async fn publish(rig: &mut Rig) -> Result<Duration> {
    let old = format!("\"{}\"", rig.settled().await?);
    rig.change()?;
    let replicas = rig.fleet.replicas.iter().map(|replica| first_200(replica.serve(), &old));
    let served = try_join_all(replicas).await?;
    let (first, last) = (served.iter().min().copied(), served.iter().max().copied());
    let (first, last) = first.zip(last).context("there are replicas")?;
    Ok(last - first)
}

/// When the replica at `address` first gives a client that has the table `old` another one.
///
/// # Errors
///
/// Where it does not in time, or answers with anything but 200 and 304.
pub async fn first_200(address: SocketAddr, old: &str) -> Result<Instant> {
    let headers = [(header::IF_NONE_MATCH, old)];
    // Without the body: how long that takes says nothing about when it was there.
    let call = Call { method: Method::HEAD, headers: &headers, ..Call::get(address, "/routes") };
    let end = Instant::now() + DEADLINE;
    while Instant::now() < end {
        let sent = call.send().await.map_err(|failure| anyhow::anyhow!("{address}: {}", failure.cause))?;
        match sent.1.status {
            StatusCode::OK => return Ok(Instant::now()),
            StatusCode::NOT_MODIFIED => tokio::time::sleep(PAUSE).await,
            status => bail!("{address} answers {status}"),
        }
    }
    bail!("{address} does not serve the changed manifest within {DEADLINE:?}")
}
