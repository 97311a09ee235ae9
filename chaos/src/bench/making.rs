//! What it costs to make tables: the first one, polls in which nothing changed, a pod that is replaced; and the memory.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::sync::watch;
use tokio::time::Instant;

use super::cluster::ZONES;
use super::cost;
use super::figures::{Row, quantile};
use super::server::{Binaries, Program, Server};
use super::upstream::Upstream;
use crate::http::Call;
use crate::stage::Folder;

/// As often as possible: the next poll begins as soon as one is over.
const POLL: Duration = Duration::from_millis(50);

/// A poll that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(180);

/// How many clients hold a connection while the memory is looked at.
const CLIENTS: usize = 300;

/// How often things are done with one process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) polls: u64,
    pub(super) changes: usize,
    /// How long clients ask at a rate.
    pub(super) rated: Duration,
}

/// Runs one process from its start to its end.
///
/// # Errors
///
/// Where it does not do what is measured.
pub(super) async fn measure(
    program: Program,
    binaries: &Binaries,
    upstream: &Upstream,
    times: Times,
    folder: &Folder,
    mut note: impl FnMut(Row, f64),
) -> Result<()> {
    let server = binaries.start(program, &upstream.url(), POLL, folder).await?;
    note(Row::Listening, millis(server.listening));
    let (first, cpu) = server.first_table().await?;
    note(Row::FirstTable, millis(first));
    note(Row::FirstTableCpu, millis(cpu));

    let mut polls = upstream.polls();
    // The first poll after the table is one with a warm past.
    next(&mut polls, 2).await?;
    let (wall, before) = (Instant::now(), server.cpu()?);
    next(&mut polls, times.polls).await?;
    note(Row::PollCpu, millis(server.cpu()? - before) / times.polls as f64);
    note(Row::PollWall, millis(wall.elapsed()) / times.polls as f64);

    let mut tag = server.served().await?.gzip.0;
    let before = made(&server).await;
    for _ in 0..times.changes {
        let changed = Instant::now();
        upstream.replace_a_pod();
        tag = server.after(&tag).await?;
        note(Row::Change, millis(changed.elapsed()));
    }
    // A table is served a moment before it is counted.
    next(&mut polls, 2).await?;
    if let (Some(before), Some(after)) = (before, made(&server).await) {
        note(Row::ChangeMade, (after.0 - before.0) * 1e3 / (after.1 - before.1));
    }
    for zone in ZONES {
        let path = format!("/routes/{zone}");
        let call = Call { deadline: PATIENCE, ..Call::get(server.serve, &path) };
        let (_, reply) = call.send().await.map_err(|failure| anyhow::anyhow!(failure.cause))?;
        ensure!(reply.status == 200, "zone {zone} is answered with {}", reply.status);
    }
    let held = server.load(Some(&tag), true, false).connections(CLIENTS).await?;
    next(&mut polls, 1).await?;
    note(Row::SteadyMemory, cost::memory(server.pid())?.0);
    drop(held);

    note(Row::BusyP99, busy_p99(&server, &tag, upstream, times.rated).await?);
    note(Row::PeakMemory, cost::memory(server.pid())?.1);
    Ok(())
}

/// The 99th percentile of a 304 while all Ingresses are written before each poll: the table stays, but is made as a whole.
async fn busy_p99(server: &Server, tag: &str, upstream: &Upstream, time: Duration) -> Result<f64> {
    let load = server.load(Some(tag), true, false);
    let mut polls = upstream.polls();
    let rewrite = async {
        loop {
            next(&mut polls, 1).await?;
            upstream.rewrite_ingresses();
        }
    };
    tokio::select! {
        times = p99(load.at_rate(1_000, 50, time)) => times,
        error = rewrite => error,
    }
}

/// The 99th percentile in milliseconds.
pub(super) async fn p99(times: impl Future<Output = Result<Vec<Duration>>>) -> Result<f64> {
    let times: Vec<_> = times.await?.into_iter().map(millis).collect();
    Ok(quantile(&times, 0.99))
}

/// How many seconds our process has spent from decoded objects to announced tables, and on how many, as its metrics say.
async fn made(server: &Server) -> Option<(f64, f64)> {
    if server.program != Program::Bellwether {
        return None;
    }
    let (_, reply) = Call::get(server.support, "/metrics").send().await.ok()?;
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    let value = |name: &str| {
        let rest = text
            .lines()
            .find_map(|line| line.strip_prefix("bellwether_making_duration_seconds_")?.strip_prefix(name));
        rest?.trim().parse().ok()
    };
    Some((value("sum ")?, value("count ")?))
}

/// Waits until so many more polls have begun.
async fn next(polls: &mut watch::Receiver<u64>, number: u64) -> Result<()> {
    let until = *polls.borrow() + number;
    let waited = tokio::time::timeout(PATIENCE, polls.wait_for(|begun| *begun >= until));
    waited.await.context("no other poll begins")?.context("the upstream is gone")?;
    Ok(())
}

pub(super) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
