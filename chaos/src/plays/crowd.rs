//! Many clients at once.

use std::time::Duration;

use anyhow::Result;
use futures::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};
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

/// From the moment at which they came until each has its table.
pub const SERVED: &str = "all who came at once are served after";

/// The longest that may take.
pub const HERD_SERVED: Duration = Duration::from_secs(10);

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
///
/// In a cluster they run on machines of their own; here they share the processors of those that serve them. So they are
/// behind everybody else for the processor, and each takes the time in which all must be served, where a real one would
/// ask again after its three seconds: what they take for themselves to read, unpack and hash cannot be the replicas' fault.
pub async fn herd(set: &mut Set, extent: Extent) -> Result<()> {
    let digest = set.agreed().await?;
    let behind = Behind::start()?;
    let count = usize::try_from(extent.times())?;
    set.begin(HERD, &[]);
    let habits = Habits {
        name: "v",
        to: set.vip.address(),
        poll: set.sizes.poll,
        patience: HERD_SERVED,
        from: set.ground.own(VISITORS),
        ledger: Some(set.vip.ledger()),
        at_once: true,
    };
    let start = Instant::now();
    let visitors = behind.runs(|| Skippers::start(count, &habits, &set.history));
    until("every visitor with a table", START, Duration::from_millis(20), async || {
        visitors.all_have(&digest).then_some(())
    })
    .await?;
    let took = start.elapsed().as_secs_f64();
    say(&set.history, format!("{} clients that came at once are served after {took:.3} s", extent.times()));
    set.history.measured(SERVED, "", took);
    drop(visitors);
    set.heal().await
}

/// Threads that take what the others leave of the processors.
struct Behind(Option<Runtime>);

impl Behind {
    fn start() -> Result<Self> {
        let last = || {
            // Anybody may step back; where it is refused all the same, the limits are only harder to keep.
            rustix::process::setpriority_process(None, 19).ok();
        };
        let runtime =
            Builder::new_multi_thread().worker_threads(2).on_thread_start(last).enable_all().build()?;
        Ok(Self(Some(runtime)))
    }

    /// What `start` spawns is spawned there.
    fn runs<T>(&self, start: impl FnOnce() -> T) -> T {
        let _here = self.0.as_ref().map(Runtime::enter);
        start()
    }
}

impl Drop for Behind {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
