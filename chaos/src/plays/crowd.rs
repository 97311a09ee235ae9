//! Many clients at once.

use std::time::Duration;

use anyhow::Result;
use futures::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use super::set::{START, Set};
use crate::address;
use crate::catalogue::Extent;
use crate::observe::skippers::{Habits, Skippers};
use crate::scenario::say;
use crate::stage::until;

/// A new table goes to everybody.
pub const STORM: &str = "a new table for everybody";

/// Clients read a table byte by byte.
pub const SLOW: &str = "slow readers";

/// Clients that have nothing come at once.
pub const HERD: &str = "clients come at once";

/// How many read slowly.
const READERS: u16 = 500;

/// What each of them reads in a second, in bytes.
const SIP: usize = 1024;

/// The numbers of the addresses of whoever comes for one scenario.
const VISITORS: u16 = 10_000;

/// Changes the table again and again, each time when all clients have the last one.
pub async fn storm(set: &mut Set, extent: Extent) -> Result<()> {
    set.begin(STORM, &[]);
    for _ in 0..extent.times() {
        set.change_arrives(START).await?;
        set.settle().await?;
    }
    set.heal().await
}

/// Has hundreds of clients read a table at a thousand bytes a second, beside all others.
pub async fn slow_readers(set: &mut Set, extent: Extent) -> Result<()> {
    set.begin(SLOW, &[]);
    let end = Instant::now() + extent.time();
    let readers = (0..READERS).map(async |number| {
        let own = set.ground.own(VISITORS + number).into();
        let Ok(mut stream) = address::connect(own, set.vip.address()).await else { return 0 };
        let asked =
            stream.write_all(b"GET /routes HTTP/1.1\r\nHost: slow\r\nAccept-Encoding: gzip\r\n\r\n").await;
        let (mut sip, mut read) = ([0; SIP], 0);
        while asked.is_ok() && Instant::now() < end {
            match timeout(Duration::from_secs(1), stream.read(&mut sip)).await {
                Ok(Ok(0) | Err(_)) => break,
                Ok(Ok(bytes)) => read += bytes,
                Err(_) => {}
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        read
    });
    let all = join_all(readers).await;
    say(&set.history, format!("{READERS} clients have read {} bytes in all", all.iter().sum::<usize>()));
    set.heal().await?;
    set.change_arrives(START).await.map(drop)
}

/// Starts as many more clients as an extent says, all at once, with nothing in their hands.
pub async fn herd(set: &mut Set, extent: Extent) -> Result<()> {
    let digest = set.agreed().await?;
    set.begin(HERD, &[]);
    let habits = Habits {
        name: "v",
        to: set.vip.address(),
        poll: set.sizes.poll,
        from: set.ground.own(VISITORS),
        ledger: Some(set.vip.ledger()),
        at_once: true,
    };
    let start = Instant::now();
    let visitors = Skippers::start(usize::try_from(extent.times())?, &habits, &set.history);
    until("every visitor with a table", START, Duration::from_millis(20), async || {
        visitors.all_have(&digest).then_some(())
    })
    .await?;
    let took = start.elapsed().as_secs_f64();
    say(&set.history, format!("{} clients that came at once are served after {took:.3} s", extent.times()));
    drop(visitors);
    set.heal().await
}
