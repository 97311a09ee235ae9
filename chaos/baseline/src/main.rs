//! A candidate of kube-leader-election: `baseline URL NAME LEASE_SECONDS`.
//!
//! In, line by line: `campaign LEASE` and `leave LEASE`. Out: `LEASE leads FROM TOKEN` when it first believes that it leads,
//! `LEASE led UNTIL` when it no longer does, `LEASE left` at the end; times are nanoseconds of CLOCK_BOOTTIME. What can
//! go wrong: an election's own errors, which are printed to stderr, as the crate's example does.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use kube::{Client, Config};
use kube_leader_election::{LeaseLock, LeaseLockParams, LeaseLockResult};
use rustix::time::{ClockId, clock_gettime};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::task::JoinHandle;

/// How often the program asks itself whether it leads.
const LOOK: Duration = Duration::from_millis(10);

#[tokio::main]
async fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let (Some(url), Some(name), Some(seconds)) = (args.next(), args.next(), args.next()) else {
        bail!("usage: baseline URL NAME LEASE_SECONDS");
    };
    let ttl = Duration::from_secs(seconds.parse().context("LEASE_SECONDS")?);
    let client = Client::try_from(Config::new(url.parse().context("URL")?))?;
    let mut campaigns: HashMap<String, [JoinHandle<()>; 2]> = HashMap::new();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        match line.split_once(' ') {
            Some(("campaign", lease)) => {
                let params =
                    LeaseLockParams { lease_name: lease.to_owned(), holder_id: name.clone(), lease_ttl: ttl };
                let lock = LeaseLock::new(client.clone(), "default", params);
                let belief = Arc::new(Belief::default());
                let election = tokio::spawn(elect(lock, ttl / 3, Arc::clone(&belief)));
                let watch = tokio::spawn(watch(lease.to_owned(), belief));
                campaigns.insert(lease.to_owned(), [election, watch]);
            }
            Some(("leave", lease)) => {
                for task in campaigns.remove(lease).into_iter().flatten() {
                    task.abort();
                    // Its last line comes before ours.
                    let _ = task.await;
                }
                println!("{lease} left");
            }
            _ => bail!("no such command: {line}"),
        }
    }
    Ok(())
}

/// What the rest of a program would read.
#[derive(Default)]
struct Belief {
    leads: AtomicBool,
    transitions: AtomicI64,
}

/// The loop that the crate's documentation shows: once each third of the lease's duration, errors are logged.
async fn elect(lock: LeaseLock, every: Duration, belief: Arc<Belief>) {
    loop {
        match lock.try_acquire_or_renew().await {
            Ok(LeaseLockResult::Acquired(lease)) => {
                let transitions = lease.spec.and_then(|spec| spec.lease_transitions).unwrap_or_default();
                belief.transitions.store(transitions.into(), Ordering::SeqCst);
                belief.leads.store(true, Ordering::SeqCst);
            }
            Ok(LeaseLockResult::NotAcquired(_)) => belief.leads.store(false, Ordering::SeqCst),
            Err(error) => eprintln!("{error}"),
        }
        tokio::time::sleep(every).await;
    }
}

/// Asks again and again, and tells when the answer changes.
async fn watch(lease: String, belief: Arc<Belief>) {
    let mut told = Told { lease, until: None };
    loop {
        let now = now();
        match (belief.leads.load(Ordering::SeqCst), told.until) {
            (true, None) => {
                println!("{} leads {now} {}", told.lease, belief.transitions.load(Ordering::SeqCst));
                told.until = Some(now);
            }
            (true, Some(_)) => told.until = Some(now),
            (false, _) => told.end(),
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// What was said of a belief; the rest is said when it goes.
struct Told {
    lease: String,
    until: Option<u64>,
}

impl Told {
    fn end(&mut self) {
        if let Some(until) = self.until.take() {
            println!("{} led {until}", self.lease);
        }
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.end();
    }
}

fn now() -> u64 {
    let time = clock_gettime(ClockId::Boottime);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}
