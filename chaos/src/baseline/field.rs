//! Five candidates of one kind, each a process of its own, and what they say of themselves.

use std::collections::HashMap;
use std::fs::File;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::Api;
use kube::api::PostParams;
use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::task::JoinSet;

use super::belief::Belief;
use super::candidate::NAMESPACE;
use super::lines::Lines;
use crate::stage::{Folder, until};

/// How many run for each Lease.
pub(super) const CANDIDATES: usize = 5;

/// How long a candidate may take to say what it was asked.
const PATIENCE: Duration = Duration::from_secs(20);

const LOOK: Duration = Duration::from_millis(20);

/// The candidates, and their lines.
pub(super) struct Field {
    /// Theirs to the API server.
    pub(super) lines: Lines,
    kind: &'static str,
    leases: Api<Lease>,
    commands: tokio::sync::Mutex<Vec<ChildStdin>>,
    told: Arc<Mutex<HashMap<String, Vec<Told>>>>,
    _children: Vec<Child>,
    _readers: JoinSet<()>,
}

/// What one candidate has said about one Lease.
#[derive(Clone, Default)]
struct Told {
    ended: Vec<Belief>,
    leads: Option<(u64, u64)>,
    left: bool,
}

impl Field {
    /// Starts what `command` makes of a URL and a name, five times.
    ///
    /// # Errors
    ///
    /// Where one does not start.
    pub(super) async fn start(
        kind: &'static str,
        command: impl Fn(&str, &str) -> Command,
        client: kube::Client,
        folder: &Folder,
    ) -> Result<Self> {
        let lines = Lines::start(client.clone(), CANDIDATES).await?;
        let told: Arc<Mutex<HashMap<String, Vec<Told>>>> = Arc::default();
        let (mut commands, mut children, mut readers) = (Vec::new(), Vec::new(), JoinSet::new());
        for (index, url) in lines.urls().iter().enumerate() {
            let name = format!("{kind}-{index}");
            let log = File::create(folder.sub("logs")?.join(format!("{name}.log"))).context("make a log")?;
            let mut command = command(url, &name);
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
            let mut child = command.spawn().with_context(|| format!("start {name}"))?;
            commands.push(child.stdin.take().context("stdin was asked for")?);
            let stdout = child.stdout.take().context("stdout was asked for")?;
            readers.spawn(listen(index, stdout, Arc::clone(&told)));
            children.push(child);
        }
        let leases = Api::namespaced(client, NAMESPACE);
        let commands = tokio::sync::Mutex::new(commands);
        Ok(Self { lines, kind, leases, commands, told, _children: children, _readers: readers })
    }

    /// The name of the Lease for one round of `thing`: each kind of candidates has its own.
    pub(super) fn lease(&self, thing: &str, round: usize) -> String {
        format!("{}-{thing}-{round}", self.kind)
    }

    /// Makes the Lease `name`, whose last holder has not renewed it for an hour.
    ///
    /// # Errors
    ///
    /// Where the API server refuses it.
    pub(super) async fn make(&self, name: &str) -> Result<()> {
        let renewed = MicroTime(Timestamp::now().saturating_sub(SignedDuration::from_hours(1))?);
        let mut lease = Lease::default();
        lease.metadata.name = Some(name.to_owned());
        lease.spec = Some(LeaseSpec {
            holder_identity: Some("somebody-before".to_owned()),
            lease_duration_seconds: Some(1),
            lease_transitions: Some(1),
            acquire_time: Some(renewed.clone()),
            renew_time: Some(renewed),
            ..LeaseSpec::default()
        });
        self.told.lock().insert(name.to_owned(), vec![Told::default(); CANDIDATES]);
        self.leases.create(&PostParams::default(), &lease).await.with_context(|| format!("make {name}"))?;
        Ok(())
    }

    /// `candidate` runs for `lease` from now on.
    ///
    /// # Errors
    ///
    /// Where its process has ended.
    pub(super) async fn campaign(&self, candidate: usize, lease: &str) -> Result<()> {
        self.command(candidate, &format!("campaign {lease}\n")).await
    }

    /// Who believes that it leads `lease`.
    pub(super) fn leaders(&self, lease: &str) -> Vec<usize> {
        let told = self.told.lock();
        let all = told.get(lease).into_iter().flatten().enumerate();
        all.filter(|(_, told)| told.leads.is_some()).map(|(candidate, _)| candidate).collect()
    }

    /// All leave `lease`. Returns what each of them believed.
    ///
    /// # Errors
    ///
    /// Where one does not say that it has left.
    pub(super) async fn leave(&self, lease: &str) -> Result<Vec<Vec<Belief>>> {
        for candidate in 0..CANDIDATES {
            self.command(candidate, &format!("leave {lease}\n")).await?;
        }
        let all_left = async || {
            let told = self.told.lock();
            told.get(lease).filter(|all| all.iter().all(|told| told.left)).cloned()
        };
        let all = until("that all candidates have left", PATIENCE, LOOK, all_left).await?;
        ensure!(all.iter().all(|told| told.leads.is_none()), "{lease}: a belief without an end");
        Ok(all.into_iter().map(|told| told.ended).collect())
    }

    async fn command(&self, candidate: usize, line: &str) -> Result<()> {
        let mut commands = self.commands.lock().await;
        commands[candidate].write_all(line.as_bytes()).await.context("a candidate has ended; see its log")
    }
}

async fn listen(candidate: usize, stdout: ChildStdout, told: Arc<Mutex<HashMap<String, Vec<Told>>>>) {
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let mut words = line.split(' ');
        let lease = words.next().unwrap_or_default();
        if let Some(told) = told.lock().get_mut(lease).and_then(|all| all.get_mut(candidate)) {
            told.hear(&words.collect::<Vec<_>>());
        }
    }
}

impl Told {
    fn hear(&mut self, words: &[&str]) {
        let number = |at: usize| words.get(at).and_then(|word| word.parse().ok()).unwrap_or_default();
        match words.first() {
            Some(&"leads") => self.leads = Some((number(1), number(2))),
            Some(&"led") => {
                let ended = self.leads.take();
                self.ended.extend(ended.map(|(from, token)| Belief { from, until: number(1), token }));
            }
            Some(&"left") => self.left = true,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_belief_is_told_in_two_lines() {
        let mut told = Told::default();
        told.hear(&["leads", "10", "7"]);
        assert_eq!(told.leads, Some((10, 7)));
        told.hear(&["led", "25"]);
        told.hear(&["left"]);
        assert_eq!(told.ended, [Belief { from: 10, until: 25, token: 7 }]);
        assert!(told.left && told.leads.is_none());
    }
}
