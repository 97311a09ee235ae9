//! The witness: writes down what replicas do and are, by their own logs, their `/status` and the kernel's books.
//!
//! In: which replicas there are. Out: deeds, states and memory in the history. A replica that does not answer is
//! recorded as silent; one without `/status` (the peer) has deeds and states only as far as others see them.

mod log;

use std::io::SeekFrom;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use http::{StatusCode, header};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::poller::version_of;
use crate::history::{Deed, History, Memory, Name, Record, Role, Seen, State};
use crate::http::Call;

/// How often new lines are looked for. They bring their own times.
const LINES: Duration = Duration::from_millis(50);

/// How often `/status` is asked for.
const STATUS: Duration = Duration::from_millis(100);

/// How long a state that stays as it is goes unwritten; its age grows all the while.
const UNCHANGED: Duration = Duration::from_secs(1);

/// How often memory is looked at.
const MEMORY: Duration = Duration::from_secs(5);

/// A replica to watch.
#[derive(Clone, Debug)]
pub struct Watched {
    /// Its name in the history.
    pub name: Name,
    /// Its log, as JSON lines.
    pub log: PathBuf,
    /// Where it answers `/status`.
    pub support: SocketAddr,
    /// The pid of its newest process; zero before the first.
    pub pid: Arc<AtomicI32>,
}

/// Watches until it is stopped or dropped.
pub struct Witness {
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
}

impl Witness {
    /// Begins to watch.
    pub fn start(replicas: impl IntoIterator<Item = Watched>, history: &History) -> Self {
        let (mut tasks, stop) = (JoinSet::new(), watch::Sender::new(false));
        for replica in replicas {
            tasks.spawn(follow_log(replica.clone(), history.clone(), stop.subscribe()));
            tasks.spawn(ask(replica.clone(), history.clone(), stop.subscribe()));
            tasks.spawn(weigh(replica, history.clone(), stop.subscribe()));
        }
        Self { tasks, stop }
    }

    /// Reads what is left in the logs, and ends.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Waits for the next tick. False: it is time to end.
async fn next(ticks: &mut tokio::time::Interval, stop: &mut watch::Receiver<bool>) -> bool {
    tokio::select! {
        biased;
        _ = stop.wait_for(|stop| *stop) => false,
        _ = ticks.tick() => true,
    }
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

async fn follow_log(replica: Watched, history: History, mut stop: watch::Receiver<bool>) {
    let (mut ticks, mut reader) = (every(LINES), log::Reader::default());
    let mut read = 0;
    loop {
        let go_on = next(&mut ticks, &mut stop).await;
        let bytes = appended(&replica, read).await;
        read += bytes.len() as u64;
        for (at, act) in reader.read(&bytes, history.now(), jiff::Timestamp::now()) {
            history.push(Record::Deed(Deed { replica: replica.name.clone(), at, act }));
        }
        if !go_on {
            return;
        }
    }
}

/// What the log has beyond `from`; nothing where there is none yet.
async fn appended(replica: &Watched, from: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Ok(mut file) = tokio::fs::File::open(&replica.log).await
        && file.metadata().await.is_ok_and(|metadata| metadata.len() > from)
        && file.seek(SeekFrom::Start(from)).await.is_ok()
    {
        let _ = file.read_to_end(&mut bytes).await;
    }
    bytes
}

async fn ask(replica: Watched, history: History, mut stop: watch::Receiver<bool>) {
    let mut ticks = every(STATUS);
    let mut last: Option<(Instant, Option<Seen>)> = None;
    while next(&mut ticks, &mut stop).await {
        let Some(seen) = status(&replica, &history).await else { return };
        let ageless = seen.clone().map(|seen| Seen { age: None, ..seen });
        let known = |(at, last): &(Instant, Option<Seen>)| *last == ageless && at.elapsed() < UNCHANGED;
        if !last.as_ref().is_some_and(known) {
            last = Some((Instant::now(), ageless));
            let (replica, at) = (replica.name.clone(), history.now());
            history.push(Record::State(State { replica, at, seen: seen.map(Box::new) }));
        }
    }
}

/// What `replica` says of itself; `Some(None)` where it does not answer, `None` where it has no `/status` at all.
async fn status(replica: &Watched, history: &History) -> Option<Option<Seen>> {
    let call = Call { deadline: Duration::from_millis(500), ..Call::get(replica.support, "/status") };
    let call = Call { headers: &[(header::ACCEPT, "application/json")], ..call };
    match call.send().await {
        Ok((_, reply)) if reply.status == StatusCode::NOT_FOUND => None,
        Ok((_, reply)) => Some(serde_json::from_slice(&reply.body).ok().map(|it| seen(it, history))),
        Err(_) => Some(None),
    }
}

/// The fields of `/status` that are written down.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    role: Role,
    epoch: Option<u64>,
    sequence: Option<u64>,
    known: String,
    digest: Option<String>,
    age_seconds: Option<f64>,
    current: bool,
    ready: bool,
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an age in milliseconds")]
fn seen(status: Status, history: &History) -> Seen {
    Seen {
        role: status.role,
        version: status.epoch.zip(status.sequence),
        known: version_of(&status.known),
        digest: status.digest.map(|digest| history.name(&digest)),
        age: status.age_seconds.map(|seconds| (seconds * 1e3) as u64),
        current: status.current,
        ready: status.ready,
    }
}

async fn weigh(replica: Watched, history: History, mut stop: watch::Receiver<bool>) {
    let mut ticks = every(MEMORY);
    while next(&mut ticks, &mut stop).await {
        let pid = replica.pid.load(Ordering::Relaxed);
        let book = tokio::fs::read_to_string(format!("/proc/{pid}/status")).await.unwrap_or_default();
        if let Some(rss_kib) = rss_kib(&book) {
            history.push(Record::Memory(Memory {
                replica: replica.name.clone(),
                at: history.now(),
                rss_kib,
            }));
        }
    }
}

/// The resident memory in `/proc/PID/status`, as proc(5) has it: `VmRSS:     1234 kB`.
fn rss_kib(book: &str) -> Option<u64> {
    let line = book.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Act;

    fn watched(log: PathBuf, support: SocketAddr) -> Watched {
        let pid = i32::try_from(std::process::id()).unwrap();
        Watched { name: "r0".into(), log, support, pid: Arc::new(AtomicI32::new(pid)) }
    }

    #[tokio::test]
    async fn deeds_states_and_memory_are_written_down() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("r0.log");
        let history = History::default();
        let ground = crate::ground::Ground::loopback();
        let backend = crate::stage::backend::Backend::start(&ground.place("backend").unwrap()).unwrap();
        let witness = Witness::start([watched(log.clone(), backend.address())], &history);
        let now = jiff::Timestamp::now();
        std::fs::write(
            &log,
            format!("{{\"timestamp\":\"{now}\",\"message\":\"leading\",\"epoch\":\"7\"}}\n"),
        )
        .unwrap();
        let all_kinds = |records: &[Record]| {
            records.iter().any(|record| matches!(record, Record::Deed(deed) if deed.act == Act::Leads(7)))
                && records.iter().any(|record| matches!(record, Record::State(state) if state.seen.is_none()))
                && records.iter().any(|record| matches!(record, Record::Memory(memory) if memory.rss_kib > 0))
        };
        let found = async || all_kinds(&history.records()).then_some(());
        crate::stage::until("all kinds", Duration::from_secs(10), LINES, found).await.unwrap();
        witness.stop().await;
    }

    #[test]
    fn a_status_is_read_as_far_as_it_is_needed() {
        let json = r#"{"role": "leader", "epoch": 7, "sequence": 3, "known": "7.4", "digest": "aa",
            "age_seconds": 2.5, "current": true, "ready": true, "phase": "serving"}"#;
        let seen = seen(serde_json::from_str(json).unwrap(), &History::default());
        let expected = Seen {
            role: Role::Leader,
            version: Some((7, 3)),
            known: Some((7, 4)),
            digest: Some("aa".into()),
            age: Some(2500),
            current: true,
            ready: true,
        };
        assert_eq!(seen, expected);
    }

    #[test]
    fn resident_memory_is_found_in_the_kernels_book() {
        assert_eq!(rss_kib("Name:\tx\nVmRSS:\t   20480 kB\nThreads:\t3\n"), Some(20_480));
        assert_eq!(rss_kib(""), None);
    }
}
