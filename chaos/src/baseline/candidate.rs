//! A candidate of Bellwether's election: the driver and the Lease store of the product, and nothing else of it.
//!
//! In and out are the same lines as of the program in `chaos/baseline`: `campaign LEASE` and `leave LEASE`, then
//! `LEASE leads FROM TOKEN`, `LEASE led UNTIL` and `LEASE left`. What can go wrong: an election that cannot be started.

use std::collections::HashMap;
use std::io::BufRead;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use bellwether::election::store::KubernetesLease;
use bellwether::election::{Config, Freshness, Handle, Identity, Metrics, Role, Timing, start};
use bellwether::source::kubernetes::Access;
use bellwether::time::{BootClock, Clock};
use clap::Args;
use prometheus_client::registry::Registry;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// How often the program asks itself whether it leads.
const LOOK: Duration = Duration::from_millis(10);

/// Where the Leases are.
pub(super) const NAMESPACE: &str = "default";

/// The arguments of `candidate`.
#[derive(Args, Debug)]
pub struct CandidateArgs {
    /// The way to the API server.
    url: String,
    /// The candidate's name.
    name: String,
}

impl CandidateArgs {
    /// Does what the lines of stdin say, until they end.
    ///
    /// # Errors
    ///
    /// Where a line is none of the commands, or an election cannot be started.
    pub async fn run(self) -> Result<()> {
        let (sender, mut lines) = mpsc::channel(64);
        // Ends with the process: reading stdin can be neither awaited nor interrupted.
        std::thread::spawn(move || {
            for line in std::io::stdin().lock().lines().map_while(Result::ok) {
                if sender.blocking_send(line).is_err() {
                    return;
                }
            }
        });
        let mut campaigns: HashMap<String, (oneshot::Sender<()>, JoinHandle<()>)> = HashMap::new();
        while let Some(line) = lines.recv().await {
            match line.split_once(' ') {
                Some(("campaign", lease)) => {
                    let election = self.election(lease).await?;
                    let (leave, left) = oneshot::channel();
                    let told = tokio::spawn(tell(lease.to_owned(), election, left));
                    campaigns.insert(lease.to_owned(), (leave, told));
                }
                Some(("leave", lease)) => {
                    let (leave, told) = campaigns.remove(lease).context("left without a campaign")?;
                    drop(leave);
                    // To end an election takes a moment, which the others need not wait for.
                    tokio::spawn(told);
                }
                _ => bail!("no such command: {line}"),
            }
        }
        Ok(())
    }

    async fn election(&self, lease: &str) -> Result<Handle> {
        let access = Access::Url { url: self.url.clone(), token_file: None, ca_file: None };
        let store = KubernetesLease::open(access, NAMESPACE, lease).await?;
        let identity = Identity::of_pod(&self.name, &self.name);
        let config = Config {
            identity: identity.map_err(|error| anyhow!("no random bytes: {error}"))?,
            address: format!("{}:9912", self.name),
            software: "bellwether".to_owned(),
            timing: Timing::DEFAULT,
            // Nobody lets anybody go first: the hardest race.
            rank: 0,
            // There is no work here that could stall.
            stall: Duration::from_secs(3600),
        };
        let metrics = Arc::new(Metrics::register(&mut Registry::default()));
        let handle = start(store, config, Arc::new(BootClock), metrics)?;
        handle.freshness(Freshness::Newest);
        Ok(handle)
    }
}

/// Asks again and again, as whoever publishes does, and tells when the answer changes.
async fn tell(lease: String, election: Handle, mut left: oneshot::Receiver<()>) {
    let role = election.role();
    let mut until = None;
    loop {
        let now = BootClock.now();
        let token = match &*role.borrow() {
            Role::Leader(term) if term.check(now).is_ok() => Some(term.epoch()),
            _ => None,
        };
        match (token, until) {
            (Some(token), None) => {
                println!("{lease} leads {} {token}", now.as_nanos());
                until = Some(now);
            }
            (Some(_), Some(_)) => until = Some(now),
            (None, _) => led(&lease, until.take()),
        }
        if tokio::time::timeout(LOOK, &mut left).await.is_ok() {
            break;
        }
    }
    led(&lease, until);
    println!("{lease} left");
    // It waits for the election's thread.
    let _ = tokio::task::spawn_blocking(move || drop(election)).await;
}

fn led(lease: &str, until: Option<bellwether::time::Moment>) {
    if let Some(until) = until {
        println!("{lease} led {}", until.as_nanos());
    }
}
