//! A replica that gets no more of what a machine has little of: file descriptors, memory.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::future::join_all;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::set::{START, Set};
use crate::address;
use crate::bench::cost;
use crate::catalogue::Extent;
use crate::check::Figure;
use crate::ground::files;
use crate::history::{Life, LifeEvent, Record};
use crate::observe::connected::Connected;
use crate::scenario::say;
use crate::stage::until;

/// A replica can open no file and accept no connection.
pub const NO_FILES: &str = "a replica has no file descriptors left";

/// The leader gets no more memory.
pub const NO_MEMORY: &str = "the leader gets no more memory";

/// What of one processor it used meanwhile.
pub const BUSY: &str = "of one processor, without a descriptor";

/// How often a replica could not accept a connection.
const REFUSED: &str = "bellwether_accept_errors_total";

/// What the client's name begins with whose connection was open before.
const OPEN: &str = "connected";

/// Between two polls over it.
const CLOSELY: Duration = Duration::from_millis(200);

/// Descriptors that a replica may open beyond those that it has: little, but what a machine with a limit begins with.
const ROOM: u64 = 16;

/// How many more clients want to hold a connection than there is room for.
const QUEUE: u64 = 32;

/// The numbers of the addresses of those who hold connections, and of the one that polls over an open one.
const HOLDERS: u16 = 9_000;
const CONNECTED: u16 = 8_999;

/// Between two changes meanwhile.
const PACE: Duration = Duration::from_secs(5);

/// How often the leader's memory is taken from it, and how often it is looked at whether it is still there.
const TIGHTER: Duration = Duration::from_millis(200);
const LOOK: Duration = Duration::from_millis(2);

/// How long a process that the kernel kills is dead before it is gone: its connections are closed while its memory is still
/// given back.
const DYING: Duration = Duration::from_millis(20);

/// Has clients hold connections to one replica, the leader first and then a follower, until it has no descriptor left.
pub async fn files(set: &mut Set, extent: Extent) -> Result<()> {
    for leads in [true, false] {
        let victim = if leads { set.leader().await? } else { set.follower().await? };
        let pid = set.fleet.replicas[victim].pid().context("it runs")?;
        let played = without_files(set, victim, pid, extent).await;
        files::limit(pid, None)?;
        set.history.life(&set.name(victim), LifeEvent::Joined);
        played?;
        set.heal().await?;
        say(&set.history, format!("{} has descriptors again", set.name(victim)));
        set.settle().await?;
    }
    Ok(())
}

async fn without_files(set: &mut Set, victim: usize, pid: i32, extent: Extent) -> Result<()> {
    let (name, serve) = (set.name(victim), set.fleet.replicas[victim].serve());
    let mut background = JoinSet::new();
    let (client, replica) = (set.history.name(&format!("{OPEN}-{name}")), set.history.name(&name));
    let client = Connected::open(client, set.ground.own(CONNECTED), replica, serve).await?;
    background.spawn(client.run(set.history.clone(), CLOSELY));
    let refused = set.fleet.replicas[victim].metric(REFUSED).await?;
    let limit = files::highest(pid)? + 1 + ROOM;
    files::limit(pid, Some(limit))?;
    // Whoever connects from now on may wait for ever; who is connected must not notice.
    set.history.life(&name, LifeEvent::Cut);
    set.begin(NO_FILES, &[victim]);
    let wanted = limit.saturating_sub(files::open(pid)?) + QUEUE;
    let holders =
        (0..u16::try_from(wanted)?).map(|number| hold(set.ground.own(HOLDERS + number).into(), serve));
    let holders: Vec<_> = join_all(holders).await.into_iter().flatten().collect();
    // It leaves some to others at once: that there was none, it alone can say.
    until("no descriptor left", START, LOOK * 10, async || {
        (set.fleet.replicas[victim].metric(REFUSED).await.ok()? > refused).then_some(())
    })
    .await?;
    say(&set.history, format!("{name} has no descriptor left, and {} clients want one", holders.len()));
    let (start, before) = (Instant::now(), cost::cpu(pid)?);
    while start.elapsed() < extent.time() {
        set.change_arrives(START).await?;
        tokio::time::sleep(PACE).await;
    }
    let used = cost::cpu(pid)?.saturating_sub(before);
    set.history.measured(BUSY, &name, used.as_secs_f64() / start.elapsed().as_secs_f64());
    Ok(())
}

/// A connection that says nothing.
async fn hold(from: std::net::IpAddr, to: SocketAddr) -> Option<tokio::net::TcpStream> {
    address::connect(from, to).await.ok()
}

/// The polls that failed over connections that were open before. Without a value where nobody polled so.
pub fn lost_over_open_connections(history: &[Record]) -> Figure {
    let polls: Vec<_> = history
        .iter()
        .filter_map(|record| match record {
            Record::Poll(poll) if poll.client.starts_with(OPEN) => Some(&poll.answer),
            _ => None,
        })
        .collect();
    let lost = polls.iter().filter(|answer| !answer.is_good()).count();
    let name = "polls lost over a connection that was open before";
    let count = Figure::count(name, lost).of(polls.len());
    if polls.is_empty() { Figure { value: None, ..count } } else { count }
}

/// Takes the leader's memory away until the kernel kills it, and starts it at once, as a kubelet does.
pub async fn memory(set: &mut Set, extent: Extent) -> Result<()> {
    // Memory that a process had before it came into its group may not be counted.
    for replica in &mut set.fleet.replicas {
        replica.group()?;
    }
    super::fleet::restart_each(set, async |_, _| Ok(())).await?;
    set.settle().await?;
    for _ in 0..extent.times() {
        let leader = set.leader().await?;
        set.begin(NO_MEMORY, &[leader]);
        let starved = starve(set, leader).await;
        set.fleet.replicas[leader].group()?.limit_memory(None)?;
        starved?;
        set.launch(leader)?;
        set.change_arrives(START).await?;
        set.heal().await?;
        set.settle().await?;
    }
    Ok(())
}

/// Leaves the replica `index` what it has, and a moment later less, until it asks for more and is killed.
async fn starve(set: &mut Set, index: usize) -> Result<()> {
    let (name, killed) = (set.name(index), set.fleet.replicas[index].group()?.killed()?);
    let end = Instant::now() + START;
    let mut tighter = Instant::now();
    let mut alive;
    loop {
        alive = set.history.now();
        if set.fleet.replicas[index].gone() {
            break;
        }
        ensure!(Instant::now() < end, "{name} lives on without any more memory");
        if Instant::now() >= tighter {
            tighter += TIGHTER;
            let group = set.fleet.replicas[index].group()?;
            let less = group.memory()?;
            // The kernel refuses what it cannot take back at once; what was set before stays.
            let _ = group.limit_memory(Some(less));
        }
        tokio::time::sleep(LOOK).await;
    }
    // Nobody announces it, but it is a death like any other.
    set.history.push(Record::Life(Life {
        replica: set.history.name(&name),
        at: alive.saturating_sub(DYING),
        event: LifeEvent::Killed,
    }));
    set.fleet.replicas[index].ended(START).await?;
    ensure!(
        set.fleet.replicas[index].group()?.killed()? > killed,
        "{name} ended, but not for want of memory"
    );
    set.history.struck("out of memory", &[&name]);
    say(&set.history, format!("the kernel has killed {name} for want of memory"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Answer, Poll};

    fn poll(client: &str, answer: Answer) -> Record {
        let at = Duration::from_secs(1);
        Record::Poll(Poll { client: client.into(), at, end: at, replica: Some("r0".into()), answer })
    }

    #[test]
    fn what_is_lost_over_an_open_connection_is_counted_and_nothing_else() {
        let other = poll("s7", Answer::Failed("no complete answer".into()));
        let good = [other.clone(), poll("connected-r0", Answer::Kept)];
        assert!(lost_over_open_connections(&good).at_most(0.0).kept);
        let bad = [&good[..], &[poll("connected-r0", Answer::Failed("closed".into()))]].concat();
        assert!(!lost_over_open_connections(&bad).at_most(0.0).kept);
        assert!(!lost_over_open_connections(&[other]).at_most(0.0).kept, "nobody polled so");
    }
}
